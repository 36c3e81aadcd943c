"""Foreign logs: mappings, casts, sessions, import. May import data and ingest/files."""
