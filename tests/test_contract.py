"""The contract: committed schemas that cannot drift, that mean the same everywhere, and that only ever widen."""

import copy
import json
import re
import subprocess
import uuid
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator
from pydantic import ValidationError

from connector import __version__
from connector.actions import every, find
from connector.contract import DIALECT, drift, files, write
from tests.compatibility import narrowed
from tests.laboratory import ROOT, schema_says, validator
from tests.test_check import REFUSED, json_values

NAMES = sorted(path.stem for path in (ROOT / "schemas").glob("*.json"))
MANIFEST = json.loads((ROOT / "manifest.json").read_text("utf-8"))
ACTIONS = every()

each_schema = pytest.mark.parametrize("name", NAMES)
each_action = pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)


@cache
def schema(name):
    return json.loads((ROOT / "schemas" / f"{name}.json").read_text("utf-8"))


def parts(value, way=()):
    """Every schema inside a schema, with the way to it; property names are no keywords."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from parts(item, (*way, number))
    elif isinstance(value, dict):
        yield way, value
        for key, item in value.items():
            if key in {"properties", "$defs"}:
                for name, inner in item.items():
                    yield from parts(inner, (*way, key, name))
            elif key not in {"examples", "default", "const", "enum"}:
                yield from parts(item, (*way, key))


class TestDrift:
    """First lock: what is committed is what the actions say."""

    def test_nothing_has_drifted(self):
        assert drift(ROOT) == [], "run `spectra contract` and commit what it writes"

    def test_drift_is_seen_and_mended(self, tmp_path):
        assert set(drift(tmp_path)) == set(files())
        assert set(write(tmp_path)) == set(files())
        assert drift(tmp_path) == []

        (tmp_path / "schemas" / "gone.params.json").write_text("{}")
        (tmp_path / "schemas" / "outcome.json").write_text("{")
        (tmp_path / "docs" / "actions" / "submit_url.md").write_text("changed")
        found = ["docs/actions/submit_url.md", "schemas/gone.params.json", "schemas/outcome.json"]
        assert sorted(drift(tmp_path)) == found
        assert sorted(write(tmp_path)) == found
        assert drift(tmp_path) == []

    def test_json_is_compared_as_values_and_not_as_bytes(self, tmp_path):
        write(tmp_path)
        path = tmp_path / "schemas" / "outcome.json"
        path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))

        assert drift(tmp_path) == []

    @each_action
    def test_an_action_has_its_files(self, action):
        there = {f"schemas/{action.name}.params.json", f"schemas/{action.name}.result.json"}

        assert there | {f"docs/actions/{action.name}.md"} <= set(files())


# Keywords that mean the same in 2020-12 and in draft-07, and in every validator that hosts use.
KNOWN = {
    *("$schema", "$id", "$defs", "$ref", "title", "description", "examples", "default", "type", "enum", "const"),
    *(
        "properties",
        "minProperties",
        "required",
        "additionalProperties",
        "items",
        "minItems",
        "maxItems",
        "uniqueItems",
    ),
    *("minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("anyOf", "oneOf", "allOf", "not", "format", "writeOnly"),
}
# "format" is a note to people and never a rule: the values are ours.
FORMATS = {"password", "path"}
# Patterns whose meaning does not hang on the regular expression engine.
FOREIGN = re.compile(r"\(\?|\\[dDwWpPbBAZzGkQE]|\[\[:")


class TestDialect:
    """Second lock: JSON Schema 2020-12, in the part that draft-07 reads the same way."""

    @each_schema
    def test_it_is_a_schema_in_both_dialects(self, name):
        Draft202012Validator.check_schema(schema(name))
        Draft7Validator.check_schema(schema(name) | {"$schema": "http://json-schema.org/draft-07/schema#"})

    @each_schema
    def test_it_has_a_head(self, name):
        head = schema(name)

        assert head["$schema"] == DIALECT
        assert re.fullmatch(rf"urn:spectra-analyze-connector:schema:[0-9]+:{re.escape(name)}", head["$id"])
        assert head["title"]
        assert head["description"]

    def test_ids_are_unique(self):
        assert len({schema(name)["$id"] for name in NAMES}) == len(NAMES)

    @each_schema
    def test_only_keywords_that_mean_the_same_everywhere(self, name):
        for way, part in parts(schema(name)):
            assert set(part) <= KNOWN, f"{way}: {set(part) - KNOWN}"
            assert part.get("format") in {None, *FORMATS}, way
            assert "$ref" not in part or set(part) <= {"$ref", "description", "default"}, f"{way}: beside $ref"

    @each_schema
    def test_patterns_mean_the_same_in_every_engine(self, name):
        for way, part in parts(schema(name)):
            if "pattern" not in part:
                continue
            pattern = part["pattern"]
            re.compile(pattern)
            assert not FOREIGN.search(pattern), f"{way}: {pattern}"
            denied = "not" in way
            assert denied or "$" not in pattern or "maxLength" in part, f"{way}: $ may match before a line break"

    @each_schema
    def test_every_property_is_described(self, name):
        whole = schema(name)
        for way, part in parts(whole):
            if part.get("$ref", "").startswith("#"):
                continue
            for key, prop in part.get("properties", {}).items():
                if {"not", "oneOf", "anyOf"} & set(way) or way[-1:] == ("not",):
                    continue  # a rule about properties that are described elsewhere
                assert described(whole, prop), f"{way}: {key}"

    @each_schema
    def test_our_own_objects_are_closed(self, name):
        whole = schema(name)
        for way, part in parts(whole):
            if part.get("type") == "object" and "properties" in part:
                assert part.get("additionalProperties") is False, way

    @each_schema
    def test_draft_07_gives_the_same_verdict(self, name):
        older = Draft7Validator(schema(name))
        for message in messages_for(name):
            assert older.is_valid(message) == validator(name).is_valid(message), message


def described(whole, prop):
    if "description" in prop:
        return True
    if "$ref" in prop:
        return described(whole, whole["$defs"][prop["$ref"].rsplit("/", 1)[1]])
    return any(described(whole, option) for key in ("anyOf", "oneOf") for option in prop.get(key, ()))


def messages_for(name):
    action = name.removesuffix(".params")
    if action == name:
        return [{}, [], None]
    return [e.params for e in find(action).examples] + [p for n, p, *_ in REFUSED.values() if n == action]


# Where the model is stricter than the schema can say, by name; it is never the other way round.
TOLERATED = {
    "a blank query": "a query of blanks is a string of the right length",
    "a quote that is not closed": "balance is not regular",
    "a bracket that is not closed": "balance is not regular",
    "a parenthesis too many": "balance is not regular",
    "hashes of two types": "that all items have one length cannot be said",
    "43 characters of tags": "the length of all items together cannot be said",
    "a script in a comment": "HTML is not regular",
    "a handler in a comment": "HTML is not regular",
    "a javascript link": "HTML is not regular",
    "a comment in a comment": "HTML is not regular",
    "a tag without an end": "HTML is not regular",
    "a surrogate": "JSON text in UTF-8 holds none, so no schema speaks of it",
    "a port that is none": "the range of a number inside a string",
    "a day not in the calendar": "the lengths of months",
    "days in the wrong order": "one value against another",
    "a quote in a clause": "what a value may be depends on the kind of its field",
    "an asterisk in a clause": "as above",
    "a range of words": "as above",
    "an operator as a word": "as above",
}
A_CLAUSE, A_QUERY, A_TAG, A_COMMENT, A_FLOAT = "where", "query", "tags", "comment", "5.0 is an integer to JSON Schema"


def model_takes(action, message):
    try:
        action.params.model_validate(message)
    except ValidationError:
        return False
    return True


def schema_takes(action, message):
    return validator(f"{action.name}.params").is_valid(message)


class TestAgreement:
    """Third lock: the published schema and the code give the same verdict on the same message."""

    @each_action
    def test_every_example_is_good_to_both(self, action):
        for example in action.examples:
            assert schema_says(f"{action.name}.params", example.params) == []
            assert model_takes(action, example.params)

    @pytest.mark.parametrize("what", [what for what, (name, *_) in REFUSED.items() if name != "get_everything"])
    def test_every_bad_input_gets_one_verdict(self, what):
        name, message, *_ = REFUSED[what]
        action = find(name)
        model, published = model_takes(action, message), schema_takes(action, message)

        if what in TOLERATED:
            assert (model, published) == (False, True), "tolerated no longer: take it off the list"
        else:
            assert model == published

    @each_action
    @pytest.mark.parametrize("message", [None, [], "x", 5, True, {"": 1}])
    def test_what_is_no_object_of_parameters_is_bad_to_both(self, action, message):
        assert model_takes(action, message) is schema_takes(action, message) is False

    @settings(max_examples=400)
    @given(data=st.data())
    def test_mutated_messages_get_one_verdict(self, data):
        action = data.draw(st.sampled_from([action for action in ACTIONS if action.params.model_fields]))
        message = dict(data.draw(st.sampled_from(action.examples)).params)
        name = data.draw(st.sampled_from([*action.params.model_fields, "unheard"]))
        match data.draw(st.integers(0, 2)):
            case 0:
                message[name] = data.draw(json_values)
            case 1:
                message[name] = data.draw(st.sampled_from(SEEDS))
            case _:
                message.pop(name, None)

        model, published = model_takes(action, message), schema_takes(action, message)

        assert published or not model, "the model must never be the looser side"
        assert model == published or self.tolerated(message)

    def tolerated(self, message):
        whole = [value for value in message.values() if isinstance(value, float) and value.is_integer()]
        return bool(whole) or not {A_CLAUSE, A_QUERY, A_TAG, A_COMMENT}.isdisjoint(message)

    def test_results_are_closed_to_both(self):
        for action in ACTIONS:
            with pytest.raises(ValidationError):
                action.result.model_validate({"unheard": 1})
            assert not validator(f"{action.name}.result").is_valid({"unheard": 1})


SEEDS = [value for action in ACTIONS for example in action.examples for value in example.params.values()]


class TestCompatibility:
    """Fourth lock: what was a good message at the last release is a good message now."""

    def test_nothing_was_narrowed_since_the_last_release(self):
        tag = last_release()
        if tag is None:
            pytest.skip("nothing was released yet")
        then = git("ls-tree", "--name-only", tag, "schemas/").stdout.split()
        for path in then:
            name = path.removeprefix("schemas/").removesuffix(".json")
            answers = not name.endswith(".params") and name != "settings"

            assert name in NAMES, f"{path} is gone"
            assert narrowed(json.loads(git("show", f"{tag}:{path}").stdout), schema(name), answers=answers) == [], name

    @each_schema
    def test_a_schema_is_compatible_with_itself(self, name):
        assert narrowed(schema(name), schema(name), answers=False) == []
        assert narrowed(schema(name), schema(name), answers=True) == []


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)


def last_release():
    """The last tag of this major version; a new major version may break."""
    major = __version__.split(".")[0]
    tags = git("tag", "--list", f"v{major}.*", "--sort=-v:refname").stdout.split()
    return tags[0] if tags else None


THEN = {
    "type": "object",
    "additionalProperties": False,
    "required": ["a"],
    "properties": {
        "a": {"type": "string", "maxLength": 10, "pattern": "^x"},
        "b": {"enum": ["x", "y"]},
        "c": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
        "d": {"type": "array", "items": {"$ref": "#/$defs/D"}, "minItems": 1},
        "e": {"const": "one"},
    },
    "$defs": {"D": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}},
}


def changed(*way, to):
    made = copy.deepcopy(THEN)
    here = made
    for key in way[:-1]:
        here = here[key]
    if to is None:
        del here[way[-1]]
    else:
        here[way[-1]] = to
    return made


BREAKAGES = {
    "a removed property": changed("properties", "b", to=None),
    "a new required one": changed("required", to=["a", "b"]),
    "a narrowed enum": changed("properties", "b", "enum", to=["x"]),
    "a new enum": changed("properties", "a", to={"type": "string", "enum": ["x"], "maxLength": 10, "pattern": "^x"}),
    "another constant": changed("properties", "e", "const", to="two"),
    "a shorter text": changed("properties", "a", "maxLength", to=9),
    "a longer least text": changed("properties", "a", "minLength", to=1),
    "another pattern": changed("properties", "a", "pattern", to="^y"),
    "a higher minimum": changed("properties", "c", "anyOf", 0, "minimum", to=1),
    "a lost alternative": changed("properties", "c", "anyOf", to=[{"type": "integer", "minimum": 0}]),
    "another type": changed("properties", "a", "type", to="integer"),
    "a narrowed type": changed("properties", "c", to={"type": "integer"}),
    "more items at least": changed("properties", "d", "minItems", to=2),
    "a limit on items": changed("properties", "d", "maxItems", to=5),
    "required behind a reference": changed("$defs", "D", "required", to=["x", "y"]),
    "a closed object": changed("$defs", "D", "additionalProperties", to=False),
    "a new prohibition": changed("properties", "a", "not", to={"pattern": "z"}),
    "a new rule": changed("oneOf", to=[{"required": ["a"]}, {"required": ["b"]}]),
    "a keyword nobody knows": changed("properties", "a", "contentEncoding", to="base64"),
}
WIDENINGS = {
    "nothing": THEN,
    "a new optional property": changed("properties", "z", to={"type": "string"}),
    "one required less": changed("required", to=[]),
    "a wider enum": changed("properties", "b", "enum", to=["x", "y", "z"]),
    "a longer text": changed("properties", "a", "maxLength", to=11),
    "no limit": changed("properties", "a", "maxLength", to=None),
    "a lower minimum": changed("properties", "c", "anyOf", 0, "minimum", to=-1),
    "another alternative": changed(
        "properties", "c", "anyOf", to=[{"type": "string"}, {"type": "null"}, {"type": "integer", "minimum": 0}]
    ),
    "an alternative to a plain type": changed(
        "properties", "a", to={"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 10, "pattern": "^x"}]}
    ),
    "other words": changed("properties", "a", "description", to="other"),
    "an enum from a constant": changed("properties", "e", to={"enum": ["one", "two"]}),
    "an inlined reference": changed("properties", "d", "items", to=THEN["$defs"]["D"]),
}


@pytest.mark.parametrize("what", BREAKAGES)
def test_the_lock_sees_a_planted_breakage(what):
    assert narrowed(THEN, BREAKAGES[what], answers=False)


@pytest.mark.parametrize("what", WIDENINGS)
def test_the_lock_lets_a_widening_pass(what):
    assert narrowed(THEN, WIDENINGS[what], answers=False) == []


@pytest.mark.parametrize(
    "now",
    [
        changed("properties", "b", "enum", to=["x", "y", "z"]),
        changed("required", to=[]),
        changed("properties", "b", to=None),
    ],
    ids=["a new word", "a field that may be missing", "a field that is gone"],
)
def test_an_answer_may_not_say_what_it_never_said(now):
    """An answer is read by others: to them a new word is a breakage, as a missing field is."""
    assert narrowed(THEN, now, answers=True)


@pytest.mark.parametrize(
    "now",
    [
        changed("properties", "b", "enum", to=["x"]),
        changed("required", to=["a", "b"]),
        changed("properties", "z", to={}),
    ],
    ids=["a word less", "a field that is always there", "a new field"],
)
def test_an_answer_may_become_more_certain(now):
    assert narrowed(THEN, now, answers=True) == []


class TestManifest:
    """What hosts read without importing us."""

    def test_it_is_what_its_schema_says(self):
        assert schema_says("manifest", MANIFEST) == []

    def test_every_path_in_it_exists(self):
        paths = [MANIFEST["outcome_schema"]]
        paths += [action[key] for action in MANIFEST["actions"] for key in ("params_schema", "result_schema")]

        assert [path for path in paths if not (ROOT / path).is_file()] == []

    def test_it_lists_every_action_in_order(self):
        assert [action["name"] for action in MANIFEST["actions"]] == [action.name for action in ACTIONS]
        assert MANIFEST["health_action"] in {action.name for action in ACTIONS}
        assert MANIFEST["version"] == __version__

    def test_identities_are_stable_and_unique(self):
        found = [MANIFEST["uuid"], *(action["uuid"] for action in MANIFEST["actions"])]

        assert len(set(found)) == len(found)
        for action in MANIFEST["actions"]:
            assert action["uuid"] == str(uuid.uuid5(uuid.UUID(MANIFEST["uuid"]), action["name"]))

    def test_every_secret_is_named_and_only_secrets(self):
        assert sorted(MANIFEST["secrets"]) == ["password", "token"]
        assert set(MANIFEST["secrets"]) <= set(MANIFEST["configuration"]["properties"])
        assert MANIFEST["configuration"] == schema("settings")

    @each_action
    def test_effect_and_annotations_tell_one_story(self, action):
        told = next(item for item in MANIFEST["actions"] if item["name"] == action.name)
        notes = told["annotations"]

        assert notes["read_only"] == (told["effect"] == "read")
        assert notes["destructive"] == (told["effect"] == "destroy")
        assert not notes["read_only"] or notes["idempotent"]
        assert told["effect"] == "read" or any(endpoint.effect == told["effect"] for endpoint in action.endpoints)
        assert all(endpoint.effect in {"read", told["effect"]} for endpoint in action.endpoints)
        assert told["egress"] if "egress" in told else notes["egress"]

    @each_action
    def test_every_deprecated_endpoint_has_a_successor_and_no_other(self, action):
        told = next(item for item in MANIFEST["actions"] if item["name"] == action.name)

        for route in told["endpoints"]:
            assert (route["successor"] is not None) == route["deprecated"] == (route["generation"] == "legacy")

    @each_action
    def test_what_destroys_has_a_dry_run(self, action):
        if action.effect == "destroy":
            assert {"plan", "confirm"} <= set(action.params.model_fields)
            assert "planned" in action.branches

    @each_action
    def test_every_branch_is_a_word_of_outcome(self, action):
        words = schema("outcome")["properties"]["branch"]["enum"]

        assert set(action.branches) <= set(words)
        assert len(set(action.branches)) == len(action.branches)

    @each_action
    def test_its_page_names_every_parameter_and_endpoint(self, action):
        page = (ROOT / "docs" / "actions" / f"{action.name}.md").read_text("utf-8")

        for name in schema(f"{action.name}.params").get("properties", {}):
            assert f"`{name}`" in page
        for endpoint in action.endpoints:
            assert f"`{endpoint.method} {endpoint.path}`" in page
        for number, example in enumerate(re.findall(r"```json\n(.*?)```", page, re.DOTALL)):
            assert json.loads(example) == action.examples[number].params
