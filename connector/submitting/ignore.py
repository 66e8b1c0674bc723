"""Which files of a directory are left out: rules in gitignore syntax, and a largest size.

Rules come from one file at the top of the directory and from the caller. Rule files deeper down are not read: they may
have come with the samples, and must not be able to hide one.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pathspec import GitIgnoreSpec

from connector.errors import InputRefused, Violation

IGNORE_FILE: Final = ".spectraignore"


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one directory; a later rule wins over an earlier one."""

    spec: GitIgnoreSpec
    max_bytes: int | None = None

    @classmethod
    def read(cls, root: Path, patterns: tuple[str, ...] = (), max_bytes: int | None = None) -> "Rules":
        """The rules of the directory's own file, then ``patterns``.

        Raises:
            InputRefused: when the file cannot be read, or naming the pattern that is none.
        """
        lines = _lines(root / IGNORE_FILE)
        for line in lines:
            _pattern(line, IGNORE_FILE)
        for pattern in patterns:
            _pattern(pattern, "/ignore")
        return cls(GitIgnoreSpec.from_lines([*lines, *patterns]), max_bytes)

    def reason(self, path: str, size: int | None = None) -> str | None:
        """Why a path is left out, or None; the path of a folder ends in a slash."""
        if size is not None and self.max_bytes is not None and size > self.max_bytes:
            return f"it is larger than {self.max_bytes} bytes"
        found = self.spec.check_file(path)
        if not found.include or found.index is None:
            return None
        rule: Any = self.spec.patterns[found.index]
        return f"it matches the ignore rule {rule.pattern}"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError):
        raise InputRefused(
            f"{IGNORE_FILE} cannot be read, and nothing was sent: make it a UTF-8 text file, or remove it"
        ) from None


def _pattern(text: str, where: str) -> None:
    try:
        GitIgnoreSpec.from_lines([text])
    except (ValueError, re.error):
        found = Violation(where, f"{text!r} is not a pattern in gitignore syntax")
        raise InputRefused.of([found], "an ignore rule") from None
