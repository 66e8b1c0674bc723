"""A world for the secrets: one appliance, its proxy of faults, and peers that repeat what they were told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.tls import Certificates
from tests.secrecy.scenes import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(Path(tmp_path_factory.mktemp("secrets"))) as made:
        yield made


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    return Certificates()
