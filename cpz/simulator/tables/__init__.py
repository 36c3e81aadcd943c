"""Visits as tables: rows, identities, faults, one part of a dataset. Draws no behaviour."""
