"""Connector, the blocking face; and the session that both faces share: from params to plan, from answer to outcome."""

import hashlib
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from pydantic import SecretStr

from connector.action import Action, Answer, Context, Memory, used
from connector.actions import find
from connector.check import checked
from connector.driver import Driver
from connector.endpoint import judge
from connector.endpoints import TOKEN
from connector.errors import AuthError, InputRefused, MalformedResponse, SpectraError, Violation
from connector.exchange import Wire
from connector.outcome import Next, Outcome
from connector.plan import Call, Plan, Reply
from connector.privacy import stricter
from connector.recording import recorded
from connector.retry import persist
from connector.settings import IN_MEMORY, Settings, check_token
from connector.stix import Bundle, StixOptions, bundle
from connector.vocabulary import Message, Tlp, Veiled

if TYPE_CHECKING:
    from connector.journal import Journal

SEARCH: Final = "advanced_search"
Params = Mapping[str, Any] | Message
T = TypeVar("T")
FORGETFUL: Final = "the journal is kept in memory only: what a crash interrupts is forgotten (the setting state)"
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

    def prepare(self, name: str, params: Params, operation_id: str | None) -> tuple[Action[Any], Message]:
        action = find(name)
        check_operation_id(operation_id)
        return action, checked(action, params)

    def plan(
        self, action: Action[Any], params: Message, operation_id: str | None = None, *, in_doubt: bool = False
    ) -> Plan[Outcome]:
        """The whole of an action as a plan: its own plan, done at most once for its operation id, then the outcome."""
        context, name = self.context(), operation_id or uuid.uuid4().hex
        dress = partial(self.outcome, action, params)
        return recorded(action, params, context, name, dress, in_doubt=in_doubt)

    def context(self) -> Context:
        s = self.settings
        key = _key(self.wire.token)
        return Context(
            generation=s.api_generation,
            origin=s.url,
            allow_cloud=s.allow_cloud,
            allow_delete=s.allow_delete,
            allow_internal_urls=s.allow_internal_urls,
            private_zones=s.private_zones,
            max_delete=s.max_delete,
            memory=self._memory,
            key=key,
        )

    def outcome(self, action: Action[Any], params: Message, answer: Answer) -> Outcome:
        """The answer with its STIX, marked at least as its input was, and what the caller should know beside it."""
        made, tlp = Bundle(None, ()), getattr(params, "tlp", None)
        if self._stix is not None:
            marked = replace(self._stix, tlp=stricter(self._stix.tlp, tlp) or self._stix.tlp)
            made = bundle(answer.verdicts, marked, answer.answered_at, answer.observed)
        endpoint = used(answer.endpoint)
        notices = [*answer.notices, *made.notices]
        if endpoint.deprecated:
            notices.append(f"{endpoint.path} is deprecated; its successor is {endpoint.successor}")
        if not self.settings.verify_tls:
            notices.append(UNVERIFIED)
        if action.subject is not None and self.settings.state == IN_MEMORY:
            notices.append(FORGETFUL)
        return Outcome(
            action=action.name,
            status=answer.status,
            branch=answer.branch,
            result=answer.result,
            verdicts=answer.verdicts,
            stix=made.objects,
            endpoint=endpoint,
            next=_marked(answer.next, tlp),
            notices=tuple(notices),
        )

    def login(self) -> Plan[SecretStr]:
        """Exchange username and password for a token (vendor docs, tokens: 400 is a wrong password)."""
        reply = yield from persist(_login_call(self.settings), _judge_login)
        try:
            return check_token(SecretStr(reply.json["token"]))
        except (ValueError, TypeError, KeyError):
            problem = "the appliance answered the login without a token (/token)"
        raise MalformedResponse(problem)

    def needs_login(self) -> bool:
        return self.wire.token is None and self.settings.username is not None


def veiled(params: Params | None) -> Params:
    """Params as they are, with a repr that shows none of them: a traceback's locals would."""
    return Veiled({} if params is None else params) if params is None or isinstance(params, Mapping) else params


def stix_options(settings: Settings) -> StixOptions | None:
    """What the settings say of STIX; None where none is wanted."""
    if settings.stix_profile == "none":
        return None
    return StixOptions(
        profile=settings.stix_profile, target=settings.stix_target, tlp=settings.tlp, appliance_url=settings.url
    )


def _key(token: SecretStr | None) -> bytes:
    return hashlib.sha256((token.get_secret_value() if token is not None else "").encode()).digest()


def _marked(step: Next | None, tlp: Tlp | None) -> Next | None:
    """The next step with the marking of this one's input, where it takes one."""
    if step is None or tlp is None or "tlp" not in find(step.action).params.model_fields:
        return step
    return replace(step, params={**step.params, "tlp": tlp})


def check_operation_id(name: str | None) -> None:
    """Refuse an operation id that could be mistaken for anything else in a log, a file name or a shell."""
    if name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", name):
        wanted = (
            "must be 1 to 128 letters, digits, dots, underscores, colons and hyphens, and begin with none of the signs"
        )
        raise InputRefused.of([Violation("/operation_id", wanted)])


def _login_call(settings: Settings) -> Call:
    password = settings.password.get_secret_value() if settings.password is not None else ""
    form = (("username", settings.username or ""), ("password", password))
    return Call(TOKEN.method, TOKEN.path, form=form, authorised=False, secrets=(password,) if password else ())


def _judge_login(reply: Reply) -> SpectraError | None:
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

    def run(
        self, name: str, params: Params | None = None, *, operation_id: str | None = None, in_doubt: bool = False
    ) -> Outcome:
        """Run one action to its outcome.

        Args:
            name: of the action.
            params: its parameters, as an object or as its params model.
            operation_id: of a submission or deletion: the same id again gives the stored outcome and sends nothing.
                Left out, each run is an operation of its own; its id is in the outcome and in an error.
            in_doubt: this operation may have been sent before, from where another journal is kept. What the journal
                here does not know is then looked for, and stays unknown where it cannot be told, instead of being sent.

        Raises:
            SpectraError: its ``outcome`` says whether anything was done.
        """
        params = veiled(params)
        action, ready = self._session.prepare(name, params, operation_id)
        self._login()
        return self._driver.run(self._session.plan(action, ready, operation_id, in_doubt=in_doubt))

    @property
    def journal(self) -> "Journal":
        """The journal of submissions and deletions; StateError when it cannot be opened."""
        return self._driver.intents.journal

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
