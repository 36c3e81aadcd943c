"""Canary analysis: judging metric series, and watching a ramp look by look."""
