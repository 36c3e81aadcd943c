"""Off-policy evaluation: one small file an estimator; intervals and audit once above."""
