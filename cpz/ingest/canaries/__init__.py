"""Counts, metric series and judge settings of canaries. May import data and ingest/logs."""
