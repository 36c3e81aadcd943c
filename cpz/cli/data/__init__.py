"""`cpz data`: import and check. Reads no file itself."""
