"""The scoring server and load generator (their commands come with a later release).

May import cpz.models, cpz.features and cpz.data.
"""
