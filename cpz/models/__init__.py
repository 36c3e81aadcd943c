"""Outcome models, baselines, policies and the model registry.

May import features, ingest and data; never the sealed truth.
"""
