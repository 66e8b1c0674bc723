"""Nothing leaks, nothing is followed, and nothing is taken from the environment."""
