"""No secret in any answer, whatever is asked and however it fails."""

import logging

import pytest

from connector.actions import every
from connector.server.gate import places
from tests.laboratory import Lab
from tests.server.served import settings_of, started

PASSWORD = "canary-archive-password"


def everything(server) -> str:
    """Every answer that can be got without much thought, as one text."""
    seen = []

    def take(answer) -> None:
        seen.append(f"{answer.headers}\n{answer.text}")

    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/nothing", "/actions/submit_file"):
        take(server.http.get(path))
    for action in every():
        for accept in ("application/json", "text/markdown", "application/stix+json"):
            take(server.run(action.name, action.examples[-1].params, accept=accept))
        take(server.run(action.name, {"token": server.key, "nothing": PASSWORD}))
    archive = {"content_base64": "aGVsbG8=", "archive_password": PASSWORD, "comment": "x"}
    take(server.run("submit_file", archive))
    take(server.run("submit_file", archive, accept="text/markdown"))
    take(server.run("submit_file", archive | {"archive_password": [PASSWORD]}))
    take(server.upload(b"x", data={"archive_password": PASSWORD, "wait": PASSWORD}))
    take(server.http.get(f"/actions/{server.key}"))
    return "\n".join(seen)


@pytest.mark.parametrize(
    "fault", [None, {"status": 403}, {"status": 500}, {"cut": "before"}, {"status": 200, "body": "html"}]
)
def test_no_answer_holds_the_token_a_key_or_a_password(lab: Lab, caplog, capfd, fault):
    if fault is not None:
        lab.fault(**fault)
    caplog.set_level(logging.DEBUG)
    with started(settings_of(lab, deadline_seconds=0.5), log="json") as server:
        text = everything(server)
    said = capfd.readouterr()
    logged = "\n".join(
        f"{record.getMessage()} {record.exc_text}"
        for record in caplog.records
        if record.name.split(".")[0] not in {"httpx", "httpcore"}  # those of the test's own client
    )

    for where in (text, said.out, said.err, logged):
        for secret in (lab.token, server.key, PASSWORD):
            assert secret not in where


def test_a_defect_is_told_to_the_log_by_its_places_only():
    try:
        raise ValueError(PASSWORD)
    except ValueError as error:
        error.add_note("raised in x (y.py:1)")
        error.add_note(PASSWORD)
        told = places(error)

    assert PASSWORD not in told
    assert told.startswith("ValueError; test_secrets.py:")
    assert "raised in x (y.py:1)" in told
