"""What goes wrong: each scene prepares a world and gives the settings of a client in it."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

from connector.emulator import serve
from tests.faults.listener import refused_url
from tests.faults.plan import KINDS
from tests.faults.proxy import Fault, FaultProxy
from tests.faults.tls import BAD, ByteCounter, Certificates, Form
from tests.laboratory import Lab, http_answer
from tests.secrecy.canaries import PASSWORD, PROXY_PASSWORD, TOKEN, USERNAME
from tests.secrecy.peers import Echo, Made, answering, echoing

SLOW_SECONDS: Final = 0.15
SHA1: Final = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"


class World:
    """One appliance with a proxy of faults before it, and all the other peers, each started when it is asked for."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._stack = ExitStack()
        self.certificates = Certificates()
        self.echoes: list[Echo] = []
        self.counters: list[ByteCounter] = []

    def __enter__(self) -> Self:
        self.lab = Lab(self._stack.enter_context(serve(token=TOKEN)))
        self._stack.callback(self.lab.http.close)
        self.proxy = self._stack.enter_context(FaultProxy(self.lab.url))
        self.refused = self._stack.enter_context(refused_url())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def as_new(self) -> None:
        """The appliance with one sample and one user, and no faults."""
        self.lab.as_new().load(sha1=SHA1, classification="malicious", cloud=True, local=True, tags=["old"])
        rights = frozenset({"upload", "delete", "delete_bulk"})
        self.lab.product.users.add(USERNAME, PASSWORD, token=TOKEN, rights=rights, active=True)
        self.proxy.plan([])

    @cache  # noqa: B019  # one world in a run
    def echo(self, made: Made) -> Echo:
        self.echoes.append(self._stack.enter_context(Echo(made)))
        return self.echoes[-1]

    @cache  # noqa: B019  # as above
    def peer(self, form: Form | None) -> ByteCounter:
        context = None if form is None else self.certificates.context(form)
        counter = ByteCounter(context, http_answer(b"", "400 Bad Request"))
        self.counters.append(self._stack.enter_context(counter))
        return counter


@dataclass(frozen=True, slots=True)
class Scene:
    """One way to go wrong. ``settings`` are those of the client; the clock of a ``slow`` scene is the real one."""

    name: str
    settings: Callable[[World], dict[str, Any]] = field(repr=False)
    slow: bool = False


LOGIN: Final = {"token": None, "username": USERNAME, "password": PASSWORD}


def _fault(kind: str) -> Scene:
    slow = kind.endswith("_wait") or kind in {
        *("request_swallow", "answer_dribble_head", "answer_dribble_body"),
        *("answer_early_hints", "answer_100_continue_endless"),
    }

    def settings(world: World) -> dict[str, Any]:
        world.proxy.plan([Fault(kind, nth="every", mebibytes=1, longest=1.0)])  # type: ignore[arg-type]
        return {"url": world.proxy.url, **({"deadline_seconds": SLOW_SECONDS} if slow else {})}

    return Scene(f"fault {kind}", settings, slow)


def _echo(status: int, body: str) -> Scene:
    made = echoing(status, body=body)
    return Scene(f"echo {status} {body}", lambda world: {"url": world.echo(made).url})


def _login(name: str, made: Made) -> Scene:
    return Scene(f"login {name}", lambda world: {"url": world.echo(made).url, **LOGIN})


def _state(**state: Any) -> Scene:
    def settings(world: World) -> dict[str, Any]:
        world.lab.state(**state)
        return {"url": world.lab.url}

    return Scene(f"state {' '.join(state)}", settings)


def _emulated(name: str, **fault: Any) -> Scene:
    def settings(world: World) -> dict[str, Any]:
        world.lab.fault(**fault)
        return {"url": world.lab.url}

    return Scene(f"emulator {name}", settings)


def _tls(form: Form | None) -> Scene:
    def settings(world: World) -> dict[str, Any]:
        return {"url": world.peer(form).url, "ca_pem": world.certificates.ca_pem}

    return Scene(f"tls {form or 'none'}", settings)


def _changed_pin(world: World) -> dict[str, Any]:
    return {"url": world.peer("changed_leaf").url, "certificate_sha256": world.certificates.sha256("good")}


def _through(name: str, made: Made, url: str) -> Scene:
    def settings(world: World) -> dict[str, Any]:
        return {"url": url, "proxy": with_password(world.echo(made).url)}

    return Scene(f"proxy {name}", settings)


def with_password(url: str) -> str:
    return url.replace("//", f"//proxyuser:{PROXY_PASSWORD}@")


def _broken_state(world: World) -> dict[str, Any]:
    folder = world.state / "broken"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("journal.sqlite", "journal.db"):
        (folder / name).write_bytes(b"no database at all " * 300)
        (folder / name).chmod(0o600)
    return {"url": world.lab.url, "state": str(folder)}


_PROXY_REFUSES = echoing(407, "Proxy Authentication Required", **{"proxy-authenticate": "Basic"})
_STATUSES: Final = (200, 201, 302, 307, 400, 401, 403, 404, 405, 413, 418, 429, 500, 502, 503, 504)
SCENES: Final[tuple[Scene, ...]] = (
    Scene("nothing wrong", lambda world: {"url": world.lab.url}),
    Scene("nothing wrong, deprecated endpoints", lambda world: {"url": world.lab.url, "api_generation": "legacy"}),
    Scene("nothing wrong, after a login", lambda world: {"url": world.lab.url, **LOGIN}),
    *(_fault(kind) for kind in KINDS if kind != "replace"),
    *(_echo(status, "json") for status in _STATUSES),
    *(_echo(status, "html") for status in _STATUSES),
    *(_login(f"{status}", echoing(status)) for status in (302, 400, 403, 500)),
    _login("without a token", answering(200, {"other": TOKEN})),
    _login("with a token that no header takes", answering(200, {"token": TOKEN + "\n"})),
    _login("with a list", answering(200, [TOKEN])),
    _login("with no JSON", answering(200, b'{"token": "' + TOKEN.encode())),
    Scene("login, nobody there", lambda world: {"url": world.refused, **LOGIN}),
    _state(maintenance=True),
    _state(memory_percent=99.0),
    _state(disk_free_percent=1.0),
    _state(queue_limit=0),
    _state(max_upload_bytes=1),
    _state(cloud_quota=0),
    _emulated("cut before", cut="before"),
    _emulated("cut halfway", cut="halfway"),
    _emulated("a page", status=200, body="html"),
    _emulated("500", status=500, body={}),
    Scene("refused", lambda world: {"url": world.refused}),
    Scene("no such name", lambda world: {"url": f"https://{'a' * 70}.example"}),
    *(_tls(form) for form in BAD),
    _tls(None),
    Scene("tls unknown CA of the system", lambda world: {"url": world.peer("good").url}),
    Scene("tls changed pin", _changed_pin),
    _through("refuses", _PROXY_REFUSES, "http://appliance.example.com"),
    _through("refuses the tunnel", _PROXY_REFUSES, "https://appliance.example.com"),
    _through("fails", echoing(502), "https://appliance.example.com"),
    Scene("proxy, nobody there", lambda world: {"url": world.lab.url, "proxy": with_password(world.refused)}),
    Scene("the journal is broken", _broken_state),
    Scene("the deadline has passed", lambda world: {"url": world.lab.url, "deadline_seconds": 1e-9}, slow=True),
)
