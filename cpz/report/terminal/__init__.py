"""Results as Rich tables. Computes no statistic."""
