"""The scoring server, its stores and its decision log, and the load generator.

May import cpz.models, cpz.features and cpz.data.
"""
