"""Where the texts of playbooks are: those that come with the package, by name, and files."""

from pathlib import Path
from typing import Final

from connector.errors import InputRefused, Violation

HOME: Final = Path(__file__).parent / "shipped"  # in a wheel; in a checkout they are at its top
CHECKOUT: Final = Path(__file__).parents[2] / "playbooks"
LARGEST: Final = 4 * 1024 * 1024


def shipped() -> dict[str, Path]:
    """The playbooks that come with the package, by name."""
    folder = HOME if HOME.is_dir() else CHECKOUT
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def read(name: str) -> bytes:
    """The text of a playbook: a file of this path, or one of this name that comes with the package.

    Raises:
        InputRefused: when there is neither, or it is too large.
    """
    path = shipped().get(name, Path(name))
    try:
        if path.stat().st_size > LARGEST:
            raise InputRefused.of([Violation("", f"must not be larger than {LARGEST} bytes")], "the playbook")
        return path.read_bytes()
    except OSError:
        told = f"must be a file, or one of {', '.join(shipped())}"
        raise InputRefused.of([Violation("", told)], "the playbook") from None
