"""Counts, metric series and judge settings of canaries.

May import data, ingest/logs and ingest/files.
"""
