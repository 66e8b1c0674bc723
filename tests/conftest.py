"""Appliances to test against: one server for each release in a run, as new for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from connector.emulator import serve
from tests.laboratory import Lab

settings.register_profile(
    "house", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("house")


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of its own for the journals of a run, also of the processes that tests start."""
    home = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(home))
        yield home


@pytest.fixture(scope="session")
def appliances() -> Iterator[Callable[[str], Lab]]:
    """The appliance of a release, started when it is first asked for."""
    with ExitStack() as stack:

        @cache
        def started(release: str) -> Lab:
            lab = Lab(stack.enter_context(serve(release=release)))
            stack.callback(lab.http.close)
            return lab

        yield started


@pytest.fixture
def lab(appliances: Callable[[str], Lab]) -> Iterator[Lab]:
    """An appliance of release 9.6, which has both generations of endpoints, as new; every fault planned must fire."""
    lab = appliances("9.6").as_new()
    yield lab
    lab.require_fired()
