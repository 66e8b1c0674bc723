"""Requests to a place that things are pushed to: its address, whom to trust, and what its answers mean.

Nothing is taken from the environment, no redirect is followed (it could carry credentials away), no cookie is kept, and
an exchange has a deadline as a whole. An error names the host of the place, never a path, a query or a credential.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar

from connector import tls
from connector.errors import ConfigError, SpectraError, StateError, Unreachable
from connector.http import httpx
from connector.plan import Reply
from connector.printable import printable
from connector.retry import read_retry_after
from connector.wire import read_date

T = TypeVar("T")
R = TypeVar("R")
TIMEOUT: Final = 30.0  # seconds for one exchange
LARGEST: Final = 4 << 20  # bytes of an answer
LONGEST_WAIT: Final = 300.0  # seconds; a place that asks for more is asked again after these
LONGEST_REASON: Final = 300
MOST_PARTS: Final = 64  # requests to find out what of one body is not taken
LATER: Final = frozenset({408, 425, 429})  # as 5xx: the same request may be taken later
CONTENT: Final = frozenset({400, 413, 422})  # what was sent is at fault, or too much of it


class NotTaken(Exception):
    """The place does not take this content; a part of it may be taken."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; ``retry_after`` are the seconds that it asks to wait."""

    status: int
    body: bytes
    retry_after: float | None = None


class Exchange:
    """Exchanges with one host, from one event loop. ``base`` is an address that ``address`` let pass.

    Raises:
        ConfigError: where ``ca`` holds no certificate that can be read.
    """

    def __init__(
        self,
        base: str,
        *,
        ca: Path | None = None,
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        url = httpx.URL(base)
        self.host = url.netloc.decode("ascii")
        self._origin = url.scheme, url.netloc
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            verify=tls.context(tls.readable(ca), None, None, True, None),
            headers={"Accept-Encoding": "identity", "User-Agent": "spectra-analyze-connector", **(headers or {})},
            auth=auth,
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            limits=httpx.Limits(max_connections=2, max_keepalive_connections=1, keepalive_expiry=30.0),
            timeout=timeout,
        )

    async def ask(self, method: str, url: str, *, headers: Mapping[str, str], content: bytes | None = None) -> Answer:
        """One exchange; any status is an answer.

        Raises:
            StateError: where the host cannot prove who it is, or its answer has no end.
            Unreachable: where no complete answer came in time.
        """
        target = httpx.URL(url)
        if (target.scheme, target.netloc) != self._origin:
            raise StateError(f"{self.host} refers to another host, which is not asked")
        try:
            async with asyncio.timeout(self._timeout):
                request = self._client.build_request(method, target, headers=headers, content=content)
                return await self._answer(await self._client.send(request, stream=True))
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            failure = self._failure(error)
        raise failure

    async def _answer(self, response: httpx.Response) -> Answer:
        body = bytearray()
        try:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > LARGEST:
                    raise StateError(f"{self.host} answers with more than {LARGEST >> 20} MiB; check the address")
        finally:
            await response.aclose()
        date = read_date(response.headers.get("date"))
        asked = Reply(
            status=response.status_code,
            retry_after=response.headers.get("retry-after"),
            answered_at=date.isoformat() if date else "",
        )
        return Answer(response.status_code, bytes(body), read_retry_after(asked))

    def _failure(self, error: BaseException) -> SpectraError:
        """Without the error behind it, which holds the request."""
        behind: BaseException | None = error
        while behind is not None:
            if isinstance(behind, ssl.SSLCertVerificationError):
                return StateError(
                    f"{self.host} could not prove who it is ({printable(behind.verify_message)}); nothing was sent",
                    hint="name the CA of its certificate in ca_file",
                )
            behind = behind.__cause__ or behind.__context__
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            return Unreachable(f"{self.host} cannot be reached ({type(error).__name__}); nothing was sent")
        return Unreachable(f"{self.host} gave no whole answer in time ({type(error).__name__})", outcome="unknown")

    def require(self, answer: Answer, credentials: str) -> Answer:
        """An answer of success (2xx); ``credentials`` says where they come from, for who was not let in.

        Raises:
            NotTaken: for 400, 413 and 422.
            Unreachable: for 408, 425, 429 and 5xx, with the seconds to wait where the answer says them.
            StateError: for all else.
        """
        status, where = answer.status, f"{self.host} answers with HTTP {answer.status}"
        if 200 <= status < 300:
            return answer
        if status in CONTENT:
            raise NotTaken(f"{where}: " + ("too large" if status == 413 else "it does not take the content"))
        if status in LATER or status >= 500:
            wait = None if answer.retry_after is None else min(LONGEST_WAIT, answer.retry_after)
            raise Unreachable(where, outcome="rejected", retry_after=wait, status=status)
        if status in {401, 403}:
            hint = f"check {credentials}, its right to write there, and whether it has expired; then start again"
            raise StateError(f"{where}: it does not accept the credentials", status=status, hint=hint)
        raise StateError(f"{where}; nothing was taken", status=status, hint="check the address of the output")

    async def close(self) -> None:
        await self._client.aclose()


def address(text: str, schemes: Mapping[str, str]) -> str:
    """The address to ask, from what was written; ``schemes`` maps the schemes accepted to http or https.

    Raises:
        ConfigError: saying what is accepted.
    """
    try:
        url = httpx.URL(text.strip())
        scheme = schemes[url.scheme]
    except (httpx.InvalidURL, KeyError):
        raise ConfigError(f"output: an address that begins with {' or '.join(schemes)} is accepted") from None
    if url.userinfo:
        raise ConfigError("output: no credentials in an address; set them as environment variables")
    if not url.host or (url.port or 0) > 65535 or url.fragment:
        raise ConfigError("output: an address with a host, and without a fragment (#), is accepted")
    if scheme == "http" and not _is_loopback(url.host):
        raise ConfigError("output: without TLS only this machine (loopback) is sent to; use https")
    return str(url.copy_with(scheme=scheme))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def isolated(
    items: Sequence[T], send: Callable[[Sequence[T]], Awaitable[list[R]]], refuse: Callable[[T, str], R]
) -> list[R]:
    """Send items together; where they are not taken, in halves, so that one bad item takes no other with it.

    After MOST_PARTS requests what is still not taken is refused as it is. Gives what ``send`` gave, and the refusals.
    """
    told: list[R] = []
    waiting, left = [items], MOST_PARTS
    while waiting:
        part = waiting.pop()
        left -= 1
        try:
            told += await send(part)
        except NotTaken as said:
            if len(part) == 1 or left <= 0:
                told += [refuse(item, said.reason) for item in part]
            else:
                waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
    return told
