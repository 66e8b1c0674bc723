"""Bytes that reach a file whole."""

import os


def write_all(descriptor: int, data: bytes) -> int:
    """Write all of it, however little the system takes at a time; says how much that was."""
    written = os.write(descriptor, data)
    if written < len(data):
        rest = memoryview(data)
        while written < len(rest):
            written += os.write(descriptor, rest[written:])
    return written
