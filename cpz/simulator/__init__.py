"""The checkout world: scenarios, shoppers, visits, their aftermath and the ground truth.

May import data alone.
"""
