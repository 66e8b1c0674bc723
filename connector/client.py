"""Connector, the blocking face; and the session that both faces share: from params to plan, from answer to outcome."""

import hashlib
import threading
from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from connector.action import Action, Answer, Context, Memory, used
from connector.actions import find
from connector.check import checked
from connector.driver import Driver
from connector.endpoints import TOKEN
from connector.errors import AuthError, MalformedResponse, SpectraError
from connector.exchange import Wire
from connector.outcome import Outcome
from connector.plan import Call, Plan, Reply
from connector.retry import persist
from connector.settings import Settings
from connector.stix import Bundle, StixOptions, bundle
from connector.vocabulary import Message

SEARCH: Final = "advanced_search"
Params = Mapping[str, Any] | Message
T = TypeVar("T")
UNVERIFIED: Final = (
    "the appliance's certificate was not verified (verify_tls is false): anyone in between can read and change this"
)


class Session:
    """What both faces share: settings, what was learned about the appliance, and the way from params to outcome."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.wire = Wire(settings, settings.credential())
        self._memory = Memory()
        self._stix = stix_options(settings)

    def prepare(self, name: str, params: Params) -> tuple[Action[Any], Message]:
        action = find(name)
        return action, checked(action, params)

    def plan(self, action: Action[Any], params: Message) -> Plan[Outcome]:
        """The whole of an action as a plan: its own plan, then the outcome."""
        answer = yield from action.plan(params, self.context())
        return self.outcome(action, answer)

    def context(self) -> Context:
        s = self.settings
        key = _key(self.wire.token or "")
        return Context(s.api_generation, s.url, s.allow_cloud, s.allow_delete, s.file_roots, self._memory, key)

    def outcome(self, action: Action[Any], answer: Answer) -> Outcome:
        made = Bundle(None, ())
        if self._stix is not None:
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


def stix_options(settings: Settings) -> StixOptions | None:
    """What the settings say of STIX; None where none is wanted."""
    if settings.stix_profile == "none":
        return None
    return StixOptions(
        profile=settings.stix_profile, target=settings.stix_target, tlp=settings.tlp, appliance_url=settings.url
    )


@lru_cache(maxsize=8)
def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _judge_login(reply: Reply) -> SpectraError | None:
    from connector.action import judge  # noqa: PLC0415

    if reply.status in {400, 401, 403}:
        hint = "check username and password; inactive and locked-out accounts are refused as well"
        return AuthError("the appliance refused the user name or password", status=reply.status, hint=hint)
    return judge(TOKEN, reply)


class Connector:
    """Runs actions on one appliance, blocking. Safe to share between threads; use as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._session = Session(settings)
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
