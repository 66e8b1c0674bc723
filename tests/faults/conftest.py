"""A tiny upstream, a proxy in front of it, and the certificates of a run."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.playing import descriptors, settled
from tests.faults.proxy import FaultProxy
from tests.faults.tiny import Tiny
from tests.faults.tls import Certificates
from tests.laboratory import Lab


@pytest.fixture(scope="session")
def tiny_server() -> Iterator[Tiny]:
    server = Tiny()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def tiny(tiny_server: Tiny) -> Tiny:
    tiny_server.done.clear()
    tiny_server.peers.clear()
    return tiny_server


@pytest.fixture
def proxy(tiny: Tiny) -> Iterator[FaultProxy]:
    with FaultProxy(tiny.url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the journal that the cells of a file share, as the operations of a host do, and for their files."""
    return tmp_path_factory.mktemp("matrix")


@pytest.fixture(scope="module")
def no_descriptor_is_left(appliances: Callable[[str], Lab]) -> Iterator[None]:
    """After all cells of a file, as many descriptors are open as before the first one."""
    appliances("9.6").as_new().http.get("/_lab/ledger")
    before = descriptors()
    yield
    assert settled(before) <= before
