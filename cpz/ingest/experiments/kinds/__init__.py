"""Kinds of metrics, one file a kind: what it reads, makes and plans. No statistics of variants."""
