"""The one place where httpx is imported, so that its continuation can be swapped in by one line.

httpx imports its own command line when rich is installed, which takes 0.05 s and is never used here; it is kept out.
"""

import sys

_KEPT_OUT = "httpx._main"
sys.modules.setdefault(_KEPT_OUT, None)  # type: ignore[arg-type]  # None makes the import fail, which httpx expects
import httpx  # noqa: E402  # after the line above, on purpose

if sys.modules.get(_KEPT_OUT) is None:
    del sys.modules[_KEPT_OUT]

__all__ = ["httpx"]
