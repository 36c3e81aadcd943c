"""Feature declarations and the engines that compute them point in time.

May import data and ingest; never the sealed truth.
"""
