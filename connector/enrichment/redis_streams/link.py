"""One client of a Redis, and what its errors mean here: wait and try again, or somebody must mend something first."""

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ConnectionError,  # noqa: A004  # the client's own name of it
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,  # noqa: A004  # as above
)

from connector.enrichment.redis_streams.address import Address
from connector.errors import ConfigError, ConnectFailed, SpectraError, StateError, Unreachable
from connector.printable import printable

PASSWORD: Final = "SPECTRA_REDIS_PASSWORD"  # noqa: S105  # the variable that is read where an address has no password
# Error codes of a server that will do it later: it loads its data, has no disk, lost its master, or runs a script.
LATER: Final = frozenset({"LOADING", "MISCONF", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", "BUSY"})
_RAW: Final = ("XREADGROUP", "XCLAIM", "XPENDING")


class Link:
    """A client that is made when it is first used, on the loop that uses it.

    ``seconds`` is how long an answer may take, the time of a blocking read included; ``again`` is how often a command
    whose connection broke is sent once more: 0 where it must not be done twice.

    Raises:
        ConfigError: when the file of the CA cannot be read.
    """

    def __init__(self, address: Address, seconds: float, again: int = 0) -> None:
        self.address = address
        self._seconds, self._again = seconds, again
        self._client: Redis | None = None
        _check_ca(address.ca)

    @property
    def client(self) -> Redis:
        if self._client is None:
            self._client = _client(self.address, self._seconds, self._again)
        return self._client

    @asynccontextmanager
    async def guarded(self) -> AsyncIterator[Redis]:
        """The client, for commands whose errors are told in our words.

        Raises:
            Unreachable: when it may work later.
            StateError: when somebody must mend something first.
        """
        try:
            yield self.client
        except (RedisError, OSError) as error:
            if isinstance(error, ReadOnlyError):  # a replica now: what the name stands for may have moved
                with suppress(RedisError, OSError):
                    await self.client.connection_pool.disconnect()
            raise told(error, self.address) from None

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            with suppress(RedisError, OSError):
                await client.aclose()


def _client(address: Address, seconds: float, again: int) -> Redis:
    password = address.password or os.environ.get(PASSWORD) or None
    options: dict[str, Any] = {
        "db": address.database,
        "username": address.user if password else None,
        "password": password,
        "protocol": 2,  # the same shape of answers from every release of the client
        "socket_timeout": seconds,
        "socket_connect_timeout": min(seconds, 5.0),
        "retry": Retry(NoBackoff(), again, (ConnectionError,)),  # a time-out has taken long enough
    }
    if address.scheme == "unix":
        options["unix_socket_path"] = address.path
    else:
        options |= {"host": address.host, "port": address.port}
    if address.scheme == "rediss":
        options |= {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_ca_certs": address.ca}
    client = Redis(**options)
    for command in _RAW:
        client.set_response_callback(command, _as_it_came)  # type: ignore[arg-type]  # a plain function is one
    return client


def _check_ca(file: str | None) -> None:
    if file is None:
        return
    try:
        ssl.create_default_context(cafile=file)
    except OSError:  # ssl.SSLError is one too
        raise ConfigError("ssl_ca_certs of the Redis: no certificate can be read there; name a file in PEM") from None


def _as_it_came(answer: Any, **_: Any) -> Any:
    return answer


async def ask(client: Redis, *words: str | bytes | int) -> Any:
    """What the server answers to a command; of the three commands about groups as it came, lists in lists."""
    return await client.execute_command(*words)  # type: ignore[no-untyped-call]


def code_of(error: BaseException) -> str:
    """The word that a server's error begins with, such as NOGROUP; also where it comes out of a script."""
    return str(getattr(error, "status_code", None) or str(error).partition(" ")[0])


def told(error: BaseException, address: Address) -> SpectraError:
    """What an error of the client means: ``Unreachable`` to wait, ``StateError`` to stop."""
    where = f"the Redis at {address.shown}"
    if isinstance(error, AuthenticationError | AuthorizationError):
        return StateError(
            f"{where} did not accept the user or the password; nothing was lost",
            hint=f"give them in the address, or the password in the environment variable {PASSWORD}",
        )
    if isinstance(error, NoPermissionError):
        return StateError(f"{where} does not allow this user a command or key that is needed (NOPERM)")
    if (broken := _of_tls(error)) is not None:
        return StateError(
            f"{where} could not prove who it is ({broken})",
            hint="name its CA with ssl_ca_certs in the address",
        )
    if isinstance(error, OutOfMemoryError) or "OOM command" in str(error):  # the latter out of a script, before Redis 7
        return Unreachable(f"{where} has no memory left for more (OOM); trim its streams, or raise maxmemory")
    if isinstance(error, ReadOnlyError):
        return Unreachable(f"{where} is a replica, which takes no writes (READONLY)")
    if isinstance(error, ConnectionError | TimeoutError | OSError):
        speaks = ", and speaks TLS there" if address.scheme == "rediss" else ""
        return ConnectFailed(f"{where} does not answer", hint=f"check the address, and that the server runs{speaks}")
    if code_of(error) in LATER:
        return Unreachable(f"{where} cannot do it now ({code_of(error)})")
    if "WRONGTYPE" in str(error):
        return StateError(f"{where} holds something else under the key that is meant (WRONGTYPE); name another")
    words = printable(str(error).partition(", with args")[0])[:120]  # behind it come the arguments: an event's data
    return StateError(f"{where} refused a command: {words}", hint="Redis 6.2 or newer is needed")


def _of_tls(error: BaseException | None) -> str | None:
    """What the check of a certificate said, where that is what broke the connection."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return printable(error.verify_message)[:120]
        error = error.__cause__ or error.__context__
    return None
