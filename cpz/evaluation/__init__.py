"""Predictive metrics, off-policy evaluation, experiments and canaries: values in, values out.

May import models and below; never the simulator or the sealed truth, no file, no clock.
"""
