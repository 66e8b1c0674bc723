"""OpenCTI's own client imports our bundles whole; only the server behind it is played."""

import copy
import json
import logging
import sys
from pathlib import Path
from typing import Any

from pycti import OpenCTIApiClient, OpenCTIStix2Splitter

UNSUPPORTED = {"extension-definition"}  # OpenCTI reads the extension, and has no object for its definition


class Data(dict[str, Any]):
    """Whatever was asked of the server was done, and the new thing has an id."""

    def __missing__(self, key: str) -> Any:
        if key == "vocabularyCategories":
            return []
        return {
            "id": f"id-of-{key}",
            "standard_id": f"id-of-{key}",
            "entity_type": key,
            "parent_types": [],
            "edges": [],
        }


class Client(OpenCTIApiClient):
    """The real client, which remembers what it would have sent."""

    def __init__(self) -> None:
        super().__init__(
            "http://127.0.0.1:1", "00000000-0000-4000-8000-000000000000", "error", perform_health_check=False
        )
        self.sent: list[dict[str, Any]] = []

    def query(self, query: str, variables: dict[str, Any] | None = None, *_: Any, **__: Any) -> dict[str, Any]:
        if query.lstrip().startswith("mutation"):
            self.sent.append({"query": query, **(variables or {})})
        return {"data": Data()}


def heard() -> list[str]:
    """What the client complains of from now on: it logs an error and counts the object as imported all the same."""
    errors: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: errors.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().handlers[:] = [handler]
    return errors


def check(path: Path) -> int:
    """Import one bundle; every object arrives, and the indicator brings what OpenCTI scores it by."""
    bundle = json.loads(path.read_text("utf-8"))
    client, errors = Client(), heard()
    _, incompatible, _ = OpenCTIStix2Splitter().split_bundle_with_expectations(copy.deepcopy(bundle), False)
    imported, rejected = client.stix2.import_bundle(copy.deepcopy(bundle))
    wanted = {o["id"] for o in bundle["objects"] if o["type"] not in UNSUPPORTED}
    assert rejected == [], rejected
    assert errors == [], errors
    assert {o["type"] for o in incompatible} <= UNSUPPORTED, incompatible
    assert wanted <= {item["id"] for item in imported}, wanted - {item["id"] for item in imported}
    inputs = [one["input"] for one in client.sent if isinstance(one.get("input"), dict)]
    for indicator in (o for o in bundle["objects"] if o["type"] == "indicator"):
        sent = next(one for one in inputs if one.get("stix_id") == indicator["id"])
        extension = indicator["extensions"]["extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"]
        assert sent["x_opencti_score"] == extension["score"]
        assert sent["x_opencti_detection"] == extension["detection"]
        assert sent["x_opencti_main_observable_type"] == extension["main_observable_type"]
        assert sent["pattern"] == indicator["pattern"]
        assert sent["confidence"] == indicator["confidence"]
    return len(wanted)


def main(folder: str) -> None:
    """Every bundle in the folder."""
    paths = sorted(Path(folder).glob("*.json"))
    assert paths
    sys.stdout.write(f"opencti: {len(paths)} bundles, {sum(map(check, paths))} objects imported, 0 rejected" + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
