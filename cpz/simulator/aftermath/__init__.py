"""What follows a visit: times of its events, challenges, returns, surveys.

Decides nothing of the visit.
"""
