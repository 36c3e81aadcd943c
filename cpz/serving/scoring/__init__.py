"""From a request to a decision: context, features, trees, policies. Knows no network."""
