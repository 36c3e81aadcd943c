"""The mutation run: cosmic-ray's mutants, tried by the fast tests; no product code lives here."""
