"""`cpz evaluate`: off-policy values of policies. Computes nothing itself."""
