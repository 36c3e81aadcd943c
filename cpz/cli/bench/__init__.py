"""`cpz bench`. Times nothing itself."""
