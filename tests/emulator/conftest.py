"""An appliance per test, on a real socket."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from connector.emulator import serve
from tests.emulator.analyst import Analyst

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples"
Opener = Callable[..., Analyst]


@pytest.fixture
def open_appliance() -> Iterator[Opener]:
    """Serve appliances of the test's own choosing."""
    with ExitStack() as stack:

        def opened(**settings: Any) -> Analyst:
            analyst = Analyst(stack.enter_context(serve(**settings)))
            stack.callback(analyst.http.close)
            return analyst

        yield opened


@pytest.fixture
def analyst(open_appliance: Opener) -> Analyst:
    """An appliance of release 9.6, with both API generations."""
    return open_appliance()


@pytest.fixture
def captured() -> Callable[[str], Any]:
    """Read a captured body of a real appliance, where they are at hand."""

    def read(name: str) -> Any:
        path = SAMPLES / name
        if not path.exists():
            pytest.skip("captured bodies are not at hand")
        return json.loads(path.read_text())

    return read
