"""`spectra serve` as a process: what it prints, where it listens, and how it ends."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from connector.server.keys import generated, toml_entry
from tests.laboratory import ROOT, Lab
from tests.server.served import PROGRAM, client, environment, problem, wait_for_late


@dataclass
class Process:
    """One server process, with the line that it printed when it was ready."""

    process: subprocess.Popen
    ready: dict[str, Any]

    @property
    def url(self) -> str:
        return self.ready["url"]

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Signal it, and give its exit code and the rest of what it printed."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@contextmanager
def running(lab: Lab, *words: str, **more: str) -> Iterator[Process]:
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", *words],
        env=environment(lab, **more),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield Process(process, json.loads(line))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(*words: str, **more: str) -> tuple[int, dict[str, Any]]:
    """A server that does not start: its exit code and its error."""
    made = subprocess.run(
        [*PROGRAM, "serve", "--port", "0", *words],
        env=environment(**more),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return made.returncode, json.loads(made.stdout)["error"]


KNOWN = {"SPECTRA_URL": "http://127.0.0.1:9", "SPECTRA_TOKEN": "0123456789abcdef", "SPECTRA_STATE": "memory"}


class TestReady:
    def test_without_a_key_one_is_made_and_printed_once(self, lab: Lab):
        with running(lab) as server, client(server.url, server.ready["api_key"]) as http:
            assert server.ready.keys() == {"url", "api_key", "scopes"}
            assert server.ready["scopes"] == ["read", "submit"]
            assert http.post("/actions/test_connection").json()["branch"] == "ok"
            code, out, err = server.end()

        assert (code, out) == (0, "")
        assert server.ready["api_key"] not in err

    def test_a_key_of_the_environment_is_not_printed(self, lab: Lab):
        more = {"SPECTRA_API_KEY": "canary-0123456789", "SPECTRA_API_SCOPES": "destroy,read"}
        with running(lab, **more) as server, client(server.url, "canary-0123456789") as http:
            assert server.ready == {"url": server.url, "scopes": ["read", "destroy"]}
            assert http.post("/actions/test_connection").status_code == 200

    def test_keys_of_a_file(self, lab: Lab, tmp_path):
        plain, key = generated(["read"], "alerts")
        (tmp_path / "keys.toml").write_text(toml_entry(key))
        with running(lab, "--keys", str(tmp_path / "keys.toml"), "--log", "json") as server:
            with client(server.url, plain) as http:
                http.post("/actions/test_connection")
            _, _, err = server.end()

        assert server.ready["scopes"] == ["read"]
        assert json.loads(err.splitlines()[0])["key"] == "alerts"


class TestRefused:
    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["--host", "0.0.0.0"], "needs --tls-cert and --tls-key"),
            (["--host", "::"], "needs --tls-cert and --tls-key"),
            (["--tls-cert", "cert.pem"], "go together"),
            (["--tls-cert", "nothing.pem", "--tls-key", "nothing.pem"], "readable PEM"),
            (["--host", "192.0.2.1", "--insecure-http"], "cannot listen"),
            (["--keys", "nothing.toml"], "--keys"),
        ],
    )
    def test_a_place_or_a_key_that_cannot_be_used(self, words, told):
        code, error = ended(*words, **KNOWN)

        assert (code, error["code"]) == (2, "config")
        assert told in error["message"]

    def test_two_sources_of_keys(self, tmp_path):
        (tmp_path / "keys.toml").write_text(toml_entry(generated(["read"])[1]))

        code, error = ended("--keys", str(tmp_path / "keys.toml"), SPECTRA_API_KEY="x" * 20, **KNOWN)

        assert code == 2
        assert "not in both" in error["message"]

    def test_settings_that_cannot_be_used(self, tmp_path):
        more = {"SPECTRA_URL": "http://127.0.0.1:9", "SPECTRA_TOKEN_FILE": str(tmp_path / "nothing")}

        code, error = ended(**more)

        assert (code, error["code"]) == (2, "config")
        assert "token_file" in error["message"]

    def test_no_appliance(self):
        assert ended()[1]["hint"].startswith("export SPECTRA_URL")

    def test_a_port_that_is_taken(self, lab: Lab):
        port = lab.url.rpartition(":")[2]

        code, error = ended("--port", port, **KNOWN)

        assert code == 2
        assert "Address already in use" in error["message"]


class TestEnd:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_what_is_under_way_is_ended_first(self, lab: Lab, number):
        lab.fault("/api/submit/file/", "POST", delay_seconds=1.0)
        with running(lab) as server, client(server.url, server.ready["api_key"]) as http:
            answers = []
            asking = threading.Thread(
                target=lambda: answers.append(http.post("/actions/submit_file", json={"content_base64": "aGVsbG8="}))
            )
            asking.start()
            wait_until_under_way(server)
            code, _, _ = server.end(number)
            asking.join()

            assert code == 0
            assert answers[0].status_code == 200, answers[0].text
            with pytest.raises(Exception, match=r"refused|closed|reset"):
                http.get("/healthz")
        assert len(lab.ledger["submissions"]) == 1

    def test_what_does_not_end_in_time_is_broken_off_and_says_so(self, lab: Lab):
        lab.fault("/api/submit/file/", "POST", delay_seconds=2.5)
        with running(lab, "--drain", "1") as server, client(server.url, server.ready["api_key"]) as http:
            answers = []
            asking = threading.Thread(
                target=lambda: answers.append(http.post("/actions/submit_file", json={"content_base64": "aGVsbG8="}))
            )
            asking.start()
            wait_until_under_way(server)
            began = time.monotonic()
            code, _, _ = server.end()
            asking.join()

            assert code == 0
            assert time.monotonic() - began < 6
            body = problem(answers[0], 503, "stopping")
            assert body["outcome"] == "unknown"
        wait_for_late(lab, "/api/submit/file/")

    def test_idle_connections_do_not_hold_it(self, lab: Lab):
        with running(lab) as server, client(server.url) as http:
            http.get("/healthz")
            began = time.monotonic()

            assert server.end()[0] == 0
            assert time.monotonic() - began < 3


def wait_until_under_way(server: Process) -> None:
    """Until the server is at a request beside the one that asks."""
    with client(server.url) as http:
        for _ in range(200):
            if "spectra_requests_in_flight 2.0" in http.get("/metrics").text:
                return
            time.sleep(0.02)
    raise AssertionError("no request came")


class TestLog:
    def test_a_line_for_each_request_and_nothing_of_what_was_sent(self, lab: Lab):
        with running(lab, "--log", "json") as server, client(server.url, server.ready["api_key"]) as http:
            answer = http.post(
                "/actions/submit_file?secret=canary-query",
                json={"content_base64": "Y2FuYXJ5", "comment": "canary-body", "archive_password": "canary-password"},
            )
            refused = http.post("/actions/submit_file", json={"canary-name": "canary-value"})
            http.get("/canary-path")
            http.request("CANARY", "/healthz")
            _, _, err = server.end()

        lines = [json.loads(line) for line in err.splitlines()]
        assert [(line["method"], line["action"], line["status"]) for line in lines] == [
            ("POST", "submit_file", answer.status_code),
            ("POST", "submit_file", 422),
            ("GET", "no_route", 404),
            ("OTHER", "/healthz", 405),
        ]
        assert lines[1]["id"] in refused.json()["instance"]
        assert lines[0].keys() == {"at", "id", "method", "action", "status", "seconds", "key"}
        assert "canary" not in err
        assert "Y2FuYXJ5" not in err
        assert server.ready["api_key"] not in err
        assert lab.token not in err

    def test_as_text(self, lab: Lab):
        with running(lab) as server, client(server.url) as http:
            http.get("/healthz")
            _, _, err = server.end()

        assert len(err.splitlines()) == 1
        assert " GET /healthz 200 " in err

    def test_none(self, lab: Lab):
        with running(lab, "--log", "none") as server, client(server.url) as http:
            http.get("/healthz")

            assert server.end() == (0, "", "")


class TestRuns:
    def test_runs_of_playbooks_are_served_where_their_state_is_named(self, lab: Lab, tmp_path):
        from connector.playbooks.durable.runs import open_runs
        from connector.playbooks.durable.state import State

        with open_runs(State.of(str(tmp_path)), prepare=True):
            pass
        plain, key = generated(["read"], "people")
        (tmp_path / "keys.toml").write_text(toml_entry(key))
        words = ["--keys", str(tmp_path / "keys.toml"), "--runs", str(tmp_path)]
        with running(lab, *words) as server, client(server.url, plain) as http:
            answer = http.get("/runs")
            assert (answer.status_code, answer.json()) == (200, {"runs": []})
            problem(http.post("/runs/none/steps/none/decision", json={"decision": "approved"}), 403, "missing_scope")

    def test_and_else_they_are_not(self, lab: Lab):
        with running(lab) as server, client(server.url, server.ready["api_key"]) as http:
            problem(http.get("/runs"), 404, "no_route")


class TestTls:
    def test_it_is_served_with_the_certificate_that_is_named(self, lab: Lab, tmp_path):
        import ssl

        import trustme

        authority = trustme.CA()
        made = authority.issue_cert("127.0.0.1")
        made.private_key_pem.write_to_path(tmp_path / "key.pem")
        for number, blob in enumerate(made.cert_chain_pems):
            blob.write_to_path(tmp_path / "cert.pem", append=number > 0)
        context = ssl.create_default_context()
        authority.configure_trust(context)
        words = ["--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")]

        with running(lab, *words) as server, client(server.url, server.ready["api_key"], verify=context) as http:
            assert server.url.startswith("https://127.0.0.1:")
            assert http.post("/actions/test_connection").status_code == 200

    def test_another_host_without_it_must_be_said(self, lab: Lab):
        with (
            running(lab, "--host", "0.0.0.0", "--insecure-http") as server,
            client(server.url.replace("0.0.0.0", "127.0.0.1")) as http,
        ):
            problem(http.get("/metrics"), 401, "no_key")
            assert http.get("/healthz").status_code == 200


class TestPaths:
    def test_no_folder_is_open_unless_it_is_named(self, lab: Lab, tmp_path):
        (tmp_path / "sample.exe").write_text("hello")
        with running(lab) as server, client(server.url, server.ready["api_key"]) as http:
            for path in (str(ROOT / "README.md"), "README.md", str(tmp_path / "sample.exe")):
                problem(http.post("/hashes", json={"file": path}), 422, "input_refused")

    @pytest.mark.parametrize("way", ["option", "environment"])
    def test_a_folder_that_is_named_is_open(self, lab: Lab, tmp_path, way):
        (tmp_path / "sample.exe").write_text("hello")
        words = ["--set", f"file_roots={tmp_path}"] if way == "option" else []
        more = {} if way == "option" else {"SPECTRA_FILE_ROOTS": str(tmp_path)}
        with running(lab, *words, **more) as server, client(server.url, server.ready["api_key"]) as http:
            assert http.post("/hashes", json={"file": str(tmp_path / "sample.exe")}).json()["size"] == 5
            problem(http.post("/hashes", json={"file": "README.md"}), 422, "input_refused")
