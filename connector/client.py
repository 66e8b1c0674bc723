"""The two faces of the connector: Connector, which blocks, and AsyncConnector; both run the same plans.

Both check the parameters, run the action's plan under the driver, and dress its answer as an Outcome with STIX.
"""

import hashlib
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from connector.action import Action, Answer, Context, Memory, Outcome, used
from connector.actions import find
from connector.check import checked
from connector.driver import AsyncDriver, Driver, Wire
from connector.endpoints import TOKEN
from connector.errors import AuthError, MalformedResponse, SpectraError
from connector.plan import Call, Plan, Reply
from connector.retry import persist
from connector.settings import Settings
from connector.stix import StixOptions, bundle
from connector.stream import each
from connector.verdict import Verdict
from connector.vocabulary import Message

SEARCH: Final = "advanced_search"
Params = Mapping[str, Any] | Message
T = TypeVar("T")
UNVERIFIED: Final = (
    "the appliance's certificate was not verified (verify_tls is false): anyone in between can read and change this"
)


class _Session:
    """What both faces share: settings, what was learned about the appliance, and the way from params to outcome."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.wire = Wire(settings, settings.credential())
        self._memory = Memory()
        self._stix = StixOptions(
            profile=settings.stix_profile, target=settings.stix_target, tlp=settings.tlp, appliance_url=settings.url
        )

    def prepare(self, name: str, params: Params) -> tuple[Action[Any], Message]:
        action = find(name)
        return action, checked(action, params)

    def plan(self, action: Action[Any], params: Message) -> Plan[Outcome]:
        """The whole of an action as a plan: its own plan, then the outcome."""
        answer = yield from action.plan(params, self.context())
        return self.outcome(action, answer)

    def context(self) -> Context:
        s = self.settings
        key = hashlib.sha256((self.wire.token or "").encode()).digest()
        return Context(s.api_generation, s.url, s.allow_cloud, s.allow_delete, s.file_roots, self._memory, key)

    def outcome(self, action: Action[Any], answer: Answer) -> Outcome:
        made = bundle(answer.verdicts, self._stix, answer.answered_at, answer.observed)
        endpoint = used(answer.endpoint)
        notices = [*answer.notices, *made.notices]
        if endpoint.deprecated:
            notices.append(f"{endpoint.path} is deprecated; its successor is {endpoint.successor}")
        if not self.settings.verify_tls:
            notices.append(UNVERIFIED)
        return Outcome(
            action=action.name,
            status=answer.status,
            branch=answer.branch,
            result=answer.result,
            verdicts=answer.verdicts,
            stix=made.objects,
            endpoint=endpoint,
            next=answer.next,
            notices=tuple(notices),
        )

    def login(self) -> Plan[str]:
        """Exchange username and password for a token (vendor docs, tokens: 400 is a wrong password)."""
        s = self.settings
        password = s.password.get_secret_value() if s.password is not None else ""
        form = (("username", s.username or ""), ("password", password))
        reply = yield from persist(Call(TOKEN.method, TOKEN.path, form=form, authorised=False), _judge_login)
        token = reply.json.get("token") if isinstance(reply.json, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
            raise MalformedResponse("the appliance answered the login without a token (/token)")
        return token

    def needs_login(self) -> bool:
        return self.wire.token is None and self.settings.username is not None


def _judge_login(reply: Reply) -> SpectraError | None:
    from connector.action import judge  # noqa: PLC0415

    if reply.status in {400, 401, 403}:
        hint = "check username and password; inactive and locked-out accounts are refused as well"
        return AuthError("the appliance refused the user name or password", status=reply.status, hint=hint)
    return judge(TOKEN, reply)


class Connector:
    """Runs actions on one appliance, blocking. Safe to share between threads; use as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._session = _Session(settings)
        self._driver = Driver(self._session.wire)
        self._lock = threading.Lock()

    def run(self, name: str, params: Params | None = None) -> Outcome:
        """Run one action to its outcome.

        Args:
            name: of the action.
            params: its parameters, as an object or as its params model.

        Raises:
            SpectraError: its ``outcome`` says whether anything was done.
        """
        action, ready = self._session.prepare(name, {} if params is None else params)
        self._login()
        return self._driver.run(self._session.plan(action, ready))

    def execute(self, plan: Plan[T]) -> T:
        """Run any plan on this appliance, logged in; for diagnosis."""
        self._login()
        return self._driver.run(plan)

    def _login(self) -> None:
        with self._lock:
            if self._session.needs_login():
                self._session.wire.token = self._driver.run(self._session.login())

    def close(self) -> None:
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AsyncConnector:
    """Runs actions on one appliance under asyncio; use as an async context manager on one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._session = _Session(settings)
        self._driver = AsyncDriver(self._session.wire)

    async def run(self, name: str, params: Params | None = None) -> Outcome:
        """Run one action to its outcome; as Connector.run."""
        action, ready = self._session.prepare(name, {} if params is None else params)
        await self._login()
        return await self._driver.run(self._session.plan(action, ready))

    async def stream(
        self, name: str, inputs: Iterable[Params] | AsyncIterable[Params], *, at_once: int = 50, ordered: bool = True
    ) -> AsyncGenerator[tuple[Params, Outcome | SpectraError], None]:
        """Run one action on many inputs, ``at_once`` of them at a time: the bulk lane.

        Yields each input with its outcome, or with its error as a value, so that one bad input does not end the rest.
        """
        find(name)

        async def one(params: Params) -> Outcome | SpectraError:
            try:
                return await self.run(name, params)
            except SpectraError as error:
                return error

        async for pair in each(inputs, one, at_once, ordered=ordered):
            yield pair

    async def search_pages(self, params: Mapping[str, Any], *, prefetch: int = 8) -> AsyncGenerator[Outcome, None]:
        """Search page by page to the end, ``prefetch`` pages asked for ahead; an outcome for each page.

        Give ``sort``, so that the pages do not move; ``limit`` and ``cursor`` are not used. Memory does not grow with
        the number of pages. Ends at the last page, and where a page says the same as the one before.

        Raises:
            SpectraError: when a page fails; all pages before it were yielded.
        """
        from connector.actions.advanced_search import PAGE, page_cursors  # noqa: PLC0415  # as the registry: on demand

        cursors = page_cursors(checked(find(SEARCH), {**params, "limit": PAGE}))
        pages = self.stream(SEARCH, ({**params, "limit": PAGE, "cursor": c} for c in cursors), at_once=prefetch)
        before: tuple[Verdict, ...] = ()
        async with aclosing(pages):
            async for _, outcome in pages:
                if isinstance(outcome, SpectraError):
                    raise outcome
                if outcome.verdicts and outcome.verdicts == before:
                    return
                before = outcome.verdicts
                yield outcome
                if outcome.result.model_dump()["cursor"] is None:
                    return

    async def _login(self) -> None:
        if self._session.needs_login():
            self._session.wire.token = await self._driver.run(self._session.login())

    async def close(self) -> None:
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()
