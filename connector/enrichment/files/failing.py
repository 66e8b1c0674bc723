"""What a file does not let us do, as an error that says what to do about it."""

from pathlib import Path

from connector.errors import StateError
from connector.printable import printable


def shown(path: Path) -> str:
    """The name of a file as it is told to people."""
    return printable(path.name)


def unusable(what: str, path: Path | None, problem: OSError, done: str, hint: str) -> StateError:
    """``what`` cannot be used for a reason that the system gives; ``done`` says what became of the rest."""
    why = problem.strerror or "the system gives no reason"
    named = f"{what} {shown(path)}" if path is not None else what
    return StateError(f"{named} cannot be {done}: {why}", hint=hint)
