"""The audit of a log before any headline: one small rule a check. Estimates no value."""
