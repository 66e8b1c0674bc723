"""One server for the tests that leave it as it was; its appliance is as new for each of them."""

from collections.abc import Callable, Iterator

import pytest

from tests.laboratory import Lab
from tests.server.served import Served, settings_of, started


@pytest.fixture(scope="session")
def shared(appliances: Callable[[str], Lab]) -> Iterator[Served]:
    more = {"allow_delete": True, "allow_cloud": True, "deadline_seconds": 60.0}
    with started(settings_of(appliances("9.6"), **more), max_body=1 << 20) as served:
        yield served


@pytest.fixture
def server(lab: Lab, shared: Served) -> Served:
    """The shared server, for tests that make no action fail on the appliance."""
    return shared
