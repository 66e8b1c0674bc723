"""Playbooks to be run by tests: those of the package with short delays, and small ones made of a few steps."""

import json
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connector.playbooks.extension import ANSWER, AUTHOR, NEEDS, definitions
from connector.playbooks.order import Order

BOOKS = Path(__file__).parents[2] / "playbooks"
ABSENT = "0" * 40
SERVER, AGENT = (f"http-api--{uuid.uuid5(uuid.UUID(int=9), name)}" for name in ("server", "agent"))


def shipped(name: str, delay: int | None = 50) -> dict[str, Any]:
    """A playbook of the package; ``delay`` is milliseconds for each of its delays, None for those that it has."""
    made: dict[str, Any] = json.loads((BOOKS / f"{name}.json").read_bytes())
    for step in made["workflow"].values():
        if delay is not None and "delay" in step:
            step["delay"] = delay
    return made


def order(playbook: dict[str, Any], run: str, given: Mapping[str, str] | None = None, **more: Any) -> Order:
    values = {name if name.startswith("__") else f"__{name}__": value for name, value in (given or {}).items()}
    return Order(run=run, playbook=playbook, given=values, at=time.time(), **more)


def identifier(kind: str, name: str) -> str:
    return f"{kind}--{uuid.uuid5(uuid.UUID(int=9), name)}"


def step(name: str) -> str:
    """The id of a step: its kind is the first word of its name, where that is one."""
    kinds = {"start": "start", "end": "end", "par": "parallel", "while": "while-condition", "other": "playbook-action"}
    return identifier(kinds.get(name.split("_", maxsplit=1)[0], "action"), name)


def call(action: str, to: str = "end", takes: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A step that calls the action server; ``content`` among ``more`` is the action's parameters."""
    content = more.pop("content", {"hash_value": ABSENT})
    command = {
        "type": "http-api",
        "command": f"POST /actions/{action} HTTP/1.1",
        "headers": {"Content-Type": ["application/json"]},
        "content": json.dumps(content),
    }
    made: dict[str, Any] = {
        "type": "action",
        "name": action,
        "commands": [command],
        "agent": AGENT,
        "targets": [SERVER],
    }
    made |= {"step_extensions": {ANSWER: {"out_map": dict(takes)}}} if takes else {}
    return made | more | ({} if "on_success" in more else {"on_completion": step(to)})


def ask(text: str = "Go on?", to: str = "end", **more: Any) -> dict[str, Any]:
    made = {"type": "action", "name": text, "commands": [{"type": "manual", "command": text}], "agent": AGENT}
    return made | more | ({} if "on_success" in more else {"on_completion": step(to)})


def book(name: str = "test", variables: Mapping[str, str] | None = None, **steps: dict[str, Any]) -> dict[str, Any]:
    """A playbook of these steps, which begins with the first; ``variables`` are strings with their values."""
    first = next(iter(steps))
    workflow = {"start": {"type": "start", "on_completion": step(first)}, "end": {"type": "end"}} | steps
    held = {key: {"type": "string", "value": value} for key, value in (variables or {}).items()}
    needs = {"scopes": ["read", "submit"], "action_server": SERVER, "files": [], "outputs": list(held)}
    return {
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": identifier("playbook", name),
        "name": name,
        "created_by": AUTHOR,
        "created": "2026-11-20T09:00:00.000Z",
        "modified": "2026-11-20T09:00:00.000Z",
        "playbook_variables": held,
        "workflow_start": step("start"),
        "workflow": {step(key): made for key, made in workflow.items()},
        "playbook_extensions": {NEEDS: needs},
        "agent_definitions": {AGENT: {"type": "http-api", "name": "a", "address": {"url": ["http://127.0.0.1:1"]}}},
        "target_definitions": {SERVER: {"type": "http-api", "name": "s", "address": {"url": ["http://127.0.0.1:1"]}}},
        "extension_definitions": definitions(),
    }


def chain(number: int, action: str = "get_tags") -> dict[str, Any]:
    """So many calls, one after the other."""
    names = [f"call_{n}" for n in range(number)]
    return book(**{name: call(action, to) for name, to in zip(names, [*names[1:], "end"], strict=True)})


def waiting(milliseconds: int) -> dict[str, Any]:
    """One call after a wait."""
    return book(call_1=call("get_tags", delay=milliseconds))
