"""Metrics and unit files of experiments. May import data, ingest/logs and ingest/files."""
