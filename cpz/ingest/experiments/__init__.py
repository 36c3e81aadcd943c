"""Metrics and unit files of experiments. May import data and ingest/logs."""
