"""Foreign logs: readers, casts, mappings, import, policy files. May import data alone."""
