"""Scenarios: their constants and presets, schedules over time, and the world they make.

Draws nothing.
"""
