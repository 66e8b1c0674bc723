"""What stands between this machine and an answer of the appliance: checks in order, each with a next step.

The order is that of a request: settings, address, TLS, credentials, endpoints, clock. A check that fails ends those
that build upon it. Nothing is changed on the appliance, and no secret is ever part of what is found.
"""

import os
import statistics
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from connector import tls
from connector.certificate import Address, accepted, days_left, look, reached
from connector.client import Connector
from connector.endpoints import FILE_STATUS
from connector.errors import AuthError, ConfigError, SpectraError, TlsError
from connector.probing import NO_HASH, Executes, endpoints, registered
from connector.settings import FILE_VARIABLE, PREFIX, Settings
from connector.steps import file_statuses

State = Literal["ok", "warn", "fail"]
EXPIRES_SOON: Final = 30  # days
SKEW: Final = 60.0  # seconds
SLOW: Final = 2.0  # seconds
WRONG_CREDENTIALS: Final = "make a new token on the appliance (Administration, Tokens), for a user who may use its API"
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found, and what to do about it. ``error`` is why it failed."""

    name: str
    state: State
    found: str
    next: str | None = None
    error: SpectraError | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "state": self.state, "found": self.found, "next": self.next}


def failed(name: str, error: SpectraError) -> Check:
    return Check(name, "fail", error.message, error.hint or "see the message", error)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds that only grow, and seconds of the epoch."""

    steady: Callable[[], float] = time.perf_counter
    wall: Callable[[], float] = time.time


def diagnose(settings: Settings, sources: str, clocks: Clocks | None = None) -> Iterator[Check]:
    """Every check, as its result is known; ``sources`` says where the settings come from."""
    yield _settings(settings, sources)
    yield from _appliance(settings, clocks or Clocks())
    yield from _permissions(settings)


def _appliance(settings: Settings, clocks: Clocks) -> Iterator[Check]:
    steps: tuple[Callable[[], Check], ...] = (
        lambda: _address(settings),
        lambda: _tls(settings, clocks),
    )
    for step in steps:
        check = step()
        yield check
        if check.state == "fail":
            return
    try:
        with Connector(settings) as connector:
            yield from answers(connector, settings, clocks)
    except SpectraError as error:
        yield failed("credentials", error)


def answers(connector: Executes, settings: Settings, clocks: Clocks) -> Iterator[Check]:
    """The checks that need the appliance to answer."""
    try:
        connector.execute(file_statuses([NO_HASH]))
    except SpectraError as error:
        if isinstance(error, AuthError):
            yield Check("credentials", "fail", error.message, WRONG_CREDENTIALS, error)
        else:
            yield failed("answers", error)
        return
    yield Check("credentials", "ok", "the appliance accepts them")
    try:
        yield _endpoints(connector, settings)
        times, skews = zip(*(_measured(connector, clocks) for _ in range(3)), strict=True)
    except SpectraError as error:
        yield failed("answers", error)
        return
    yield _clock(statistics.median(skews))
    yield _latency(statistics.median(times))


# --- settings


def where_from(arguments: Mapping[str, Any], environ: Mapping[str, str] | None = None, file: Path | None = None) -> str:
    """Which settings are given, and where each comes from; never a value."""
    environment = os.environ if environ is None else environ
    named = file or (Path(environment[FILE_VARIABLE]) if environment.get(FILE_VARIABLE) else None)
    in_file = _names_in(named)
    told = []
    for name in Settings.model_fields:
        if arguments.get(name) is not None:
            told.append(f"{name} (command line)")
        elif environment.get(PREFIX + name.upper()):
            told.append(f"{name} (environment, {PREFIX}{name.upper()})")
        elif name in in_file:
            told.append(f"{name} (file {named})")
    return ", ".join(told) or "none"


def _names_in(path: Path | None) -> set[str]:
    try:
        return set(tomllib.loads(path.read_text("utf-8"))) if path else set()
    except (OSError, ValueError):
        return set()


def _settings(settings: Settings, sources: str) -> Check:
    try:
        token = settings.credential()
    except ConfigError as error:
        return failed("settings", error)
    if token is None and settings.username is None:
        nothing = ConfigError(
            f"no credentials are set (given: {sources})",
            hint=f"export {PREFIX}TOKEN, or name a file in token_file, or give username and password",
        )
        return failed("settings", nothing)
    return Check("settings", "ok", f"{settings.url}; given: {sources}")


def _permissions(settings: Settings) -> Iterator[Check]:
    allowed = f"allow_cloud is {_word(settings.allow_cloud)}, allow_delete is {_word(settings.allow_delete)}"
    yield Check("permissions", "ok", allowed)
    roots = settings.file_roots
    if roots is None:
        yield Check("file_roots", "ok", "no limit: any file that this user can read may be submitted")
        return
    missing = [str(root) for root in roots if not root.expanduser().is_dir()]
    told = ", ".join(map(str, roots)) or "none: no file may be read"
    if missing:
        yield Check("file_roots", "warn", told, f"{missing[0]} is not a folder; correct file_roots")
    else:
        yield Check("file_roots", "ok", told)


def _word(allowed: bool) -> str:
    return "on" if allowed else "off"


# --- address and TLS


def _host(settings: Settings) -> Address:
    parts = urlsplit(settings.proxy or settings.url)
    return Address(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


def _address(settings: Settings) -> Check:
    address = _host(settings)
    try:
        with reached(address) as connection:
            peer = connection.getpeername()[0]
    except SpectraError as error:
        return failed("address", error)
    through = "the proxy " if settings.proxy else ""
    return Check("address", "ok", f"{through}{address.shown} takes connections ({peer})")


def _tls(settings: Settings, clocks: Clocks) -> Check:
    """Whether the connector would accept the certificate; if not, or not for long, what to do."""
    address = _host(settings)
    if settings.url.startswith("http:"):
        if address.host in LOOPBACK:
            return Check("tls", "ok", "none: http to this machine itself")
        return Check("tls", "warn", "none: the token is sent in the clear", "use the https address of the appliance")
    if settings.proxy:
        return Check("tls", "ok", "not looked at through a proxy; the next check connects as actions do")
    try:
        return _handshake(settings, address, clocks)
    except TlsError as error:
        return failed("tls", TlsError(error.message, hint=f"run `spectra trust {settings.url}` to see what it shows"))
    except SpectraError as error:
        return failed("tls", error)


def _handshake(settings: Settings, address: Address, clocks: Clocks) -> Check:
    client = tls.readable(settings.client_cert)
    context = tls.context(
        tls.readable(settings.ca_file), settings.ca_pem, settings.certificate_sha256, settings.verify_tls, client
    )
    protocol = accepted(address, context)
    shown = look(address, client_cert=client)
    if not settings.verify_tls:
        step = f"run `spectra trust {settings.url}`, set ca_file, and leave verify_tls out"
        return Check("tls", "warn", f"{protocol}, not verified: anyone in between can read and change this", step)
    if shown.details is None:
        return Check("tls", "ok", f"{protocol}; the certificate is accepted; its details cannot be shown")
    left = days_left(shown.details, clocks.wall())
    held = "pinned" if settings.certificate_sha256 else "verified"
    told = f"{protocol}, {held}; issued by {shown.details.issuer} for {', '.join(shown.details.names) or 'no names'}"
    if left <= EXPIRES_SOON:
        return Check("tls", "warn", f"{told}; expires in {left} days", "renew the certificate of the appliance")
    return Check("tls", "ok", f"{told}; expires in {left} days")


# --- what the appliance answers


def _endpoints(connector: Executes, settings: Settings) -> Check:
    """Which generation is there, against what api_generation asks for."""
    found, wanted = endpoints(connector), settings.api_generation
    if not found.any:
        nothing = ConfigError(
            f"none of the appliance's endpoints is there but {FILE_STATUS.path}",
            hint="is this the address of a Spectra Analyze appliance?",
        )
        return failed("endpoints", nothing)
    if any(registered()[path].generation == wanted for path in found.missing):
        return Check("endpoints", "warn", str(found), f"api_generation is {wanted}; set it to auto")
    return Check("endpoints", "ok", str(found))


def _measured(connector: Executes, clocks: Clocks) -> tuple[float, float]:
    """Seconds of one request, and how far the appliance's clock is ahead of this machine's."""
    began, wall = clocks.steady(), clocks.wall()
    found = connector.execute(file_statuses([NO_HASH]))
    took = clocks.steady() - began
    theirs = datetime.fromisoformat(found.answered_at).timestamp()
    return took, theirs - (wall + took / 2)


def _clock(skew: float) -> Check:
    if abs(skew) <= SKEW:
        return Check("clock", "ok", f"within {max(1, round(abs(skew)))} s of this machine's")
    way = "ahead of" if skew > 0 else "behind"
    found = f"the appliance's clock is {abs(skew):.0f} s {way} this machine's"
    return Check("clock", "warn", found, "set both by NTP: times in STIX and in searches are the appliance's")


def _latency(seconds: float) -> Check:
    found = f"{seconds * 1000:.0f} ms for a request (median of 3)"
    if seconds <= SLOW:
        return Check("latency", "ok", found)
    return Check("latency", "warn", found, "look at the network and the load of the appliance; raise deadline_seconds")
