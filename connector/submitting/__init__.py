"""The rooms of directory.py, which submits a directory: walk, hash, ask, send, record, and read verdicts."""
