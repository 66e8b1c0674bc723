"""A server in a thread of this process: how it starts, fails, and ends; and that its pages say what it does."""

import re
import socket
import threading
import time

import pytest
from click.testing import CliRunner

from connector.cli.serve import serve
from connector.errors import ConfigError
from connector.server.problems import OWN, TITLES
from connector.server.run import serving
from tests.laboratory import ROOT, Lab
from tests.server.served import client, settings_of, started

PAGE = (ROOT / "docs" / "server.md").read_text("utf-8")


def mine() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("spectra")]


def test_it_leaves_no_thread_behind(lab: Lab):
    before = mine()
    for _ in range(3):
        with started(settings_of(lab)) as server:
            server.run("test_connection")
            server.upload(b"x")

    assert mine() == before


def test_its_port_is_free_again(lab: Lab):
    with serving(settings_of(lab)) as running:
        port = int(running.url.rpartition(":")[2])

    with serving(settings_of(lab), port=port) as again, client(again.url) as http:
        assert http.get("/healthz").status_code == 200


def test_settings_that_cannot_be_used_are_told_as_what_they_are(lab: Lab, tmp_path):
    chosen = settings_of(lab).model_copy(update={"token": None, "token_file": tmp_path / "nothing"})

    with pytest.raises(ConfigError, match="token_file"), serving(chosen):
        pytest.fail("it started")


def test_a_port_that_is_taken_is_told(lab: Lab):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}"), serving(settings_of(lab), port=port):
            pytest.fail("it started")


def test_an_error_in_the_block_ends_it(lab: Lab):
    before = mine()
    with pytest.raises(ZeroDivisionError), serving(settings_of(lab)):
        raise ZeroDivisionError

    assert mine() == before


def test_what_a_caller_left_runs_to_its_end(lab: Lab):
    lab.fault("/api/submit/file/", "POST", delay_seconds=0.4)
    with started(settings_of(lab)) as server:
        with client(server.url) as http, pytest.raises(Exception, match="timed out"):
            http.post(
                "/actions/submit_file",
                json={"content_base64": "aGVsbG8="},
                headers={"idempotency-key": "left", "authorization": f"Bearer {server.key}"},
                timeout=0.1,
            )
        for _ in range(100):
            answer = server.run("submit_file", {"content_base64": "aGVsbG8="}, idempotency_key="left")
            if answer.status_code != 409:
                break
            time.sleep(0.02)

    assert answer.json()["branch"] == "submitted"
    assert len(lab.ledger["submissions"]) == 1


class TestPage:
    """docs/server.md."""

    def test_names_every_code(self):
        assert [code for code in (*OWN, *TITLES) if f"`{code}`" not in PAGE] == []

    def test_names_no_option_that_there_is_not(self):
        said = CliRunner().invoke(serve, ["--help"]).output + CliRunner().invoke(serve, ["keygen", "--help"]).output

        assert [option for option in re.findall(r"(?<![-\w])--[a-z][a-z-]+", PAGE) if option not in said] == []

    def test_names_every_route(self, shared):
        for path in ("/actions/{name}", "/hashes", "/openapi.json", "/healthz", "/readyz", "/metrics"):
            assert f" {path}`" in PAGE
