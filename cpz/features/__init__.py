"""Feature declarations and the engines that compute them point in time.

May import cpz.data only.
"""
