"""Calls of a playbook over HTTP: the only file here that sends something.

A call to the action server carries its operation id as Idempotency-Key, so that sending it twice does nothing twice.
It is sent again where no connection was made, or where the server asks to come back; any other target is called once.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Final, Self

from pydantic import SecretStr

from connector.http import httpx
from connector.playbooks.asking import Call, Credentials, Reply
from connector.playbooks.filling import REFERENCE
from connector.reader import read_json
from connector.vocabulary import Unpickled

MOST_BYTES: Final = 32 * 1024 * 1024
ATTEMPTS: Final = 3
UNDER_WAY: Final = 409  # with Retry-After: the same operation is being done
PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE: Final = 30.0
LAST_PORT: Final = 65535
LONGEST_DETAIL: Final = 1000  # of what another server says of itself
_OURS: Final = frozenset({"authorization", "idempotency-key", "spectra-in-doubt"})
Header = tuple[bytes, bytes]


class Caller(Unpickled):
    """Sends calls from one event loop. ``secrets`` are the credential variables of playbooks, by name."""

    def __init__(
        self,
        server: str,
        api_key: SecretStr,
        *,
        secrets: Mapping[str, SecretStr] | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self.server = server.rstrip("/")
        self._api_key = api_key
        self._secrets = dict(secrets or {})
        self.under_way = 0
        self._client = httpx.AsyncClient(
            verify=verify if verify is not None else ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # none is kept: they know no ports
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
            timeout=httpx.Timeout(None, connect=10.0),
        )

    async def call(self, call: Call, *, in_doubt: bool = False) -> Reply:
        """Send one call and give what came back within its timeout; what goes wrong is a reply that says so."""
        try:
            headers = self._headers(call, in_doubt=in_doubt)
        except KeyError as missing:
            told = f"the credential {missing.args[0]} is not set here; give it with --secret {missing.args[0]}=FILE"
            return Reply(at=time.time(), problem=told)
        except UnicodeEncodeError:
            return Reply(at=time.time(), problem="a credential holds characters that no HTTP header may hold")
        self.under_way += 1
        try:
            async with asyncio.timeout(call.timeout):
                return await self._persist(call, headers)
        except TimeoutError:
            return Reply(at=time.time(), problem=f"ACTION_TIMEOUT: no answer within {round(call.timeout, 1):g} seconds")
        finally:
            self.under_way -= 1

    async def _persist(self, call: Call, headers: list[Header]) -> Reply:
        """Send it until another attempt would not help; what the server is doing already is waited for to its end."""
        attempt = 1
        while True:
            reply, pause = await self._send(call, headers, attempt)
            if pause is None or attempt >= ATTEMPTS or call.base is not None:
                return reply
            await asyncio.sleep(pause)
            attempt += reply.status != UNDER_WAY

    async def _send(self, call: Call, headers: list[Header], attempt: int) -> tuple[Reply, float | None]:
        """One attempt: the reply, and the seconds after which another one may help."""
        base, request = call.base or self.server, call.request
        try:
            url = _url(base + request.target)
            async with self._client.stream(request.method, url, headers=headers, content=request.body) as response:
                content = await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # the last one of names no host can have
            unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            who = "the action server" if call.base is None else "the target"
            what = "cannot be reached" if unsent else "gave no whole answer"
            told = f"{who} at {_origin(base)} {what} ({type(error).__name__})"
            return Reply(at=time.time(), problem=told), PAUSE_SECONDS * attempt if unsent else None
        return _reply(response, content), _pause(response, attempt)

    def _headers(self, call: Call, *, in_doubt: bool) -> list[Header]:
        """What the command says, and what is said here, which stands where both say it."""
        ours = {}
        if call.base is None:
            ours["Authorization"] = f"Bearer {self._api_key.get_secret_value()}"
        elif call.credentials is not None:
            ours["Authorization"] = self._authorization(call.credentials)
        if call.request.method not in {"GET", "HEAD"}:
            ours["Idempotency-Key"] = call.operation_id
        if in_doubt:
            ours["Spectra-In-Doubt"] = "true"
        instead = _OURS if call.base is None else {name.lower() for name in ours}
        given = [(name, value) for name, value in call.request.headers if name.lower() not in instead]
        if not any(name.lower() == "user-agent" for name, _ in given):
            given.append(("User-Agent", "spectra-analyze-connector"))
        return [(name.encode("ascii"), value.encode("latin-1")) for name, value in (*given, *ours.items())]

    def _authorization(self, credentials: Credentials) -> str:
        parts = [self._resolved(part) for part in credentials.parts]
        if credentials.scheme == "Basic":
            return "Basic " + base64.b64encode(":".join(parts).encode()).decode()
        return f"{credentials.scheme} {''.join(parts)}"

    def _resolved(self, part: str) -> str:
        return REFERENCE.sub(lambda found: self._secrets[found[1]].get_secret_value(), part)

    async def close(self) -> None:
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()


async def _read(response: httpx.Response) -> bytes | None:
    """The body, or None where it is larger than anything that is taken."""
    made = bytearray()
    async for chunk in response.aiter_bytes():
        made += chunk
        if len(made) > MOST_BYTES:
            return None
    return bytes(made)


def _reply(response: httpx.Response, content: bytes | None) -> Reply:
    at, status = time.time(), response.status_code
    if content is None:
        return Reply(at=at, status=status, problem=f"the answer is larger than {MOST_BYTES} bytes")
    try:
        body = _body(response, content)
    except ValueError:
        return Reply(at=at, status=status, problem=f"the answer (HTTP {status}) is neither JSON nor text")
    if 200 <= status < 300:
        return Reply(at=at, status=status, body=body)
    return Reply(at=at, status=status, body=body, problem=_problem(status, body))


def _body(response: httpx.Response, content: bytes) -> Any:
    """JSON where it is called so, else text; ValueError where it is neither."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind.endswith(("/json", "+json")):
        return content.decode("utf-8")
    if not content:
        return None
    value, problem = read_json(content)
    if problem:
        raise ValueError(problem)
    return value


def _problem(status: int, body: Any) -> str:
    """What a refusal says, by RFC 9457 where it is one."""
    if not isinstance(body, dict) or not isinstance(body.get("detail"), str):
        return f"answered with HTTP {status}"
    hint = body.get("hint")
    return f"{_line(body['detail'])} (HTTP {status})" + (f"; {_line(hint)}" if isinstance(hint, str) and hint else "")


def _line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_DETAIL]


def _pause(response: httpx.Response, attempt: int) -> float | None:
    """Seconds to wait where the server asks to come back, None where another attempt would change nothing."""
    asked = response.headers.get("retry-after", "")
    if response.status_code not in {429, 503} and not (response.status_code == UNDER_WAY and asked):
        return None
    seconds = float(asked) if asked.isascii() and asked.isdigit() else PAUSE_SECONDS * attempt
    return seconds if seconds <= LONGEST_PAUSE else None


def _url(text: str) -> httpx.URL:
    url = httpx.URL(text)
    if url.port is not None and url.port > LAST_PORT:
        raise httpx.InvalidURL("there is no such port")
    return url


def _origin(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "an address that is none"
    return f"{parsed.scheme}://{parsed.host}" + (f":{parsed.port}" if parsed.port else "")
