"""`cpz canary`: rehearse, analyse, judge and replay canaries. Computes nothing itself."""
