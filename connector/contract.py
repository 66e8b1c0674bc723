"""The contract as files: schemas, manifest and action pages, derived from the actions; written, or checked for drift.

The schemas are JSON Schema 2020-12 in the subset that means the same in draft-07, so a host that wants the older
dialect changes ``$schema`` only.
"""

import json
import uuid
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from connector.action import Action
from connector.actions import every
from connector.endpoint import Endpoint
from connector.glossary import GLOSSARY
from connector.outcome import Outcome
from connector.playbooks.cacao import Playbook
from connector.playbooks.drawing.describe import page as playbook_page
from connector.playbooks.extension import NAMESPACE, NEEDS, Answer, Needs
from connector.playbooks.library import shipped
from connector.settings import Settings
from connector.version import __version__

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
CONTRACT_VERSION: Final = 1
SLUG: Final = "spectra-analyze-connector"
REFRESH: Final = "run `spectra contract` and commit what it writes"


def files() -> dict[str, str]:
    """Every file of the contract by its path, as text."""
    made = {f"schemas/{name}.json": _json(schema) for name, schema in schemas().items()}
    made["manifest.json"] = _json(manifest())
    made |= {f"docs/actions/{action.name}.md": page(action) for action in every()}
    made |= {
        f"docs/playbooks/{name}.md": playbook_page(Playbook.model_validate(text), name)
        for name, text in _playbooks().items()
    }
    return made


def schemas() -> dict[str, dict[str, Any]]:
    """Every schema by its name."""
    found = {"outcome": outcome_schema(), "settings": settings_schema(), "manifest": manifest_schema()}
    for action in every():
        found[f"{action.name}.params"] = params_schema(action)
        found[f"{action.name}.result"] = result_schema(action)
    for name, model in (("playbook.answer", Answer), ("playbook.needs", Needs)):
        title = f"CACAO 2.0 extension: {name.partition('.')[2]}"
        found[name] = _headed(model.model_json_schema(), name, title, " ".join((model.__doc__ or "").split()))
    return found


def params_schema(action: Action[Any]) -> dict[str, Any]:
    made = action.params.model_json_schema()
    made["examples"] = [example.params for example in action.examples]
    return _headed(made, f"{action.name}.params", f"Parameters of {action.name}", action.description)


def result_schema(action: Action[Any]) -> dict[str, Any]:
    made = action.result.model_json_schema(mode="serialization")
    about = " ".join((action.result.__doc__ or "").split())
    return _headed(made, f"{action.name}.result", f"Result of {action.name}", about)


def outcome_schema() -> dict[str, Any]:
    made = TypeAdapter(Outcome).json_schema(mode="serialization")
    about = "What every action gives back; result has the action's own schema, <action>.result.json."
    return _headed(made, "outcome", "Outcome of an action", about)


def settings_schema() -> dict[str, Any]:
    return _headed(Settings.model_json_schema(), "settings", "Settings", "How to reach one appliance.")


def _headed(made: dict[str, Any], name: str, title: str, description: str) -> dict[str, Any]:
    head = {
        "$schema": DIALECT,
        "$id": f"urn:{SLUG}:schema:{CONTRACT_VERSION}:{name}",
        "title": title,
        "description": description,
    }
    return head | {key: value for key, value in _described(_untitled(made)).items() if key not in head}


def _described(schema: Any) -> Any:
    """Every property with a description: its own, or the glossary's word for its name."""
    if isinstance(schema, list):
        return [_described(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _described(value) for key, value in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        made["properties"] = {name: _told(name, prop) for name, prop in made["properties"].items()}
    return made


def _told(name: str, prop: dict[str, Any]) -> dict[str, Any]:
    return prop if _about(prop) else {**prop, "description": GLOSSARY[name]}


def _untitled(schema: Any, *, names: bool = False) -> Any:
    """Without the titles that pydantic makes up from names; ``names`` says that the keys are property names."""
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _untitled(value, names=key in {"properties", "$defs"} and not names)
        for key, value in schema.items()
        if names or key not in {"title", "discriminator"}
    }


def manifest() -> dict[str, Any]:
    """What the product is and does, for hosts, without importing it."""
    return {
        "manifest_version": CONTRACT_VERSION,
        "uuid": str(NAMESPACE),
        "slug": SLUG,
        "name": "Spectra Analyze connector",
        "version": __version__,
        "description": "Dependable actions on a ReversingLabs Spectra Analyze appliance, with STIX 2.1 out.",
        "categories": ["malware analysis", "threat intelligence"],
        "license": "Apache-2.0",
        "min_python": "3.11",
        "product": {
            "vendor": "ReversingLabs",
            "name": "Spectra Analyze",
            "aliases": ["A1000"],
            "releases": ["9.1", "9.6", "next"],
        },
        "configuration": settings_schema(),
        "secrets": [
            name for name, p in settings_schema()["properties"].items() if '"writeOnly": true' in json.dumps(p)
        ],
        "outcome_schema": "schemas/outcome.json",
        "health_action": "test_connection",
        "actions": [_listed(action) for action in every()],
        "playbooks": [_playbook(name, text) for name, text in _playbooks().items()],
    }


def _playbooks() -> dict[str, dict[str, Any]]:
    """The playbooks that come with the package, by name."""
    return {name: json.loads(path.read_text("utf-8")) for name, path in shipped().items()}


def _playbook(name: str, text: dict[str, Any]) -> dict[str, Any]:
    needs = text["playbook_extensions"][NEEDS]
    return {
        "name": name,
        "id": text["id"],
        "title": text["name"],
        "description": text["description"],
        "file": f"playbooks/{name}.json",
        "scopes": needs["scopes"],
        "variables": [v for v, about in text["playbook_variables"].items() if about.get("external")],
        "outputs": needs["outputs"],
    }


def _listed(action: Action[Any]) -> dict[str, Any]:
    return {
        "name": action.name,
        "uuid": str(uuid.uuid5(NAMESPACE, action.name)),
        "title": action.title,
        "description": action.description,
        "params_schema": f"schemas/{action.name}.params.json",
        "result_schema": f"schemas/{action.name}.result.json",
        "effect": action.effect,
        "annotations": {
            "read_only": action.effect == "read",
            "destructive": action.effect == "destroy",
            "idempotent": action.idempotent,
            "egress": action.egress,
        },
        "endpoints": [_route(endpoint) for endpoint in action.endpoints],
        "branches": list(action.branches),
        "stix": list(action.stix),
        "doc_url": action.doc_url,
    }


def _route(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "method": endpoint.method,
        "path": endpoint.path,
        "generation": endpoint.generation,
        "deprecated": endpoint.deprecated,
        "successor": endpoint.successor,
    }


def manifest_schema() -> dict[str, Any]:
    """The schema of manifest.json itself."""
    text = {"type": "string", "minLength": 1}
    texts = {"type": "array", "items": text}
    route = _closed(
        name=text,
        method=text,
        path=text,
        generation={"enum": ["current", "legacy", "both"]},
        deprecated={"type": "boolean"},
        successor={"anyOf": [text, {"type": "null"}]},
    )
    annotations = _closed(
        read_only={"type": "boolean"}, destructive={"type": "boolean"}, idempotent={"type": "boolean"}, egress=text
    )
    action = _closed(
        name=text,
        uuid=text,
        title=text,
        description=text,
        params_schema=text,
        result_schema=text,
        effect={"enum": ["read", "submit", "destroy"]},
        annotations=annotations,
        endpoints={"type": "array", "minItems": 1, "items": route},
        branches=texts,
        stix=texts,
        doc_url=text,
    )
    playbook = _closed(
        name=text, id=text, title=text, description=text, file=text, scopes=texts, variables=texts, outputs=texts
    )
    product = _closed(vendor=text, name=text, aliases=texts, releases=texts)
    made = _closed(
        manifest_version={"const": CONTRACT_VERSION},
        uuid=text,
        slug=text,
        name=text,
        version=text,
        description=text,
        categories=texts,
        license=text,
        min_python=text,
        product=product,
        configuration={"type": "object"},
        secrets=texts,
        outcome_schema=text,
        health_action=text,
        actions={"type": "array", "minItems": 1, "items": action},
        playbooks={"type": "array", "items": playbook},
    )
    return _headed(made, "manifest", "Manifest of the connector", "What the product is and does, for hosts.")


def _closed(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has these properties, all of them, and no other."""
    told = {name: {"description": GLOSSARY[name]} | schema for name, schema in properties.items()}
    return {"type": "object", "additionalProperties": False, "required": list(properties), "properties": told}


def page(action: Action[Any]) -> str:
    """The page of an action for people."""
    schema = params_schema(action)
    lines = [f"# {action.title}", "", f"`{action.name}` · {action.effect}", "", action.description, ""]
    lines += ["## Parameters", "", *_parameters(schema), "", "## Result", "", *_parameters(result_schema(action)), ""]
    lines += ["## Endpoints", "", "| endpoint | | successor |", "|---|---|---|"]
    for endpoint in action.endpoints:
        state = "deprecated" if endpoint.deprecated else endpoint.generation
        lines.append(f"| `{endpoint.method} {endpoint.path}` | {state} | {endpoint.successor or ''} |")
        lines += [f"|  | cannot honour `{name}` | {why} |" for name, why in endpoint.cannot.items()]
    lines += ["", f"Branches: {', '.join(f'`{word}`' for word in action.branches)}.", ""]
    lines += [f"STIX: {', '.join(f'`{kind}`' for kind in action.stix) or 'none'}.", ""]
    lines += [f"Leaves the appliance: {action.egress}.", "", "## Examples", ""]
    for example in action.examples:
        lines += [f"{example.title[0].upper()}{example.title[1:]}:", "", "```json"]
        lines += [json.dumps(example.params, indent=2), "```", ""]
    return "\n".join([*lines, f"Vendor page: {action.doc_url}", ""])


def _parameters(schema: dict[str, Any]) -> list[str]:
    if not schema.get("properties"):
        return ["None."]
    rows = ["| name | | meaning |", "|---|---|---|"]
    for name, prop in schema["properties"].items():
        need = "required" if name in schema.get("required", ()) else "optional"
        rows.append(f"| `{name}` | {need} | {_about(prop).replace('|', chr(92) + '|')} |")
    return rows


def _about(prop: dict[str, Any]) -> str:
    """The description of a property, its own or that of its first described alternative."""
    if "description" in prop:
        return str(prop["description"])
    return next((str(option["description"]) for option in prop.get("anyOf", ()) if "description" in option), "")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write(root: Path) -> list[str]:
    """Write every file below ``root`` and remove stale ones; the paths that changed."""
    changed = drift(root)
    made = files()
    for path in changed:
        if path in made:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(made[path], "utf-8")
        else:
            (root / path).unlink()
    return changed


def drift(root: Path) -> list[str]:
    """The paths whose content differs from what the actions say, stale files included. JSON is compared as values."""
    made = files()
    there = {str(p.relative_to(root)) for folder in ("schemas", "docs/actions") for p in (root / folder).glob("*.*")}
    stale = sorted(there - made.keys())
    return [path for path, text in made.items() if not _same(root / path, text)] + stale


def _same(path: Path, text: str) -> bool:
    try:
        found = path.read_text("utf-8")
        return json.loads(found) == json.loads(text) if path.suffix == ".json" else found == text
    except (OSError, ValueError):
        return False
