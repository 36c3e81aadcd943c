"""What comes from outside: files, foreign logs, policies, experiments, canaries.

May import data alone.
"""
