"""Outcome models, baselines, policies and the model registry.

May import cpz.features and cpz.data.
"""
