"""spectra journal: what was begun can be found, understood and resolved by someone who did not begin it."""

import json
import shlex
import sys

import pytest

import connector.settings
from connector.cli import journal as command
from connector.cli import main
from connector.journal import Journal
from connector.operation import Operation

SHA1 = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"
URL = "https://www.example.com/landing"
STATES = ("intent", "accepted", "done", "refused", "unknown")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def begun(folder):
    """Put an operation into the journal, in a state, held by nobody."""

    def begin(name, state, action="submit_url", outcome='{"branch": "pending"}', **subject):
        with Journal.open(folder) as journal:
            journal.intend(Operation(name, action, "https://a1000.example", "a" * 64, subject or {"url": URL}))
            if state == "accepted":
                journal.accept(name, {"task_id": 7})
            if state == "done":
                journal.finish(name, outcome)
            if state == "refused":
                journal.refuse(name, "capacity")
            if state == "unknown":
                journal.doubt(name, "truncated")

    return begin


@pytest.fixture
def spectra(monkeypatch, capsys, folder):
    """Run spectra journal: exit code and JSON, or text as on a terminal."""
    monkeypatch.setattr(connector.settings, "state_folder", lambda state: folder if state is None else folder / state)
    monkeypatch.delenv("SPECTRA_STATE", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words, terminal=False):
        monkeypatch.setattr(sys, "argv", ["spectra", "journal", *words])
        monkeypatch.setattr(command, "wants_json", lambda forced: forced or not terminal)
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr().out
        return end.value.code, told if terminal else json.loads(told)

    return run


def test_the_list_is_the_newest_first_and_leaves_outcomes_out(spectra, begun):
    for number, state in enumerate(STATES):
        begun(f"op-{number}", state)
    code, told = spectra("list")

    assert code == 0
    assert [entry["state"] for entry in told["entries"]] == list(reversed(STATES))
    assert not any("outcome" in entry for entry in told["entries"])
    assert not any(entry["running"] for entry in told["entries"])


def test_the_list_holds_only_the_states_asked_for_and_so_many(spectra, begun):
    for number, state in enumerate(STATES):
        begun(f"op-{number}", state)

    assert [e["id"] for e in spectra("list", "--state", "intent", "--state", "unknown")[1]["entries"]] == [
        "op-4",
        "op-0",
    ]
    assert [e["id"] for e in spectra("list", "--limit", "1")[1]["entries"]] == ["op-4"]


def test_an_empty_journal_is_an_empty_list(spectra):
    assert spectra("list") == (0, {"entries": []})
    assert "no such operation" in spectra("list", terminal=True)[1]


@pytest.mark.parametrize("state", STATES)
def test_every_open_state_has_a_next_step_and_the_others_have_none(spectra, begun, state):
    begun("op-1", state)
    step = spectra("show", "op-1")[1]["next"]

    if state in {"intent", "unknown"}:
        assert step.endswith("spectra journal resolve op-1 --happened yes|no")
    elif state == "accepted":
        assert step.startswith("run submit_url again with operation_id op-1: it is not sent again")
    else:
        assert step is None


def test_what_is_being_run_is_waited_for(spectra, folder):
    with Journal.open(folder) as journal:
        journal.intend(Operation("op-1", "submit_url", "https://a1000.example", "a" * 64, {"url": URL}))
        told = spectra("show", "op-1")[1]
        code, refused = spectra("resolve", "op-1", "--happened", "no")

    assert (told["running"], told["next"]) == (True, "wait: it is being run")
    assert (code, refused["error"]["code"]) == (2, "state")


def test_for_a_url_one_looks_among_the_submissions_of_that_time(spectra, begun):
    begun("op-1", "unknown")
    told = spectra("show", "op-1")[1]

    assert f"submissions for this URL between {told['began']} and {told['changed']}" in told["next"]


@pytest.mark.parametrize(
    ("action", "subject", "hashes"),
    [
        ("submit_file", {"sha1": SHA1, "sha256": "b" * 64, "size": 3}, [SHA1]),
        ("bulk_delete", {"hash_values": [SHA1, "c" * 40]}, [SHA1, "c" * 40]),
    ],
)
def test_for_hashes_one_asks_for_their_status_with_a_command_that_can_be_pasted(
    spectra, begun, action, subject, hashes
):
    begun("op-1", "unknown", action, **subject)
    step = spectra("show", "op-1")[1]["next"]
    line = step[step.index("spectra run") : step.index("}'") + 2]

    *words, params = shlex.split(line)
    assert words == ["spectra", "run", "get_file_status"]
    assert json.loads(params) == {"hash_values": hashes}


def test_an_operation_about_nothing_known_has_a_next_step_all_the_same(spectra, begun):
    begun("op-1", "unknown", kind="other")

    assert "look among the appliance's submissions between" in spectra("show", "op-1")[1]["next"]


def test_show_holds_the_whole_outcome(spectra, begun):
    begun("op-1", "done", outcome='{"branch": "malicious"}')
    begun("op-2", "done", outcome="no json")

    assert spectra("show", "op-1")[1]["outcome"] == {"branch": "malicious"}
    assert spectra("show", "op-2")[1]["outcome"] == "no json"
    assert "malicious" in spectra("show", "op-1", terminal=True)[1]


def test_show_of_what_is_not_there_is_input_refused_by_the_state(spectra):
    code, told = spectra("show", "op-1")

    assert (code, told["error"]["code"], told["error"]["outcome"]) == (2, "state", "not_sent")


@pytest.mark.parametrize(("happened", "state"), [("yes", "done"), ("no", "refused")])
def test_resolving_says_what_became_of_it_and_keeps_the_note(spectra, begun, happened, state):
    begun("op-1", "unknown")
    code, told = spectra("resolve", "op-1", "--happened", happened, "--note", "seen in the list")

    assert (code, told["state"], told["next"]) == (0, state, None)
    assert told["receipt"]["resolved"]["note"] == "seen in the list"
    assert spectra("show", "op-1")[1] == told


def test_what_ended_cannot_be_resolved(spectra, begun):
    begun("op-1", "done")
    code, told = spectra("resolve", "op-1", "--happened", "no")

    assert (code, told["error"]["code"]) == (2, "state")


def test_resolving_asks_for_yes_or_no(spectra, begun, capsys):
    begun("op-1", "unknown")

    assert spectra("resolve", "op-1", terminal=True)[0] == 2
    assert spectra("resolve", "op-1", "--happened", "maybe", terminal=True)[0] == 2
    assert spectra("show", "op-1")[1]["state"] == "unknown"


def test_the_folder_comes_from_the_option_over_the_environment(spectra, folder, monkeypatch):
    monkeypatch.setenv("SPECTRA_STATE", "from-environment")
    spectra("list")
    spectra("--state", "from-option", "list")

    assert {path.name for path in folder.iterdir()} == {"from-environment", "from-option"}


def test_a_journal_in_memory_cannot_be_looked_at(spectra, folder):
    code, told = spectra("--state", "memory", "list")

    assert (code, told["error"]["code"]) == (2, "state")
    assert not folder.exists()


def test_a_journal_that_cannot_be_trusted_is_told_as_every_error_is(spectra, begun, folder):
    begun("op-1", "done")
    (folder / "journal.sqlite").chmod(0o666)
    code, told = spectra("list")

    assert (code, told["error"]["code"]) == (2, "state")
    assert "written by others" in told["error"]["message"]


HOSTILE = "https://www.example.com/\x1b]0;owned\x07\x9b31m\u202e[bold]text[/bold]"


@pytest.mark.parametrize("words", [("list",), ("show", "op \x1b[2J1")], ids=["list", "show"])
def test_a_terminal_sees_text_from_outside_as_text(spectra, begun, words):
    begun("op \x1b[2J1", "unknown", url=HOSTILE)
    _, told = spectra(*words, terminal=True)

    assert not any(char in told for char in "\x07\x1b\x9b\u202e")
    assert "[bold]text[/bold]" in told.replace("\n", "")
    assert spectra(*words)[0] == 0


def test_a_long_list_on_a_terminal_ends_with_where_to_look(spectra, begun):
    for number in range(22):
        begun(f"op-{number}", "unknown")
    _, told = spectra("list", terminal=True)

    assert told.count("next, for ") == 20
    assert "and 2 more" in told


def test_each_kind_of_subject_is_named_in_the_table(spectra, begun):
    begun("op-1", "done", "submit_file", sha1=SHA1)
    begun("op-2", "done", "bulk_delete", hash_values=[SHA1, "c" * 40])
    begun("op-3", "done")
    _, told = spectra("list", terminal=True)

    assert SHA1 in told
    assert "2 hashes" in told
    assert URL in told
