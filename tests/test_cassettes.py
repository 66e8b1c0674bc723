"""Recorded conversations are replayed without a server: what the vendor documents, and what the emulator answered."""

import base64
import re
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from hashlib import md5, sha1, sha256
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import httpx
import pytest
import yaml
from vcr.request import Request

from connector import Outcome, Settings, SpectraError
from tests import cassette_tools as tools
from tests.cassette_tools import CASSETTES, SCENARIOS, TOKEN, Params, Say, Scenario, Time, Told

FOOBAR = b"foobar\n"  # its SHA-1 is the one in the vendor's example
ONE, TWO, THREE = (b"the %s sample of the documented cassettes\n" % word for word in (b"first", b"second", b"third"))
UPLOADS = ("uploads", "/api/uploads/", "/api/submit/file/ and /api/submit/url/")
SEARCH = ("search_v2", "/api/samples/v2/search/", "/api/samples/v3/search/")
CLASSIFICATION = (
    "classification_v1",
    "/api/samples/{hash}/classification/",
    "/api/samples/v3/{hash}/classification/",
)
TICLOUD = ("ticloud", "/api/samples/{hash}/ticloud/", "/api/samples/v3/{hash}/classification/?localonly=0")
DELETE = ("delete_bulk_v1", "/api/samples/delete_bulk/", "/api/samples/v2/delete_bulk/")
ONCE = ("extension-definition", "identity", "marking-definition")  # in a bundle with a verdict
GOOD = ("file", "malware-analysis")  # for each verdict
BAD = (*GOOD, "indicator")
FAMILY = (*BAD, "malware", "relationship", "relationship")  # Heuristic is no family
FACES = ("sync", "async", "async without [fast]")


@pytest.fixture(params=FACES)
def converse(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Told]]:
    """A way to talk to an appliance through each face, where no name is ever looked up."""

    def refused(*address: Any, **options: Any) -> Any:
        raise AssertionError(f"{address[0]} was looked up during a replay")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    if request.param == "async":
        assert import_module("connector.fast"), "this face goes over aiohttp, which vcrpy patches as well"
    if request.param == "async without [fast]":
        monkeypatch.setitem(sys.modules, "connector.fast", None)
    return tools.converse if request.param == "sync" else tools.converse_async


# --- what the vendor documents


@dataclass(frozen=True)
class Documented:
    """One documented cassette and the whole outcome it must give; ``verdicts`` hold what is not null."""

    name: str
    action: str
    params: Params
    status: str
    branch: str
    endpoint: tuple[str, str, str]
    result: dict[str, Any]
    verdicts: tuple[dict[str, Any], ...] = ()
    stix: tuple[str, ...] = ()
    first: Say | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    slept: tuple[float, ...] = ()


def hashes(content: bytes) -> dict[str, str]:
    return {"md5": md5(content).hexdigest(), "sha1": sha1(content).hexdigest(), "sha256": sha256(content).hexdigest()}


def file_of(content: bytes, **more: Any) -> dict[str, Any]:
    return {"kind": "file", **hashes(content), **more}


def by_sha1(content: bytes, **more: Any) -> dict[str, Any]:
    return {"kind": "file", "sha1": hashes(content)["sha1"], **more}


def line(asked: str, verdict: dict[str, Any]) -> dict[str, Any]:
    """The entry of a result that sums a verdict up."""
    shared = ("classification", "riskscore", "threat_name", "first_seen", "last_seen")
    of_file = {key: verdict["subject"][key] for key in ("file_type", "size", "name") if key in verdict["subject"]}
    return {"hash_value": asked, "found": True} | {key: verdict[key] for key in shared if key in verdict} | of_file


def receipt(**more: Any) -> dict[str, Any]:
    sent = {"sent_sha1": hashes(FOOBAR)["sha1"], "sent_sha256": hashes(FOOBAR)["sha256"], "sent_bytes": 7}
    created = {"task_id": 1234, "sha1": hashes(FOOBAR)["sha1"], "created": "2015-06-18T12:01:15.123456Z"}
    return sent | created | {"recovered": False} | more


HREF = "/88881adc9fc3655077dc2d4d757d480b5ea0e11"
PETYA = {"classification": "malicious", "threat_name": "Win32.Ransomware.Petya"}
IN_CLOUD = (
    PETYA
    | {"subject": file_of(ONE, name="invoice.exe", size=len(ONE), file_type="Text/None/Unknown"), "riskscore": 10}
    | {"first_seen": "2024-06-11T13:25:14Z", "last_seen": "2024-06-11T13:41:15Z", "scanner_match": 21},
    {"subject": file_of(TWO, size=len(TWO), file_type="Text/None/Unknown"), "riskscore": 7, "scanner_match": 5}
    | {"classification": "malicious", "threat_name": "Document-HTML.Trojan.Heuristic"}
    | {"first_seen": "2024-06-11T13:24:37Z", "last_seen": "2024-06-11T13:38:13Z"},
    {"subject": file_of(THREE, size=len(THREE), file_type="Text/None/Unknown"), "riskscore": 6, "scanner_match": 2}
    | {"classification": "suspicious", "first_seen": "2024-06-11T13:20:00Z", "last_seen": "2024-06-11T13:30:00Z"},
)
ON_APPLIANCE = (
    PETYA | {"subject": by_sha1(ONE, file_type="PE/Exe"), "riskscore": 10},
    {"subject": by_sha1(TWO, file_type="PE/Exe"), "riskscore": 0, "classification": "goodware"},
)
V1_MALICIOUS = (
    PETYA
    | {"subject": file_of(ONE), "reason": "cloud", "source": "local", "threat_level": 5, "trust_factor": 5}
    | {"first_seen": "2021-04-28T23:26:12Z", "last_seen": "2021-05-28T13:33:45Z"}
)
V1_KNOWN = (
    {"subject": file_of(TWO), "classification": "goodware", "reason": "cloud", "source": "cloud"}
    | {"threat_level": 0, "trust_factor": 0}
    | {"first_seen": "2021-04-28T23:26:12Z", "last_seen": "2021-05-28T13:33:45Z"}
)
SEEN_2022 = {"first_seen": "2022-12-19T11:39:11Z", "last_seen": "2022-12-19T11:48:23Z", "source": "cloud"}
TICLOUD_OLD = PETYA | SEEN_2022 | {"subject": by_sha1(ONE), "threat_level": 5, "trust_factor": 5}
TICLOUD_NEW = (
    SEEN_2022 | {"subject": by_sha1(TWO), "classification": "goodware", "riskscore": 5} | {"reason": "antivirus"}
)
PAIR = [hashes(ONE)["sha1"], hashes(TWO)["sha1"]]
QUERY = {"query": "classification:[malicious, suspicious] AND firstseen:3d-", "ticloud": True, "sort": "firstseen desc"}


def _confirm(told: list[Told]) -> dict[str, Any]:
    return {"hash_values": PAIR, "confirm": told[0].result.digest}


DOCUMENTED = (
    Documented(
        "uploads-file",
        "submit_file",
        {"file": "test.exe"},
        "pending",
        "submitted",
        UPLOADS,
        receipt(filename="test.txt", report_url=tools.HOST + HREF, visibility="private"),
        stix=("file", "marking-definition"),
    ),
    Documented(
        "uploads-file-options",
        "submit_file",
        {"file": "test.exe", "filename": "custom-filename.exe", "analysis": "cloud"}
        | {"tags": "tag1,tag2,tag3", "comment": "Custom comment"},
        "pending",
        "submitted",
        UPLOADS,
        receipt(filename="custom-filename.exe", report_url="https://a1000.example.com" + HREF, visibility="public"),
        stix=("file", "marking-definition"),
        settings={"allow_cloud": True, "url": "https://a1000.example.com"},
    ),
    Documented(
        "uploads-url",
        "submit_url",
        {"url": "https://www.example.com"},
        "pending",
        "submitted",
        UPLOADS,
        {"task_id": 22912, "url": "https://www.example.com", "crawler": "local", "visibility": "private"}
        | {"created": "2020-05-13T10:07:07.933860Z"},
        stix=("marking-definition", "url"),
    ),
    Documented(
        "search_v2-cloud",
        "advanced_search",
        QUERY,
        "success",
        "malicious",
        SEARCH,
        {"query": QUERY["query"], "returned": 3, "total": 3, "complete": True}
        | {"entries": [line(v["subject"]["sha256"], v) for v in IN_CLOUD]},
        IN_CLOUD,
        (*ONCE, *FAMILY, *BAD, *BAD),
    ),
    Documented(
        "search_v2-local",
        "advanced_search",
        {"query": "threatname:*.Ransomware*", "limit": 2},
        "success",
        "malicious",
        SEARCH,
        {"query": "threatname:*.Ransomware*", "returned": 2, "total": 2, "complete": True}
        | {"entries": [line(v["subject"]["sha1"], v) for v in ON_APPLIANCE]},
        ON_APPLIANCE,
        (*ONCE, *FAMILY, *GOOD),
    ),
    Documented(
        "classification_v1-local",
        "get_classification",
        {"hash_value": hashes(ONE)["sha1"], "localonly": True},
        "success",
        "malicious",
        CLASSIFICATION,
        {"entry": line(hashes(ONE)["sha1"], V1_MALICIOUS)},
        (V1_MALICIOUS,),
        (*ONCE, *FAMILY),
    ),
    Documented(
        "classification_v1-not-found",
        "get_classification",
        {"hash_value": hashes(TWO)["sha1"]},
        "not_found",
        "not_found",
        CLASSIFICATION,
        {"entry": {"hash_value": hashes(TWO)["sha1"], "found": False}},
    ),
    Documented(
        "classification_v1-error-503",
        "get_classification",
        {"hash_value": hashes(TWO)["sha1"], "localonly": False},
        "success",
        "goodware",
        CLASSIFICATION,
        {"entry": line(hashes(TWO)["sha1"], V1_KNOWN)},
        (V1_KNOWN,),
        (*ONCE, *GOOD),
        slept=(0.125, 0.25),
    ),
    Documented(
        "ticloud-old",
        "get_ticloud_reputation",
        {"hash_value": hashes(ONE)["sha1"]},
        "success",
        "malicious",
        TICLOUD,
        {"entries": [line(hashes(ONE)["sha1"], TICLOUD_OLD)], "found": 1},
        (TICLOUD_OLD,),
        (*ONCE, *FAMILY),
    ),
    Documented(
        "ticloud-new",
        "get_ticloud_reputation",
        {"hash_value": hashes(TWO)["sha1"].upper()},
        "success",
        "goodware",
        TICLOUD,
        {"entries": [line(hashes(TWO)["sha1"], TICLOUD_NEW)], "found": 1},
        (TICLOUD_NEW,),
        (*ONCE, *GOOD),
    ),
    Documented(
        "ticloud-not-found",
        "get_ticloud_reputation",
        {"hash_value": hashes(THREE)["sha1"]},
        "not_found",
        "not_found",
        TICLOUD,
        {"entries": [{"hash_value": hashes(THREE)["sha1"], "found": False}], "found": 0},
    ),
    Documented(
        "delete_bulk_v1-confirmed",
        "bulk_delete",
        _confirm,
        "success",
        "deleted",
        DELETE,
        {"deleted": 1}
        | {
            "entries": [
                {"hash_value": PAIR[0], "state": "deleted"},
                {"hash_value": PAIR[1], "state": "already_absent"},
            ]
        },
        first=Say("bulk_delete", {"hash_values": PAIR, "plan": True}, "planned"),
        settings={"allow_delete": True},
    ),
)


@dataclass(frozen=True)
class Refused:
    """One documented refusal and the error it must be; ``slept`` are the waits between attempts."""

    name: str
    action: str
    params: dict[str, Any]
    code: str
    status: int
    hint: str | None
    message: str
    retryable: bool = False
    slept: tuple[float, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


UPLOAD = {"file": "test.exe"}
REFUSED = (
    Refused(
        "uploads-error-400",
        "submit_file",
        UPLOAD | {"rl_cloud_sandbox_platform": "linux"},
        "bad_request",
        400,
        None,
        "Bad Request. Validation error. Parameters in the request are invalid or missing.",
        settings={"allow_cloud": True},
    ),
    Refused("uploads-error-403", "submit_file", UPLOAD, "auth", 403, "check the token", "credentials are invalid"),
    Refused(
        "uploads-error-405",
        "submit_file",
        UPLOAD,
        "maintenance",
        405,
        "maintenance mode",
        "not possible there now",
        True,
    ),
    Refused("uploads-error-413", "submit_file", UPLOAD, "file_too_large", 413, "above the size", "file is too large"),
    Refused(
        "uploads-error-429", "submit_file", UPLOAD, "capacity", 429, "memory", "limits are used up", True, (15.75, 31.5)
    ),
    Refused("uploads-error-503", "submit_file", UPLOAD, "storage_full", 503, "25 %", "cannot take this now"),
    Refused(
        "search_v2-error-400", "advanced_search", {"query": "no-such-keyword:1"}, "bad_request", 400, None, "Invalid"
    ),
    Refused(
        "classification_v1-error-429",
        "get_classification",
        {"hash_value": hashes(TWO)["sha1"], "localonly": False},
        "quota",
        429,
        "00:01 UTC",
        "quota of Spectra Intelligence is used up",
        True,
        (1.0,),
    ),
    Refused(
        "token-error-400",
        "test_connection",
        {},
        "auth",
        400,
        "inactive and locked-out",
        "refused the user name or password",
        settings={"username": tools.USERNAME, "password": tools.PASSWORD, "token": None},
    ),
)


@pytest.fixture
def example_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of the vendor's examples, in the current folder."""
    (tmp_path / "test.exe").write_bytes(FOOBAR)
    monkeypatch.chdir(tmp_path)


def legacy(**more: Any) -> Settings:
    return Settings(**{"url": tools.HOST, "token": TOKEN, "api_generation": "legacy"} | more)


def known(value: Any) -> Any:
    """A value without what is null."""
    if isinstance(value, dict):
        return {key: known(item) for key, item in value.items() if item is not None}
    return [known(item) for item in value] if isinstance(value, list) else value


def played(
    name: str, settings: Settings, said: list[Say], converse: Callable[..., list[Told]], time: Time
) -> list[Told]:
    with tools.replayed(name):
        return converse(settings, said, time)


@pytest.mark.usefixtures("example_file")
@pytest.mark.parametrize("case", DOCUMENTED, ids=lambda case: case.name)
def test_a_documented_answer_gives_its_whole_outcome(case, converse):
    """Replayed, the vendor's words become the status, branch, result, verdicts and STIX that they mean."""
    said = [*([case.first] if case.first else []), Say(case.action, case.params, case.branch)]
    time = Time()

    outcome = played(f"documented-{case.name}", legacy(**case.settings), said, converse, time)[-1]

    assert isinstance(outcome, Outcome), outcome
    shown = known(outcome.as_dict())
    assert (shown["action"], shown["status"], shown["branch"]) == (case.action, case.status, case.branch)
    assert shown["result"] == case.result
    assert shown["verdicts"] == list(case.verdicts)
    assert tools.stix_types(shown.get("stix")) == sorted(case.stix)
    assert time.slept == pytest.approx(list(case.slept))


@pytest.mark.usefixtures("example_file")
@pytest.mark.parametrize("case", DOCUMENTED, ids=lambda case: case.name)
def test_a_deprecated_endpoint_is_named_with_its_successor(case, converse):
    """Each of the page's five endpoints answers as deprecated, with the path that replaces it, and a notice."""
    said = [*([case.first] if case.first else []), Say(case.action, case.params, case.branch)]

    outcome = played(f"documented-{case.name}", legacy(**case.settings), said, converse, Time())[-1]

    name, path, successor = case.endpoint
    used = {"name": name, "path": path, "deprecated": True, "successor": successor}
    assert outcome.as_dict()["endpoint"] == used
    assert f"{path} is deprecated; its successor is {successor}" in outcome.notices


@pytest.mark.usefixtures("example_file")
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_documented_refusal_gives_its_error(case, converse):
    """A status code means what the page says of it on that endpoint; what may be repeated is, and nothing else."""
    time = Time()

    error = played(
        f"documented-{case.name}", legacy(**case.settings), [Say(case.action, case.params, "")], converse, time
    )[0]

    assert isinstance(error, SpectraError), error
    assert (error.code, error.outcome, error.retryable) == (case.code, "rejected", case.retryable)
    assert (error.status, error.retry_after) == (case.status, 300.0 if case.code == "maintenance" else None)
    assert case.message in error.message
    assert (error.hint is None) == (case.hint is None)
    assert (case.hint or "") in (error.hint or "")
    assert time.slept == pytest.approx(list(case.slept))


def test_not_found_inside_a_200_is_not_found_too(converse):
    """The successor answers 200 with "Hash not found."; that is an answer, and no verdict."""
    said = [Say("get_classification", {"hash_value": hashes(TWO)["md5"]}, "not_found")]

    outcome = played(
        "documented-classification_v3-not-found", legacy(api_generation="current"), said, converse, Time()
    )[0]

    assert (outcome.status, outcome.branch, outcome.verdicts) == ("not_found", "not_found", ())
    assert outcome.endpoint.deprecated is False
    assert outcome.stix is None or not outcome.stix["objects"]


def test_the_next_step_after_a_submission_leads_to_its_status(example_file):
    """A receipt says what to ask next, and for what."""
    with tools.replayed("documented-uploads-file"):
        of_file = tools.converse(legacy(), [Say("submit_file", UPLOAD, "")], Time())[0]
    with tools.replayed("documented-uploads-url"):
        of_url = tools.converse(legacy(), [Say("submit_url", {"url": "https://www.example.com"}, "")], Time())[0]

    asked = [hashes(FOOBAR)["sha1"]]
    assert (of_file.next.action, of_file.next.params["hash_values"]) == ("get_file_status", asked)
    assert (of_url.next.action, of_url.next.params["task_id"]) == ("get_url_status", 22912)


@pytest.mark.parametrize(
    "altered",
    [
        pytest.param({"file": "other.exe"}, id="another file name"),
        pytest.param({"file": "test.exe", "tags": "tag1"}, id="a field more"),
        pytest.param({"content_base64": "YmFyZm9vCg==", "filename": "test.exe"}, id="other bytes of the same length"),
    ],
)
def test_a_request_that_differs_from_the_page_is_not_answered(altered, example_file, tmp_path):
    """The matcher looks into the form: a replay proves the request as well as the reading of its answer."""
    (tmp_path / "other.exe").write_bytes(FOOBAR)

    with tools.recorder().use_cassette(str(CASSETTES / "documented-uploads-file.yaml")) as cassette:
        told = tools.converse(legacy(), [Say("submit_file", altered, "")], Time())[0]

    assert isinstance(told, SpectraError)
    assert cassette.play_count == 0


# --- what the emulator answered


def generations(scenario: Scenario) -> tuple[str, ...]:
    return ("current", "legacy") if scenario.generation == "both" else (scenario.generation,)


EMULATED = [
    pytest.param(scenario, generation, id=f"{scenario.cassette}{f'-{generation}' * (scenario.generation == 'both')}")
    for scenario in SCENARIOS
    for generation in generations(scenario)
]


@pytest.mark.parametrize(("scenario", "generation"), EMULATED)
def test_an_emulated_conversation_goes_on_without_the_emulator(scenario, generation, converse):
    """Replayed, a recording gives the outcomes that the living emulator gave, through either face."""
    told = played(scenario.cassette, scenario.settings(generation), list(scenario.said), converse, Time())

    assert [one.branch for one in told] == [say.branch for say in scenario.said]
    assert [tools.summed_up(one) for one in told] == tools.metadata(scenario.cassette)["outcomes"]


def test_every_action_is_emulated_in_every_generation_it_has():
    """No action is left out of the recordings, in either generation of its endpoints."""
    from connector.actions import every

    expected = set()
    for action in every():
        kinds = {endpoint.generation for endpoint in action.endpoints}
        expected |= {f"emulated-{action.name}-{kind}" for kind in kinds}

    assert expected <= {scenario.cassette for scenario in SCENARIOS}


# --- what is in the files


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All conversations with the emulator, recorded again now."""
    folder = tmp_path_factory.mktemp("fresh")
    tools.record_all(folder)
    return folder


@pytest.mark.slow
def test_the_emulated_cassettes_are_what_the_emulator_says_today(fresh):
    """Recording again gives the same bytes."""
    stale = [path.name for path in sorted(fresh.iterdir()) if path.read_bytes() != (CASSETTES / path.name).read_bytes()]

    assert not stale, "run .venv/bin/python tests/cassette_tools.py record, and review the difference"


def forms(secret: bytes) -> Iterator[bytes]:
    """A secret as it may hide: raw, base64 at every offset in both alphabets, hexadecimal, percent-encoded."""
    yield secret
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * offset + secret)[4 * bool(offset) :].rstrip(b"=")[:-1]
    yield from (secret.hex().encode(), secret.hex().upper().encode())
    yield from (quote(secret, safe="").encode(), quote_plus(secret).encode())
    yield "".join(f"%{byte:02x}" for byte in secret).encode()


def leaves(value: Any) -> Iterator[bytes]:
    """Every text and bytes in what a cassette holds, keys included."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(key)
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value if isinstance(value, bytes) else str(value).encode()


def found_in(path: Path, secrets: dict[str, bytes]) -> list[str]:
    """Which secrets a file holds, in any form, in its text or in what YAML makes of it."""
    raw = path.read_bytes()
    haystack = b"\n".join([raw, b"".join(raw.split()), *leaves(yaml.safe_load(raw))]).lower()
    return [name for name, secret in secrets.items() if any(form.lower() in haystack for form in forms(secret))]


def hostile(request: httpx.Request) -> httpx.Response:
    """An appliance that repeats its caller's secrets and sets a cookie."""
    body = {"token": TOKEN, "detail": {"password": tools.PASSWORD}, "message": f"hello {tools.USERNAME} of {TOKEN}"}
    headers = {"set-cookie": f"session={tools.COOKIE}", "x-echo": request.headers.get("authorization", "")}
    return httpx.Response(200, json=body, headers=headers)


def record_hostile(path: Path, scrubber: tools.Scrubber) -> None:
    """Record what holds every secret in every place that one can be in."""
    login = {"username": tools.USERNAME, "password": tools.PASSWORD}
    signed = {"authorization": f"Token {TOKEN}", "cookie": f"session={tools.COOKIE}"}
    upload = {"data": {"archive_password": tools.ARCHIVE_PASSWORD}, "files": {"file": ("a.bin", tools.CONTENT)}}
    with (
        tools.recorder(scrubber).use_cassette(str(path), record_mode="all"),
        httpx.Client(base_url=tools.HOST, transport=httpx.MockTransport(hostile), headers=signed) as client,
    ):
        client.post("/api-token-auth/", data=login)
        client.post("/api-token-auth/", json={"nested": [login]})
        client.post("/api/uploads/", **upload)
        client.post("/api/uploads/", data={"url": "https://www.example.com"} | upload["data"])


def test_no_canary_leaves_the_scrubber(tmp_path):
    """Tokens, passwords, cookies, user names and a file's bytes never reach a recording, echoed or not."""
    path = tmp_path / "hostile.yaml"
    echoed = {secret.decode(): tools.SCRUBBED for name, secret in tools.CANARIES.items() if name != "file content"}

    record_hostile(path, tools.Scrubber(echoed))

    assert len(yaml.safe_load(path.read_text("ascii"))["interactions"]) == 4
    assert found_in(path, tools.CANARIES) == []
    assert f"[scrubbed: {len(tools.CONTENT)} bytes, sha1 {sha1(tools.CONTENT).hexdigest()}" in path.read_text("ascii")


def test_secrets_under_their_names_need_not_be_known(tmp_path):
    """What the protocol calls a token, a password or a cookie goes without being told to the scrubber."""
    path = tmp_path / "hostile.yaml"

    record_hostile(path, tools.Scrubber())

    assert found_in(path, {n: c for n, c in tools.CANARIES.items() if n not in {"token", "username"}}) == []
    assert path.read_text("ascii").count(TOKEN) == 4, "the echo in free text, which only a known secret can name"


def test_the_search_for_canaries_finds_them(tmp_path):
    """A hit in each form is a hit, so zero hits mean something."""
    for secret in tools.CANARIES.values():
        for number, form in enumerate(forms(secret)):
            path = tmp_path / f"{number}.yaml"
            path.write_text(yaml.safe_dump({"body": b"\0\xff" + form + b"\0"}))
            assert found_in(path, {"it": secret}) == ["it"], form


@pytest.mark.slow
def test_no_canary_is_in_a_recording_of_today(fresh):
    """Every recording plants token, passwords and file content; none of them is in what was written."""
    assert {path.name: hits for path in fresh.iterdir() if (hits := found_in(path, tools.CANARIES))} == {}


ALL = sorted(CASSETTES.glob("*.yaml"))
each_cassette = pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)


@each_cassette
def test_no_canary_is_in_a_cassette(path):
    """What is committed holds no secret that a recording or a replay uses, nor the bytes of a file it sends."""
    files = {"foobar": FOOBAR.strip(), "served": tools.SERVED, "malicious": tools.MALICIOUS, "archive": tools.archive()}

    hits = found_in(path, tools.CANARIES | files)

    assert [hit for hit in hits if hit != "foobar" or "uploads" not in path.stem] == []


HOSTS = {"appliance.example.com", "a1000.example.com", "www.example.com"}
MACHINE = r"(?<![a-z0-9.])/(?:home|root|users|tmp|work|var|opt|mnt|etc)/|[a-z]:\\|localhost|\.local\b|\.internal\b"


@each_cassette
def test_a_cassette_names_no_machine_and_no_person(path):
    """No address, no path, no user and no host but those that are reserved for examples."""
    text = path.read_text("ascii").lower()

    assert set(re.findall(r"https?://([^/\s\"'?]+)", text)) <= HOSTS
    assert re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\[?::1\b", text) == []
    assert re.findall(r"\b(?!(?:[a-z0-9]+\.)?example\.com)(?:[a-z0-9-]+\.)+(?:com|net|org|io|dev)\b", text) == []
    assert re.findall(MACHINE, text) == []
    assert re.findall(r"\S+@\S+", text) == []
    here = {str(Path.home()).lower(), str(Path.cwd()).lower(), socket.gethostname().lower()}
    assert [name for name in here if re.search(r"[/\\\d.-]", name) and len(name) > 3 and name in text] == []


@cache
def content_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text("ascii"))
    return found


@each_cassette
def test_a_cassette_holds_only_what_the_scrubber_leaves(path):
    """Headers of a short list, the token replaced, uploads without bytes: whoever wrote the file."""
    for exchange in content_of(path)["interactions"]:
        request, response = exchange["request"], exchange["response"]
        assert set(request["headers"]) <= set(tools.REQUEST_HEADERS)
        assert set(response["headers"]) <= set(tools.RESPONSE_HEADERS)
        assert request["headers"].get("authorization", ["Token SCRUBBED"]) == ["Token SCRUBBED"]
        kept = Request(request["method"], request["uri"], request["body"], request["headers"])
        assert tools.meaning(tools.Scrubber().request(kept)) == tools.meaning(kept)


def test_a_documented_cassette_names_its_source():
    """Each says which page and section it was transcribed from, and what in it is inference."""
    for path in CASSETTES.glob("documented-*.yaml"):
        said = content_of(path)["metadata"]
        assert re.search(r"page '.+', .*section '|page of the|in the tests of", said["source"]), path.name
        assert said["inference"], path.name


def test_an_unknown_body_is_called_inference_in_the_source():
    """Where no source shows a body, the source line says so: refusals, V1, ticloud, V1's deletion, local entries."""
    unknown = r"-error-|classification_v1|ticloud|delete_bulk|search_v2-local"
    for path in CASSETTES.glob("documented-*.yaml"):
        labelled = "(inference: " in content_of(path)["metadata"]["source"]
        assert labelled == bool(re.search(unknown, path.stem)), path.name


def test_an_emulated_cassette_claims_nothing_about_the_vendor():
    """Each says that it was recorded from the emulator."""
    for path in CASSETTES.glob("emulated-*.yaml"):
        assert content_of(path)["metadata"]["source"] == tools.EMULATED, path.name


def test_every_cassette_is_played_by_a_test():
    """There is no orphan, and nothing is missing."""
    documented = {f"documented-{case.name}" for case in (*DOCUMENTED, *REFUSED)}
    emulated = {scenario.cassette for scenario in SCENARIOS}

    assert {path.stem for path in ALL} == documented | emulated | {"documented-classification_v3-not-found"}


# --- the matcher


def multipart(boundary: str, *parts: str) -> Request:
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"
    kind = {"content-type": f"multipart/form-data; boundary={boundary}"}
    return Request("POST", tools.HOST + "/api/uploads/", body.encode(), kind)


TAGS = 'Content-Disposition: form-data; name="tags"\r\n\r\na,b'
COMMENT = 'Content-Disposition: form-data; name="comment"\r\n\r\n--x\r\n\r\ny'


def test_a_form_is_compared_without_its_boundary_and_order():
    """Two ways to send the same parts are the same."""
    tools.same_body(multipart("one", TAGS, COMMENT), multipart("two", COMMENT, TAGS))


@pytest.mark.parametrize(
    "other",
    [TAGS, TAGS + ",c", TAGS.replace("tags", "tag"), TAGS + "\r\n"],
    ids=["one missing", "another value", "another name", "a line break more"],
)
def test_forms_that_differ_in_a_part_differ(other):
    """A part missing, changed, renamed or longer by a line break is another form."""
    with pytest.raises(AssertionError):
        tools.same_body(multipart("one", TAGS, COMMENT), multipart("one", other))


def test_scrubbing_again_changes_nothing():
    """vcrpy scrubs what it loads as well as what it sends, so both must come out alike."""
    scrubber = tools.Scrubber()
    upload = 'Content-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: text/plain\r\n\r\nbytes'

    once = scrubber.request(multipart("one", upload, COMMENT))
    twice = scrubber.request(once)

    assert (once.body, once.headers, once.uri) == (twice.body, twice.headers, twice.uri)
    assert tools.noted(b"bytes") in once.body


def test_a_form_keeps_its_other_fields():
    """Only the secret of a form is replaced."""
    sent = {"url": "https://www.example.com/a?b=1&c", "archive_password": "x&y", "crawler": "local"}
    kind = {"content-type": "application/x-www-form-urlencoded"}

    kept = tools.Scrubber().request(Request("POST", tools.HOST, urlencode(sent), kind))

    assert dict(parse_qsl(kept.body.decode())) == sent | {"archive_password": tools.SCRUBBED}
