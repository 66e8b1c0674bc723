"""Bundles as files, byte for byte: what other products have stored must not change unnoticed.

To write them anew after a wanted change: ``REFRESH_GOLDEN=1 .venv/bin/pytest tests/test_stix_golden.py``, and look
at the difference before committing it.
"""

import json
import os
from pathlib import Path

import pytest

from connector.stix import StixOptions, bundle
from tests.test_stix_cases import ANSWERED_AT, CASES

GOLDEN = Path(__file__).parent / "golden" / "stix"
NAMES = ("malicious", "suspicious", "goodware", "unknown", "url and its file", "hostile", "search page")


def written(name: str, **options: str) -> str:
    made = bundle(CASES[name], StixOptions(appliance_url="https://appliance.example.com", **options), ANSWERED_AT)
    return json.dumps({"notices": made.notices, "bundle": made.objects}, indent=1) + "\n"


@pytest.mark.parametrize("profile", ["core", "full"])
@pytest.mark.parametrize("name", NAMES)
def test_as_stored(name: str, profile: str) -> None:
    """Every profile of the usual verdicts."""
    compare(f"{name.replace(' ', '-')}.{profile}.json", written(name, profile=profile))


@pytest.mark.parametrize("target", ["opencti", "misp", "sentinel", "taxii"])
def test_as_stored_for_each_target(target: str) -> None:
    """What each target gets of a URL and its file."""
    compare(f"url-and-its-file.{target}.json", written("url and its file", profile="full", target=target))


def compare(file: str, made: str) -> None:
    if os.environ.get("REFRESH_GOLDEN"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        (GOLDEN / file).write_text(made, "utf-8")
    assert (GOLDEN / file).read_text("utf-8") == made, "REFRESH_GOLDEN=1 writes it anew"


def test_no_file_is_left_over() -> None:
    """A golden file that nothing compares with is no proof of anything."""
    wanted = {f"{name.replace(' ', '-')}.{profile}.json" for name in NAMES for profile in ("core", "full")}
    wanted |= {f"url-and-its-file.{target}.json" for target in ("opencti", "misp", "sentinel", "taxii")}
    assert {path.name for path in GOLDEN.iterdir()} == wanted
