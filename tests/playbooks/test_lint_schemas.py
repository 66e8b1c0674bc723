"""What the published CACAO 2.0 schemas refuse, the linter refuses as well; what is valid passes both."""

import copy
import json
import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from connector.playbooks.linting.lint import lint_value
from tests.playbooks.making import (
    END,
    SERVER,
    WHEN,
    changed,
    cleaning,
    cleaning_key,
    key,
    parallel,
    playbook_action,
    simple,
    step_key,
    switch,
)

SCHEMAS = Path(os.environ.get("CACAO_SCHEMAS", Path(__file__).parents[3] / "shared" / "cacao-schemas"))
pytestmark = pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the published schemas are not here")
SHIPPED = sorted((Path(__file__).parents[2] / "playbooks").glob("*.json"))


@cache
def official():
    schemas = [json.loads(path.read_text("utf-8")) for path in SCHEMAS.rglob("*.json")]
    resources = [(schema["$id"], Resource.from_contents(schema, default_specification=DRAFT7)) for schema in schemas]
    registry = Registry().with_resources(resources)
    return Draft7Validator(json.loads((SCHEMAS / "playbook.json").read_text("utf-8")), registry=registry)


def refused(made):
    return not official().is_valid(made)


UUID = "2f1c6a0e-5f0b-4c53-9d35-0a8a3a1f6a11"


def full():
    """A playbook with one of everything that the schemas describe."""
    made = cleaning(
        severity=50,
        priority=1,
        impact=2,
        revoked=False,
        valid_from=WHEN,
        valid_until="2027-11-24T00:00:00Z",
        playbook_types=["mitigation"],
        playbook_activities=["eliminate-risk"],
        industry_sectors=["financial"],
        derived_from=[key("playbook", "old")],
        related_to=[key("playbook", "other")],
        external_references=[{"name": "Runbook", "url": "https://example.com/runbook"}],
        markings=[f"marking-tlp--{UUID}"],
        signatures=[signature()],
    )
    made["data_marking_definitions"] = markings()
    made["agent_definitions"] |= agents()
    made["target_definitions"] |= targets()
    made["authentication_info_definitions"] |= {
        f"http-basic--{UUID}": {"type": "http-basic", "user_id": "a", "password": "__api_key__:value", "kms": False},
        f"user-auth--{UUID}": {"type": "user-auth", "username": "a", "kms": True, "kms_key_identifier": "k"},
    }
    return more_steps(made)


def more_steps(made):
    """Steps of the types that other engines skip, and everything that a step may have."""
    every, which, other = key("parallel", "p"), key("switch-condition", "s"), key("playbook-action", "o")
    ends = [key("end", name) for name in "abc"]
    made["workflow"][cleaning_key("told")]["on_completion"] = every
    made["workflow"] |= {
        every: parallel(ends[0], ends[1], then=which, external_references=[{"name": "x"}]),
        which: switch("__state__", {"planned": ends[2]}, other, owner=key("identity", "o")),
        other: playbook_action(
            key("playbook", "x"), cleaning_key("over"), playbook_version=WHEN, in_args=["__state__"]
        ),
        **{name: {"type": "end"} for name in ends},
    }
    made["workflow"][other]["step_variables"] = {"__own__": {"type": "string", "value": None, "constant": False}}
    return made


def signature():
    return {
        "type": "jss", "id": f"jss--{UUID}", "created": WHEN, "modified": WHEN, "signee": "Us",
        "related_to": key("playbook", "made"), "related_version": WHEN, "hash_algorithm": "sha-256",
        "algorithm": "Ed25519", "public_key": "key", "value": "signed",
    }  # fmt: skip


def markings():
    common = {"created_by": key("identity", "us"), "created": WHEN}
    return {
        f"marking-tlp--{UUID}": {"type": "marking-tlp", "id": f"marking-tlp--{UUID}", "tlpv2_level": "TLP:AMBER", **common},
        f"marking-statement--{UUID}": {"type": "marking-statement", "id": f"marking-statement--{UUID}", "statement": "s", **common},
    }  # fmt: skip


def agents():
    place = {"name": "HQ", "region": "europe", "country": "de", "latitude": "1.0"}
    contact = {"email": {"work": "a@example.com"}, "phone": {"work": "1"}, "contact_details": "knock"}
    return {
        f"group--{UUID}": {"type": "group", "name": "g", "contact": contact},
        f"organization--{UUID}": {"type": "organization", "name": "o", "location": place},
        f"location--{UUID}": {"type": "location", "name": "l", "logical": ["dmz"]},
        f"sector--{UUID}": {"type": "sector", "name": "s", "sector": "financial"},
    }


def targets():
    address = {"url": ["https://a.example.com/"], "dname": ["a"], "ipv4": ["192.0.2.1"], "ipv6": ["2001:db8::1"]}
    address |= {"l2mac": ["00:1b:44:11:3a:b7"], "vlan": [7]}
    return {
        f"{kind}--{UUID}": {"type": kind, "name": kind, "address": address, "category": ["server"], "description": "d"}
        for kind in ("http-api", "linux", "net-address", "ssh")
    }


VALID = {"simple": simple, "cleaning": cleaning, "full": full}


@pytest.mark.parametrize("name", VALID)
def test_a_valid_playbook_passes_both(name):
    made = VALID[name]()

    assert list(official().iter_errors(made)) == []
    assert lint_value(made).errors == ()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_playbook_passes_both(path):
    made = json.loads(path.read_text("utf-8"))

    assert list(official().iter_errors(made)) == []
    assert lint_value(made).findings == ()


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, item in items:
        yield from places(item, (*path, part))


def at(value, path):
    for part in path:
        value = value[part]
    return value


def mutate(made, path, how, junk):
    """One change of a playbook at a place; None where it cannot be made there."""
    copied = copy.deepcopy(made)
    if not path:
        return junk
    holder, last = at(copied, path[:-1]), path[-1]
    if how == "drop":
        del holder[last]
    elif how == "replace":
        holder[last] = junk
    elif how == "add" and isinstance(holder[last], dict):
        holder[last]["extra"] = junk
    elif how == "empty" and isinstance(holder[last], dict | list | str):
        holder[last] = type(holder[last])()
    elif how == "spoil" and isinstance(holder[last], str):
        holder[last] = holder[last][:-1] + str(junk)[:1]
    elif how == "rename" and isinstance(holder, dict):
        holder[str(last)[:-1]] = holder.pop(last)
    elif how == "retype" and isinstance(holder, dict) and "--" in str(last):
        holder["end" + str(last)[str(last).index("--") :]] = holder.pop(last)
    else:
        return None
    return copied


JUNK = st.one_of(
    *(
        st.none(),
        st.booleans(),
        st.integers(-5, 5000),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
    ),
    st.sampled_from(
        [[], {}, [1], ["x"], {"x": 1}, [None], "TLP:RED", "europe", f"end--{UUID}", WHEN, "1::x", "1.2.3.4"]
    ),
)
HOW = st.sampled_from(["drop", "replace", "add", "empty", "spoil", "rename", "retype"])


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.data())
def test_what_the_schemas_refuse_the_linter_refuses(data):
    made = VALID[data.draw(st.sampled_from(sorted(VALID)))]()
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(list(places(made))))
        mutated = mutate(made, path, data.draw(HOW), data.draw(JUNK))
        assume(mutated is not None and isinstance(mutated, dict))
        made = mutated

    if refused(made):
        assert lint_value(made).errors


@pytest.mark.slow
def test_no_single_field_can_be_dropped_nulled_or_retyped_unnoticed():
    whole = full()
    first = {step["type"]: name for name, step in reversed(whole["workflow"].items())}  # one step of each type will do
    missed = []
    for path in places(whole):
        if len(path) > 1 and path[0] == "workflow" and path[1] not in first.values():
            continue
        for how, junk in (("drop", None), ("replace", None), ("replace", 7)):
            made = mutate(whole, path, how, junk)
            if isinstance(made, dict) and refused(made) and not lint_value(made).errors:
                missed.append((path, how, junk))

    assert missed == []


# Things that the schemas let pass, by what is wrong with them.
PASSED = {
    "an unknown key": changed(simple(), "colour", to="red"),
    "a step without a command": changed(simple(), "workflow", step_key(0), "commands", 0, to={"type": "http-api"}),
    "a way to nowhere": changed(simple(), "workflow", step_key(0), "on_completion", to=key("end", "nowhere")),
    "an agent that is not defined": changed(simple(), "workflow", step_key(0), "agent", to=SERVER),
    "a step that nothing leads to": changed(simple(), "workflow", key("end", "alone"), to={"type": "end"}),
    "both ways on": changed(simple(), "workflow", step_key(0), "on_success", to=END),
}


@pytest.mark.parametrize("what", PASSED)
def test_the_linter_refuses_what_the_schemas_let_pass(what):
    assert not refused(PASSED[what])
    assert lint_value(PASSED[what]).errors
