"""One writer at a time: a lock that the kernel holds for an open file, and drops when its process ends."""

import os
from pathlib import Path


def take(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock of an open file without waiting; False where somebody else holds it.

    Where the system or the file system knows no such lock, there is none, and this says True.
    """
    try:
        import fcntl  # noqa: PLC0415  # not on every system
    except ImportError:  # pragma: no cover
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # pragma: no cover  # a network share without locks
        return True
    return True


def take_file(path: Path) -> int | None:
    """Take a lock that has a file of its own, made for it; None where somebody else holds it.

    Give it back with ``drop_file``.

    Raises:
        OSError: when the file cannot be made.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not take(descriptor):
                os.close(descriptor)
                return None
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)  # whoever held it removed the file in between: what was locked is nobody's


def drop_file(path: Path, descriptor: int) -> None:
    """Remove the file of a lock that is held, then let it go; in this order, so that two never hold one of a name."""
    path.unlink(missing_ok=True)
    os.close(descriptor)
