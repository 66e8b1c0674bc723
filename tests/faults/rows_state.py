"""F42 to F52: the clock, the process, the journal, and what goes on for longer than one request."""

from typing import Final

from tests.faults.causes import (
    HTML,
    PAGE,
    SHA1,
    Cause,
    looked_at,
    page,
    poll_answer,
    polled,
    refused,
    replaced,
    statuses,
    struck,
)
from tests.faults.expect import (
    FOLLOWED,
    READS,
    WRITES,
    AtOnce,
    Column,
    Elsewhere,
    Error,
    Exactly,
    Must,
    Rule,
    Unharmed,
    When,
)
from tests.faults.rows import GROUND, N_A, Case, Entry, Row, case, no, of_tags, row, same

_HERE, _JOURNAL = "tests/faults/test_matrix.py::", "tests/test_journal.py::"
_STOPPED = {column: Exactly(Rule(ends="Cancelled")) for column in READS}
_UNDONE = Exactly(Rule(ends="Cancelled", changed=1, journal="unknown"))
_BROKEN = AtOnce(Error("StateError", "not_sent", "nothing was sent", journal=""))
_FULL: Entry = {"first": _BROKEN, "second": GROUND, "every": _BROKEN}
_KILLED = Elsewhere(
    (
        _JOURNAL + "TestSeveralProcesses::test_a_killed_owner_is_taken_over_and_its_file_removed",
        _JOURNAL + "TestOnDisk::test_what_was_written_is_there_after_a_kill",
        "tests/test_submit_dir.py::test_killed_again_and_again_no_file_is_sent_twice",
    )
)
_KILLED_TAGS = Elsewhere(
    (*_KILLED.tests, "tests/test_tags.py::TestTakenUp::test_what_was_interrupted_ends_in_the_truth")
)
_TWO = Elsewhere((_JOURNAL + "TestSeveralProcesses::test_of_two_that_race_for_one_operation_exactly_one_wins",))
_UNREAD = {"done": False, "reaches": False, "stage": "journal"}
_CLOCK = Elsewhere(
    (
        _HERE + "test_a_clock_that_jumps_moves_no_wait",
        "tests/test_actions.py::TestStates::test_retry_after_is_kept_to_on_the_appliance_s_clock",
    )
)
# F42 to F46 and F52: the clock, the process and the journal.
STATE: Final[dict[str, Row]] = {
    "F42": row("the clock jumps by a day", "jobs", same(must=_CLOCK)),
    "F43": row(
        "broken off by the caller",
        "jobs",
        Case(
            (struck("answer_none_wait", stage="cancel"),),
            _STOPPED | dict.fromkeys(WRITES, _UNDONE),
        ),
    ),
    "F44": row(
        "kill -9",
        "jobs",
        case(reads=N_A("a read leaves nothing behind"), upf=_KILLED, upu=_KILLED, delete=_KILLED, tag=_KILLED_TAGS),
    ),
    "F45": row(
        "the disk of the journal is full",
        "jobs",
        case(
            Cause(name="full", numbers={"how": "full"}, **_UNREAD),
            reads=Unharmed(),
            upf=_FULL,
            upu=_FULL,
            delete=_FULL,
            tag=_FULL,
        ),
    ),
    "F46": row(
        "the journal is damaged or of a newer release",
        "jobs",
        case(
            *(Cause(name=how, numbers={"how": how}, **_UNREAD) for how in ("damaged", "newer")),
            reads=Unharmed(),
            upf=_FULL,
            upu=_FULL,
            delete=_FULL,
            tag=_FULL,
        ),
    ),
    "F52": row(
        "two connectors on one journal",
        "jobs",
        case(reads=N_A("a read never opens the journal"), upf=_TWO, upu=_TWO, delete=_TWO, tag=_TWO),
    ),
}


def _url_jobs() -> Row:
    others = N_A("only a submitted URL is a job of this kind")
    lost: Entry = {
        when: Exactly(Rule(ends=ends, asked=(2, 40), slept=(0, 61), changed=1, journal="done"))
        for when, ends in (("first", "suspicious"), ("second", "suspicious"), ("every", "pending"))
    }
    wide = Exactly(Rule(ends="JobFailed", happened="applied", slept=(0, 2), changed=1, journal="accepted"))

    def met(cause: Cause, poll: Entry, upu: Entry) -> Case:
        return case(cause, reads=others, upf=others, upu=upu, delete=others, tag=others, POLL=poll)

    return row(
        "a URL's job fails, is lost, or never ends",
        "jobs",
        met(poll_answer("error", {"processing_status": "error", "message": "no"}), no("JobFailed", "applied"), wide),
        met(poll_answer("lost", {"message": "not found"}, status=404), Exactly(Rule(ends="not_found")), lost),
        met(poll_answer("endless", {"processing_status": "started"}), Exactly(Rule(ends="pending")), lost),
    )


def _waiting() -> Row:
    """The poll loop of the three actions that wait: a failure never loses what was accepted."""
    branches: dict[Column, str] = {"UPF": "malicious", "UPU": "suspicious", "DEL": "deleted"}
    once = N_A("it looks once: what it can meet is in the other rows")

    def ends(column: Column, branch: str, notice: str = "") -> Exactly:
        return Exactly(Rule(ends=branch, asked=(1, 40), slept=(0, 61), changed=1, journal="done", notice=notice))

    def waits(*causes: Cause, recovers: bool) -> Case:
        must: dict[Column, Entry] = dict.fromkeys((*READS, "TAG"), once)
        for column, branch in branches.items():
            given_up = ends(column, "pending", "failed (")
            well = ends(column, branch) if recovers else given_up
            must[column] = {"first": well, "second": well, "every": given_up}
        return Case(causes, must)

    def met(cause: Cause) -> Cause:
        return polled(cause, "UPF", "UPU", "DEL")

    return row(
        "a look while waiting fails",
        "jobs",
        waits(
            met(struck("answer_none_rst")),
            met(replaced("503 page", 503, PAGE, (HTML,))),
            met(replaced("429", 429, {"message": "queue"})),
            recovers=True,
        ),
        waits(met(refused(403, {"message": "no"})), recovers=False),
        _unseen(struck("answer_none_rst"), "truncated", slept=0.375),
        _unseen(refused(403, {"message": "no"}), "auth"),
    )


def _unseen(cause: Cause, code: str, slept: float = 0.0) -> Case:
    """A look at the tags that fails after the change was taken: asked again where that is right, and told truly."""
    told = f"looking at the tags failed ({code})"
    fails = {"ends": "OutcomeUnknown", "happened": "unknown", "journal": "unknown", "changed": 1, "told": told}
    if not slept:
        return of_tags(looked_at(cause, 1, times=1), Exactly(Rule(asked=(2, 2), **fails)))
    seen: dict[When, Must] = {
        when: Exactly(Rule(ends="ok", asked=(3, 3), slept=(pause, pause), changed=1, journal="done"))
        for when, pause in (("first", 0.125), ("second", 0.25))
    }
    every = Exactly(Rule(asked=(4, 4), slept=(slept, slept), **fails))
    return of_tags(looked_at(cause, 1), seen | {"every": every})


def _pages() -> Row:
    def search(cause: Cause, first: Entry) -> Case:
        others = N_A("only a search has pages")
        return case(cause, reads=others, upf=others, upu=others, delete=others, tag=others, SRCH=first)

    def ends(asked: int, slept: float = 0.0, notice: str = "") -> Exactly:
        return Exactly(Rule(ends="malicious", asked=(asked, asked), slept=(slept, slept), notice=notice))

    failing: Entry = {
        "first": ends(4, 0.125),
        "second": ends(4, 0.25),
        "every": ends(5, 0.375, "the search ended early (server)"),
    }

    def third(name: str, body: object) -> Cause:
        return replaced(name, 200, body, stage="pages")

    moved = page(3, more=False)
    moved["rl"]["web_search_api"]["entries"][0] = page(2, more=False)["rl"]["web_search_api"]["entries"][1]
    return row(
        "the third page fails, repeats, or belongs to other rows",
        "jobs",
        search(replaced("fails", 500, {"message": "no"}, stage="pages"), failing),
        search(third("repeats the second", page(2, more=True)), ends(3, 0, "the same page twice")),
        search(third("the total shrinks", page(3, more=False, total=1)), ends(3)),
        search(third("rows move", moved), ends(3)),
    )


def _partly() -> Row:
    others = N_A("only a deletion ends hash by hash")
    still = Exactly(Rule(ends="partial", asked=(2, 2), slept=(FOLLOWED, FOLLOWED), changed=1, journal="done"))
    return row(
        "a deletion that leaves some of it there",
        "jobs",
        case(statuses([SHA1], skip=1, times=1), reads=others, upf=others, upu=others, delete=still, tag=others),
    )


def _sinks() -> Row:
    return row("a sink is down or slow", "jobs", same(must=N_A("nothing in this release writes to a sink")))


JOBS: Final[dict[str, Row]] = {
    "F47": _url_jobs(),
    "F48": _waiting(),
    "F49": _pages(),
    "F50": _partly(),
    "F51": _sinks(),
}
