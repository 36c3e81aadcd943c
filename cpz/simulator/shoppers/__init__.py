"""What is drawn before the first visit: who there is, and when they come.

Knows the scenario alone.
"""
