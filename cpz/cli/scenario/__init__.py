"""`cpz scenario`: list, show, check and compare scenarios. Knows no rule of them."""
