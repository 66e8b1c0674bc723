"""Makes the test of one group of the matrix: a case for each cell, in each way to bring it about."""

import gc
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.faults.cells import play
from tests.faults.rules import played

_NAMES: Final = itertools.count(1)


def plays(group: str) -> Callable[..., None]:
    """The parametrised test of a group."""
    found = played(group)

    @pytest.mark.usefixtures("no_descriptor_is_left")
    @pytest.mark.parametrize(("cell", "rule"), found, ids=[str(cell) for cell, _ in found])
    def test(cell: Any, rule: Any, lab: Any, journals: Path) -> None:
        name = f"cell-{next(_NAMES)}"
        play(cell, rule, lab, journals, name)

    return test


def descriptors() -> int:
    gc.collect()
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def settled(most: int, seconds: float = 5.0) -> int:
    """The descriptors that are open once those that are being closed are."""
    ends = time.monotonic() + seconds
    while (found := descriptors()) > most and time.monotonic() < ends:
        time.sleep(0.02)
    return found
