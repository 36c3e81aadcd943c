"""`cpz simulate`. Draws nothing itself."""
