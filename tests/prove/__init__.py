"""The heavy proofs, which take minutes and run in an environment of their own (requirements/prove.lock)."""
