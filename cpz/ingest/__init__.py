"""What comes from outside: foreign logs, experiments, canaries. May import data alone."""
