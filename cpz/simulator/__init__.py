"""The checkout world: population, behaviour, scenarios and ground truth.

May import cpz.data only.
"""
