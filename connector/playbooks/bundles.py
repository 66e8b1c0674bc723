"""The STIX objects of a whole run as one bundle: each once, in its newest version."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from connector.stix_ids import own_id


def merged_stix(visits: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """One bundle of the bundles of all visits, or None where there is none.

    The same id with an equal or later ``modified`` (STIX 2.1, section 3.6) replaces what came before it. The bundle's
    id is made of what it holds, so the same run gives the same bytes.
    """
    found: dict[str, dict[str, Any]] = {}
    for visit in visits:
        for item in _objects(visit.get("stix")):
            before = found.get(item["id"])
            if before is None or _modified(item) >= _modified(before):
                found[item["id"]] = item
    if not found:
        return None
    objects = list(found.values())
    return {"type": "bundle", "id": own_id("bundle", json.dumps(objects, sort_keys=True)), "objects": objects}


def _objects(bundle: Any) -> list[dict[str, Any]]:
    """The objects of a bundle; what is none, as another server may have answered it, is left out."""
    objects = bundle.get("objects") if isinstance(bundle, dict) else None
    found = objects if isinstance(objects, list) else []
    return [item for item in found if isinstance(item, dict) and isinstance(item.get("id"), str)]


def _modified(item: Mapping[str, Any]) -> str:
    """When an object was changed, as text that compares as time does: fractions of seconds may be of any length."""
    return str(item.get("modified", "")).rstrip("Z")
