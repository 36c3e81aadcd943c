"""The scoring server, its stores and its decision log, and the load generator.

May import evaluation and below; never the simulator or the sealed truth.
"""
