"""The files that a log was rotated into, by their names: ``eve.json.1``, ``eve.json-20260101``, ``eve-20260101.json``.

These are the names that logrotate gives (``dateext``, ``extension``, see its manual page). What is packed is left out.
"""

import re
import stat
from pathlib import Path
from typing import Final

_MARK: Final = r"[.-]\d[\dT._:-]*"


def rotated(path: Path) -> list[Path]:
    """The files beside ``path`` that were ``path`` once, the one that was written to longest ago first."""
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    names = re.compile(f"{stem}(?:{suffix}{_MARK}|{_MARK}{suffix})")
    there: list[tuple[int, Path]] = []
    try:
        beside = [one for one in path.absolute().parent.iterdir() if names.fullmatch(one.name)]
    except OSError:
        return []
    for one in beside:
        try:
            found = one.stat()
        except OSError:  # gone since
            continue
        if stat.S_ISREG(found.st_mode):
            there.append((found.st_mtime_ns, one))
    return [one for _, one in sorted(there)]
