"""Policies and outcome predictions from files, matched to a log.

May import data, files and logs.
"""
