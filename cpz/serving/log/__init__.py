"""The decision log: written while serving, and published as a dataset."""
