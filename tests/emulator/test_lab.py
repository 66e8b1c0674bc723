"""The lab's own pages arrange the appliance strictly, and are open to this machine only."""

import base64
import hashlib
from typing import Any

import pytest

from connector.emulator import Clock, Product, application
from connector.emulator.pages.exchange import Message
from tests.emulator.analyst import Analyst


def test_an_unknown_lab_page_lists_those_that_exist(analyst: Analyst) -> None:
    answer = analyst.get("/_lab/nothing")
    assert answer.status_code == 404
    assert {"GET /_lab/ledger", "POST /_lab/faults", "POST /_lab/samples", "POST /_lab/clock"} <= set(
        answer.json()["routes"]
    )


def test_the_lab_needs_no_token_but_refuses_browsers(analyst: Analyst) -> None:
    assert analyst.get("/_lab/ledger", headers={"Authorization": ""}).status_code == 200
    assert analyst.get("/_lab/ledger", headers={"Origin": "http://evil.example"}).status_code == 403


async def ask(product: Product, client: tuple[str, int] | None, root: str = "") -> int:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": f"{root}/_lab/ledger",
        "root_path": root,
        "headers": [],
        "client": client,
    }
    await application(product)(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    ("client", "status"),
    [(("192.0.2.7", 1), 403), (("not an address", 1), 403), (("127.0.0.1", 1), 200), (("::1", 1), 200), (None, 200)],
)
def test_the_lab_is_open_to_loopback_clients_only(client: tuple[str, int] | None, status: int) -> None:
    import asyncio

    assert asyncio.run(ask(Product(), client)) == status


def test_the_application_can_be_mounted_below_a_path() -> None:
    import asyncio

    assert asyncio.run(ask(Product(), None, "/appliance")) == 200


def test_missing_hashes_are_filled_in_always_the_same(analyst: Analyst) -> None:
    first = analyst.lab("samples", samples=[{"sha256": "AB" * 32}])["loaded"][0]
    assert first["sha256"] == "ab" * 32
    assert [len(first[kind]) for kind in ("md5", "sha1", "sha256", "sha512")] == [32, 40, 64, 128]
    assert analyst.lab("samples", samples=[{"sha256": "ab" * 32}])["loaded"][0] == first


def test_content_is_judged_and_identified(analyst: Analyst) -> None:
    content = b"%PDF-1.7 SPECTRA-LAB-MALICIOUS"
    sha1 = analyst.load(content_base64=base64.b64encode(content).decode(), filename="a.pdf")
    assert sha1 == hashlib.sha1(content).hexdigest()
    fields = {"hash_values": [sha1]}
    report = analyst.post("/api/samples/v2/list/", json=fields).json()["results"][0]
    assert (report["file_type"], report["classification"], report["file_size"]) == (
        "Document",
        "malicious",
        len(content),
    )


def test_properties_make_any_keyword_searchable(analyst: Analyst) -> None:
    analyst.load(filename="a", properties={"pe-import": ["kernel32.dll"], "uri": "http://example.com/x"})
    assert analyst.search("pe-import:kernel32.dll")["total_count"] == 1
    assert analyst.search('uri:"*example.com*"')["total_count"] == 1


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"filename": "no hash"},
        {"sha1": "abc"},
        {"sha1": "0" * 64},
        {"sha1": 5},
        {"sha1": "0" * 40, "classification": "bad"},
        {"sha1": "0" * 40, "classification": "malicious", "riskscore": 11},
        {"sha1": "0" * 40, "riskscore": "9"},
        {"sha1": "0" * 40, "size": True},
        {"sha1": "0" * 40, "first_seen": "yesterday"},
        {"sha1": "0" * 40, "tags": "a"},
        {"sha1": "0" * 40, "local": "yes"},
        {"sha1": "0" * 40, "colour": "red"},
        {"content_base64": "?"},
    ],
)
def test_a_sample_with_a_mistake_is_refused(analyst: Analyst, entry: dict[str, Any]) -> None:
    answer = analyst.post("/_lab/samples", json={"samples": [entry]})
    assert answer.status_code == 400
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("page", "body"),
    [
        ("samples", {}),
        ("samples", {"samples": {}}),
        ("samples", {"samples": ["a"]}),
        ("samples", {"generate": 0}),
        ("samples", {"generate": "5"}),
        ("samples", {"generate": 5, "seed": "a"}),
        ("samples", {"generate": 5, "colour": "red"}),
        ("clock", {}),
        ("clock", {"jump": 1}),
        ("clock", {"advance": "1"}),
        ("clock", {"advance": 1e300}),
        ("clock", {"set": "soon"}),
        ("state", {"colour": "red"}),
        ("state", {"maintenance": 1}),
        ("state", {"queue_limit": 1.5}),
        ("state", {"disk_free_percent": -1}),
        ("users", {"username": "a"}),
        ("users", {"username": "a", "password": "b", "rights": ["fly"]}),
    ],
)
def test_wrong_orders_to_the_lab_are_refused(analyst: Analyst, page: str, body: dict[str, Any]) -> None:
    answer = analyst.post(f"/_lab/{page}", json=body)
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert analyst.get("/_lab/state").status_code == 200


def test_the_clock_can_be_set_frozen_advanced_and_let_run(analyst: Analyst) -> None:
    assert analyst.lab("clock", freeze=True, set="2026-01-01T00:00:00Z")["now"] == "2026-01-01T00:00:00.000000Z"
    assert analyst.lab("clock", advance=90.5) == {"now": "2026-01-01T00:01:30.500000Z", "frozen": True}
    assert analyst.get("/api/nothing").headers["date"] == "Thu, 01 Jan 2026 00:01:30 GMT"
    assert analyst.lab("clock", run=True)["frozen"] is False
    assert analyst.lab("clock", set="2026-01-02T00:00:00Z")["now"].startswith("2026-01-02T00:00:0")


def test_a_clock_runs_on_from_where_it_was_frozen() -> None:
    clock = Clock()
    clock.advance(-1000)
    clock.freeze()
    then = clock.time()
    clock.run()
    assert 0 <= clock.time() - then < 1


def test_the_state_can_be_read_back(analyst: Analyst) -> None:
    analyst.lab("state", maintenance=True, processing_seconds=2)
    state = analyst.get("/_lab/state").json()
    assert (state["maintenance"], state["processing_seconds"], state["release"]) == (True, 2, "9.6")


def test_the_ledger_can_be_emptied(analyst: Analyst) -> None:
    analyst.upload()
    analyst.delete("/_lab/ledger")
    ledger = analyst.ledger()
    assert (ledger["submissions"], ledger["requests"], ledger["totals"]["requests"]) == ([], [], 0)
