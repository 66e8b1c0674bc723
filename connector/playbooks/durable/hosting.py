"""A process that runs playbooks: its action server, the way to call it, and its engine, opened and closed together."""

import os
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from connector.errors import ConfigError
from connector.playbooks.calling import Caller
from connector.playbooks.durable.engine import Engine, Limits, open_engine
from connector.playbooks.durable.state import State, journal_place
from connector.server.keys import KEY_VARIABLE, SCOPES, Scope
from connector.server.run import serving
from connector.settings import Settings

SERVER_VARIABLE: Final = "SPECTRA_SERVER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """How playbooks are run here. Without ``server`` one is brought up in this process, from ``settings``.

    secrets: credential variables of playbooks with other targets, by name.
    ca_file: certificates that the server of ``server`` may show.
    """

    state: State
    settings: Settings | None = None
    server: str | None = None
    api_key: SecretStr | None = None
    ca_file: Path | None = None
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    scopes: tuple[Scope, ...] = SCOPES


@dataclass(frozen=True, slots=True)
class _Server:
    url: str
    api_key: SecretStr
    place: str


@asynccontextmanager
async def hosting(how: Hosting, queues: tuple[str, ...] = ()) -> AsyncIterator[Engine]:
    """The engine of this process, taking runs from these queues.

    Raises:
        SpectraError: when the state, the settings or the server cannot be used.
    """
    with _server(how) as server:
        async with (
            Caller(server.url, server.api_key, secrets=how.secrets, verify=_trusted(how)) as caller,
            open_engine(how.state, caller, server.place, limits=how.limits, queues=queues) as engine,
        ):
            yield engine


@contextmanager
def _server(how: Hosting) -> Iterator[_Server]:
    if how.server is not None:
        if how.api_key is None:
            raise ConfigError(f"the action server needs a key: set {KEY_VARIABLE}, or give --api-key-file")
        yield _Server(how.server, how.api_key, how.server)
        return
    if how.settings is None:
        raise ConfigError("there is no action server and no appliance: give --server, or --url and a token")
    with serving(how.settings, scopes=how.scopes) as running:
        yield _Server(running.url, SecretStr(running.api_key or ""), journal_place(how.settings.state))


def _trusted(how: Hosting) -> ssl.SSLContext | None:
    try:
        return None if how.ca_file is None else ssl.create_default_context(cafile=str(how.ca_file))
    except (OSError, ssl.SSLError):
        raise ConfigError("--server-ca must be a PEM file with certificates") from None


def read_secret(path: Path, what: str) -> SecretStr:
    """The one line of a file that holds a secret.

    Raises:
        ConfigError: naming what cannot be read, never its content.
    """
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"the file of {what} cannot be read") from None
    if not text or "\n" in text:
        raise ConfigError(f"the file of {what} must hold one line")
    return SecretStr(text)


def named_secrets(given: Iterable[str]) -> dict[str, SecretStr]:
    """Credential variables from NAME=FILE.

    Raises:
        ConfigError: when it is not of that form, or a file cannot be read.
    """
    made = {}
    for item in given:
        name, equals, path = item.partition("=")
        if not equals or not name or not path:
            raise ConfigError("--secret takes NAME=FILE; the file holds the secret on one line")
        variable = name if name.startswith("__") else f"__{name}__"
        made[variable] = read_secret(Path(path), f"--secret {name}")
    return made


def server_from_environment() -> tuple[str | None, SecretStr | None]:
    """SPECTRA_SERVER and SPECTRA_API_KEY, where they are set."""
    key = os.environ.get(KEY_VARIABLE)
    return os.environ.get(SERVER_VARIABLE) or None, SecretStr(key) if key else None


def state_from(given: str | None) -> State:
    """The state that a person named, or the one in the folder that SPECTRA_STATE names, or in the user's own.

    Raises:
        ConfigError: when it is no folder, file or database.
    """
    return State.of(given, os.environ.get("SPECTRA_STATE") or None)
