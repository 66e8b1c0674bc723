"""Recorded conversations: what is scrubbed from them, how they are replayed, and the recorder of those with the emulator.

Record anew with ``.venv/bin/python tests/cassette_tools.py record``. Only `emulated-*` are recorded; `documented-*` are
transcribed by hand from the vendor's page, and are never written by a program.
"""

import asyncio
import base64
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from hashlib import md5, sha1, sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import click
import httpx
import vcr
import yaml
from vcr.cassette import Cassette
from vcr.request import Request
from vcr.serializers import yamlserializer

from connector import AsyncConnector, Connector, Outcome, Settings, SpectraError
from connector.emulator import serve
from connector.network import Network

CASSETTES: Final = Path(__file__).parent / "cassettes"
HOST: Final = "https://appliance.example.com"
EMULATED: Final = "recorded from this project's emulator by tests/cassette_tools.py; says nothing about the vendor"

# Planted into every recording; a test searches all cassettes for them.
TOKEN: Final = "canary-token-7d0e5b1c9f3a"
USERNAME: Final = "canary-analyst"
PASSWORD: Final = "canary pass/word+login&9"
ARCHIVE_PASSWORD: Final = "canary pass/word+archive&8"
COOKIE: Final = "canary-cookie-4b8e2f"
CONTENT: Final = b"SPECTRA-LAB-MALICIOUS:Win32.Trojan.Emotet/9 canary content \x00\xfe\xff of a sample\n"
CANARIES: Final = {
    "token": TOKEN.encode(),
    "username": USERNAME.encode(),
    "password": PASSWORD.encode(),
    "archive password": ARCHIVE_PASSWORD.encode(),
    "cookie": COOKIE.encode(),
    "file content": CONTENT,
}

# --- the scrubber

SCRUBBED: Final = "SCRUBBED"
SECRET_FIELDS: Final = frozenset({"username", "password", "archive_password", "token"})
REQUEST_HEADERS: Final = ("accept", "authorization", "content-type")
RESPONSE_HEADERS: Final = ("allow", "content-type", "date", "location", "retry-after")
BOUNDARY: Final = b"boundary"
_NOTE: Final = re.compile(rb"\[scrubbed: \d+ bytes, sha1 [0-9a-f]{40}, sha256 [0-9a-f]{64}\]")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart form; ``filename`` is None for a plain field."""

    name: str
    filename: str | None
    kind: str
    content: bytes


class Scrubber:
    """Takes out of an exchange what must not be kept; scrubbing twice changes nothing more.

    Headers outside a short list go (cookies among them); tokens, passwords and user names are replaced wherever the
    protocol puts them; a file's bytes by their number and hashes. ``known`` are texts to replace wherever they appear,
    whatever the protocol: secrets of this recording, and the address that was really used.
    """

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self._known = {
            form.encode(): told.encode()
            for text, told in (known or {}).items()
            for form in sorted({text, quote(text, safe=""), quote_plus(text)}, key=len, reverse=True)
        }

    def request(self, request: Request) -> Request | None:
        """The request as it is kept; None for the lab, which no appliance has."""
        if request.path.startswith("/_lab/"):
            return None
        headers = {name: self._plain(request.headers[name]) for name in REQUEST_HEADERS if name in request.headers}
        kind = headers.get("content-type", "")
        body = self._replaced(_scrubbed_body(kind, request.body or b""))
        if "authorization" in headers:
            headers["authorization"] = f"Token {SCRUBBED}"
        if kind.startswith("multipart/"):
            headers["content-type"] = f"multipart/form-data; boundary={BOUNDARY.decode()}"
        return Request(request.method, self._plain(request.uri), body, headers)

    def response(self, response: dict[str, Any]) -> dict[str, Any]:
        headers = {name.lower(): [self._plain(v) for v in values] for name, values in response["headers"].items()}
        kept = {name: headers[name] for name in RESPONSE_HEADERS if name in headers}
        body = self._replaced(_scrubbed_json(response["body"]["string"] or b""))
        return {"status": response["status"], "headers": kept, "body": {"string": body}}

    def _replaced(self, value: bytes) -> bytes:
        for known, told in self._known.items():
            value = value.replace(known, told)
        return value

    def _plain(self, value: str) -> str:
        return self._replaced(value.encode()).decode()


def _scrubbed_body(kind: str, body: bytes) -> bytes:
    if kind.startswith("multipart/form-data"):
        return _joined([_without_secret(part) for part in parts_of(kind, body)])
    if kind == "application/x-www-form-urlencoded":
        pairs = parse_qsl(body.decode(), keep_blank_values=True)
        return urlencode([(name, SCRUBBED if name in SECRET_FIELDS else value) for name, value in pairs]).encode()
    return _scrubbed_json(body)


def _scrubbed_json(body: bytes) -> bytes:
    """Replace secrets under their names at any depth; what holds none, or is not JSON, stays byte for byte."""
    try:
        value = json.loads(body)
    except ValueError:
        return body
    clean = _without_secrets(value)
    return body if clean == value else json.dumps(clean, separators=(",", ":")).encode()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    if isinstance(value, dict):
        return {key: SCRUBBED if key in SECRET_FIELDS else _without_secrets(item) for key, item in value.items()}
    return value


def _without_secret(part: Part) -> Part:
    if part.filename is not None:
        return Part(part.name, part.filename, part.kind, noted(part.content))
    return Part(part.name, None, part.kind, SCRUBBED.encode()) if part.name in SECRET_FIELDS else part


def noted(content: bytes) -> bytes:
    """What stands in a cassette in place of a file."""
    if _NOTE.fullmatch(content):
        return content
    hashes = f"sha1 {sha1(content).hexdigest()}, sha256 {sha256(content).hexdigest()}"
    return f"[scrubbed: {len(content)} bytes, {hashes}]".encode()


def parts_of(kind: str, body: bytes) -> list[Part]:
    """The parts of a multipart body; one that was written by hand or by the scrubber ends its lines with LF."""
    delimiter = b"--" + kind.partition("boundary=")[2].strip('"').encode()
    end = b"\r\n" if body.startswith(delimiter + b"\r\n") else b"\n"
    found = []
    for chunk in body.split(delimiter)[1:-1]:
        head, _, content = chunk.removeprefix(end).partition(end * 2)
        headers = BytesHeaderParser().parsebytes(head)
        name = str(headers.get_param("name", header="content-disposition"))
        kind = headers.get("content-type", "")
        found.append(Part(name, headers.get_filename(), kind, content.removesuffix(end)))
    return found


def _joined(parts: Sequence[Part]) -> bytes:
    lines = []
    for part in parts:
        of_file = "" if part.filename is None else f'; filename="{part.filename}"'
        lines += [b"--" + BOUNDARY, f'Content-Disposition: form-data; name="{part.name}"{of_file}'.encode()]
        lines += [f"Content-Type: {part.kind}".encode()] if part.kind else []
        lines += [b"", part.content]
    return b"\n".join([*lines, b"--" + BOUNDARY + b"--", b""])


# --- replaying


def same_body(new: Request, recorded: Request) -> None:
    """Match bodies by what they say: multipart by its parts in any order, a form by its pairs, JSON by its value."""
    assert meaning(new) == meaning(recorded)


def meaning(request: Request) -> Any:
    """A body without what does not matter: the boundary, the order of parts, JSON's spaces.

    The name in a file part does not matter where the field ``filename`` is given, which the page says replaces it.
    """
    kind, body = request.headers.get("content-type", ""), request.body or b""
    if kind.startswith("multipart/form-data"):
        parts = parts_of(kind, body)
        named = any(part.name == "filename" for part in parts)
        return sorted((p.name, p.filename is not None, not named and p.filename, p.kind, p.content) for p in parts)
    if kind == "application/x-www-form-urlencoded":
        return sorted(parse_qsl(body.decode(), keep_blank_values=True))
    return json.loads(body) if kind == "application/json" else body


class _Tidy(yaml.SafeDumper):
    """Writes text of several lines as a block, to be read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Tidy.add_representer(str, _text)


class TidyYaml:
    """The serializer of vcrpy (safe: it makes no Python objects) with a more readable file."""

    deserialize = staticmethod(yamlserializer.deserialize)

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        shown = {key: cassette[key] for key in ("metadata", "version", "interactions") if key in cassette}
        return yaml.dump(shown, Dumper=_Tidy, sort_keys=False, width=2**20)


def recorder(scrubber: Scrubber | None = None) -> vcr.VCR:
    """vcrpy as it is used here: nothing is ever sent unless a recording is asked for, and everything is scrubbed."""
    scrubber = scrubber or Scrubber()
    made = vcr.VCR(
        record_mode="none",
        serializer="tidy",
        match_on=("method", "scheme", "host", "port", "path", "query", "same_body"),
        before_record_request=scrubber.request,
        before_record_response=scrubber.response,
        decode_compressed_response=True,
    )
    made.register_serializer("tidy", TidyYaml)
    made.register_matcher("same_body", same_body)
    return made


@contextmanager
def replayed(name: str) -> Iterator[Cassette]:
    """Play a cassette; at the end every exchange of it must have been asked for."""
    with recorder().use_cassette(str(CASSETTES / f"{name}.yaml")) as cassette:
        assert len(cassette) > 0, f"{name} cannot be read"
        yield cassette
        unplayed = [
            str(request) for request, count in zip(cassette.requests, _counts(cassette), strict=True) if not count
        ]
        assert not unplayed, f"{name} holds exchanges that were not asked for: {unplayed}"


def _counts(cassette: Cassette) -> list[int]:
    return [cassette.play_counts[index] for index in range(len(cassette))]


def metadata(name: str) -> dict[str, Any]:
    """What a cassette says of itself."""
    found: dict[str, Any] = yaml.safe_load((CASSETTES / f"{name}.yaml").read_text("ascii"))["metadata"]
    return found


# --- holding a conversation

Told = Outcome | SpectraError
Params = Mapping[str, Any] | Callable[[list[Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Say:
    """One action of a conversation; params may depend on what was answered before, ``after`` is in seconds."""

    action: str
    params: Params
    branch: str
    after: float = 0.0

    def given(self, told: list[Told]) -> Mapping[str, Any]:
        return self.params(told) if callable(self.params) else self.params


@dataclass
class Time:
    """A clock that only sleeping moves, and that keeps what was slept."""

    passes: Callable[[float], None] = lambda seconds: None
    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.passes(seconds)

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    def govern(self, connector: Connector | AsyncConnector) -> None:
        wire, driver = connector._session.wire, connector._driver
        wire.clock, wire.random = self.clock, lambda: 0.5
        driver._sleep = self.sleep if isinstance(connector, Connector) else self.sleep_async


def converse(
    settings: Settings, said: Sequence[Say], time: Time, arrange: Callable[[Connector], None] = lambda connector: None
) -> list[Told]:
    """Hold a conversation through the blocking face."""
    told: list[Told] = []
    with Connector(settings) as connector:
        time.govern(connector)
        arrange(connector)
        for say in said:
            time.pass_by(say.after)
            try:
                told.append(connector.run(say.action, say.given(told)))
            except SpectraError as error:
                told.append(error)
    return told


def converse_async(settings: Settings, said: Sequence[Say], time: Time) -> list[Told]:
    """Hold a conversation through the asynchronous face."""

    async def held() -> list[Told]:
        told: list[Told] = []
        async with AsyncConnector(settings) as connector:
            time.govern(connector)
            for say in said:
                try:
                    told.append(await connector.run(say.action, say.given(told)))
                except SpectraError as error:
                    told.append(error)
        return told

    return asyncio.run(held())


def summed_up(told: Told) -> dict[str, Any]:
    """An outcome as it is kept beside a recording: STIX by the types of its objects."""
    if isinstance(told, SpectraError):
        return {"error": told.as_dict() | {"operation_id": None}}
    shown = told.as_dict()
    bundle = shown.pop("stix")
    shown.pop("operation_id")  # another one in each run
    return shown | {"stix_types": stix_types(bundle)}


def stix_types(bundle: dict[str, Any] | None) -> list[str]:
    return sorted(item["type"] for item in bundle["objects"]) if bundle else []


# --- what is recorded from the emulator


@dataclass(frozen=True, slots=True)
class Scenario:
    """One emulated cassette: ``emulated-<name>-<generation>``; ``before`` are submissions made ahead of the tape."""

    name: str
    generation: str
    said: tuple[Say, ...]
    before: tuple[tuple[str, Mapping[str, str]], ...] = ()
    release: str = "9.6"
    login: bool = False

    @property
    def cassette(self) -> str:
        return f"emulated-{self.name}-{self.generation}"

    def settings(self, generation: str | None = None) -> Settings:
        """Settings for a generation; a scenario of both runs under either."""
        chosen = generation or (self.generation if self.generation != "both" else "current")
        who = {"username": USERNAME, "password": PASSWORD} if self.login else {"token": TOKEN}
        return Settings(url=HOST, api_generation=chosen, allow_cloud=True, allow_delete=True, **who)


MOMENT: Final = "2026-11-23T12:00:00Z"
SITE: Final = "https://www.example.com/download"
MALICIOUS: Final = b"the malicious sample of the emulated cassettes\n"
GOODWARE: Final = b"the harmless sample of the emulated cassettes\n"
SERVED: Final = b"the suspicious sample of the emulated cassettes\n"
ABSENT: Final = sha1(b"nobody has this").hexdigest()
SAMPLES: Final = (
    {"content_base64": base64.b64encode(MALICIOUS).decode(), "classification": "malicious", "riskscore": 9}
    | {"threat_name": "Win32.Trojan.Emotet", "filename": "invoice.exe", "cloud": True}
    | {"first_seen": "2026-11-01T08:00:00Z", "last_seen": "2026-11-20T09:30:00Z"},
    {"content_base64": base64.b64encode(GOODWARE).decode(), "classification": "goodware", "filename": "notes.txt"}
    | {"first_seen": "2026-10-01T08:00:00Z", "last_seen": "2026-11-19T09:30:00Z", "cloud": True},
    {"content_base64": base64.b64encode(SERVED).decode(), "classification": "suspicious", "url": SITE}
    | {"first_seen": "2026-11-21T08:00:00Z", "last_seen": "2026-11-21T08:00:00Z", "filename": "download"},
)


def hash_of(content: bytes) -> str:
    return sha1(content).hexdigest()


def archive() -> bytes:
    """A ZIP of one file, the same bytes each time; open, so that no random salt is in it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr(zipfile.ZipInfo("inside.txt"), CONTENT)
    return stream.getvalue()


def _digest(told: list[Any]) -> Mapping[str, Any]:
    return {"hash_values": TO_DELETE, "confirm": told[0].result.digest}


def _next_page(told: list[Any]) -> Mapping[str, Any]:
    return SEARCH | {"cursor": told[0].result.cursor}


TO_DELETE: Final = [hash_of(MALICIOUS), ABSENT]
TO_TAG: Final = {"hash_value": md5(MALICIOUS).hexdigest(), "tags": ["one", "two words"]}
BOTH: Final = ("both",)
SEARCH: Final = {"query": "classification:[malicious, goodware]", "sort": "firstseen desc", "limit": 1}
FILE: Final = {"content_base64": base64.b64encode(CONTENT).decode(), "filename": "canary.bin"}
OPTIONS: Final = {"analysis": "cloud", "rl_cloud_sandbox_platform": "windows10", "tags": ["one", "two words"]}
LOCKED: Final = {"content_base64": base64.b64encode(archive()).decode(), "archive_password": ARCHIVE_PASSWORD}
FILE_TALK: Final = (
    Say("submit_file", FILE | OPTIONS | {"comment": "<b>two</b>\nlines"}, "submitted"),
    Say("submit_file", FILE | {"wait": True}, "malicious"),
    Say("submit_file", LOCKED, "submitted"),
)
URL_TALK: Final = (
    Say("submit_url", {"url": SITE, "crawler": "cloud"}, "submitted"),
    Say("submit_url", {"url": SITE, "wait": True}, "suspicious"),
)
LOCKED_URL: Final = Say("submit_url", {"url": SITE, "archive_password": ARCHIVE_PASSWORD}, "submitted")


def _one(
    action: str, *answers: tuple[Params, str], generations: Sequence[str] = ("current", "legacy")
) -> list[Scenario]:
    """The same questions to one action in each generation."""
    said = tuple(Say(action, params, branch) for params, branch in answers)
    return [Scenario(action, generation, said) for generation in generations]


SCENARIOS: Final = (
    Scenario("submit_file", "current", FILE_TALK),
    Scenario("submit_file", "legacy", FILE_TALK),
    Scenario("submit_url", "current", URL_TALK),
    Scenario("submit_url", "legacy", (*URL_TALK, LOCKED_URL)),
    Scenario("submit_url", "auto", URL_TALK[:1], release="9.1"),
    *_one(
        "get_ticloud_reputation",
        ({"hash_value": hash_of(MALICIOUS)}, "malicious"),
        ({"hash_values": [hash_of(GOODWARE), ABSENT]}, "goodware"),
    ),
    *_one(
        "get_classification",
        ({"hash_value": sha256(MALICIOUS).hexdigest()}, "malicious"),
        ({"hash_value": md5(GOODWARE).hexdigest(), "localonly": False}, "goodware"),
        ({"hash_value": ABSENT}, "not_found"),
    ),
    *_one(
        "get_url_reputation",
        ({"url": SITE}, "suspicious"),
        ({"url": "https://www.example.com/elsewhere?a=b%20c"}, "unknown"),
        generations=BOTH,
    ),
    *_one(
        "advanced_search", (SEARCH, "malicious"), (_next_page, "goodware"), (SEARCH | {"ticloud": True}, "malicious")
    ),
    *_one("count_search_results", ({"query": "classification:malicious"}, "ok"), generations=("current",)),
    *_one("bulk_delete", ({"hash_values": TO_DELETE, "plan": True}, "planned"), (_digest, "deleted")),
    *_one("get_report", ({"hash_values": [hash_of(MALICIOUS), ABSENT]}, "malicious")),
    *_one("get_file_status", ({"hash_values": [hash_of(MALICIOUS), ABSENT]}, "partial"), generations=BOTH),
    *_one(
        "get_tags", ({"hash_value": hash_of(MALICIOUS)}, "ok"), ({"hash_value": ABSENT}, "not_found"), generations=BOTH
    ),
    *_one("add_tags", (TO_TAG, "ok"), (TO_TAG, "ok"), (TO_TAG | {"hash_value": ABSENT}, "not_found"), generations=BOTH),
    Scenario(
        "remove_tags",
        "both",
        (Say("add_tags", TO_TAG, "ok"), Say("remove_tags", TO_TAG | {"tags": "two words,never"}, "ok")),
    ),
    *_one("test_connection", ({}, "ok"), generations=BOTH),
    Scenario("login", "both", (Say("test_connection", {}, "ok"),), login=True),
    Scenario(
        "get_url_status",
        "both",
        (
            Say("get_url_status", {"task_id": 1}, "pending"),
            Say("get_url_status", {"task_id": 1, "url": SITE}, "suspicious", after=5),
            Say("get_url_status", {"task_id": 404}, "not_found"),
        ),
        before=(("/api/uploads/", {"url": SITE, "crawler": "local"}),),
    ),
    Scenario(
        "get_bulk_delete_status",
        "both",
        (
            Say("get_bulk_delete_status", {"task_id": 1}, "pending"),
            Say("get_bulk_delete_status", {"task_id": 1, "hash_values": TO_DELETE}, "deleted", after=5),
        ),
        before=(("/api/samples/v2/delete_bulk/", {"hash_values": hash_of(MALICIOUS)}),),
    ),
)

# --- the recorder


class Detour(httpx.BaseTransport):
    """Takes what is addressed to HOST to the emulator, so that a recording knows no other address."""

    def __init__(self, address: str) -> None:
        self._to = httpx.URL(address)
        self._inner = httpx.HTTPTransport(verify=False, trust_env=False)  # plain HTTP on loopback
        self.network = Network()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme=self._to.scheme, host=self._to.host, port=self._to.port)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


_SIGNED_IN: Final = {"authorization": f"Token {TOKEN}"}


@contextmanager
def _laboratory(scenario: Scenario) -> Iterator[httpx.Client]:
    """An emulator with its clock stopped, its samples, its one user, and what was submitted before."""
    with (
        serve(release=scenario.release, token=TOKEN, processing_seconds=1.0) as appliance,
        httpx.Client(base_url=appliance.url, verify=False, trust_env=False, headers=_SIGNED_IN) as lab,
    ):
        _ask(lab, "/_lab/clock", json={"freeze": True, "set": MOMENT})
        _ask(lab, "/_lab/users", json={"username": USERNAME, "password": PASSWORD})
        _ask(lab, "/_lab/samples", json={"samples": SAMPLES})
        for path, form in scenario.before:
            _ask(lab, path, data=form)
        yield lab


def _ask(lab: httpx.Client, path: str, **body: Any) -> None:
    lab.post(path, **body).raise_for_status()


def record(scenario: Scenario, folder: Path) -> Path:
    """Record one conversation with the emulator, and beside it what the connector made of it."""
    path = folder / f"{scenario.cassette}.yaml"
    path.unlink(missing_ok=True)
    with _laboratory(scenario) as lab:
        address = str(lab.base_url).rstrip("/")
        secrets = {canary.decode(): SCRUBBED for name, canary in CANARIES.items() if name != "file content"}
        time = Time(passes=lambda seconds: _ask(lab, "/_lab/clock", json={"advance": seconds}))
        with recorder(Scrubber({address: HOST, **secrets})).use_cassette(str(path), record_mode="all") as cassette:
            told = converse(scenario.settings(), scenario.said, time, lambda connector: _detour(connector, address))
            _check(scenario, told)
            cassette.get_metadata("source", EMULATED)
            cassette.get_metadata("outcomes", [summed_up(one) for one in told])
    return path


def _detour(connector: Connector, address: str) -> None:
    connector.close()
    detour: Any = Detour(address)
    connector._driver.connect = lambda: detour


def _check(scenario: Scenario, told: list[Told]) -> None:
    for say, one in zip(scenario.said, told, strict=True):
        if isinstance(one, SpectraError):
            raise one
        if one.branch != say.branch:
            raise RuntimeError(f"{scenario.cassette}: {say.action} answered {one.branch}, not {say.branch}")


def record_all(folder: Path) -> list[Path]:
    return [record(scenario, folder) for scenario in SCENARIOS]


@click.group()
def main() -> None:
    """Tools for the cassettes."""


@main.command(name="record")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), default=CASSETTES, help="Another folder.")
def record_command(into: Path) -> None:
    """Record every emulated cassette anew; review the difference before you keep it."""
    for old in into.glob("emulated-*.yaml"):
        old.unlink()
    for path in record_all(into):
        click.echo(path.name)


if __name__ == "__main__":
    main()
