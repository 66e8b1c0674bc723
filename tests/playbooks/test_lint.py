"""Each code of the linter fires where it should, at the place that is wrong, and not beside it."""

import pytest

from connector.playbooks.extension import ANSWER, NEEDS
from connector.playbooks.linting.finding import RULES
from connector.playbooks.linting.lint import lint_value
from tests.playbooks.making import (
    ANALYST,
    CLASSIFY,
    END,
    LOGIN,
    ORCHESTRATOR,
    SERVER,
    SHA1,
    START,
    VARIABLES,
    VERDICT,
    action,
    call,
    changed,
    cleaning,
    cleaning_key,
    doing,
    end,
    given,
    held,
    http,
    if_,
    key,
    line,
    manual,
    parallel,
    playbook,
    playbook_action,
    simple,
    start,
    step_key,
    switch,
    while_,
    without,
)

FIRST, SECOND = step_key(0), step_key(1)
STEP = ("workflow", FIRST)
COMMAND = (*STEP, "commands", 0)
NEED = ("playbook_extensions", NEEDS)
OUT_MAP = (*STEP, "step_extensions", ANSWER, "out_map")
A, B, C, D, IF, WHILE = (
    key(kind, "x") for kind in ("action", "end", "start", "parallel", "if-condition", "while-condition")
)
A2, A3, B2, B3 = key("action", "y"), key("action", "z"), key("end", "y"), key("end", "z")
UUID = "2f1c6a0e-5f0b-4c53-9d35-0a8a3a1f6a11"
MARKING = f"marking-statement--{UUID}"


def at(*path):
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def one(*commands, variables=None, **more):
    """A playbook of one action step."""
    step = {
        name: more.pop(name)
        for name in list(more)
        if name in {"takes", "timeout", "targets", "in_args", "out_args", "step_variables"}
    }
    return line(doing(*commands, **step), variables=variables, **more)


def conditional(condition, variables):
    """A playbook that asks a condition and waits for a person where it holds."""
    steps = {START: start(IF), IF: if_(condition, A, END), A: action(manual(), then=B), B: end(), END: end()}
    return playbook(steps, variables, scopes=())


def branches(**ways):
    """A playbook with two branches; ``ways`` are the ways on of its steps, by their names."""
    to = {"main": B, "yes": B2, "no": B3, **ways}
    steps = {
        START: start(IF),
        IF: if_("__hash__:value LIKE 'a%'", A2, A, A3),
        A: action(manual("Main"), then=to["main"]),
        A2: action(manual("Yes"), then=to["yes"]),
        A3: action(manual("No"), then=to["no"]),
    }
    ends = {B: end(), B2: end(), B3: end()}
    used = {name: step for name, step in ends.items() if name in to.values()}
    return playbook({**steps, **used}, {"__hash__": given()}, scopes=())


def loop(body_takes=None, condition="__verdict__:value = 'pending'", **more):
    """A playbook that looks up a hash for as long as a condition holds."""
    steps = {
        START: start(WHILE),
        WHILE: while_(condition, A, END, **more),
        A: action(CLASSIFY, then=B, takes=VERDICT if body_takes is None else body_takes),
        B: end(),
        END: end(),
    }
    return playbook(steps, {**VARIABLES, "__verdict__": held("pending")}, outputs=("__verdict__",))


def deleting(*before, content='{"hash_values": ["' + SHA1 + '"], "confirm": "__digest__:value"}'):
    """A playbook that deletes after some commands in one step."""
    variables = {"__digest__": given()} if "__digest__" in content else {}
    return one(*before, call("bulk_delete", content), variables=variables, scopes=("destroy",))


def asked(command, **variables):
    return one(command, variables={f"__{name}__": value for name, value in variables.items()})


def elsewhere(address):
    """A playbook that calls another place than the action server."""
    other = key("http-api", "another")
    made = one(http("GET /x"), targets=[other], scopes=())
    return changed(made, "target_definitions", other, to={"type": "http-api", "name": "Another", "address": address})


def refusing(to):
    """A playbook that deletes, in which a step follows when the person says no."""
    asks = ("workflow", cleaning_key("ask"))
    made = changed(without(cleaning(), *asks, "on_completion"), *asks, "on_success", to=cleaning_key("delete"))
    return changed(made, *asks, "on_failure", to=cleaning_key(to))


HASH = {"__hash__": given("hash")}
HTTP = http("POST /actions/get_classification", '{"hash_value": "__hash__:value"}')
# code: playbooks in which it fires, with the pointer of where
FIRES = {
    "shape": [
        (without(simple(), "name"), "/name"),
        (changed(simple(), "colour", to="red"), "/colour"),
        (changed(simple(), *STEP, "colour", to="red"), at(*STEP, "colour")),
        (changed(simple(), *STEP, "type", to="sleep"), at(*STEP)),
        (changed(simple(), *STEP, "timeout", to="1"), at(*STEP, "timeout")),
        (changed(simple(), *STEP, "commands", to=[]), at(*STEP, "commands")),
        (without(simple(), *STEP, "commands"), at(*STEP, "commands")),
        (without(simple(), *STEP, "on_completion"), at(*STEP)),
        (changed(simple(), *STEP, "on_success", to=END), at(*STEP)),
        (changed(simple(), "workflow", "action--1", to=end()), "/workflow/action--1"),
        (changed(simple(), "created", to="yesterday"), "/created"),
        (changed(simple(), "playbook_variables", "hash", to=held("")), "/playbook_variables/hash"),
        (without(simple(), "target_definitions", SERVER, "address"), at("target_definitions", SERVER, "address")),
        (changed(simple(), "target_definitions", to={}), "/target_definitions"),
        (changed(simple(), "agent_definitions", ANALYST, "age", to=3), at("agent_definitions", ANALYST, "age")),
        (
            changed(simple(), "target_definitions", SERVER, "address", to={"url": ["http://127.0.0.1/"]}),
            at("target_definitions", SERVER, "address", "url", 0),
        ),
        (changed(simple(), "data_marking_definitions", MARKING, to={}), at("data_marking_definitions", MARKING, "id")),
        (changed(simple(), "signatures", to=[{"type": "jss"}]), "/signatures/0/signee"),
    ],
    "null-value": [
        (changed(simple(), "description", to=None), "/description"),
        (changed(simple(), *STEP, "on_failure", to=None), at(*STEP, "on_failure")),
        (changed(simple(), *COMMAND, "content", to=None), at(*COMMAND, "content")),
    ],
    "key-mismatch": [
        (changed(simple(), "workflow", key("end", "q"), to=action(manual(), then=END)), at("workflow", key("end", "q"))),
        (changed(simple(), "agent_definitions", ORCHESTRATOR, "type", to="robot"), at("agent_definitions", ORCHESTRATOR)),
    ],
    "times-reversed": [
        (simple(modified="2026-11-23T00:00:00Z"), "/modified"),
        (simple(valid_from="2026-11-23T00:00:00.5Z", valid_until="2026-11-23T00:00:00.50Z"), "/valid_until"),
    ],
    "bad-extension": [
        (changed(simple(), *NEED, "scopes", to=["write"]), at(*NEED, "scopes", 0)),
        (changed(simple(), *OUT_MAP, to={}), at(*OUT_MAP)),
        (changed(simple(), *OUT_MAP, "__verdict__", to="branch"), at(*OUT_MAP, "__verdict__")),
        (changed(simple(), *OUT_MAP, "__verdict__", to={"path": "branch"}), at(*OUT_MAP, "__verdict__", "path")),
        (
            changed(conditional("__a__:value = 'x'", {"__a__": given()}), "workflow", IF, "step_extensions", ANSWER, to={"out_map": {"__a__": "$"}}),
            at("workflow", IF, "step_extensions", ANSWER),
        ),
    ],
    "bad-command": [
        (asked({"type": "http-api"}), at(*COMMAND, "command")),
        (asked({"type": "manual"}), at(*COMMAND)),
        (asked(http("get /healthz")), at(*COMMAND, "command")),
        (asked({**http(""), "command": "https://example.com/"}), at(*COMMAND, "command")),
        (asked(call("get_classification", "hash=__hash__:value"), hash=given("hash")), at(*COMMAND, "content")),
        (asked(http("GET /healthz", headers={"Bad name": ["x"]})), at(*COMMAND, "headers")),
        (asked(http("GET /healthz", headers={"X": ["a\nb"]})), at(*COMMAND, "headers")),
        (asked(call("get_classification", '{"hash_value": __none__:value, }')), at(*COMMAND, "content")),
        (asked(http("GET /healthz", headers={"X": "a"})), at(*COMMAND, "headers", "X")),
        (asked(http("POST /hashes", content_b64="?")), at(*COMMAND, "content_b64")),
        (asked({"type": "manual", "command_b64": "?"}), at(*COMMAND, "command_b64")),
    ],
    "foreign-command": [(one({"type": "bash", "command": "ls"}, scopes=()), at(*COMMAND))],
    "bad-target": [
        (without(simple(), *STEP, "targets"), at(*STEP, "targets")),
        (elsewhere({"vlan": [7]}), at(*STEP, "targets", 0)),
        (elsewhere({"url": ["ftp://files.example.com/"]}), at(*STEP, "targets", 0)),
    ],
    "dangling-step": [
        (changed(simple(), *STEP, "on_completion", to=A), at(*STEP, "on_completion")),
        (simple(workflow_exception=A), "/workflow_exception"),
        (changed(simple(), "workflow_start", to=A), "/workflow_start"),
        (changed(branches(), "workflow", IF, "on_false", to=key("action", "none")), at("workflow", IF, "on_false")),
    ],
    "dangling-agent": [(changed(simple(), *STEP, "agent", to=LOGIN), at(*STEP, "agent"))],
    "dangling-target": [
        (changed(simple(), *STEP, "targets", to=[SERVER, LOGIN]), at(*STEP, "targets", 1)),
        (changed(simple(), *NEED, "action_server", to=LOGIN), at(*NEED, "action_server")),
    ],
    "dangling-authentication": [
        (
            changed(simple(), "target_definitions", SERVER, "authentication_info", to=SERVER),
            at("target_definitions", SERVER, "authentication_info"),
        )
    ],
    "dangling-extension": [
        (changed(simple(), "extension_definitions", to={}), at(*NEED)),
        (changed(simple(), "extension_definitions", to={}), at(*STEP, "step_extensions", ANSWER)),
    ],
    "dangling-marking": [(simple(markings=[MARKING], summary={"data_markings": True}), "/markings/0")],
    "bad-start": [
        (changed(simple(), "workflow_start", to=FIRST), "/workflow_start"),
        (changed(simple(), "workflow", C, to=start(FIRST)), at("workflow", C)),
    ],
    "no-end": [
        (playbook({START: start(A), A: action(manual(), then=A2), A2: action(manual(), then=A)}, scopes=()), "/workflow")
    ],
    "unreachable-step": [(changed(simple(), "workflow", B, to=end()), at("workflow", B))],
    "into-branch": [
        (branches(yes=A), at("workflow", A2, "on_completion")),
        (branches(yes=B), at("workflow", A2, "on_completion")),
        (branches(main=A2), at("workflow", IF, "on_true")),
        (branches(yes=IF), at("workflow", A2, "on_completion")),
        (changed(loop(), "workflow", A, "on_completion", to=WHILE), at("workflow", A, "on_completion")),
        (changed(loop(), "workflow", WHILE, "on_true", to=WHILE), at("workflow", WHILE, "on_true")),
    ],
    "shared-end": [(branches(no=B2), at("workflow", A3, "on_completion")), (branches(no=A2), at("workflow", A3, "on_completion"))],
    "skipped-elsewhere": [
        (
            playbook(
                {START: start(D), D: parallel(A, A2, then=END), A: action(manual(), then=B), B: end(),
                 A2: action(manual(), then=B2), B2: end(), END: end()},
                scopes=(),
            ),
            at("workflow", D, "type"),
        ),
        (
            playbook(
                {START: start(key("switch-condition", "x")), key("switch-condition", "x"): switch("__a__", {"b": B}, END),
                 B: end(), END: end()},
                {"__a__": given()},
                scopes=(),
            ),
            at("workflow", key("switch-condition", "x"), "type"),
        ),
    ],
    "endless-cycle": [
        (line(doing(manual(), on_failure=FIRST, on_success=END, on_completion=None), scopes=()), at(*STEP, "on_failure")),
        (changed(line(doing(manual()), doing(manual()), scopes=()), "workflow", SECOND, "on_completion", to=FIRST), at("workflow", SECOND, "on_completion")),
    ],
    "endless-loop": [
        (loop({"__other__": "$.branch"}), at("workflow", WHILE, "condition")),
        (changed(loop(), "playbook_variables", "__verdict__", "constant", to=True), at("workflow", WHILE, "condition")),
        (changed(loop(), "workflow", A, "step_variables", to={"__verdict__": held("")}), at("workflow", WHILE, "condition")),
    ],
    "no-timeout": [(loop(timeout=None), at("workflow", WHILE)), (loop(timeout=0), at("workflow", WHILE))],
    "undeclared-variable": [
        (asked(manual("Is __x__:value it?")), at(*COMMAND, "command")),
        (asked(call("get_classification", '{"hash_value": "__x__:value"}')), at(*COMMAND, "content")),
        (asked(http("GET /healthz?__x__:value")), at(*COMMAND, "command")),
        (asked(http("GET /healthz", headers={"X": ["a", "__x__:value"]})), at(*COMMAND, "headers", "X", 1)),
        (conditional("__x__:value = 'a'", {}), at("workflow", IF, "condition")),
        (changed(simple(), *STEP, "in_args", to=["__x__"]), at(*STEP, "in_args", 0)),
        (changed(simple(), *STEP, "out_args", to=["__verdict__", "__x__"]), at(*STEP, "out_args", 1)),
        (changed(simple(), *OUT_MAP, "__x__", to="$"), at(*OUT_MAP, "__x__")),
        (simple(outputs=("__x__",)), at(*NEED, "outputs", 0)),
        (changed(simple(), *NEED, "files", to=["__x__"]), at(*NEED, "files", 0)),
        (
            changed(simple(), "target_definitions", SERVER, "address", "dname", to=["__x__:value"]),
            at("target_definitions", SERVER, "address", "dname", 0),
        ),
        (line(doing(CLASSIFY, step_variables=HASH), doing(CLASSIFY)), at("workflow", SECOND, "commands", 0, "content")),
    ],
    "unset-variable": [
        (changed(simple(), "playbook_variables", "__hash__", to=held(kind="hash")), at(*COMMAND, "content")),
        (line(doing(call("get_tags", '{"hash_value": "__a__:value"}'), takes={"__a__": "$.x"}), variables={"__a__": held()}), at(*COMMAND, "content")),
        (one(CLASSIFY, step_variables={"__hash__": held(kind="hash")}), at(*COMMAND, "content")),
    ],
    "unused-variable": [
        (changed(simple(), "playbook_variables", "__x__", to=held("")), "/playbook_variables/__x__"),
        (simple(outputs=()), "/playbook_variables/__verdict__"),
        (one(manual(), step_variables={"__x__": held("")}, scopes=()), at(*STEP, "step_variables", "__x__")),
    ],
    "constant-assigned": [
        (changed(simple(), "playbook_variables", "__verdict__", "constant", to=True), at(*OUT_MAP, "__verdict__")),
        (
            line(lambda then: playbook_action(key("playbook", "o"), then, out_args=["__a__"]), variables={"__a__": held("x", constant=True)}, outputs=("__a__",), scopes=()),
            at(*STEP, "out_args", 0),
        ),
    ],
    "bad-value": [
        (changed(simple(), "playbook_variables", "__verdict__", to=held("x", "integer")), "/playbook_variables/__verdict__/value"),
        (changed(simple(), "playbook_variables", "__hash__", to=given("hash", value="xyz")), "/playbook_variables/__hash__/value"),
        (changed(simple(), "playbook_variables", "__verdict__", "type", to="colour"), "/playbook_variables/__verdict__/type"),
        (
            changed(changed(simple(), "playbook_variables", "__verdict__", to=held("1", "integer")), *OUT_MAP, "__verdict__", to={"path": "$.x", "default": "one"}),
            at(*OUT_MAP, "__verdict__"),
        ),
        (one(manual("__x__:value"), step_variables={"__x__": held("a", "bool")}, scopes=()), at(*STEP, "step_variables", "__x__", "value")),
    ],
    "unlisted-output": [(without(simple(), *STEP, "out_args"), at(*OUT_MAP, "__verdict__"))],
    "unfilled-output": [(without(simple(), *STEP, "step_extensions"), at(*STEP, "out_args", 0))],
    "bad-path": [
        (changed(simple(), *OUT_MAP, "__verdict__", to="$.[x"), at(*OUT_MAP, "__verdict__")),
        (changed(simple(), *OUT_MAP, "__verdict__", to="$ | $.branch"), at(*OUT_MAP, "__verdict__")),
    ],
    "bad-condition": [
        (conditional("__a__:value ~ 'x'", {"__a__": given()}), at("workflow", IF, "condition")),
        (conditional("", {}), at("workflow", IF, "condition")),
        (conditional("file:name = 'x'", {}), at("workflow", IF, "condition")),
        (conditional("__a__:value MATCHES '('", {"__a__": given()}), at("workflow", IF, "condition")),
        (conditional("__a__:value MATCHES 'a{99999999999}'", {"__a__": given()}), at("workflow", IF, "condition")),
    ],
    "unlike-types": [
        (conditional("__a__:value = '7'", {"__a__": given("integer")}), at("workflow", IF, "condition")),
        (conditional("__a__:value = 7", {"__a__": given()}), at("workflow", IF, "condition")),
        (conditional("__a__:value = 'true'", {"__a__": given("bool")}), at("workflow", IF, "condition")),
        (conditional("__a__:value > 1", {"__a__": given("bool")}), at("workflow", IF, "condition")),
        (conditional("__a__:value LIKE '7%'", {"__a__": given("integer")}), at("workflow", IF, "condition")),
        (conditional("__a__:value IN ('a', 7)", {"__a__": given()}), at("workflow", IF, "condition")),
        (conditional("__a__:value NOT IN ('a, 7', true)", {"__a__": given()}), at("workflow", IF, "condition")),
    ],
    "shadowed-variable": [
        (changed(simple(), *STEP, "step_variables", "__hash__", to=held(SHA1, "hash")), at(*STEP, "step_variables", "__hash__"))
    ],
    "credential-used": [
        (asked(http("GET /healthz", headers={"X-Note": ["__api_key__:value"]})), at(*COMMAND, "headers", "X-Note", 0)),
        (asked(manual("__api_key__:value")), at(*COMMAND, "command")),
        (conditional("__api_key__:value = 'a'", {}), at("workflow", IF, "condition")),
        (changed(simple(), *STEP, "in_args", to=["__api_key__"]), at(*STEP, "in_args", 0)),
        (changed(simple(), *OUT_MAP, "__api_key__", to="$"), at(*OUT_MAP, "__api_key__")),
        (simple(outputs=("__verdict__", "__api_key__")), at(*NEED, "outputs", 1)),
    ],
    "unknown-action": [
        (asked(call("get_clasification", "{}")), at(*COMMAND, "command")),
        (asked(call("__a__:value", "{}"), a=given()), at(*COMMAND, "command")),
        (asked(http("GET /api/samples/v3/")), at(*COMMAND, "command")),
        (asked(http("POST /actions/get_report/", "{}")), at(*COMMAND, "command")),
    ],
    "wrong-method": [
        (asked(http("PUT /actions/get_classification", HTTP["content"]), hash=given("hash")), at(*COMMAND, "command")),
        (asked(http("GET /hashes")), at(*COMMAND, "command")),
    ],
    "bad-params": [
        (asked(call("get_classification", "{}")), at(*COMMAND, "content")),
        (asked(http("POST /actions/get_classification")), at(*COMMAND, "content")),
        (asked(call("get_classification", '["__hash__:value"]'), hash=given("hash")), at(*COMMAND, "content")),
        (asked(call("get_classification", '{"hash": "__hash__:value"}'), hash=given("hash")), at(*COMMAND, "content")),
        (asked(call("get_classification", '{"hash_value": "xyz"}')), at(*COMMAND, "content")),
        (asked(call("get_classification", '{"hash_value": "__hash__:value"}'), hash=given("uri")), at(*COMMAND, "content")),
        (asked(call("get_classification", '{"hash_value": __hash__:value}'), hash=given("list")), at(*COMMAND, "content")),
        (asked(call("get_file_status", '{"hash_values": "__hash__:value"}'), hash=given("hash")), at(*COMMAND, "content")),
        (asked(call("get_file_status", '{"hash_values": "__hash__:value"}'), hash=given()), at(*COMMAND, "content")),
        (asked(call("get_file_status", '{"hash_values": ["__hash__:value"], "submitted": "true"}'), hash=given()), at(*COMMAND, "content")),
        (asked(call("advanced_search", '{"query": "a", "limit": __n__:value}'), n=given()), at(*COMMAND, "content")),
        (asked(call("get_ticloud_reputation", '{"hash_value": "__h__:value", "hash_values": __l__:value}'), h=given(), l=given("list")), at(*COMMAND, "content")),
        (asked({**http("POST /actions/get_report", "a=b"), "headers": {"Content-Type": ["text/plain"]}}), at(*COMMAND, "content")),
    ],
    "missing-scope": [
        (simple(scopes=()), at(*NEED, "scopes")),
        (cleaning(scopes=("read",)), at(*NEED, "scopes")),
        (one(http("POST /hashes", '{"file": "__f__:value"}'), variables={"__f__": given()}, scopes=()), at(*NEED, "scopes")),
    ],
    "needless-scope": [
        (simple(scopes=("read", "submit")), at(*NEED, "scopes", 1)),
        (simple(scopes=("approve", "read")), at(*NEED, "scopes", 0)),
    ],
    "unapproved-destroy": [
        (deleting(), at(*COMMAND, "command")),
        (deleting(content='{"hash_values": ["' + SHA1 + '"], "plan": false, "confirm": "__digest__:value"}'), at(*COMMAND, "command")),
        (line(doing(deleting()["workflow"][FIRST]["commands"][0]), doing(manual()), variables={"__digest__": given()}, scopes=("destroy",)), at(*COMMAND, "command")),
        # the person may say no, which is a failure, and that leads to the deletion
        (refusing(to="delete"), at("workflow", cleaning_key("delete"), "commands", 0, "command")),
        (changed(cleaning(), "workflow", cleaning_key("ask"), "commands", to=[http("GET /healthz")]), at("workflow", cleaning_key("delete"), "commands", 0, "command")),
        (changed(cleaning(), "workflow", cleaning_key("told"), to=action(*deleting()["workflow"][FIRST]["commands"], then=cleaning_key("over"))), at("workflow", cleaning_key("told"), "commands", 0, "command")),
    ],
    "summary-mismatch": [
        (simple(summary={"while_logic": True}), "/playbook_processing_summary/while_logic"),
        (simple(playbook_processing_summary=None), "/playbook_processing_summary/extensions"),
        (cleaning(summary={"temporal_logic": False}), "/playbook_processing_summary/temporal_logic"),
        (cleaning(summary={"manual_playbook": True}), "/playbook_processing_summary/manual_playbook"),
    ],
    "undescribed": [
        (simple(description=None), "/description"),
        (simple(labels=None), "/labels"),
        (simple(name=" "), "/name"),
        (without(simple(), *STEP, "name"), at(*STEP, "name")),
    ],
}  # fmt: skip

# code: playbooks that come close, in which it does not fire
SILENT = {
    "shape": [changed(simple(), *COMMAND, "playbook_activity", to="scan-system"), simple(severity=100)],
    "null-value": [changed(simple(), "playbook_variables", "__verdict__", "value", to=None)],
    "key-mismatch": [changed(simple(), "agent_definitions", f"robot--{UUID}", to={"type": "robot", "name": "R"})],
    "times-reversed": [
        simple(modified="2026-11-24T00:00:00Z"),
        simple(created="2026-11-24T00:00:00.1Z", modified="2026-11-24T00:00:00.11Z"),
        simple(valid_until="2026-11-23T00:00:00Z"),
    ],
    "bad-extension": [changed(simple(), *OUT_MAP, "__verdict__", to={"path": "$.branch", "default": None})],
    "bad-command": [
        asked(http("GET /healthz?a=b")),
        asked({**http(""), "command": "GET /healthz"}),
        asked(http("GET /healthz", headers={"X": ["caf\u00e9"]})),
        one(http("POST /x", "a=__a__:value", headers={"content-type": ["application/x-www-form-urlencoded"]}), variables={"__a__": given()}),
    ],
    "foreign-command": [one(manual(), scopes=())],
    "bad-target": [
        line(doing(manual()), scopes=()),
        elsewhere({"url": ["https://example.com/"]}),
        elsewhere({"dname": ["example.com"]}),
        elsewhere({"ipv4": ["192.0.2.1"]}),
        elsewhere({"ipv6": ["2001:db8::1"]}),
    ],
    "dangling-step": [branches()],
    "dangling-agent": [changed(simple(), *STEP, "agent", to=ANALYST)],
    "dangling-target": [changed(simple(), "target_definitions", key("http-api", "z"), to=simple()["target_definitions"][SERVER])],
    "dangling-authentication": [without(simple(), "target_definitions", SERVER, "authentication_info")],
    "dangling-extension": [without(simple(), "extension_definitions", NEEDS) | {"playbook_extensions": {ANSWER: {}}}],
    "dangling-marking": [
        simple(markings=[MARKING], data_marking_definitions={MARKING: {"type": "marking-statement", "id": MARKING, "created_by": MARKING, "created": "2026-11-24T00:00:00Z", "statement": "Ours"}})
    ],
    "bad-start": [cleaning()],
    "no-end": [cleaning()],
    "unreachable-step": [cleaning(), branches(), loop()],
    "into-branch": [branches(), cleaning(), loop(), changed(cleaning(), "workflow_exception", to=cleaning_key("failed"))],
    "shared-end": [branches(), branches(yes=B)],
    "skipped-elsewhere": [cleaning()],
    "endless-cycle": [loop(), cleaning(), line(doing(manual(), on_failure=END, on_success=END, on_completion=None), scopes=())],
    "endless-loop": [
        loop(),
        loop(condition="__verdict__:value = 'pending' OR __hash__:value = 'x'"),
        changed(loop(), "workflow", A, to=playbook_action(key("playbook", "o"), B, out_args=["__verdict__"])),
    ],
    "no-timeout": [loop(), loop(timeout=1)],
    "undeclared-variable": [
        one(CLASSIFY, step_variables={"__hash__": held(SHA1, "hash")}),
        asked(manual("__x__ and __x__: value")),
        changed(conditional("__a__:value = 'x'", {"__a__": given()}), "workflow", IF, "step_variables", to={"__in__": held("x")}),
    ],
    "unset-variable": [
        one(CLASSIFY, step_variables={"__hash__": held(SHA1, "hash")}),
        asked(manual("Is it __x__:value?"), x=held()),
        line(doing(HTTP, takes={"__a__": "$.x"}), doing(call("get_tags", '{"hash_value": "__a__:value"}')), variables={**HASH, "__a__": held()}),
    ],
    "unused-variable": [simple(), asked(manual("__x__:value"), x=held("")), conditional("__a__:value = 'x'", {"__a__": given()})],
    "constant-assigned": [changed(simple(), "playbook_variables", "__hash__", "constant", to=True)],
    "bad-value": [
        changed(simple(), "playbook_variables", "__verdict__", to=held("-7", "integer")),
        changed(simple(), "playbook_variables", "__hash__", to=given("hash", value="")),
        changed(simple(), *OUT_MAP, "__verdict__", to={"path": "$.x", "default": "one"}),
    ],
    "unlisted-output": [simple()],
    "unfilled-output": [simple(), changed(loop(), "workflow", A, to=playbook_action(key("playbook", "o"), B, out_args=["__verdict__"]))],
    "bad-path": [changed(simple(), *OUT_MAP, "__verdict__", to="$..entries[?@.found == true || @.x < 3].hash_value")],
    "bad-condition": [
        conditional("__a__:value = 'it\\'s' AND (__a__:value NOT IN ('b', 'c') OR EXISTS __a__:value)", {"__a__": given()}),
        conditional("__a__:value MATCHES '^[a-f]+$'", {"__a__": given()}),
    ],
    "unlike-types": [
        conditional("__a__:value = 'true'", {"__a__": given()}),
        conditional("__a__:value >= 7.5", {"__a__": given("integer")}),
        conditional("__a__:value = true", {"__a__": given("bool")}),
        conditional("__a__:value != '[]'", {"__a__": given("list")}),
        conditional("__a__:value IN ('7, true', 'b')", {"__a__": given("hash")}),
        conditional("EXISTS __a__:value", {"__a__": given("integer")}),
    ],
    "shadowed-variable": [changed(simple(), *STEP, "step_variables", "__other__", to=held("x"))],
    "credential-used": [simple(), asked(http("GET /healthz", headers={"X": ["__api_keys__:value"]}), api_keys=given())],
    "unknown-action": [asked(call("test_connection", "{}")), asked(http("GET /readyz")), elsewhere({"dname": ["example.com"]})],
    "wrong-method": [asked(http("GET /readyz")), asked(http("POST /hashes", "{}")), elsewhere({"dname": ["example.com"]})],
    "bad-params": [
        asked(call("get_classification", '{"hash_value": "__hash__:value"}'), hash=given()),
        asked(call("get_file_status", '{"hash_values": __l__:value, "submitted": __b__:value}'), l=given("list"), b=given("bool")),
        asked(call("get_file_status", '{"hash_values": ["__a__:value", "__b__:value"]}'), a=given("hash"), b=given("hash")),
        asked(call("advanced_search", '{"query": "filename:__a__:value", "limit": __n__:value}'), a=given(), n=given("integer")),
        asked(call("advanced_search", '{"where": [{"field": "filename", "is": "__a__:value"}]}'), a=given()),
        asked(call("advanced_search", '{"where": __l__:value}'), l=given("list")),
        asked(call("submit_url", '{"url": "__u__:value", "crawler": "__c__:value"}'), u=given("uri"), c=given()),
        asked(call("submit_url", '{"url": "https://__h__:value/x"}'), h=given()),
        asked(call("get_url_status", '{"task_id": "__t__:value"}'), t=given()),
        asked(call("get_url_status", '{"task_id": __t__:value}'), t=given("integer")),
        asked(call("add_tags", '{"hash_value": "__h__:value", "tags": "a,__t__:value"}'), h=given("sha256-hash"), t=given()),
        asked(http("POST /actions/test_connection")),
    ],
    "missing-scope": [cleaning(), one(http("GET /healthz"), scopes=()), elsewhere({"dname": ["example.com"]})],
    "needless-scope": [cleaning(), cleaning(scopes=("read", "destroy", "approve"))],
    "unapproved-destroy": [
        cleaning(),
        refusing(to="done"),
        deleting(manual("Delete it?")),
        deleting(content='{"hash_values": ["' + SHA1 + '"], "plan": true}'),
        line(doing(manual()), doing(deleting()["workflow"][FIRST]["commands"][0]), variables={"__digest__": given()}, scopes=("destroy",)),
    ],
    "summary-mismatch": [cleaning(), line(doing(manual()), summary={"manual_playbook": True}, scopes=())],
    "undescribed": [without(simple(), "workflow", END, "name")],
}  # fmt: skip


@pytest.mark.parametrize(("code", "made", "pointer"), [(c, *case) for c, cases in FIRES.items() for case in cases])
def test_a_code_fires_at_the_place_that_is_wrong(code, made, pointer):
    linted = lint_value(made)
    found = {(finding.code, finding.pointer) for finding in linted.findings}

    assert (code, pointer) in found, linted.findings
    assert linted.ok is (RULES[code].severity == "warning" and not linted.errors)


@pytest.mark.parametrize(("code", "made"), [(code, made) for code, cases in SILENT.items() for made in cases])
def test_a_code_does_not_fire_beside_it(code, made):
    linted = lint_value(made)

    assert code not in {finding.code for finding in linted.findings}, linted.findings
    assert linted.playbook is not None
