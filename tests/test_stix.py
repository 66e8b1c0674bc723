"""The rules of the STIX mapping, one claim at a time."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime

import jsonschema
import pytest

from connector import stix, stix_terms
from connector.stix import Bundle, StixOptions, bundle, bundle_bytes
from connector.stix_specimens import FACTS
from connector.verdict import File, Url, Verdict
from tests.test_stix_cases import (
    ANSWERED_AT,
    CASES,
    EXPLOIT,
    GOODWARE,
    HOSTILE,
    MD5_ONLY,
    RANSOMWARE,
    SERVED,
    SUSPICIOUS,
    UNKNOWN,
    URL_ALONE,
    WANNACRY,
)

TARGETS = ("generic", "opencti", "misp", "sentinel", "taxii")
PROFILES = ("core", "full")


def make(*verdicts: Verdict, **options: object) -> list[dict]:
    made = bundle(verdicts, StixOptions(**options), ANSWERED_AT).objects
    return made["objects"] if made else []


def only(objects: list[dict], kind: str) -> dict:
    found = [o for o in objects if o["type"] == kind]
    assert len(found) == 1, [o["type"] for o in objects]
    return found[0]


def types(objects: list[dict]) -> list[str]:
    return [o["type"] for o in objects]


class TestIndicators:
    def test_one_for_each_threat_and_none_for_the_rest(self) -> None:
        """Malicious and suspicious subjects get an indicator; clean and unknown ones never do."""
        objects = make(RANSOMWARE, SUSPICIOUS, GOODWARE, UNKNOWN)
        assert types(objects).count("indicator") == 2
        assert types(objects).count("malware-analysis") == 4
        assert {o["indicator_types"][0] for o in objects if o["type"] == "indicator"} == {
            "malicious-activity",
            "anomalous-activity",
        }

    def test_the_same_hash_is_the_same_indicator_for_ever(self) -> None:
        """Whatever else an answer says, and whatever other hashes it knows, the id stays."""
        first = only(make(RANSOMWARE), "indicator")["id"]
        bare = Verdict(subject=File(sha256=WANNACRY.sha256), classification="suspicious", riskscore=6)
        assert only(make(bare, profile="full", tlp="red"), "indicator")["id"] == first
        assert only(make(RANSOMWARE, pattern_hashes="all"), "indicator")["id"] == first
        assert first == "indicator--659e9af9-f6d4-5c64-b007-cf532e0ede06"  # frozen: other products hold it

    @pytest.mark.parametrize(
        ("file", "pattern"),
        [
            (WANNACRY, f"[file:hashes.'SHA-256' = '{WANNACRY.sha256}']"),
            (replace(WANNACRY, sha256=None), f"[file:hashes.'SHA-1' = '{WANNACRY.sha1}']"),
            (File(md5="A" * 32), f"[file:hashes.MD5 = '{'a' * 32}']"),
            (File(sha512="b" * 128, md5="a" * 32), f"[file:hashes.MD5 = '{'a' * 32}']"),
            (File(sha512="b" * 128), f"[file:hashes.'SHA-512' = '{'b' * 128}']"),
        ],
    )
    def test_the_pattern_holds_the_strongest_hash(self, file: File, pattern: str) -> None:
        """SHA-256, else SHA-1, else MD5, else SHA-512; in lower case."""
        assert only(make(replace(RANSOMWARE, subject=file)), "indicator")["pattern"] == pattern

    def test_all_hashes_by_option(self) -> None:
        """Then any of the known hashes matches."""
        pattern = only(make(RANSOMWARE, pattern_hashes="all"), "indicator")["pattern"]
        assert pattern == (
            f"[file:hashes.'SHA-256' = '{WANNACRY.sha256}' OR file:hashes.'SHA-1' = '{WANNACRY.sha1}'"
            f" OR file:hashes.MD5 = '{WANNACRY.md5}']"
        )

    def test_urls_age_and_files_do_not(self) -> None:
        """A URL indicator ends some days after the URL was last seen; a hash stays what it is."""
        assert "valid_until" not in only(make(RANSOMWARE), "indicator")
        assert only(make(SERVED), "indicator")["valid_until"] == "2026-12-20T09:30:15Z"
        assert only(make(SERVED, url_days=1), "indicator")["valid_until"] == "2026-11-21T09:30:15Z"
        assert "valid_until" not in only(make(SERVED, url_days=0), "indicator")

    @pytest.mark.parametrize(
        ("word", "risk", "sure"),
        [
            ("malicious", 10, 95),
            ("malicious", 9, 90),
            ("malicious", 8, 85),
            ("malicious", 7, 75),
            ("malicious", 6, 65),
            ("malicious", 3, 60),
            ("malicious", None, 60),
            ("suspicious", 6, 50),
            ("suspicious", 5, 40),
            ("suspicious", None, 40),
            ("goodware", 0, 95),
            ("goodware", 5, 45),
            ("goodware", None, 45),
            ("unknown", 0, None),
        ],
    )
    def test_confidence_comes_from_the_table(self, word: str, risk: int | None, sure: int | None) -> None:
        """The classification decides the band, the score the place in it."""
        verdict = replace(RANSOMWARE, classification=word, riskscore=risk)
        assert stix_terms.confidence(verdict) == sure
        assert only(make(verdict), "malware-analysis").get("confidence") == sure


class TestAnalyses:
    @pytest.mark.parametrize(
        ("verdict", "result"),
        [(RANSOMWARE, "malicious"), (SUSPICIOUS, "suspicious"), (GOODWARE, "benign"), (UNKNOWN, "unknown")],
    )
    def test_every_verdict_has_one(self, verdict: Verdict, result: str) -> None:
        """Also a clean file was analysed, and its analysis says so in STIX's own word."""
        found = only(make(verdict), "malware-analysis")
        assert (found["result"], found["product"]) == (result, "reversinglabs-spectra-analyze")
        assert found["extensions"][FACTS]["classification"] == verdict.classification

    def test_of_a_url_it_points_to_the_url_and_the_file(self) -> None:
        """Only a file can be the sample; the URL is what was captured."""
        objects = make(SERVED)
        found, url, file = (only(objects, kind) for kind in ("malware-analysis", "url", "file"))
        assert found["analysis_sco_refs"] == [url["id"], file["id"]]
        assert found["sample_ref"] == file["id"]
        alone = make(URL_ALONE)
        assert "sample_ref" not in only(alone, "malware-analysis")
        assert only(alone, "malware-analysis")["analysis_sco_refs"] == [only(alone, "url")["id"]]

    def test_the_link_finds_the_sample_on_the_appliance(self) -> None:
        """Where the address of the appliance may be shown; and only for a file with a SHA-1."""
        found = only(make(RANSOMWARE, appliance_url="https://appliance.example/"), "malware-analysis")
        assert found["external_references"] == [
            {
                "source_name": "reversinglabs-spectra-analyze",
                "url": f"https://appliance.example/?q={WANNACRY.sha1}",
                "external_id": WANNACRY.sha1,
            }
        ]
        assert "external_references" not in only(make(RANSOMWARE), "malware-analysis")
        assert "external_references" not in only(make(MD5_ONLY, appliance_url="https://a.example"), "indicator")


class TestMalware:
    def test_a_real_family_is_one_object_for_all_its_samples(self) -> None:
        """Two samples of a family share the malware object, whose content never changes."""
        objects = make(*CASES["search page"])
        families = {o["name"]: o for o in objects if o["type"] == "malware"}
        assert set(families) == {"Emotet", "Nemucod"}
        assert families["Emotet"]["malware_types"] == ["trojan"]
        assert families["Emotet"]["is_family"] is True
        assert families["Emotet"]["created"] == families["Emotet"]["modified"] == "2026-01-01T00:00:00.000Z"
        links = [o for o in objects if o.get("relationship_type") == "indicates"]
        assert [o["target_ref"] for o in links].count(families["Emotet"]["id"]) == 2

    @pytest.mark.parametrize(
        "name", ["Win32.Trojan.Generic", "Win32.Trojan.Heuristic", "Win32.Trojan", "Zbot", "", None]
    )
    def test_a_vague_name_is_no_family(self, name: str | None) -> None:
        """Generic and Heuristic name a way of finding, not malware."""
        assert "malware" not in types(make(replace(RANSOMWARE, threat_name=name)))

    def test_a_flaw_is_no_family(self) -> None:
        """The vendor names exploits by their CVE; that is a vulnerability, not a malware family."""
        assert "malware" not in types(make(EXPLOIT))

    def test_a_type_without_counterpart_is_left_out(self) -> None:
        """STIX makes malware_types optional, so nothing is guessed."""
        assert "malware_types" not in only(make(replace(RANSOMWARE, threat_name="Win32.PUA.Adposhel")), "malware")

    def test_the_clean_have_none(self) -> None:
        """A threat name on a clean file does not make it malware."""
        assert "malware" not in types(make(replace(GOODWARE, threat_name="Win32.Trojan.Emotet")))


class TestTimes:
    def test_they_come_from_the_answer(self) -> None:
        """First seen is created and valid_from, last seen is modified; the clock is asked nothing."""
        found = only(make(RANSOMWARE), "indicator")
        assert (found["created"], found["modified"], found["valid_from"]) == (
            "2017-05-12T07:58:00.000Z",
            "2026-11-20T09:30:15.000Z",
            "2017-05-12T07:58:00Z",
        )

    @pytest.mark.parametrize(
        ("first", "last", "created", "modified"),
        [
            (None, "2020-01-02T00:00:00Z", "2020-01-02T00:00:00.000Z", "2020-01-02T00:00:00.000Z"),
            ("2020-01-02T00:00:00Z", None, "2020-01-02T00:00:00.000Z", "2020-01-02T00:00:00.000Z"),
            ("2020-01-02T00:00:00Z", "2019-01-01T00:00:00Z", "2020-01-02T00:00:00.000Z", "2020-01-02T00:00:00.000Z"),
            ("2020-01-02T00:00:00.5Z", "2020-01-02T00:00:00Z", "2020-01-02T00:00:00.500Z", "2020-01-02T00:00:00.500Z"),
            ("0001-01-01T00:00:00Z", "2020-01-02T00:00:00Z", "2020-01-02T00:00:00.000Z", "2020-01-02T00:00:00.000Z"),
        ],
    )
    def test_modified_is_never_before_created(
        self, first: str | None, last: str | None, created: str, modified: str
    ) -> None:
        """One date serves for two, a null date for none, and an order that cannot be is mended."""
        made = bundle([replace(RANSOMWARE, first_seen=first, last_seen=last)], StixOptions(), ANSWERED_AT)
        found = only(made.objects["objects"], "malware-analysis")
        assert (found["created"], found["modified"], made.notices) == (created, modified, ())

    def test_without_any_date_the_reply_dates_it_and_a_notice_says_so(self) -> None:
        """Nobody shall take the date of the question for a fact about the file."""
        made = bundle([UNKNOWN, GOODWARE], StixOptions(), "2026-11-23T12:00:00+01:00")
        found = next(o for o in made.objects["objects"] if o["type"] == "malware-analysis")
        assert found["created"] == found["modified"] == "2026-11-23T11:00:00.000Z"
        assert "analysis_ended" not in found
        assert [n for n in made.notices if "1 of the subjects" in n and "time of the reply" in n]

    def test_the_date_of_the_reply_must_be_one(self) -> None:
        """A wrong caller is told at once, not by a bundle without dates."""
        with pytest.raises(ValueError, match="RFC 3339"):
            bundle([UNKNOWN], StixOptions(), "yesterday")


class TestFiles:
    def test_every_known_hash_and_nothing_that_changes_the_id(self) -> None:
        """A name, or vendor fields, would give the file another id than every other product computes."""
        found = only(make(RANSOMWARE), "file")
        assert set(found) == {"type", "spec_version", "id", "hashes", "size", "object_marking_refs"}
        assert found["hashes"] == {"MD5": WANNACRY.md5, "SHA-1": WANNACRY.sha1, "SHA-256": WANNACRY.sha256}
        assert found["id"] == "file--8b1e22b4-4d3b-56a8-b91d-40c3e6986ef8"  # as in the reference bundle

    def test_its_name_is_in_the_vendor_extension(self) -> None:
        """Where it is a fact about the verdict, not about the file."""
        assert only(make(RANSOMWARE), "indicator")["extensions"][FACTS]["file_name"] == "tasksche.exe"

    def test_observed_subjects_without_verdict_are_observables_only(self) -> None:
        """A file just submitted is known, not judged."""
        made = bundle(
            [], StixOptions(profile="full"), ANSWERED_AT, [WANNACRY, Url(value="http://a.example/", served=WANNACRY)]
        )
        assert types(made.objects["objects"]) == ["marking-definition", "file", "url"]
        assert made.notices == ()

    def test_a_url_that_is_none_is_left_out_and_said(self) -> None:
        """Better no object than one that other products refuse with the whole bundle."""
        made = bundle([replace(URL_ALONE, subject=Url(value="no url"))], StixOptions(), ANSWERED_AT)
        assert made.objects is None
        assert "RFC 3986" in made.notices[0]

    def test_a_url_is_written_as_on_the_wire(self) -> None:
        """Object and pattern agree, and a notice says that it was changed."""
        made = bundle(
            [replace(URL_ALONE, subject=Url(value="http://b\u00fccher.example/a b"))], StixOptions(), ANSWERED_AT
        )
        objects = made.objects["objects"]
        assert only(objects, "url")["value"] == "http://xn--bcher-kva.example/a%20b"
        assert only(objects, "indicator")["pattern"] == "[url:value = 'http://xn--bcher-kva.example/a%20b']"
        assert "percent-encoded" in made.notices[0]


class TestUntrustedText:
    @pytest.mark.parametrize("profile", PROFILES)
    def test_nothing_steers_the_reader(self, profile: str) -> None:
        """No control character, direction mark or endless name reaches a name, a description or a note."""
        made = make(HOSTILE, profile=profile)
        text = json.dumps([{k: v for k, v in o.items() if k != "content"} for o in made], ensure_ascii=False)
        assert text.isprintable()
        assert len(only(made, "indicator")["extensions"][FACTS]["file_name"]) == 1000
        assert only(made, "indicator")["extensions"][FACTS]["file_type"] == "\ufffd"

    def test_a_note_is_a_table_whatever_the_file_is_called(self) -> None:
        """Markdown in a name is shown, not obeyed."""
        content = only(make(HOSTILE, profile="full"), "note")["content"]
        rows = content.splitlines()[2:]
        assert all(row.replace("\\|", "").count("|") == 3 for row in rows)
        assert "[x](" not in content


class TestExtension:
    @pytest.mark.parametrize("name", CASES)
    def test_its_schema_is_no_lie(self, name: str) -> None:
        """Every extension that we write keeps the schema that the extension-definition carries."""
        for o in make(*CASES[name], profile="full"):
            if FACTS in o.get("extensions", {}):
                jsonschema.validate(o["extensions"][FACTS], stix_terms.FACTS_SCHEMA)

    def test_the_definition_carries_the_schema(self) -> None:
        """The text in the bundle is the schema itself."""
        found = only(make(RANSOMWARE), "extension-definition")
        assert json.loads(found["schema"]) == stix_terms.FACTS_SCHEMA
        jsonschema.Draft202012Validator.check_schema(stix_terms.FACTS_SCHEMA)


class TestTargets:
    @pytest.mark.parametrize("target", TARGETS)
    @pytest.mark.parametrize("profile", PROFILES)
    @pytest.mark.parametrize("tlp", stix_terms.TLP2)
    def test_everything_is_marked_and_every_reference_resolves(self, target: str, profile: str, tlp: str) -> None:
        """In every combination; TLP 1 markings are the ones that nobody needs to send."""
        objects = make(RANSOMWARE, SERVED, profile=profile, target=target, tlp=tlp)
        ids = {o["id"] for o in objects} | set(stix_terms.TLP1.values())
        for o in objects:
            if o["type"] not in {"marking-definition", "identity", "extension-definition"}:
                expected = stix_terms.TLP1 if target == "sentinel" else stix_terms.TLP2
                assert o["object_marking_refs"] == [expected[tlp]]
            refs = [v for k, v in o.items() if k.endswith("_ref")]
            refs += [v for k, values in o.items() if k.endswith("_refs") for v in values]
            assert set(refs) <= ids, (o["type"], set(refs) - ids)

    def test_opencti(self) -> None:
        """Based-on leads to the observable, the score is read, and each sample has its own result name."""
        objects = make(RANSOMWARE, target="opencti")
        sign, file = only(objects, "indicator"), only(objects, "file")
        assert sign["extensions"][stix_terms.OPENCTI_EXTENSION] == {
            "extension_type": "property-extension",
            "score": 100,
            "detection": True,
            "main_observable_type": "StixFile",
        }
        assert [(o["source_ref"], o["target_ref"]) for o in objects if o.get("relationship_type") == "based-on"] == [
            (sign["id"], file["id"])
        ]
        assert only(objects, "malware-analysis")["result_name"] == f"Spectra Analyze {WANNACRY.sha256}"
        assert only(make(URL_ALONE, target="opencti"), "indicator")["extensions"][stix_terms.OPENCTI_EXTENSION] == {
            "extension_type": "property-extension",
            "score": 40,
            "detection": False,
            "main_observable_type": "Url",
        }

    def test_misp_gets_core(self) -> None:
        """And is told why."""
        made = bundle([RANSOMWARE], StixOptions(profile="full", target="misp"), ANSWERED_AT)
        assert "observed-data" not in types(made.objects["objects"])
        assert "MISP" in made.notices[0]

    def test_misp_gets_the_url_of_an_analysis_by_relationship(self) -> None:
        """Its importer fails on a URL among the analysis_sco_refs, and loses the analysis."""
        objects = make(URL_ALONE, target="misp")
        found, url, link = (only(objects, kind) for kind in ("malware-analysis", "url", "relationship"))
        assert "analysis_sco_refs" not in found
        assert (link["relationship_type"], link["source_ref"], link["target_ref"]) == (
            "related-to",
            found["id"],
            url["id"],
        )

    def test_taxii_has_no_version_at_the_top_of_any_object(self) -> None:
        """A common TAXII server takes it for a date and answers 500 for ever after."""
        assert not [o for o in make(RANSOMWARE, SERVED, profile="full", target="taxii") if "version" in o]

    def test_amber_strict_is_tightened_for_sentinel(self) -> None:
        """A marking is never loosened on its way."""
        made = bundle([RANSOMWARE], StixOptions(target="sentinel", tlp="amber+strict"), ANSWERED_AT)
        assert only(made.objects["objects"], "indicator")["object_marking_refs"] == [stix_terms.TLP1["red"]]
        assert "RED" in made.notices[0]

    def test_full_adds_the_context(self) -> None:
        """Observed-data, based-on, sighting, note and a grouping around it all."""
        core, full = make(RANSOMWARE), make(RANSOMWARE, profile="full")
        assert types(full)[: len(core)] == types(core)
        assert types(full)[len(core) :] == ["observed-data", "relationship", "sighting", "note", "grouping"]
        grouping = full[-1]
        assert grouping["object_refs"] == [o["id"] for o in full[3:-1]]

    def test_full_of_the_clean_has_no_sighting(self) -> None:
        """There is nothing to sight."""
        assert types(make(GOODWARE, profile="full"))[-3:] == ["observed-data", "note", "grouping"]


class TestBundle:
    @pytest.mark.parametrize("name", CASES)
    @pytest.mark.parametrize("profile", PROFILES)
    def test_two_runs_give_the_same_bytes(self, name: str, profile: str) -> None:
        """Also in another process, where strings hash differently."""
        options = StixOptions(profile=profile)
        assert bundle_bytes(CASES[name], options, ANSWERED_AT) == bundle_bytes(CASES[name], options, ANSWERED_AT)

    @pytest.mark.slow
    def test_another_process_gives_the_same_bytes(self) -> None:
        """No order depends on the hash seed, no value on the clock."""
        program = (
            "import sys; from connector.stix import *; from tests.test_stix_cases import *;"
            "sys.stdout.buffer.write(bundle_bytes(CASES['search page'], StixOptions(profile='full'), ANSWERED_AT))"
        )
        runs = [
            subprocess.run(
                [sys.executable, "-c", program], capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
            ).stdout
            for seed in ("1", "2")
        ]
        assert runs[0] == runs[1] == bundle_bytes(CASES["search page"], StixOptions(profile="full"), ANSWERED_AT)

    def test_the_id_follows_the_content(self) -> None:
        """Another score is another bundle, the same answer the same one."""
        one, same = (bundle([RANSOMWARE], StixOptions(), ANSWERED_AT).objects for _ in range(2))
        other = bundle([replace(RANSOMWARE, riskscore=9)], StixOptions(), ANSWERED_AT).objects
        assert one["id"] == same["id"] != other["id"]

    @pytest.mark.parametrize("name", CASES)
    def test_no_id_twice(self, name: str) -> None:
        """Whatever is said twice is said once."""
        ids = [o["id"] for o in make(*CASES[name], *CASES[name], profile="full")]
        assert len(ids) == len(set(ids))

    def test_nothing_to_say(self) -> None:
        """No verdicts, or none that the target can store, give no bundle."""
        assert bundle([], StixOptions(), ANSWERED_AT) == Bundle(None, ())
        assert bundle_bytes([], StixOptions(), ANSWERED_AT) == b""
        assert bundle([GOODWARE], StixOptions(target="sentinel"), ANSWERED_AT).objects is None

    @pytest.mark.parametrize("without_orjson", [False, True])
    def test_bytes_hold_the_same_objects(self, monkeypatch: pytest.MonkeyPatch, without_orjson: bool) -> None:
        """With the fast library and with the standard one."""
        if without_orjson:
            monkeypatch.setitem(sys.modules, "orjson", None)
        stix._dumps.cache_clear()
        for verdicts in CASES.values():
            made = bundle(verdicts, StixOptions(profile="full"), ANSWERED_AT).objects
            assert json.loads(bundle_bytes(verdicts, StixOptions(profile="full"), ANSWERED_AT)) == made
        stix._dumps.cache_clear()

    def test_a_reader_may_change_a_bundle(self) -> None:
        """What it changes is its own: neither the forms nor the next bundle know."""
        before = bundle_bytes([RANSOMWARE], StixOptions(), ANSWERED_AT)
        made = bundle([RANSOMWARE], StixOptions(), ANSWERED_AT).objects

        def spoil(value: object) -> None:
            if isinstance(value, dict):
                for inner in value.values():
                    spoil(inner)
                value["spoiled"] = True
            elif isinstance(value, list):
                for inner in value:
                    spoil(inner)
                value.append("spoiled")

        spoil(made)
        assert bundle_bytes([RANSOMWARE], StixOptions(), ANSWERED_AT) == before

    def test_an_ordinary_bundle_does_not_load_stix2(self) -> None:
        """Loading it takes longer than the action."""
        program = (
            "import sys; from connector.stix import *; from tests.test_stix_cases import *;"
            "bundle([RANSOMWARE], StixOptions(profile='full'), ANSWERED_AT); sys.exit('stix2' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class TestStrict:
    @pytest.mark.parametrize("name", CASES)
    @pytest.mark.parametrize("target", TARGETS)
    def test_stix2_has_nothing_against_any_bundle(self, name: str, target: str) -> None:
        """No custom property, no broken value, in either profile."""
        for profile in PROFILES:
            made = bundle(CASES[name], StixOptions(profile=profile, target=target), ANSWERED_AT).objects
            assert made is None or stix.strict(made) == []

    def test_it_names_what_is_wrong(self) -> None:
        """Each broken object by its id."""
        made = bundle([RANSOMWARE], StixOptions(), ANSWERED_AT).objects
        only(made["objects"], "indicator")["pattern"] = "[file:hashes.MD5 = 'it's']"
        only(made["objects"], "file")["colour"] = "red"
        problems = stix.strict(made)
        assert [p.split("--")[0] for p in problems] == ["file", "indicator"]


def test_dates_of_the_specification_hold() -> None:
    """A URL first seen long ago stays valid from then until after it was last seen."""
    found = only(make(replace(SERVED, last_seen="9999-12-31T00:00:00Z")), "indicator")
    assert "valid_until" not in found
    found = only(make(SERVED), "indicator")
    assert datetime.fromisoformat(found["valid_from"]) < datetime.fromisoformat(found["valid_until"])


def test_every_hash_that_is_known_stands_in_the_file_in_lower_case():
    known = {"md5": "A" * 32, "sha1": "B" * 40, "sha256": "C" * 64, "sha512": "D" * 128}
    verdict = Verdict(subject=File(**known), classification="malicious")

    made = bundle((verdict,), StixOptions(appliance_url="https://appliance.example.com"), "2026-03-01T12:00:00Z")

    file = next(item for item in made.objects["objects"] if item["type"] == "file")
    assert file["hashes"] == {
        "MD5": "a" * 32,
        "SHA-1": "b" * 40,
        "SHA-256": "c" * 64,
        "SHA-512": "d" * 128,
    }
