"""Runs as timelines: a playbook walked over the emulator's real answers, on a clock that no test waits for."""

import asyncio
import base64
import hashlib
import json
import uuid
from typing import Any

from connector.playbooks.asking import Ask, Call, Fork, Question, Reply, Sleep
from connector.playbooks.branching import branch_walker, walk_branch
from connector.playbooks.cacao import Playbook
from connector.playbooks.extension import ANSWER, AUTHOR, NEEDS, definitions
from connector.playbooks.order import Order
from connector.playbooks.runner import drive
from connector.playbooks.timeline import timeline
from tests.laboratory import Lab

BEGAN = 1_795_600_800.0  # 2026-11-25T10:00:00Z
INVOICE = b"MZ an invoice that is none, for tests only"
THREAT = "Win32.Ransomware.WannaCry"
TOO_SLOW = "the action server answered 504: the appliance did not answer within 30 seconds; nothing was changed"


def key(kind: str, name: str) -> str:
    return f"{kind}--{uuid.uuid5(uuid.UUID(int=7), name)}"


def step(name: str) -> str:
    return key(KINDS.get(name, "action"), name)


KINDS = {
    "start": "start",
    "end": "end",
    "known": "if-condition",
    "wait": "while-condition",
    "decide": "switch-condition",
    "both": "parallel",
}
SERVER = key("http-api", "server")
AGENT = key("http-api", "agent")


def calls(
    action: str, content: dict[str, Any], name: str, to: str, takes: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """An action step that calls the action server."""
    made: dict[str, Any] = {
        "type": "action",
        "name": name,
        "commands": [
            {
                "type": "http-api",
                "command": f"POST /actions/{action} HTTP/1.1",
                "headers": {"Content-Type": ["application/json"]},
                "content": json.dumps(content),
            }
        ],
        "agent": AGENT,
        "targets": [SERVER],
        "on_completion": step(to),
    } | more
    if takes:
        made["step_extensions"] = {ANSWER: {"out_map": takes}}
    return made


def triage() -> dict[str, Any]:
    """A playbook with every kind of step that a diagram shows, but for playbook-action."""
    branch = {"__branch__": "$.branch"}
    look = {"hash_value": "__sha1__:value"}
    workflow = {
        "start": {"type": "start", "name": "Start", "on_completion": step("look")},
        "look": calls("get_classification", look, "Look the file up by its hash", "known", branch),
        "known": {
            "type": "if-condition",
            "name": "Unknown to the appliance?",
            "condition": "__branch__:value = 'not_found'",
            "on_true": step("submit"),
            "on_completion": step("decide"),
        },
        "submit": calls(
            "submit_file",
            {"content_base64": "__content__:value", "filename": "__filename__:value"},
            "Submit the file, privately",
            "wait",
            {"__branch__": "$.branch"},
        ),
        "wait": {
            "type": "while-condition",
            "name": "Wait for the analysis",
            "condition": "__branch__:value = 'submitted' OR __branch__:value = 'pending' OR __branch__:value = 'not_found'",
            "on_true": step("again"),
            "on_completion": step("end"),
        },
        "again": calls("get_classification", look, "Ask for the verdict", "end", branch, delay=30000),
        "decide": {
            "type": "switch-condition",
            "name": "What is it?",
            "switch": "__branch__:value",
            "cases": {"malicious": step("allow"), "suspicious": step("both"), "default": step("clean")},
            "on_completion": step("end"),
        },
        "allow": {
            "type": "action",
            "name": "Ask the shift lead to confirm",
            "commands": [
                {
                    "type": "manual",
                    "command": "Tag __filename__:value as an incident and open a case for __sha1__:value?",
                }
            ],
            "agent": AGENT,
            "on_success": step("both"),
            "on_failure": step("clean"),
        },
        "both": {
            "type": "parallel",
            "name": "Enrich and tag",
            "next_steps": [step("report"), step("tag")],
            "on_completion": step("end"),
        },
        "report": calls(
            "get_report",
            {"hash_values": ["__sha1__:value"]},
            "Get the report",
            "end",
            {"__case_note__": {"path": "$.verdicts[0].threat_name", "default": "no threat name"}},
        ),
        "tag": calls("add_tags", {"hash_value": "__sha1__:value", "tags": ["incident"]}, "Tag the sample", "end", {}),
        "clean": calls("get_tags", {"hash_value": "__sha1__:value"}, "Note that nothing was found", "end", {}),
        "end": {"type": "end", "name": "End"},
    }
    texts = {
        "__sha1__": "SHA-1 of the attachment",
        "__filename__": "Name of the attachment",
        "__content__": "The attachment, base64",
    }
    variables = {name: {"type": "string", "description": about, "external": True} for name, about in texts.items()}
    variables |= {name: {"type": "string"} for name in ("__branch__", "__case_note__")}
    return {
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": key("playbook", "triage"),
        "name": "Triage an attachment",
        "description": "Finds out what an attachment is, asks the shift lead where it is malicious, and tags it.",
        "playbook_types": ["investigation"],
        "labels": ["triage", "email"],
        "created_by": AUTHOR,
        "created": "2026-11-20T09:00:00.000Z",
        "modified": "2026-11-20T09:00:00.000Z",
        "playbook_variables": variables,
        "workflow_start": step("start"),
        "workflow": {step(name): made for name, made in workflow.items()},
        "playbook_extensions": {
            NEEDS: {
                "scopes": ["read", "submit"],
                "action_server": SERVER,
                "files": [],
                "outputs": ["__branch__", "__case_note__"],
            }
        },
        "agent_definitions": {
            AGENT: {"type": "http-api", "name": "Runner", "address": {"url": ["http://127.0.0.1:8080"]}}
        },
        "target_definitions": {
            SERVER: {"type": "http-api", "name": "Action server", "address": {"url": ["http://127.0.0.1:8080"]}}
        },
        "extension_definitions": definitions(),
    }


def playbook() -> Playbook:
    return Playbook.model_validate(triage())


class Stopped(Exception):
    """The run goes no further for now."""


class Emulated:
    """Answers a walk by running actions against an emulated appliance; time passes only where the walk waits."""

    def __init__(self, lab: Lab, order: Order, *, decision: str | None, refuse: str) -> None:
        self.lab, self.order, self.decision, self.refuse = lab, order, decision, refuse
        self.now = order.at
        self.replies: dict[str, Reply] = {}

    async def answer(self, question: Question) -> Reply:
        reply = await self._answer(question)
        self.now = reply.at
        if not isinstance(question, Sleep):
            self.replies[question.key] = reply
        return reply

    async def _answer(self, question: Question) -> Reply:
        match question:
            case Call():
                return self._call(question)
            case Sleep():
                self.lab.time.sleep(question.seconds)
                return Reply(at=question.until)
            case Ask():
                if self.decision is None:
                    raise Stopped
                return Reply(
                    at=self.now + 272.5, decision=self.decision, by="m.okafor", note="seen in the mail gateway"
                )
            case Fork():
                branches, at = [], self.now
                for branch in question.branches:
                    walker = branch_walker(branch, self.order.run, self.order.shelf())
                    self.now = branch.at
                    branches.append(await drive(walk_branch(walker, branch.first), self.answer))
                    at = max(at, self.now)
                return Reply(at=at, branches=branches)
            case _:
                return Reply(at=self.now)

    def _call(self, question: Call) -> Reply:
        action = question.request.target.removeprefix("/actions/")
        if action == self.refuse:
            return Reply(at=self.now + 30.0, status=504, problem=TOO_SLOW)
        outcome = self.lab.run(action, json.loads(question.request.body))
        return Reply(at=self.now + (1.84 if action == "submit_file" else 0.31), status=200, body=outcome.as_dict())


def run(
    lab: Lab, *, decision: str | None = "approved", refuse: str = "", filename: str = "invoice-2291.exe"
) -> dict[str, Any]:
    """The timeline of a run of ``triage`` over a file that the appliance gets to know as malicious.

    Without a decision it waits at the person; ``refuse`` names the action that fails.
    """
    sha1 = hashlib.sha1(INVOICE).hexdigest()
    lab.state(processing_seconds=70)
    lab.load(sha1=sha1, local=False, classification="malicious", riskscore=9, threat_name=THREAT)
    given = {"__sha1__": sha1, "__filename__": filename, "__content__": base64.b64encode(INVOICE).decode()}
    order = Order(run="triage-20261125-0007", playbook=triage(), given=given, at=BEGAN)
    world = Emulated(lab, order, decision=decision, refuse=refuse)
    try:
        asyncio.run(drive(order.walker().walk(), world.answer))
    except Stopped:
        return timeline(order, world.replies, world.now, "running")
    return timeline(order, world.replies, world.now, "done")


def done(lab: Lab, **more: Any) -> dict[str, Any]:
    return run(lab, **more)


def failed(lab: Lab) -> dict[str, Any]:
    return run(lab, refuse="get_report")


def waiting(lab: Lab) -> dict[str, Any]:
    return run(lab, decision=None)
