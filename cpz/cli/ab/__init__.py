"""`cpz ab`: plan, rehearse and analyse experiments. Computes nothing itself."""
