"""Where a Redis is and which stream is meant, read from one address; the password is in no message.

``redis://[user:password@]host[:port][/db][?stream=NAME]``, ``rediss://`` for TLS, and
``unix://[user:password@]/path[?db=N&stream=NAME]``: the forms of redis-py (Redis.from_url), with a stream's name added.
"""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from connector.errors import ConfigError
from connector.printable import printable

PORT: Final = 6379
_ALLOWED: Final = {
    "redis": frozenset({"stream"}),
    "rediss": frozenset({"stream", "ssl_ca_certs"}),
    "unix": frozenset({"stream", "db"}),
}


@dataclass(frozen=True, slots=True)
class Address:
    """One Redis; ``path`` is that of a Unix socket, and ``ca`` the file of the CA where the system's are not meant."""

    scheme: str
    host: str = ""
    port: int = PORT
    path: str = ""
    database: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: str | None = None
    stream: str | None = None

    @property
    def shown(self) -> str:
        """Where it is, for people: without user and password."""
        if self.scheme == "unix":
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.database}"


def read_address(text: str, *, stream: bool, ca: str | None = None) -> Address:
    """An address from its text; ``stream`` says whether one must be named, and ``ca`` is used where the text has none.

    Raises:
        ConfigError: naming the part that is not accepted.
    """
    scheme = text.partition("://")[0].lower()
    if scheme not in _ALLOWED:
        raise ConfigError("the address of a Redis must begin with redis://, rediss:// or unix://")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # its text would repeat what was given, the password with it
        raise _refused("host and port must be as in 127.0.0.1:6379 or [::1]:6379") from None
    if "#" in text or "@" in parts.path + parts.query:
        raise _refused("write the characters # @ : / ? of a name or a password as %23 %40 %3A %2F %3F")
    options = _options(parts.query, scheme)
    where = (
        {"path": _path(parts.path, host), "database": _database(options.get("db", ""))}
        if scheme == "unix"
        else {"host": _host(host), "port": PORT if port is None else port, "database": _database(parts.path[1:])}
    )
    if stream and not options.get("stream"):
        raise _refused("the stream is missing; end the address with ?stream=NAME")
    return Address(
        scheme=scheme,
        user=_plain(parts.username),
        password=_plain(parts.password),
        ca=options.get("ssl_ca_certs") or ca,
        stream=options.get("stream") or None,
        **where,  # type: ignore[arg-type]  # three names, each with its own type
    )


def _options(query: str, scheme: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    for name, _ in pairs:
        if name not in _ALLOWED[scheme]:
            raise _refused(f"{printable(name)[:40]!r} is no option; it can be {_listed(_ALLOWED[scheme])}")
    options = dict(pairs)
    if len(options) < len(pairs):
        raise _refused("an option is given twice")
    return options


def _listed(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))


def _host(host: str) -> str:
    if not host:
        raise _refused("the host is missing")
    return unquote(host)


def _path(path: str, host: str) -> str:
    if host or len(path) < 2:
        raise _refused("unix:// is followed by the whole path of the socket, as in unix:///run/redis.sock")
    return unquote(path)


def _database(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise _refused("the database must be a number, as in /0")
    return int(text)


def _plain(text: str | None) -> str | None:
    return unquote(text) if text else None


def _refused(why: str) -> ConfigError:
    return ConfigError(f"the address of the Redis was refused: {why}")
