"""The OpenAPI document: valid, whole, and true."""

import json
import re

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from connector.actions import every
from connector.server.components import LARGEST, Components
from connector.server.openapi import document, encoded
from connector.server.problems import OWN, STATUS
from tests.laboratory import ROOT, Lab
from tests.server.served import Served, settings_of, started

BOTH = pytest.mark.parametrize("has_roots", [True, False])
DOCUMENT = document(has_roots=True)
OPERATIONS = [
    pytest.param(operation, id=f"{method} {path}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def validator(schema: dict, whole: dict = DOCUMENT) -> Draft202012Validator:
    """Of a schema in the document, whose references lead into the document."""
    registry = Registry().with_resource("urn:document", Resource(whole, DRAFT202012))
    return Draft202012Validator(json.loads(json.dumps(schema).replace('"#/', '"urn:document#/')), registry=registry)


def resolved(node: dict) -> dict:
    if "$ref" not in node:
        return node
    found = DOCUMENT
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def contents(operation: dict):
    """Every media type object of an operation, of requests and of answers."""
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for answer in operation["responses"].values():
        yield from resolved(answer).get("content", {}).values()


@BOTH
def test_it_is_valid(has_roots):
    validate(document(has_roots=has_roots))


@BOTH
def test_every_reference_resolves(has_roots):
    made = document(has_roots=has_roots)
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(made))):
        assert reference.startswith("#/components/")
        found = made
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_it_holds_no_other_base_and_no_dialect_of_its_own():
    text = json.dumps(DOCUMENT["components"])

    assert '"$id"' not in text
    assert '"$schema"' not in text
    assert '"$defs"' not in text


@BOTH
def test_it_is_served_as_it_is(lab: Lab, has_roots, tmp_path):
    with started(settings_of(lab, file_roots=(tmp_path,) if has_roots else ())) as server:
        assert server.http.get("/openapi.json").json() == document(has_roots=has_roots)


def test_it_is_made_once():
    assert encoded(has_roots=False) is encoded(has_roots=False)


class TestEveryAction:
    @pytest.mark.parametrize("action", every(), ids=lambda action: action.name)
    def test_has_an_operation_with_its_scope_and_its_schemas(self, action):
        operation = DOCUMENT["paths"][f"/actions/{action.name}"]["post"]

        assert operation["operationId"] == action.name
        assert operation["x-required-scope"] == action.effect
        assert operation["x-branches"] == list(action.branches)
        assert "security" not in operation  # that of the document holds
        assert ("application/stix+json;version=2.1" in operation["responses"]["200"]["content"]) == bool(action.stix)

    @pytest.mark.parametrize("action", every(), ids=lambda action: action.name)
    def test_has_the_parameters_of_the_contract(self, action):
        contract = json.loads((ROOT / "schemas" / f"{action.name}.params.json").read_text("utf-8"))
        ours = DOCUMENT["components"]["schemas"][f"{action.name}.params"]

        assert ours["properties"].keys() == contract["properties"].keys()
        assert ours.get("required") == contract.get("required")
        for example in contract["examples"]:
            assert list(validator(ours).iter_errors(example)) == []

    @pytest.mark.parametrize("action", every(), ids=lambda action: action.name)
    def test_names_its_headers_where_it_changes_something(self, action):
        operation = DOCUMENT["paths"][f"/actions/{action.name}"]["post"]
        names = [parameter["name"] for parameter in operation.get("parameters", ())]

        assert names == (["Idempotency-Key", "Spectra-In-Doubt"] if action.subject is not None else [])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_example_is_valid(operation):
    for content in contents(operation):
        for example in content.get("examples", {}).values():
            assert list(validator(content["schema"]).iter_errors(example["value"])) == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_schema_is_one(operation):
    for content in contents(operation):
        Draft202012Validator.check_schema(content["schema"])


def test_every_action_has_an_example():
    for action in every():
        content = DOCUMENT["paths"][f"/actions/{action.name}"]["post"]["requestBody"]["content"]
        assert len(content["application/json"]["examples"]) == len(action.examples)


def test_every_status_that_can_come_is_described():
    described = {int(name.removeprefix("Problem")) for name in DOCUMENT["components"]["responses"]}

    assert {status for status, _ in OWN.values()} | set(STATUS.values()) - {405} <= described | {405}


def test_every_operation_says_which_problems_it_has():
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            problems = {status for status in operation["responses"] if status != "200"}
            assert "500" in problems
            assert path.startswith("/actions") <= ({"401", "403", "404", "406", "422", "429", "502", "504"} <= problems)


def test_only_the_state_of_the_server_needs_no_key():
    open_to_all = {
        path for path, methods in DOCUMENT["paths"].items() for o in methods.values() if o.get("security") == []
    }

    assert open_to_all == {"/healthz", "/readyz", "/openapi.json"}


class TestWithoutFolders:
    """A server that takes no path says so in its schema."""

    def test_a_path_is_not_valid_there(self):
        made = document(has_roots=False)
        for name in ("submit_file.params", "hashes.params"):
            check = validator(made["components"]["schemas"][name], made)
            assert not check.is_valid({"file": "sample.exe"})
            assert not check.is_valid({"content_base64": None})
            assert check.is_valid({"content_base64": "aGVsbG8="})

    def test_with_folders_it_is(self):
        check = validator(DOCUMENT["components"]["schemas"]["submit_file.params"])

        assert check.is_valid({"file": "sample.exe"})
        assert not check.is_valid({"file": "sample.exe", "content_base64": "aGVsbG8="})


class TestNumbers:
    def test_the_largest_whole_number_that_is_valid_is_read(self, lab: Lab, server: Served):
        assert server.run("get_url_status", {"task_id": LARGEST}).status_code in {200, 422, 502}

    def test_one_more_is_not(self, server: Served):
        assert server.run("get_url_status", {"task_id": LARGEST + 1}).status_code == 400


def test_parts_of_the_same_name_and_different_content_stay_apart():
    known = Components()
    one = {"$defs": {"Part": {"type": "string"}}, "properties": {"p": {"$ref": "#/$defs/Part"}}}
    other = {"$defs": {"Part": {"type": "boolean"}}, "properties": {"p": {"$ref": "#/$defs/Part"}}}

    known.add("one", one)
    known.add("again", one)
    known.add("other", other)

    assert known.schemas["one"]["properties"]["p"] == {"$ref": "#/components/schemas/Part"}
    assert known.schemas["again"] == known.schemas["one"]
    assert known.schemas["other"]["properties"]["p"] == {"$ref": "#/components/schemas/other.Part"}
    assert known.schemas["other.Part"] == {"type": "boolean"}
