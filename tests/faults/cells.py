"""Plays one cell of the matrix, and compares what was seen with its rule."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from connector import AsyncConnector, Connector, Outcome, Settings
from connector.actions.bulk_delete import seal
from connector.cli.failure import exit_code
from connector.client import Session
from connector.errors import CircuitOpen, SpectraError, StateError
from connector.journal import Journal
from tests.faults import stages
from tests.faults.causes import FILE, SHA1
from tests.faults.expect import ANSWERS, WRITES, Column, Rule
from tests.faults.scene import Cell, Scene
from tests.laboratory import Lab, hurried

URL: Final = "https://www.example.com/download"
ACTIONS: Final[dict[Column, str]] = {
    "REP": "get_ticloud_reputation",
    "SRCH": "advanced_search",
    "POLL": "get_url_status",
    "UPF": "submit_file",
    "UPU": "submit_url",
    "DEL": "bulk_delete",
    "TAG": "add_tags",
}
REMOVED: Final = "remove_tags"  # where add_tags is not played
CANCELLED: Final = (KeyboardInterrupt, asyncio.CancelledError)
STORM_SECONDS: Final = 600.0


@dataclass(slots=True)
class Played:
    """What was seen of a cell."""

    outcome: Outcome | None
    error: BaseException | None
    asked: int
    slept: float
    changed: int
    journal: str

    @property
    def ends(self) -> str:
        if isinstance(self.error, CANCELLED):
            return "Cancelled"
        return self.outcome.branch if self.outcome is not None else type(self.error).__name__

    @property
    def happened(self) -> str:
        return self.error.outcome if isinstance(self.error, SpectraError) else ""


class Client:
    """One connector of either lane, and the run of a cell on it."""

    def __init__(self, cell: Cell, settings: Settings, scene: Scene, params: dict[str, Any], operation: str) -> None:
        self.cell, self.params, self.operation = cell, params, operation
        self._runner = asyncio.Runner() if cell.lane == "async" else None
        self._connector = hurried(self._made(settings), scene.time)

    def _made(self, settings: Settings) -> Any:
        if self._runner is None:
            return Connector(settings)

        async def make() -> AsyncConnector:
            return AsyncConnector(settings)

        return self._runner.run(make())

    def ask(self, action: str, params: Any, operation_id: str | None = None) -> Outcome:
        if self._runner is None:
            return self._connector.run(action, params, operation_id=operation_id)
        return self._runner.run(self._connector.run(action, params, operation_id=operation_id))

    def run(self, operation: str | None = None) -> Outcome:
        """The cell's own run; again with another name it is another operation."""
        return self.ask(action_of(self.cell), self.params, operation or self.operation)

    @property
    def session(self) -> Session:
        return self._connector._session

    @property
    def journal(self) -> Journal:
        return self._connector.journal

    def close(self) -> None:
        if self._runner is None:
            self._connector.close()
            return
        self._runner.run(self._connector.close())
        self._runner.close()


def action_of(cell: Cell) -> str:
    """The action of a cell; of the column of tags it is another in each lane."""
    return REMOVED if cell.column == "TAG" and cell.generation == "legacy" else ACTIONS[cell.column]


def prepared(cell: Cell, lab: Lab, file: Path) -> dict[str, Any]:
    """Put there what the run is about, and give its params; a deletion's digest comes once the address is known."""
    tags = ["phishing"] if action_of(cell) == REMOVED else []
    lab.load(sha1=SHA1, classification="malicious", cloud=True, local=True, tags=tags)
    lab.load(url=URL, classification="suspicious")
    params: dict[Column, dict[str, Any]] = {
        "REP": {"hash_value": SHA1},
        "SRCH": {"query": "classification:malicious", "limit": 10},
        "UPF": {"file": str(file)},
        "UPU": {"url": URL},
        "DEL": {"hash_values": [SHA1]},
        "TAG": {"hash_value": SHA1, "tags": ["phishing"]},
    }
    if cell.column == "POLL":
        form, token = {"url": URL, "crawler": "local"}, {"authorization": f"Token {lab.token}"}
        answer = lab.http.post("/api/uploads/", data=form, headers=token)
        lab.product.clock.advance(5)
        params["POLL"] = {"task_id": answer.json()["detail"]["id"]}
    lab.product.ledger.clear()
    more = cell.cause.params if cell.column in {"UPF", "UPU"} else {}
    return params[cell.column] | dict(more)


def play(cell: Cell, rule: Rule, lab: Lab, folder: Path, operation: str) -> None:
    """Bring the fault about, run the action, and hold everything seen against the rule."""
    file = sized(folder / f"sample-{cell.cause.size}.exe", cell.cause.size)
    params = prepared(cell, lab, file)
    own = folder / (operation if cell.cause.stage == "journal" else "shared")
    own.mkdir(mode=0o700, exist_ok=True)
    stage = stages.journal(cell, lab, own) if own.name == operation else stages.STAGES[cell.cause.stage](cell, lab)
    with stage as scene:
        settings = lab.settings(
            **{
                "url": scene.url,
                "allow_delete": True,
                "api_generation": cell.generation,
                "state": str(own),
                "stix_profile": "none",
            }
            | scene.settings
        )
        client = Client(cell, settings, scene, params, operation)
        try:
            if cell.column == "DEL":
                at = int(lab.product.clock.time())
                client.params["confirm"] = seal(client.session.context(), params["hash_values"], at)
            scene.ready(client)
            played = observed(cell, client, scene, lab)
            compare(cell, rule, played, scene, lab.token)
            after(cell, client, lab, played)
        finally:
            client.close()


def sized(file: Path, size: int) -> Path:
    if not file.exists():
        file.write_bytes(FILE.ljust(size, b"."))
    return file


def observed(cell: Cell, client: Client, scene: Scene, lab: Lab) -> Played:
    """Run it, and collect what can be seen of it."""
    before = sum(scene.time.slept or ())
    asked = scene.asked() if cell.cause.stage != "warm" else 0
    outcome, error = None, None
    try:
        with scene.around():
            outcome = client.run() if cell.cause.stage != "storm" else storm(client, lab)
    except (SpectraError, *CANCELLED) as failure:
        error = failure
    state = state_of(client, getattr(error, "operation_id", None) or client.operation)
    if cell.column == "DEL":
        lab.tell("clock", advance=5)  # what was taken is carried out
    ledger = lab.product.ledger
    assert ledger.failures == []
    return Played(
        outcome=outcome,
        error=error,
        asked=scene.asked() - asked,
        slept=sum(scene.time.slept or ()) - before,
        changed=changes(lab),
        journal=state,
    )


def changes(lab: Lab) -> int:
    ledger = lab.product.ledger
    return len(ledger.submissions) + len(ledger.deletes) + len(ledger.tag_changes)


def state_of(client: Client, operation: str) -> str:
    """The state in the journal, "" where there is no line or no journal."""
    if client.cell.column not in WRITES:
        return ""
    try:
        entry = client.journal.find(operation)
    except StateError:
        return ""
    return entry.state if entry is not None else ""


def storm(client: Client, lab: Lab) -> Outcome:
    """Ten minutes of a host that tries again every five seconds; the last failure is raised."""
    number = 0
    while True:
        number += 1
        try:
            return client.run(f"{client.operation}-{number}")
        except SpectraError:
            if lab.time.now >= STORM_SECONDS:
                raise
        lab.time.now += 5.0


def compare(cell: Cell, rule: Rule, played: Played, scene: Scene, token: str) -> None:
    """Every part of the rule, with the fault's own account."""
    scene.fired()
    told = f"{played.error or played.outcome}"
    assert (played.ends, played.happened) == (rule.ends, "" if rule.ends == "Cancelled" else rule.happened), told
    assert rule.asked[0] <= played.asked <= rule.asked[1], f"asked {played.asked}"
    assert rule.slept[0] - 0.02 <= played.slept <= rule.slept[1] + 0.02, f"slept {played.slept}"
    assert played.changed == rule.changed
    assert played.journal == rule.journal
    if isinstance(played.error, SpectraError):
        _compare_error(rule, played.error, token)
    elif played.outcome is not None:
        _compare_answer(cell, rule, played.outcome)


def _compare_error(rule: Rule, error: SpectraError, token: str) -> None:
    assert exit_code(error) == rule.exit
    assert rule.told in error.message
    assert token not in f"{error!r} {error.as_dict()}"
    assert len(error.message) < 700
    assert error.__cause__ is None
    if rule.retry_after is not None:
        assert error.retry_after == rule.retry_after


def _compare_answer(cell: Cell, rule: Rule, outcome: Outcome) -> None:
    assert rule.exit == 0
    assert getattr(outcome.result, "recovered", False) == rule.recovered
    told = [line for line in outcome.notices if "deprecated" not in line]
    assert any(rule.notice in line for line in told) if rule.notice else told == []
    if cell.column == "SRCH":
        assert outcome.result.complete == (rule.notice == "")


def after(cell: Cell, client: Client, lab: Lab, played: Played) -> None:
    """What the same client may and may not do afterwards."""
    check = cell.cause.after
    proven = cell.column in {"DEL", "TAG"}  # its look at what is there was answered before
    if check == "all_closed" or (check == "all_closed_unless_proven" and not proven):
        stays_closed(client, "submit_url", {"url": URL})
        stays_closed(client, "get_file_status", {"hash_values": [SHA1]})
    elif check == "submissions_closed" or (check and cell.column == "TAG"):
        stays_closed(client, "submit_url", {"url": URL})
        assert client.ask("get_file_status", {"hash_values": [SHA1]}).branch == "ok"
    elif check:
        stays_closed(client, "bulk_delete", client.params)
        assert client.ask("submit_url", {"url": URL}).branch == "submitted"
    if cell.cause.stage == "cancel" and cell.column in WRITES:
        taken_up(cell, client, lab)


def stays_closed(client: Client, action: str, params: dict[str, Any]) -> None:
    """Nothing of this kind is sent for a while."""
    with pytest.raises(CircuitOpen):
        client.ask(action, params)


def taken_up(cell: Cell, client: Client, lab: Lab) -> None:
    """The same operation again: looked for where that can be told, unknown where not, and never sent again."""
    lab.product.clock.advance(5)
    if cell.column == "UPU":
        with pytest.raises(SpectraError, match="may have been done then, and was not sent again"):
            client.run()
    else:
        assert client.run().branch == ANSWERS[cell.column]
    assert changes(lab) == 1
