"""Results as the pages of runs. Computes no statistic."""
