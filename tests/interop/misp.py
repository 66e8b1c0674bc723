"""MISP's own importer reads our bundles without an error, and makes of them what an analyst expects."""

import json
import sys
from pathlib import Path

import stix2
from misp_stix_converter import ExternalSTIX2toMISPParser


def check(path: Path) -> int:
    """Import one bundle; every hash and URL becomes an attribute, and what an indicator names is to be detected."""
    bundle = json.loads(path.read_text("utf-8"))
    parser = ExternalSTIX2toMISPParser()
    parser.load_stix_bundle(stix2.parse(bundle, allow_custom=False))
    parser.parse_stix_bundle()
    assert not parser.errors, parser.errors
    event = parser.misp_event
    found = list(event.attributes) + [a for thing in event.objects for a in thing.attributes]
    values = {a.value: a for a in found}
    patterns = " ".join(o.get("pattern", "") for o in bundle["objects"])
    for item in bundle["objects"]:
        wanted = (
            item.get("hashes", {}).values()
            if item["type"] == "file"
            else [item["value"]]
            if item["type"] == "url"
            else []
        )
        for value in wanted:
            assert value in values, (path.name, value)
            escaped = value.replace("'", "\\'")
            if f"'{escaped}'" in patterns:
                assert values[value].to_ids, (path.name, value)
    families = {o["name"] for o in bundle["objects"] if o["type"] == "malware"}
    whole = json.dumps(json.loads(event.to_json()))
    assert all(json.dumps(name) in whole for name in families), (path.name, families)
    assert any("tlp:amber" in tag.name for tag in event.tags) or "tlp:amber" in whole
    return len(found)


def main(folder: str) -> None:
    """Every bundle in the folder."""
    paths = sorted(Path(folder).glob("*.json"))
    assert paths
    sys.stdout.write(f"misp: {len(paths)} bundles, {sum(map(check, paths))} attributes, 0 errors" + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
