"""Experiments: plans and analyses of randomised comparisons, from sufficient statistics."""
