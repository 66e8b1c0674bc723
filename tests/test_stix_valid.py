"""The validator of the standard is silent: no error and no warning in its strictest reasonable setting.

Left out are 103 (ids of domain objects are version 5 here, which STIX allows), 302 (an appliance's address has no
hash) and, for OpenCTI, 202 (it wants based-on towards observables, which STIX permits but does not suggest).
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from stix2validator import ValidationOptions, validate_instance

from connector.stix import StixOptions, bundle
from connector.verdict import File, Url, Verdict, read_verdict
from tests.test_stix_cases import ANSWERED_AT, CASES, RANSOMWARE, SAMPLES, SERVED, WANNACRY, search_page


def complaints(objects: dict, target: str = "generic") -> list[str]:
    left_out = ["103", "302", *(["202"] if target == "opencti" else [])]
    options = ValidationOptions(
        version="2.1", strict=True, disabled=left_out, enforce_refs=True, strict_properties=True
    )
    result = validate_instance(objects, options)
    return [str(e) for e in (*result.errors, *result.warnings)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("profile", ["core", "full"])
def test_silence(name: str, profile: str) -> None:
    """For every case in both profiles."""
    options = StixOptions(profile=profile, appliance_url="https://appliance.example")
    assert complaints(bundle(CASES[name], options, ANSWERED_AT).objects) == []


@pytest.mark.parametrize("target", ["opencti", "misp", "sentinel", "taxii"])
@pytest.mark.parametrize("profile", ["core", "full"])
def test_silence_for_each_target(target: str, profile: str) -> None:
    """With everything in one bundle: a URL, its file and a page of results."""
    made = bundle([SERVED, RANSOMWARE, *search_page()], StixOptions(profile=profile, target=target), ANSWERED_AT)
    assert complaints(made.objects, target) == []


@pytest.mark.parametrize("profile", ["core", "full"])
def test_silence_without_a_verdict(profile: str) -> None:
    """Observables alone."""
    seen = [WANNACRY, File(md5="f" * 32), Url(value="http://a.example/", served=File(sha1="e" * 40))]
    assert complaints(bundle([], StixOptions(profile=profile), ANSWERED_AT, seen).objects) == []


def test_it_would_complain() -> None:
    """The settings are not so lax that nothing is found."""
    made = bundle([RANSOMWARE], StixOptions(), ANSWERED_AT).objects
    made["objects"][-1]["relationship_type"] = "no such"
    assert complaints(made)


@pytest.mark.slow
def test_silence_on_the_command_line(tmp_path: Path) -> None:
    """The same through the tool that others would use."""
    paths = []
    for profile in ("core", "full"):
        made = bundle([SERVED, *search_page()], StixOptions(profile=profile), ANSWERED_AT).objects
        paths.append(tmp_path / f"{profile}.json")
        paths[-1].write_text(json.dumps(made))
    program = "import sys; from stix2validator.scripts.stix2_validator import main; sys.exit(main())"
    flags = ["--version", "2.1", "--strict", "-d", "103,302", "--enforce-refs", "--strict-properties", "-q"]
    run = subprocess.run(
        [sys.executable, "-c", program, *flags, *map(str, paths)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout.strip(), run.stderr.strip()) == (0, "", "")


@pytest.mark.skipif(not SAMPLES.exists(), reason="the real bodies are not here")
@pytest.mark.parametrize("profile", ["core", "full"])
def test_silence_on_real_answers(profile: str) -> None:
    """Captured bodies of the appliance, as they came."""
    found = [verdict for path in sorted(SAMPLES.glob("*.json")) for verdict in verdicts_in(path)]
    assert len(found) >= 5
    assert complaints(bundle(found, StixOptions(profile=profile), ANSWERED_AT).objects) == []


def verdicts_in(path: Path) -> list[Verdict]:
    body = json.loads(path.read_text())
    parts = body if isinstance(body, list) else [body, body.get("report"), *body.get("results", [])]
    return [verdict for part in parts if isinstance(part, dict) and (verdict := read_verdict(part))]
