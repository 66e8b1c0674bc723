"""API keys and their scopes; of a key only its SHA-256 is kept, and every comparison takes the same time."""

import hashlib
import hmac
import re
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from starlette.requests import Request

from connector.errors import ConfigError
from connector.server.problems import refused

Scope = Literal["read", "submit", "destroy", "approve"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
DEFAULT_SCOPES: Final[tuple[Scope, ...]] = ("read", "submit")
KEY_VARIABLE: Final = "SPECTRA_API_KEY"
SCOPES_VARIABLE: Final = "SPECTRA_API_SCOPES"
PREFIX: Final = "spectra_"  # so that a scanner for secrets in files can find one
_ACCEPTED: Final = r"[!-~]{16,256}"
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


@dataclass(frozen=True, slots=True)
class Key:
    """One key by its digest; the name is what the log calls it."""

    name: str
    digest: bytes
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one server."""

    known: tuple[Key, ...]

    def find(self, plain: str) -> Key | None:
        """The key of this text; all are compared, so the time tells nothing about any."""
        digest = digest_of(plain)
        matching = [key for key in self.known if hmac.compare_digest(key.digest, digest)]
        return matching[0] if matching else None


def digest_of(plain: str) -> bytes:
    return hashlib.sha256(plain.encode("utf-8", "surrogateescape")).digest()


def generated(scopes: Iterable[Scope], name: str = "generated") -> tuple[str, Key]:
    """A new random key (256 bits): its text, to be shown once, and what is kept of it."""
    plain = PREFIX + secrets.token_urlsafe(32)
    return plain, Key(name, digest_of(plain), frozenset(scopes))


def toml_entry(key: Key) -> str:
    """A key as it stands in the file of --keys."""
    scopes = ", ".join(f'"{scope}"' for scope in SCOPES if scope in key.scopes)
    return f'[[key]]\nname = "{key.name}"\nsha256 = "{key.digest.hex()}"\nscopes = [{scopes}]\n'


def from_environment(environ: Mapping[str, str]) -> Keys | None:
    """The one key of SPECTRA_API_KEY with the scopes of SPECTRA_API_SCOPES; None where there is none.

    Raises:
        ConfigError: naming the variable; its value is not repeated.
    """
    plain = environ.get(KEY_VARIABLE)
    if not plain:
        return None
    if not re.fullmatch(_ACCEPTED, plain):
        raise ConfigError(
            f"{KEY_VARIABLE} must be 16 to 256 visible ASCII characters without spaces",
            hint="run spectra serve keygen for one that nobody can guess",
        )
    return Keys((Key(KEY_VARIABLE, digest_of(plain), read_scopes(environ.get(SCOPES_VARIABLE))),))


def read_scopes(text: str | None) -> frozenset[Scope]:
    """Scopes from a comma-separated text; left out, they are read and submit.

    Raises:
        ConfigError: naming the scopes that there are.
    """
    named = [part.strip() for part in text.split(",")] if text else list(DEFAULT_SCOPES)
    return _scopes(named, "the scopes")


def _scopes(named: object, where: str) -> frozenset[Scope]:
    if not isinstance(named, list) or not named or not all(scope in SCOPES for scope in named):
        raise ConfigError(f"{where} must be one or more of {', '.join(SCOPES)}")
    return frozenset(named)


def from_file(path: Path) -> Keys:
    """The keys of a TOML file: ``[[key]]`` with name, sha256 and scopes.

    Raises:
        ConfigError: saying which entry is not accepted, and why.
    """
    try:
        entries = tomllib.loads(path.read_text("utf-8")).get("key")
    except (OSError, ValueError):
        raise ConfigError("the file of --keys must be readable and valid TOML") from None
    if not isinstance(entries, list) or not entries:
        raise ConfigError("the file of --keys must hold at least one [[key]]", hint="run spectra serve keygen")
    keys = tuple(_entry(entry, f"key {number} of --keys") for number, entry in enumerate(entries, 1))
    if len({key.name for key in keys}) < len(keys) or len({key.digest for key in keys}) < len(keys):
        raise ConfigError("the keys of --keys must have names and digests of their own")
    return Keys(keys)


def check_name(name: object, where: str = "the key") -> str:
    """A name as the log may hold it.

    Raises:
        ConfigError: saying what is accepted.
    """
    if not isinstance(name, str) or not re.fullmatch(_NAME, name):
        raise ConfigError(f"{where} must have a name of at most 64 letters, digits, dots, underscores and hyphens")
    return name


def _entry(entry: Any, where: str) -> Key:
    if not isinstance(entry, dict) or entry.keys() != {"name", "sha256", "scopes"}:
        raise ConfigError(f"{where} must hold name, sha256 and scopes, and nothing else")
    name, digest = check_name(entry["name"], where), entry["sha256"]
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise ConfigError(f"{where} must have the SHA-256 of its key, as 64 hexadecimal digits")
    return Key(name, bytes.fromhex(digest), _scopes(entry["scopes"], f"the scopes of {where}"))


def required(request: Request) -> Key:
    """The key that a request came with.

    Raises:
        Refused: 401, where it has none or one that is not known.
    """
    values = request.headers.getlist("authorization")
    scheme, _, plain = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    keys: Keys = request.app.state.keys
    key = keys.find(plain.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise refused(
            "no_key",
            "a valid API key is needed, and nothing was done",
            hint="send the header Authorization: Bearer KEY",
            headers={"www-authenticate": 'Bearer realm="spectra"'},
        )
    request.state.key = key.name
    return key


def require(request: Request, scope: Scope) -> Key:
    """The key that a request came with, which must have this scope; for every route that needs one.

    Raises:
        Refused: 401 without a valid key, 403 where it lacks the scope.
    """
    key = required(request)
    allow(key, scope)
    return key


def allow(key: Key, scope: Scope) -> None:
    """Refuse a key that lacks a scope.

    Raises:
        Refused: 403, naming the scope.
    """
    if scope not in key.scopes:
        raise refused(
            "missing_scope",
            f"this needs the scope {scope}, which this API key does not have; nothing was done",
            hint=f"use a key whose scopes include {scope}",
            headers={"www-authenticate": f'Bearer realm="spectra", error="insufficient_scope", scope="{scope}"'},
        )
