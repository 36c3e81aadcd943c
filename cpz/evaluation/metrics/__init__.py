"""Predictive metrics: one file a metric, one signature."""
