"""`cpz train`. Fits nothing itself."""
