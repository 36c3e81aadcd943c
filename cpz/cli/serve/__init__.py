"""`cpz serve` and `cpz load`. Scores and measures nothing itself."""
