"""A tiny upstream, a proxy in front of it, and the certificates of a run."""

import threading
from collections.abc import Iterator

import pytest

from tests.faults.proxy import FaultProxy
from tests.faults.tiny import Tiny
from tests.faults.tls import Certificates


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
