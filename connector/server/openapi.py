"""The OpenAPI 3.1 document of the server, built from the contract: one operation for each action, and the rest."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from connector.action import Action
from connector.actions import every
from connector.contract import outcome_schema, params_schema, result_schema
from connector.server.components import Components, binary, form_schema, problem_schema, without_paths
from connector.server.hashing import Given, Hashes
from connector.server.problems import MEDIA_TYPE, OWN, STATUS, TITLES, own
from connector.version import __version__

VERSION: Final = "3.1.1"
OPERATION_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"
SECURED: Final = (400, 401, 403, 408, 413, 415, 422, 500, 503)
_ACTION: Final = (*SECURED, 404, 406, 409, 429, 501, 502, 504)
_ABOUT: Final = (
    "Every action on one Spectra Analyze appliance. An outcome is 200 also where the appliance knows nothing "
    "(not_found) or is not done yet (pending); what fails is a problem document (RFC 9457) whose outcome says whether "
    "anything was done. Each operation needs the scope in x-required-scope."
)
_TAGS: Final = {
    "read": "Actions that change nothing.",
    "submit": "Actions that submit or change samples.",
    "destroy": "Actions that delete samples.",
    "local": "What needs no appliance.",
    "runs": "Runs of playbooks.",
    "server": "The state of the server.",
}
_WORDS: Final = {
    400: "The request cannot be read",
    401: "No valid API key",
    403: "The API key lacks the scope",
    404: "There is no such action, or no STIX of this outcome",
    406: "No accepted media type exists for this answer",
    408: "The body did not come in time",
    409: "The operation or the sample is in use, or the operation id is another operation's",
    413: "The body, or the file, is too large",
    415: "The body's media type is not taken here",
    422: "The parameters were refused",
    429: "The capacity or quota of the appliance is used up",
    500: "The server's settings, its journal or itself failed",
    501: "This release of the appliance does not have the endpoint",
    502: "The appliance failed, or refused the server",
    503: "The appliance or the server takes nothing now",
    504: "The deadline passed",
}


@cache
def encoded(has_roots: bool, more: str = "{}") -> bytes:
    """The document as JSON in UTF-8; ``more`` are paths from elsewhere, as JSON."""
    return json.dumps(document(has_roots=has_roots, more=json.loads(more)), ensure_ascii=False).encode()


def document(*, has_roots: bool, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The document; ``has_roots`` says whether a file may be named by its path on the server."""
    known = Components()
    known.add("Outcome", outcome_schema())
    known.add("Problem", problem_schema())
    paths = {f"/actions/{action.name}": {"post": _operation(action, known, has_roots=has_roots)} for action in every()}
    paths["/hashes"] = {"post": _hashes(known, has_roots=has_roots)}
    return {
        "openapi": VERSION,
        "info": {
            "title": "Action server for Spectra Analyze",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{"apiKey": []}],
        "paths": paths | dict(more or {}) | _server_paths(),
        "components": {
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key of this server."}
            },
            "responses": {f"Problem{status}": _problem(status) for status in sorted(_WORDS)},
            "schemas": known.schemas,
        },
    }


def _operation(action: Action[Any], known: Components, *, has_roots: bool) -> dict[str, Any]:
    schema = params_schema(action)
    if action.name == "submit_file" and not has_roots:
        schema = without_paths(schema)
    params = known.add(f"{action.name}.params", schema)
    content: dict[str, Any] = {"application/json": {"schema": params, "examples": _examples(action, schema)}}
    if action.name == "submit_file":
        content["multipart/form-data"] = {"schema": form_schema(schema)}
    made = {
        "operationId": action.name,
        "summary": action.title,
        "description": f"{action.description} Leaves the appliance: {action.egress}.",
        "tags": [action.effect],
        "externalDocs": {"description": "The vendor's page", "url": action.doc_url},
        "x-required-scope": action.effect,
        "x-branches": list(action.branches),
        "requestBody": {"required": bool(schema["properties"]), "content": content},
        "responses": {"200": _outcome(action, known)} | problems(_ACTION),
    }
    return made | ({"parameters": _headers()} if action.subject is not None else {})


def _examples(action: Action[Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The examples of an action that this server takes, by their sentence as a name."""
    return {
        re.sub(r"[^a-z0-9]+", "-", example.title.lower()): {"summary": example.title, "value": example.params}
        for example in action.examples
        if example.params.keys() <= schema["properties"].keys()
    }


def _headers() -> list[dict[str, Any]]:
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Id of this operation: the same id again gives the stored outcome and sends nothing.",
            "schema": {"type": "string", "pattern": OPERATION_PATTERN},
        },
        {
            "name": "Spectra-In-Doubt",
            "in": "header",
            "description": "true: this operation may have been sent before, from where another journal is kept; it is "
            "looked for on the appliance before it is sent.",
            "schema": {"type": "string", "enum": ["true", "false"], "default": "false"},
        },
    ]


def _outcome(action: Action[Any], known: Components) -> dict[str, Any]:
    own_parts = {"action": {"const": action.name}, "result": known.add(f"{action.name}.result", result_schema(action))}
    schema = {"allOf": [{"$ref": "#/components/schemas/Outcome"}, {"type": "object", "properties": own_parts}]}
    content: dict[str, Any] = {"application/json": {"schema": schema}, "text/markdown": {"schema": {"type": "string"}}}
    if action.stix:
        content["application/stix+json;version=2.1"] = {
            "schema": {
                "type": "object",
                "required": ["type", "id", "objects"],
                "properties": {
                    "type": {"const": "bundle"},
                    "id": {"type": "string"},
                    "objects": {"type": "array", "minItems": 1, "items": {"type": "object"}},
                },
            }
        }
    about = "The outcome: as JSON, as a case note in Markdown, or as its STIX 2.1 bundle, by the header Accept."
    return {"description": about, "content": content}


def _hashes(known: Components, *, has_roots: bool) -> dict[str, Any]:
    schema = Given.model_json_schema()
    given = known.add("hashes.params", schema if has_roots else without_paths(schema))
    form = {"type": "object", "properties": {"file": binary()}, "required": ["file"], "additionalProperties": False}
    example = {"bytes": {"summary": "a few bytes in base64", "value": {"content_base64": "aGVsbG8gc3BlY3RyYQ=="}}}
    return {
        "operationId": "hashes",
        "summary": "The hashes of a file",
        "description": "What a file is looked up by before it is submitted. Nothing leaves the machine.",
        "tags": ["local"],
        "x-required-scope": "read",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": given, "examples": example},
                "multipart/form-data": {"schema": form},
            },
        },
        "responses": {
            "200": _json("The hashes.", known.add("hashes.result", Hashes.model_json_schema(mode="serialization")))
        }
        | problems(SECURED),
    }


def _server_paths() -> dict[str, Any]:
    state = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    text = {
        "description": "Metrics in the Prometheus text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    return {
        "/openapi.json": _get("openapi", "This document", _json("The document.", {"type": "object"})),
        "/healthz": _get("healthz", "Whether the process lives", _json("It does.", state)),
        "/readyz": _get("readyz", "Whether actions can be run now", _json("They can.", state), 503),
        "/metrics": _get("metrics", "Metrics; a key is needed where the server is not on loopback", text, 401),
    }


def _get(name: str, summary: str, answer: dict[str, Any], *failing: int) -> dict[str, Any]:
    security: list[dict[str, list[str]]] = [{"apiKey": []}, {}] if name == "metrics" else []
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "tags": ["server"],
            "security": security,
            "responses": {"200": answer} | problems((*failing, 500)),
        }
    }


def _json(about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": schema}}}


def problems(statuses: tuple[int, ...]) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(statuses)}


def _problem(status: int) -> dict[str, Any]:
    """The response of a status, with the codes that come with it."""
    codes = [code for code, (its, _) in OWN.items() if its == status]
    codes += [kind.code for kind, its in STATUS.items() if its == status and kind.code in TITLES]
    made: dict[str, Any] = {
        "description": f"{_WORDS[status]}. Codes: {', '.join(dict.fromkeys(codes)) or 'those of the appliance'}.",
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "allOf": [
                        {"$ref": "#/components/schemas/Problem"},
                        {"type": "object", "properties": {"status": {"const": status}}},
                    ]
                },
                "examples": _specimen(status),
            }
        },
    }
    if status in {429, 503}:
        made["headers"] = {"Retry-After": {"description": "Seconds, where known.", "schema": {"type": "integer"}}}
    if status == 401:
        made["headers"] = {"WWW-Authenticate": {"description": "The scheme Bearer.", "schema": {"type": "string"}}}
    return made


def _specimen(status: int) -> dict[str, Any]:
    """An example of a problem, where the server refuses by itself."""
    mine = [code for code, (its, _) in OWN.items() if its == status]
    instance = "urn:uuid:2a1f0c8e-6a53-4a86-9d0c-0f6d4d6f2f10"
    return {code: {"value": own(code, f"{OWN[code][1].lower()}; nothing was done").document(instance)} for code in mine}
