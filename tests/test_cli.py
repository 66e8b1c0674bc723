"""The command line as a program calls it: JSON when nobody watches, one error, one exit code."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from connector import __version__
from connector.actions import NAMES
from connector.cli import COMMANDS, cli
from connector.cli.failure import exit_code, guarded
from connector.errors import (
    AuthError,
    BadRequest,
    ConfigError,
    ConnectFailed,
    DeadlineExceeded,
    InputRefused,
    MalformedResponse,
    OutcomeUnknown,
    ServerError,
    SpectraError,
    StateError,
    StorageFull,
    TlsError,
    UnexpectedResponse,
)
from tests.laboratory import ROOT, Lab, schema_says

SHA1 = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"
PROGRAM = [sys.executable, "-c", "from connector.cli import main; main()"]


def environment(lab=None, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPECTRA_")}
    known = {"SPECTRA_URL": lab.url, "SPECTRA_TOKEN": lab.token} if lab else {}
    return kept | known | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"} | more


def spectra(*words, lab=None, stdin="", cwd=ROOT, **more):
    """Run the program in a process of its own."""
    return subprocess.run(
        [*PROGRAM, *words],
        input=stdin,
        env=environment(lab, **more),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the program in this process, which is quicker: its exit code, what it said, and what it said aside."""
    for name in [name for name in os.environ if name.startswith("SPECTRA_")]:
        monkeypatch.delenv(name)

    def called(*words, lab=None, **more):
        if lab:
            monkeypatch.setenv("SPECTRA_URL", lab.url)
            monkeypatch.setenv("SPECTRA_TOKEN", lab.token)
        for name, value in more.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["spectra", *words])
        code = guarded(cli)
        said = capsys.readouterr()
        return code, said.out, said.err

    return called


def error_of(out):
    return json.loads(out)["error"]


class TestRun:
    def test_an_outcome_is_json_when_nobody_watches(self, lab: Lab, call):
        lab.load(sha1=SHA1, classification="malicious")

        code, out, err = call("run", "get_classification", json.dumps({"hash_value": SHA1}), lab=lab)

        assert (code, err) == (0, "")
        assert schema_says("outcome", json.loads(out)) == []
        assert json.loads(out)["branch"] == "malicious"

    @pytest.mark.parametrize(
        ("action", "params", "branch"),
        [
            ("get_classification", {"hash_value": "0" * 40}, "not_found"),
            ("submit_url", {"url": "http://www.example.com/a"}, "submitted"),
            ("bulk_delete", {"hash_values": ["0" * 40], "plan": True}, "not_found"),
            ("test_connection", {}, "ok"),
        ],
    )
    def test_every_answer_exits_with_0(self, lab: Lab, call, action, params, branch):
        code, out, _ = call("run", action, json.dumps(params), lab=lab)

        assert (code, json.loads(out)["branch"]) == (0, branch)

    def test_without_params_they_are_empty(self, lab: Lab, call):
        assert call("run", "test_connection", lab=lab)[0] == 0

    def test_params_come_from_a_file(self, lab: Lab, call, tmp_path):
        (tmp_path / "params.json").write_text(json.dumps({"hash_value": "0" * 40}))

        code, out, _ = call("run", "get_classification", f"@{tmp_path}/params.json", lab=lab)

        assert (code, json.loads(out)["status"]) == (0, "not_found")

    def test_params_come_from_standard_input(self, lab: Lab):
        ended = spectra("run", "get_classification", "-", lab=lab, stdin=json.dumps({"hash_value": "0" * 40}))

        assert (ended.returncode, json.loads(ended.stdout)["status"]) == (0, "not_found")

    @pytest.mark.parametrize(
        "params",
        [
            "[1]",
            '"x"',
            "5",
            "null",
            "{",
            "",
            "{'a': 1}",
            '{"a": NaN}',
            '{"a": 1, "a": 2}',
            "[" * 100_000,
            "@gone.json",
            "@.",
        ],
    )
    def test_what_is_no_json_object_is_refused(self, lab: Lab, call, params, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        code, out, _ = call("run", "get_classification", params, lab=lab)

        assert code == 2
        assert error_of(out)["code"] == "input_refused"
        assert lab.requests == []

    def test_a_refusal_is_one_error_with_pointers(self, lab: Lab, call):
        code, out, err = call("run", "get_classification", '{"hash_value": "x"}', lab=lab)

        error = error_of(out)
        assert (code, err) == (2, "")
        assert set(error) == {
            *("code", "message", "outcome", "retryable", "retry_after", "status", "hint"),
            *("operation_id", "violations"),
        }
        assert error["violations"][0]["pointer"] == "/hash_value"

    def test_an_unknown_action_names_the_actions(self, call):
        code, out, _ = call("run", "nothing", "{}", SPECTRA_URL="http://127.0.0.1:1", SPECTRA_TOKEN="0123456789")

        assert code == 2
        assert "submit_file" in error_of(out)["message"]

    def test_missing_settings_are_told_with_the_next_step(self, call):
        code, out, _ = call("run", "test_connection")

        assert (code, error_of(out)["code"]) == (2, "config")
        assert "SPECTRA_URL" in error_of(out)["hint"]

    def test_a_wrong_token_exits_with_3(self, lab: Lab, call):
        code, out, _ = call("run", "test_connection", "--token", "canary-0123456789", lab=lab)

        assert (code, error_of(out)["code"], error_of(out)["status"]) == (3, "auth", 403)
        assert "canary" not in out

    def test_nobody_there_exits_with_4(self, call):
        code, out, _ = call("run", "test_connection", "--url", "http://127.0.0.1:1", "--token", "0123456789")

        assert (code, error_of(out)["code"]) == (4, "connect_failed")

    def test_a_submission_without_an_answer_exits_with_5(self, lab: Lab, call):
        lab.fault("/api/uploads/", method="POST", cut="before")
        params = '{"url": "http://www.example.com/a"}'

        code, out, _ = call("run", "submit_url", params, "--set", "api_generation=legacy", lab=lab)

        assert (code, error_of(out)["outcome"]) == (5, "unknown")
        assert "not sent again" in error_of(out)["message"]

    def test_an_untrustworthy_answer_exits_with_1(self, lab: Lab, call):
        lab.fault(status=200, body="html")

        assert call("run", "test_connection", lab=lab)[0] == 1

    def test_any_setting_can_be_set(self, lab: Lab, call):
        lab.load(sha1=SHA1, classification="malicious")
        words = ("--set", "tlp=red", "--set", "api_generation=legacy", "--set", "stix_profile=full")

        _, out, _ = call("run", "get_classification", json.dumps({"hash_value": SHA1}), *words, lab=lab)

        assert json.loads(out)["endpoint"]["deprecated"] is True
        assert "TLP:RED" in json.dumps(json.loads(out)["stix"])

    @pytest.mark.parametrize("words", [("--set", "nothing=1"), ("--set", "tlp"), ("--set", "tlp=white")])
    def test_a_setting_that_is_none_is_refused(self, lab: Lab, call, words):
        code, out, _ = call("run", "test_connection", *words, lab=lab)

        assert (code, error_of(out)["code"]) == (2, "config")

    def test_files_may_be_read_from_the_current_folder_only(self, lab: Lab, call, tmp_path, monkeypatch):
        (tmp_path / "inside").mkdir()
        (tmp_path / "inside" / "a").write_bytes(b"x")
        (tmp_path / "b").write_bytes(b"x")
        monkeypatch.chdir(tmp_path / "inside")

        assert call("run", "submit_file", '{"file": "a"}', lab=lab)[0] == 0
        assert call("run", "submit_file", '{"file": "../b"}', lab=lab)[0] == 2
        assert call("run", "submit_file", '{"file": "../b"}', "--set", f"file_roots={tmp_path}", lab=lab)[0] == 0

    def test_the_stix_is_written_to_a_file(self, lab: Lab, call, tmp_path):
        lab.load(sha1=SHA1, classification="malicious")
        path = tmp_path / "bundle.json"

        _, out, _ = call("run", "get_classification", json.dumps({"hash_value": SHA1}), "--stix", str(path), lab=lab)

        assert json.loads(path.read_text()) == json.loads(out)["stix"]

    def test_no_stix_is_said_and_not_written(self, lab: Lab, call, tmp_path):
        _, _, err = call("run", "test_connection", "--stix", str(tmp_path / "bundle.json"), lab=lab)

        assert "no STIX" in err
        assert not (tmp_path / "bundle.json").exists()

    def test_a_stix_file_that_cannot_be_written_is_refused_before_anything_is_sent(self, lab: Lab, call, tmp_path):
        for path in (tmp_path, tmp_path / "gone" / "bundle.json"):
            code, out, _ = call(
                "run", "submit_url", '{"url": "http://www.example.com/a"}', "--stix", str(path), lab=lab
            )

            assert (code, error_of(out)["code"]) == (2, "config")

        assert lab.requests == []

    def test_a_stix_file_that_fails_in_the_end_does_not_lose_the_outcome(self, lab: Lab, call):
        lab.load(sha1=SHA1, classification="malicious")

        code, out, err = call(
            "run", "get_classification", json.dumps({"hash_value": SHA1}), "--stix", "/dev/full", lab=lab
        )

        assert (code, json.loads(out)["branch"]) == (1, "malicious")
        assert "could not be written" in err

    def test_a_reader_that_goes_away_is_no_failure(self, lab: Lab):
        ended = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {' '.join(map(repr, PROGRAM))} schema advanced_search | true"],
            env=environment(lab),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

        assert "Traceback" not in ended.stderr


class TestTerminal:
    """What a person sees, on a terminal of the right kind."""

    def on_a_terminal(self, *words, lab):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*PROGRAM, *words],
            stdout=theirs,
            stderr=theirs,
            env=environment(lab, TERM="xterm"),
            cwd=ROOT,
            close_fds=True,
        )
        os.close(theirs)
        shown = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
        os.close(ours)
        return process.wait(), re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()), shown

    def test_a_summary_with_the_verdict_and_the_next_step(self, lab: Lab):
        lab.load(
            sha1=SHA1, classification="malicious", threat_name="Win32.Ransomware.Petya", filename="[bold]a\x1b[31m.exe"
        )

        code, shown, raw = self.on_a_terminal(
            "run", "get_classification", json.dumps({"hash_value": SHA1, "localonly": True}), lab=lab
        )

        assert code == 0
        assert "get_classification: malicious" in shown
        assert "Win32.Ransomware.Petya" in shown
        assert b"\x1b[31m.exe" not in raw

    def test_json_is_there_for_the_asking(self, lab: Lab):
        code, shown, _ = self.on_a_terminal("run", "test_connection", "--json", lab=lab)

        assert (code, json.loads(shown)["branch"]) == (0, "ok")

    def test_an_error_is_a_sentence_and_a_next_step(self, lab: Lab):
        code, shown, _ = self.on_a_terminal("run", "test_connection", "--token", "0123456789", lab=lab)

        assert code == 3
        assert shown.startswith("error: the appliance answered 403")
        assert "next: check the token" in shown


class TestLists:
    def test_the_actions(self, call):
        code, out, _ = call("actions")

        assert code == 0
        assert [action["name"] for action in json.loads(out)] == list(NAMES)

    @pytest.mark.parametrize("action", NAMES)
    def test_the_schemas_of_an_action_are_the_committed_ones(self, call, action):
        for option, kind in (((), "params"), (("--result",), "result")):
            _, out, _ = call("schema", action, *option)

            assert json.loads(out) == json.loads((ROOT / "schemas" / f"{action}.{kind}.json").read_text())

    def test_the_schema_of_an_action_that_is_none(self, call):
        assert call("schema", "nothing")[0] == 2

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_completion_for_each_shell(self, call, shell):
        code, out, _ = call("completion", shell)

        assert code == 0
        assert "_SPECTRA_COMPLETE" in out

    def test_completion_knows_commands_and_actions(self):
        for words, position, wanted in (
            ("spectra ", 1, set(COMMANDS)),
            ("spectra run get_", 2, {"get_classification"}),
        ):
            ended = spectra(_SPECTRA_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(position))

            assert wanted <= {line.split(",")[1] for line in ended.stdout.split()}, ended.stderr

    def test_the_contract_is_checked(self, call, tmp_path):
        assert call("contract", "--check", "--root", str(ROOT))[0] == 0

        code, out, _ = call("contract", "--check", "--root", str(tmp_path))
        assert code == 2
        assert "spectra contract" in error_of(out)["hint"]

        assert call("contract", "--root", str(tmp_path))[0] == 0
        assert call("contract", "--check", "--root", str(tmp_path))[0] == 0

    def test_the_version(self, call):
        assert __version__ in call("--version")[1]

    @pytest.mark.parametrize("command", [None, *COMMANDS])
    def test_every_command_explains_itself(self, command):
        shown = CliRunner().invoke(cli, [command, "--help"] if command else ["--help"])

        assert shown.exit_code == 0
        assert "Usage: " in shown.output
        assert command or all(name in shown.output for name in COMMANDS)

    @pytest.mark.parametrize(
        "words", [("nothing",), ("run",), ("run", "a", "b", "c"), ("schema",), ("demo", "--release", "1")]
    )
    def test_a_line_that_makes_no_sense_exits_with_2(self, call, words):
        assert call(*words)[0] == 2


EXIT = {
    InputRefused("x"): 2,
    ConfigError("x"): 2,
    StateError("x"): 2,
    BadRequest("x"): 3,
    AuthError("x"): 3,
    StorageFull("x"): 3,
    ServerError("x"): 3,
    ConnectFailed("x"): 4,
    TlsError("x"): 4,
    DeadlineExceeded("x"): 4,
    OutcomeUnknown("x"): 5,
    DeadlineExceeded("x", outcome="unknown"): 5,
    ServerError("x", outcome="unknown"): 5,
    UnexpectedResponse("x"): 1,
    MalformedResponse("x"): 1,
}


@pytest.mark.parametrize(("error", "code"), EXIT.items(), ids=lambda value: getattr(value, "code", str(value)))
def test_every_error_has_its_exit_code(error, code):
    assert exit_code(error) == code


def every_error(kind=SpectraError):
    yield kind
    for child in kind.__subclasses__():
        yield from every_error(child)


def test_every_error_has_a_code_of_its_own_and_plain_values():
    kinds = [kind for kind in every_error() if kind.__module__ == "connector.errors"]

    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert set(json.loads(json.dumps(kind("x").as_dict()))) >= {"code", "message", "outcome", "retryable", "hint"}


class TestPrograms:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_the_appliance_says_when_it_is_ready_and_stops_when_told(self, number, call):
        process = subprocess.Popen(
            [*PROGRAM, "appliance", "--token", "0123456789abcdef"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            cwd=ROOT,
            text=True,
        )
        try:
            ready = json.loads(process.stdout.readline())
            code, out, _ = call("run", "test_connection", "--url", ready["url"], "--token", ready["token"])
            assert (code, json.loads(out)["branch"], ready["token"]) == (0, "ok", "0123456789abcdef")
            process.send_signal(number)
            began = time.monotonic()
            out, err = process.communicate(timeout=10)
        finally:
            process.kill()
            process.wait()

        assert (process.returncode, out, err) == (0, "", "")
        assert time.monotonic() - began < 5

    @pytest.mark.slow
    @pytest.mark.parametrize("release", ["9.1", "9.6", "next"])
    def test_the_demo_runs_on_every_release(self, release):
        ended = spectra("demo", "--release", release)

        assert ended.returncode == 0, ended.stderr
        assert "malicious" in ended.stdout
        assert "deleted" in ended.stdout
        assert "indicator--" in ended.stdout
        assert "nothing is left behind" in ended.stdout
        assert ("is deprecated; its successor" in ended.stdout) == (release == "9.1")
