"""The playbooks that come with the package, each end to end on an emulated appliance over real sockets, every branch."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connector import AsyncConnector
from connector.playbooks import runner
from connector.playbooks.asking import Ask, Fork, Question, Reply, Sleep
from connector.playbooks.bundles import merged_stix
from connector.playbooks.calling import Caller
from connector.playbooks.order import Order
from connector.playbooks.visit import Visit
from connector.playbooks.walk import Ending
from connector.server import application
from connector.server.keys import SCOPES
from connector.server.run import Running, serving
from tests.laboratory import ROOT, Lab, hurried
from tests.playbooks.making import END, START, action, end, http, key, manual, parallel, playbook, start
from tests.playbooks.walking import order_of

FOLDER = ROOT / "playbooks"
KNOWN, OTHER, THIRD, NOBODY = "1" * 40, "2" * 40, "3" * 40, "f" * 40
NAME = "Win32.Trojan.Emotet"
SITE = "http://shop.example/login"
WEEK, HOUR, DAY = 7 * 24 * 3600.0, 3600.0, 24 * 3600.0
Decide = Callable[[Lab, Ask], Reply]


@dataclass
class Ran:
    """One run: how it ended, what was visited, and how much time passed for it."""

    ending: Ending
    visits: list[Visit]
    lab: Lab
    slept: float
    asked: list[Ask] = field(default_factory=list)
    deletes: list[dict[str, Any]] = field(default_factory=list)
    submissions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def steps(self) -> list[str]:
        """What was visited, but for starts and ends."""
        return [visit.name for visit in self.visits if visit.type not in {"start", "end"}]

    @property
    def sentences(self) -> list[str]:
        """What the steps that failed say."""
        return [visit.sentence for visit in self.visits if visit.sentence]

    def output(self, name: str) -> Any:
        text = self.ending.outputs[f"__{name}__"]
        assert text is not None
        return json.loads(text) if text[:1] in {"[", "{"} else text

    def count(self, name: str) -> int:
        return self.steps.count(name)


class World(runner.World):
    """Sleeps by moving the appliance's clock, and its own; asks the one who decides in the test."""

    def __init__(self, lab: Lab, order: Order, caller: Caller, decide: Decide) -> None:
        super().__init__(order, caller, self._ask)
        self.lab, self.now, self.decide = lab, order.at, decide
        self.slept, self.asked = 0.0, list[Ask]()

    async def answer(self, question: Question) -> Reply:
        if isinstance(question, Sleep):
            self.lab.product.clock.advance(question.seconds)
            self.slept += question.seconds
            return Reply(at=question.until)
        return await super().answer(question)

    async def _ask(self, ask: Ask) -> Reply:
        self.asked.append(ask)
        return self.decide(self.lab, ask)


def approved(lab: Lab, ask: Ask) -> Reply:
    return Reply(at=ask.until - ask.timeout + 60, decision="approved", by="m.okafor", note="agreed")


def rejected(lab: Lab, ask: Ask) -> Reply:
    return Reply(at=ask.until - ask.timeout + 60, decision="rejected", by="m.okafor", note="needed as evidence")


def nobody(lab: Lab, ask: Ask) -> Reply:
    lab.product.clock.advance(ask.timeout)
    return Reply(at=ask.until)


def never(lab: Lab, ask: Ask) -> Reply:
    raise AssertionError("nobody was to be asked")


@dataclass(frozen=True)
class Case:
    """One way through a playbook: what is there, what is given, who decides how, and what must have happened."""

    playbook: str
    given: Callable[[Lab, Path], dict[str, str]]
    check: Callable[[Ran], None]
    there: Callable[[Lab], None] = lambda lab: None
    decide: Decide = never


CASES: dict[str, Case] = {}


class Passing:
    """Time as the action server has it: its pauses move the appliance's clock instead of passing."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.slept = lab, 0.0

    def clock(self) -> float:
        return time.monotonic() + self.slept

    async def async_sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.lab.product.clock.advance(seconds)
        await asyncio.sleep(0)


@pytest.fixture(scope="module")
def server(appliances: Any, tmp_path_factory: Any) -> Iterator[tuple[Running, Path]]:
    """One action server before the appliance, which may read one folder."""
    lab, folder = appliances("9.6"), tmp_path_factory.mktemp("mail")
    lab.as_new()
    settings = lab.settings(allow_delete=True, state="memory", file_roots=(folder,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(application, "AsyncConnector", lambda given: hurried(AsyncConnector(given), Passing(lab)))
        with serving(settings, scopes=SCOPES) as running:
            yield running, folder


RUNS: dict[str, Ran] = {}


def walk_through(name: str, lab: Lab, server: tuple[Running, Path]) -> Ran:
    """Run a case, once in a session."""
    if name not in RUNS:
        case, (running, folder) = CASES[name], server
        lab.as_new()
        lab.state(processing_seconds=40.0)
        case.there(lab)
        made = json.loads((FOLDER / f"{case.playbook}.json").read_text("utf-8"))
        given = {f"__{key}__": text for key, text in case.given(lab, folder).items()}
        order = Order(run=f"case-{len(RUNS)}", playbook=made, given=given, at=time.time())
        RUNS[name] = asyncio.run(run(lab, order, running, case.decide))
    return RUNS[name]


async def run(lab: Lab, order: Order, server: Running, decide: Decide) -> Ran:
    assert server.api_key is not None
    async with Caller(server.url, SecretStr(server.api_key)) as caller:
        world, walker = World(lab, order, caller, decide), order.walker()
        ending = await runner.drive(walker.walk(), world.answer)
    ledger = lab.ledger
    return Ran(ending, walker.visits, lab, world.slept, world.asked, ledger["deletes"], ledger["submissions"])


# --- triage-attachment


def attachment(marker: str) -> Callable[[Lab, Path], dict[str, str]]:
    """A file whose content says what it is when it is analysed."""

    def made(lab: Lab, folder: Path) -> dict[str, str]:
        file = folder / f"{marker.split(':', maxsplit=1)[0].lower() or 'plain'}.exe"
        file.write_bytes(content(marker))
        return {"file": str(file)}

    return made


def content(marker: str) -> bytes:
    return f"MZ an attachment, for a test only {f'SPECTRA-LAB-{marker}' if marker else ''}".encode()


def digest(marker: str, kind: str = "sha256") -> str:
    return hashlib.new(kind, content(marker)).hexdigest()


def submitted(ran: Ran, verdict: str, marker: str) -> None:
    """What is so for each file that was not known before."""
    assert not ran.ending.failed, ran.ending.sentence
    assert ran.output("verdict") == verdict
    assert ran.output("sha256") == digest(marker)
    assert ran.steps[:6] == [
        "Hash the file",
        "Look the hash up",
        "Nothing known of it?",
        "Submit the file",
        "Wait for the analysis",
        "Look whether the analysis is done",
    ]
    assert ran.count("Look whether the analysis is done") == 3
    assert ran.slept == 45.0
    (submission,) = ran.submissions
    assert submission["visibility"] != "public"
    assert ran.output("case_note").startswith("# ")


def submitted_malicious(ran: Ran) -> None:
    submitted(ran, "malicious", f"MALICIOUS:{NAME}/9")
    assert (ran.output("threat_name"), ran.output("riskscore")) == (NAME, "9")
    assert ran.steps[-3:] == ["Malicious?", "Tag the sample as malicious", "Write the case note"]
    assert tags(ran, f"MALICIOUS:{NAME}/9") == {"triaged", "malicious"}
    types = {item["type"] for item in ran.output("stix")["objects"]}
    assert {"file", "indicator", "malware-analysis"} <= types
    merged = merged_stix(visit.as_dict() for visit in ran.visits)
    assert merged is not None
    assert types <= {item["type"] for item in merged["objects"]}


def tags(ran: Ran, marker: str) -> set[str]:
    sample = ran.lab.product.local.find(digest(marker, "sha1"))
    assert sample is not None
    return set(sample.user_tags)


def submitted_suspicious(ran: Ran) -> None:
    submitted(ran, "suspicious", "SUSPICIOUS")
    assert ran.steps[-4:] == ["Malicious?", "Suspicious?", "Tag the sample as suspicious", "Write the case note"]
    assert tags(ran, "SUSPICIOUS") == {"triaged", "suspicious"}


def submitted_goodware(ran: Ran) -> None:
    submitted(ran, "goodware", "GOODWARE")
    assert ran.steps[-3:] == ["Malicious?", "Suspicious?", "Write the case note"]
    assert tags(ran, "GOODWARE") == {"triaged"}


def submitted_unknown(ran: Ran) -> None:
    submitted(ran, "unknown", "")
    assert ran.output("threat_name") == ""


def known_file(ran: Ran) -> None:
    assert not ran.ending.failed, ran.ending.sentence
    assert ran.output("verdict") == "malicious"
    assert ran.submissions == []
    assert ran.slept == 0
    assert "Submit the file" not in ran.steps
    assert tags(ran, "known before") == {"triaged", "malicious"}


def known_in_cloud(ran: Ran) -> None:
    """The tag has no sample to go to, and the run goes on."""
    assert not ran.ending.failed, ran.ending.sentence
    assert ran.output("verdict") == "suspicious"
    assert ran.submissions == []
    assert ran.visits[[v.name for v in ran.visits].index("Tag the sample as suspicious")].branch == "not_found"


def not_readable(ran: Ran) -> None:
    assert ran.ending.failed
    assert ran.steps == ["Hash the file"]
    assert "(HTTP 422)" in (ran.ending.sentence or "") or "(HTTP 400)" in (ran.ending.sentence or "")
    assert ran.submissions == []


def never_analysed(ran: Ran) -> None:
    assert ran.ending.sentence == "ACTION_TIMEOUT: the time of 'Wait for the analysis' is over"
    assert ran.slept == pytest.approx(HOUR, abs=15)
    assert len(ran.submissions) == 1
    assert ran.ending.again is not None


def there(marker: str, **more: Any) -> Callable[[Lab], None]:
    return lambda lab: lab.load(sha1=digest(marker, "sha1"), sha256=digest(marker), **more) and None


CASES |= {
    "file unknown, malicious": Case("triage-attachment", attachment(f"MALICIOUS:{NAME}/9"), submitted_malicious),
    "file unknown, suspicious": Case("triage-attachment", attachment("SUSPICIOUS"), submitted_suspicious),
    "file unknown, goodware": Case("triage-attachment", attachment("GOODWARE"), submitted_goodware),
    "file unknown, unknown": Case("triage-attachment", attachment(""), submitted_unknown),
    "file known": Case(
        "triage-attachment", attachment("known before"), known_file, there("known before", classification="malicious")
    ),
    "file known in the cloud": Case(
        "triage-attachment",
        attachment("known there"),
        known_in_cloud,
        there("known there", classification="suspicious", local=False, cloud=True),
    ),
    "file not readable": Case(
        "triage-attachment", lambda lab, folder: {"file": str(folder / "not-there.exe")}, not_readable
    ),
    "file never analysed": Case(
        "triage-attachment", attachment("stuck"), never_analysed, lambda lab: lab.state(processing_seconds=1e9)
    ),
}


# --- detonate-url


def crawled(ran: Ran) -> None:
    assert not ran.ending.failed, ran.ending.sentence
    assert ran.steps[0:2] == ["Submit the URL", "Wait for the crawl"]
    assert ran.count("Look whether the crawl is done") >= 1
    assert ran.steps[-2:] == ["Get the verdict", "Write the case note"]
    (submission,) = ran.submissions
    assert submission["visibility"] != "public"
    assert ran.output("case_note").startswith("# ")


def crawled_malicious(ran: Ran) -> None:
    crawled(ran)
    assert (ran.output("verdict"), ran.output("threat_name"), ran.output("riskscore")) == ("malicious", NAME, "9")
    assert {"file", "indicator"} <= {item["type"] for item in ran.output("stix")["objects"]}
    merged = merged_stix(visit.as_dict() for visit in ran.visits)
    assert merged is not None
    assert [item["value"] for item in merged["objects"] if item["type"] == "url"] == [SITE]


def crawled_goodware(ran: Ran) -> None:
    crawled(ran)
    assert (ran.output("verdict"), ran.output("threat_name")) == ("goodware", "")


def crawled_for_long(ran: Ran) -> None:
    crawled_malicious(ran)
    assert ran.slept >= 45 * 60
    assert ran.count("Look whether the crawl is done") == ran.slept / 60


def never_crawled(ran: Ran) -> None:
    assert ran.ending.failed
    assert len(ran.submissions) == 1


def site(classification: str, seconds: float = 40.0, **more: Any) -> Callable[[Lab], None]:
    def made(lab: Lab) -> None:
        lab.load(url=SITE, classification=classification, **more)
        lab.state(processing_seconds=seconds)

    return made


THE_SITE = lambda lab, folder: {"url": SITE}  # noqa: E731
CASES |= {
    "url malicious": Case(
        "detonate-url", THE_SITE, crawled_malicious, site("malicious", threat_name=NAME, riskscore=9)
    ),
    "url goodware": Case("detonate-url", THE_SITE, crawled_goodware, site("goodware")),
    "url after 45 minutes": Case(
        "detonate-url", THE_SITE, crawled_for_long, site("malicious", 2690.0, threat_name=NAME, riskscore=9)
    ),
    "url never crawled": Case("detonate-url", THE_SITE, never_crawled, site("malicious", 1e9)),
}


# --- enrich-alert


def hashes(*values: str) -> Callable[[Lab, Path], dict[str, str]]:
    return lambda lab, folder: {"hashes": ", ".join(values)}


def three_known(lab: Lab) -> None:
    lab.load(sha1=KNOWN, classification="malicious", threat_name=NAME, riskscore=9, cloud=True)
    lab.load(sha1=OTHER, classification="goodware", cloud=True)
    lab.load(sha1=THIRD, classification="suspicious", cloud=True)


def enriched(ran: Ran, verdict: str, block: list[str], verdicts: int) -> None:
    assert not ran.ending.failed, ran.ending.sentence
    assert (ran.output("verdict"), ran.output("block_list")) == (verdict, block)
    assert len(ran.output("verdicts")) == verdicts


def mixed(ran: Ran) -> None:
    enriched(ran, "malicious", [KNOWN], 3)
    assert ran.steps == ["Look the hashes up", "Anything known?", "Write the case note"]
    assert KNOWN in ran.output("case_note")
    assert ran.output("stix")["type"] == "bundle"


def none_known(ran: Ran) -> None:
    enriched(ran, "not_found", [], 0)
    assert ran.steps == ["Look the hashes up", "Anything known?"]
    assert (ran.ending.outputs["__case_note__"], ran.output("stix")) == ("", {})


def bad_hash(ran: Ran) -> None:
    assert ran.ending.failed
    assert "/hash_values" in (ran.ending.sentence or "")


CASES |= {
    "hashes known and unknown": Case("enrich-alert", hashes(KNOWN, OTHER, THIRD, NOBODY), mixed, three_known),
    "hash goodware": Case("enrich-alert", hashes(OTHER), lambda ran: enriched(ran, "goodware", [], 1), three_known),
    "hashes unknown": Case("enrich-alert", hashes(NOBODY), none_known, three_known),
    "hash is none": Case("enrich-alert", hashes("no hash"), bad_hash),
}


# --- hunt-and-clean


def two_there(lab: Lab) -> None:
    lab.load(sha1=KNOWN, classification="malicious", threat_name=NAME)
    lab.load(sha1=OTHER, classification="malicious", threat_name=NAME)
    lab.load(sha1=THIRD, classification="goodware")
    lab.state(processing_seconds=0.0)


def two_there_slowly(lab: Lab) -> None:
    two_there(lab)
    lab.state(processing_seconds=200.0)


def two_there_for_ever(lab: Lab) -> None:
    two_there(lab)
    lab.state(processing_seconds=1e9)


def cleaned(ran: Ran) -> None:
    assert not ran.ending.failed, ran.ending.sentence
    assert sorted(ran.output("found")) == [KNOWN, OTHER]
    assert (ran.output("deletion"), ran.output("deleted")) == ("deleted", "2")
    assert sorted(item["sha1"] for item in ran.deletes) == [KNOWN, OTHER]
    (ask,) = ran.asked
    assert KNOWN in ask.text
    assert OTHER in ask.text
    assert "classification:malicious" in ask.text
    assert ask.timeout == DAY


def cleaned_later(ran: Ran) -> None:
    assert not ran.ending.failed, ran.ending.sentence
    assert (ran.output("deletion"), ran.output("deleted")) == ("deleted", "2")
    assert ran.count("Look whether the deletion is done") >= 2
    assert sorted(item["sha1"] for item in ran.deletes) == [KNOWN, OTHER]


def never_cleaned(ran: Ran) -> None:
    assert ran.ending.sentence == "ACTION_TIMEOUT: the time of 'Wait for the deletion' is over"
    assert ran.slept == pytest.approx(1800, abs=30)


def nothing_found(ran: Ran) -> None:
    assert not ran.ending.failed, ran.ending.sentence
    assert (ran.output("deletion"), ran.output("decision")) == ("none", "none")
    assert ran.steps == ["Search", "Anything found?"]
    assert ran.output("found") == []
    assert ran.asked == []


def untouched(ran: Ran) -> None:
    assert ran.deletes == []
    assert "Delete the samples" not in ran.steps
    assert "Plan the same deletion again" not in ran.steps


def said_no(ran: Ran) -> None:
    untouched(ran)
    assert not ran.ending.failed, ran.ending.sentence
    assert (ran.output("deletion"), ran.output("decision")) == ("none", "none")
    assert ran.sentences == ["m.okafor said no: needed as evidence"]


def said_nothing(ran: Ran) -> None:
    untouched(ran)
    assert not ran.ending.failed, ran.ending.sentence
    assert ran.sentences == ["ACTION_TIMEOUT: the time of 'Approve the deletion' is over"]


def approved_late(lab: Lab, ask: Ask) -> Reply:
    """After hours: the plan that was shown has expired since."""
    lab.product.clock.advance(20 * HOUR)
    return Reply(at=ask.until - ask.timeout + 20 * HOUR, decision="approved", by="m.okafor")


def approved_when_gone(lab: Lab, ask: Ask) -> Reply:
    """Somebody else deleted them meanwhile."""
    for value in (KNOWN, OTHER):
        sample = lab.product.local.find(value)
        assert sample is not None
        lab.product.local.remove(sample)
    return approved(lab, ask)


def gone_meanwhile(ran: Ran) -> None:
    assert not ran.ending.failed, ran.ending.sentence
    assert ran.deletes == []
    assert ran.steps[-2:] == ["Plan the same deletion again", "Still there?"]
    assert (ran.output("decision"), ran.output("deletion")) == ("approved", "none")


def bad_query(ran: Ran) -> None:
    assert ran.ending.failed
    assert ran.steps == ["Search"]


def query(text: str = "classification:malicious") -> Callable[[Lab, Path], dict[str, str]]:
    return lambda lab, folder: {"query": text}


CASES |= {
    "hunt, approved": Case("hunt-and-clean", query(), cleaned, two_there, approved),
    "hunt, approved when the plan has expired": Case("hunt-and-clean", query(), cleaned, two_there, approved_late),
    "hunt, deletion pending": Case("hunt-and-clean", query(), cleaned_later, two_there_slowly, approved),
    "hunt, deletion never done": Case("hunt-and-clean", query(), never_cleaned, two_there_for_ever, approved),
    "hunt, nothing found": Case("hunt-and-clean", query("classification:suspicious"), nothing_found, two_there),
    "hunt, rejected": Case("hunt-and-clean", query(), said_no, two_there, rejected),
    "hunt, nobody answered": Case("hunt-and-clean", query(), said_nothing, two_there, nobody),
    "hunt, gone meanwhile": Case("hunt-and-clean", query(), gone_meanwhile, two_there, approved_when_gone),
    "hunt, no query": Case("hunt-and-clean", query("classification:"), bad_query, two_there),
}


# --- recheck-unknowns


def one_unknown(lab: Lab) -> None:
    three_known(lab)


def becomes_known(lab: Lab) -> None:
    """NOBODY is found out after a while, as the appliance's clock goes on."""
    three_known(lab)
    advance = type(lab.product.clock).advance

    def moved(seconds: float) -> None:
        advance(lab.product.clock, seconds)
        if lab.product.cloud.find(NOBODY) is None and seconds >= 6 * HOUR:
            lab.load(sha1=NOBODY, classification="malicious", threat_name=NAME, local=False, cloud=True)

    lab.product.clock.advance = moved  # type: ignore[method-assign]  # the appliance is made anew for each case


def checked(ran: Ran, rounds: int) -> None:
    assert not ran.ending.failed, ran.ending.sentence
    assert ran.count("Look the hashes up again") == rounds
    assert ran.slept == rounds * 6 * HOUR


def all_known(ran: Ran) -> None:
    checked(ran, 0)
    assert (ran.output("malicious"), ran.output("suspicious"), ran.output("goodware"), ran.output("unknown")) == (
        [KNOWN],
        [THIRD],
        [OTHER],
        [],
    )
    assert ran.visits[-1].name == "Checked"


def known_at_last(ran: Ran) -> None:
    checked(ran, 1)
    assert sorted(ran.output("malicious")) == sorted([KNOWN, NOBODY])
    assert ran.output("unknown") == []
    assert ran.visits[-1].name == "Checked"


def never_known(ran: Ran) -> None:
    assert not ran.ending.failed, ran.ending.sentence
    assert ran.output("unknown") == [NOBODY]
    assert ran.slept == pytest.approx(WEEK, abs=60)
    assert ran.count("Look the hashes up again") == 28
    assert len([visit for visit in ran.visits if visit.statuses]) == 28  # the first look, and no more after the week
    assert ran.visits[-1].name == "Some are still unknown"


CASES |= {
    "recheck, all known": Case("recheck-unknowns", hashes(KNOWN, OTHER, THIRD), all_known, three_known),
    "recheck, known on the second look": Case("recheck-unknowns", hashes(KNOWN, NOBODY), known_at_last, becomes_known),
    "recheck, never known": Case("recheck-unknowns", hashes(KNOWN, NOBODY), never_known, one_unknown),
}


@pytest.mark.parametrize("name", CASES)
def test_a_way_through_a_playbook(name, lab, server):
    CASES[name].check(walk_through(name, lab, server))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_every_step_of_a_playbook_is_part_of_a_way_that_is_tried(path, lab, server):
    made = json.loads(path.read_text("utf-8"))
    mine = [name for name, case in CASES.items() if case.playbook == path.stem]
    visits = [visit for name in mine for visit in walk_through(name, lab, server).visits]
    assert {visit.step for visit in visits} == set(made["workflow"])
    ways = {(visit.step, visit.took) for visit in visits if visit.type == "if-condition"}
    assert ways == {
        (name, way)
        for name, one in made["workflow"].items()
        if one["type"] == "if-condition"
        for way in ("on_true", "on_false")
    }


@pytest.mark.parametrize("name", CASES)
def test_whatever_happens_is_told_whole(name, lab, server):
    ran = walk_through(name, lab, server)
    json.dumps([visit.as_dict() for visit in ran.visits], allow_nan=False)
    assert all(visit.state in {"done", "failed"} for visit in ran.visits)
    caught = {"Some are still unknown", "Not allowed"} & {visit.name for visit in ran.visits}
    assert ran.ending.failed == any(visit.state == "failed" for visit in ran.visits) or caught
    if ran.ending.failed:
        assert ran.ending.step in {visit.step for visit in ran.visits}


# --- the runner itself


def test_without_anybody_to_ask_time_passes_without_an_answer():
    order = order_of(
        playbook(
            {START: start(key("action", "ask")), key("action", "ask"): action(manual("Go on?"), then=END), END: end()}
        )
    )

    async def run_it() -> Ending:
        async with Caller("http://127.0.0.1:9", SecretStr("none")) as caller:
            return await runner.run(order, caller)

    assert asyncio.run(run_it()).sentence == "ACTION_TIMEOUT: nobody answered in time"


def test_sleeps_are_slept_and_branches_walked_side_by_side():
    ends = [key("end", "x"), key("end", "y")]
    asks = {
        key("action", name): action(manual(name), then=then, delay=150)
        for name, then in zip(("x", "y"), ends, strict=True)
    }
    fork = key("parallel", "both")
    order = order_of(
        playbook(
            {
                START: start(fork),
                fork: parallel(*asks, then=END, timeout=5000),
                **asks,
                END: end(),
                **{name: end() for name in ends},
            }
        )
    )
    together = asyncio.Event()
    asked: list[str] = []

    async def decide(ask: Ask) -> Reply:
        asked.append(ask.text)
        if len(asked) == 2:
            together.set()
        await asyncio.wait_for(together.wait(), 5)  # one after the other, this would never come
        return Reply(at=time.time(), decision="approved", by="test")

    async def run_it() -> Ending:
        async with Caller("http://127.0.0.1:9", SecretStr("none")) as caller:
            return await runner.run(order, caller, decide)

    began = time.monotonic()
    assert asyncio.run(run_it()).sentence is None
    assert sorted(asked) == ["x", "y"]
    assert 0.14 < time.monotonic() - began < 3


def test_a_run_calls_the_server_that_it_is_given(lab, server):
    running, _ = server
    order = order_of(
        playbook(
            {
                START: start(key("action", "h")),
                key("action", "h"): action(http("GET /healthz"), then=END, takes={"__s__": "$.status"}),
                END: end(),
            },
            {"__s__": {"type": "string"}},
            outputs=("__s__",),
        ),
        run="health",
    )

    async def run_it() -> Ending:
        async with Caller(running.url, SecretStr(running.api_key or "")) as caller:
            return await runner.run(order, caller)

    assert asyncio.run(run_it()).outputs == {"__s__": "ok"}


def test_what_breaks_in_answering_breaks_the_walk_and_is_not_swallowed():
    order = order_of(
        playbook(
            {START: start(key("action", "h")), key("action", "h"): action(http("GET /healthz"), then=END), END: end()}
        )
    )

    async def broken(question: Question) -> Reply:
        assert not isinstance(question, Fork)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(runner.drive(order.walker().walk(), broken))
