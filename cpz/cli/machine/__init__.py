"""`cpz doctor` and `cpz version`: what this machine has. Imports no other part of cpz but data."""
