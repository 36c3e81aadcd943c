"""Predictive metrics, off-policy evaluation, experiments and reports.

May import cpz.models, cpz.features and cpz.data; never cpz.simulator or the sealed truth.
"""
