"""Playbooks as dicts, made from a few words; what is made without more is valid, and the linter finds nothing in it."""

import copy
import uuid
from typing import Any

from connector.playbooks.extension import ANSWER, AUTHOR, NEEDS, definitions

SHA1 = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"
WHEN = "2026-11-24T00:00:00.000Z"
_SPACE = uuid.UUID("0d6c9f5e-55d4-4d0c-8a2f-6f9b7b1a7b11")

Dict = dict[str, Any]


def key(kind: str, name: str) -> str:
    """The id of a thing of this kind; the same names give the same ids."""
    return f"{kind}--{uuid.uuid5(_SPACE, f'{kind} {name}')}"


SERVER = key("http-api", "the action server")
ORCHESTRATOR = key("security-category", "the orchestrator")
ANALYST = key("individual", "the analyst")
LOGIN = key("oauth2", "the key")


# --- commands


def http(line: str, content: str | None = None, **more: Any) -> Dict:
    """An http-api command: ``POST /actions/...`` and the like, without the version."""
    made: Dict = {"type": "http-api", "command": f"{line} HTTP/1.1", "headers": {"Accept": ["application/json"]}}
    if content is not None:
        made["headers"]["Content-Type"] = ["application/json"]
        made["content"] = content
    return {**made, **more}


def call(action: str, content: str) -> Dict:
    """A call of an action of the action server."""
    return http(f"POST /actions/{action}", content)


def manual(text: str = "Go on?", **more: Any) -> Dict:
    return {"type": "manual", "command": text, **more}


# --- steps


def start(then: str) -> Dict:
    return {"type": "start", "name": "Start", "on_completion": then}


def end(name: str = "End") -> Dict:
    return {"type": "end", "name": name}


def action(*commands: Dict, then: str, takes: dict[str, Any] | None = None, **more: Any) -> Dict:
    """An action step; ``takes`` is its out_map, and its out_args as well. ``None`` takes a field out."""
    made: Dict = {"type": "action", "name": "Do it", "commands": list(commands), "on_completion": then}
    made["agent"] = ORCHESTRATOR
    if any(command["type"] == "http-api" for command in commands):
        made["targets"] = [SERVER]
    if takes:
        made["out_args"] = list(takes)
        made["step_extensions"] = {ANSWER: {"out_map": takes}}
    return _given({**made, **more})


def if_(condition: str, on_true: str, then: str, on_false: str | None = None, **more: Any) -> Dict:
    made = {"type": "if-condition", "name": "Is it?", "condition": condition, "on_true": on_true, "on_completion": then}
    return _given({**made, "on_false": on_false, **more})


def while_(condition: str, on_true: str, then: str, **more: Any) -> Dict:
    made = {"type": "while-condition", "name": "Wait", "condition": condition, "on_true": on_true, "timeout": 60_000}
    return _given({**made, "on_completion": then, **more})


def parallel(*branches: str, then: str, **more: Any) -> Dict:
    return {"type": "parallel", "name": "All", "next_steps": list(branches), "on_completion": then, **more}


def switch(variable: str, cases: dict[str, str], then: str, **more: Any) -> Dict:
    made = {"type": "switch-condition", "name": "Which?", "switch": f"{variable}:value", "cases": cases}
    return {**made, "on_completion": then, **more}


def playbook_action(other: str, then: str, **more: Any) -> Dict:
    return _given({"type": "playbook-action", "name": "Other", "playbook_id": other, "on_completion": then, **more})


# --- variables


def given(kind: str = "string", **more: Any) -> Dict:
    """A variable that is passed in."""
    return {"type": kind, "external": True, "description": "Passed in.", **more}


def held(value: str | None = None, kind: str = "string", **more: Any) -> Dict:
    """A variable of the playbook's own; without a value it is not known yet."""
    return _given({"type": kind, "value": value, **more})


# --- playbooks


def playbook(
    workflow: dict[str, Dict],
    variables: dict[str, Dict] | None = None,
    *,
    scopes: tuple[str, ...] = ("read",),
    outputs: tuple[str, ...] = (),
    summary: dict[str, bool] | None = None,
    **more: Any,
) -> Dict:
    """A playbook of these steps; its start is the step of type start. ``None`` takes a field out."""
    made: Dict = {
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": key("playbook", "made"),
        "name": "Made",
        "description": "Made by a test.",
        "labels": ["test"],
        "created_by": AUTHOR,
        "created": WHEN,
        "modified": WHEN,
        "playbook_processing_summary": {**_summary(workflow), "extensions": True, **(summary or {})},
        "playbook_variables": {"__api_key__": given(description="Key of the action server."), **(variables or {})},
        "workflow_start": next((name for name, step in workflow.items() if step["type"] == "start"), None),
        "workflow": workflow,
        "playbook_extensions": {
            NEEDS: {"scopes": list(scopes), "action_server": SERVER, "outputs": list(outputs)},
        },
        "authentication_info_definitions": {
            LOGIN: {"type": "oauth2", "name": "Key", "oauth_header": "Bearer", "token": "__api_key__:value"}
        },
        "agent_definitions": {
            ORCHESTRATOR: {"type": "security-category", "name": "Orchestrator", "category": ["orchestrator"]},
            ANALYST: {"type": "individual", "name": "An analyst"},
        },
        "target_definitions": {SERVER: server()},
        "extension_definitions": definitions(),
    }
    return _given({**made, **more})


def server(**more: Any) -> Dict:
    """The action server as a target."""
    address = {"url": ["https://spectra-connector.example.com"]}
    made = {"type": "http-api", "name": "Action server", "address": address, "port": "443"}
    return _given({**made, "authentication_info": LOGIN, **more})


def _summary(workflow: dict[str, Dict]) -> dict[str, bool]:
    types = {step["type"] for step in workflow.values()}
    said = {
        "external_playbooks": "playbook-action" in types,
        "parallel_processing": "parallel" in types,
        "if_logic": "if-condition" in types,
        "while_logic": "while-condition" in types,
        "switch_logic": "switch-condition" in types,
        "temporal_logic": any("timeout" in step or "delay" in step for step in workflow.values()),
    }
    return {name: True for name, used in said.items() if used}


def _given(fields: Dict) -> Dict:
    return {name: value for name, value in fields.items() if value is not None}


START, END = key("start", "start"), key("end", "end")


def line(*actions: Dict | Any, variables: dict[str, Dict] | None = None, **more: Any) -> Dict:
    """A playbook whose steps follow each other; each is given without ``then`` or is a function of what comes next."""
    names = [step_key(number) for number in range(len(actions))]
    ways = [*names[1:], END]
    steps = {name: made(then) for name, made, then in zip(names, actions, ways, strict=True)}
    return playbook({START: start(names[0]), **steps, END: end()}, variables, **more)


def step_key(number: int) -> str:
    """The id of a step of ``line``, from 0 on."""
    return key("action", f"step {number}")


def doing(*commands: Dict, **more: Any) -> Any:
    """An action step for ``line``."""
    return lambda then: action(*commands, then=then, **more)


CLASSIFY = call("get_classification", '{"hash_value": "__hash__:value"}')
VERDICT = {"__verdict__": "$.branch"}
VARIABLES = {"__hash__": given("hash"), "__verdict__": held("")}


def simple(**more: Any) -> Dict:
    """Looks up one hash; its output is the verdict."""
    return line(doing(CLASSIFY, takes=VERDICT), variables=VARIABLES, **{"outputs": ("__verdict__",), **more})


def cleaning(**more: Any) -> Dict:
    """Plans a deletion, asks, deletes, and waits for it; with branches, a loop, a way out, and an exception handler."""
    steps = {name: key(kind, name) for name, kind in _CLEANING.items()}
    plan = call("bulk_delete", '{"hash_values": __hashes__:value, "plan": true}')
    confirm = call("bulk_delete", '{"hash_values": __hashes__:value, "confirm": "__digest__:value"}')
    look = call("get_bulk_delete_status", '{"task_id": "__task__:value", "hash_values": __hashes__:value}')
    workflow = {
        steps["start"]: start(steps["plan"]),
        steps["plan"]: action(
            plan,
            then=steps["anything"],
            takes={"__digest__": {"path": "$.result.digest", "default": ""}, "__state__": "$.branch"},
            on_failure=steps["failed"],
            on_completion=None,
            on_success=steps["anything"],
        ),
        steps["anything"]: if_("__state__:value = 'planned'", steps["ask"], steps["end"], steps["nothing"]),
        steps["ask"]: action(manual("Delete __hashes__:value?"), then=steps["delete"], agent=ANALYST, timeout=1000),
        steps["delete"]: action(
            confirm,
            then=steps["wait"],
            takes={"__state__": "$.branch", "__task__": {"path": "$.result.task_id", "default": ""}},
        ),
        steps["wait"]: while_("__state__:value = 'pending'", steps["look"], steps["done"]),
        steps["look"]: action(look, then=steps["looked"], takes={"__state__": "$.branch"}, delay=1000),
        **{steps[name]: end(name) for name in ("looked", "done", "nothing", "end", "failed")},
        steps["told"]: action(manual("It failed."), then=steps["over"], agent=ANALYST),
        steps["over"]: end("Over"),
    }
    variables = {
        "__hashes__": given("list"),
        **{name: held("") for name in ("__digest__", "__state__", "__task__")},
    }
    given_more = {"scopes": ("read", "destroy"), "outputs": ("__state__",), "workflow_exception": steps["told"], **more}
    return playbook(workflow, variables, **given_more)


_CLEANING = {
    "start": "start",
    **dict.fromkeys(("plan", "ask", "delete", "look", "told"), "action"),
    "anything": "if-condition",
    "wait": "while-condition",
    **dict.fromkeys(("looked", "done", "nothing", "end", "failed", "over"), "end"),
}


def cleaning_key(name: str) -> str:
    """The id of a step of ``cleaning`` by its name there."""
    return key(_CLEANING[name], name)


# --- changes


def changed(made: Dict, *path: Any, to: Any) -> Dict:
    """A copy with another value at a place; what is missing on the way is made."""
    copied = copy.deepcopy(made)
    here: Any = copied
    for part in path[:-1]:
        here = here.setdefault(part, {}) if isinstance(here, dict) else here[part]
    here[path[-1]] = to
    return copied


def without(made: Dict, *path: Any) -> Dict:
    """A copy in which a place is missing."""
    copied = copy.deepcopy(made)
    here: Any = copied
    for part in path[:-1]:
        here = here[part]
    del here[path[-1]]
    return copied
