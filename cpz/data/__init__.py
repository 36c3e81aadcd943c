"""Contracts: tables, datasets, the Policy protocol, errors, and the import of foreign logs.

May import nothing of cpz but itself.
"""
