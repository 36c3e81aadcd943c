"""Contracts: tables, datasets, manifests, workspace, errors, the Policy protocol, keyed randomness.

May import nothing of cpz but itself.
"""
