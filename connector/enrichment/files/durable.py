"""Bytes that reach a file whole, and names that outlive a power cut."""

import os
from contextlib import suppress
from pathlib import Path


def write_all(descriptor: int, data: bytes) -> int:
    """Write all of it, however little the system takes at a time; says how much that was."""
    written = os.write(descriptor, data)
    if written < len(data):
        rest = memoryview(data)
        while written < len(rest):
            written += os.write(descriptor, rest[written:])
    return written


def sync_folder(path: Path) -> None:
    """Make the name of a file as durable as its content, where the system can."""
    with suppress(OSError):
        folder = os.open(path.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
