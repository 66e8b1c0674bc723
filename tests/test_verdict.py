"""Vendor JSON to verdicts: every vocabulary, every captured body, any letter case, and no garbage crashes it."""

import json
import re
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.verdict import (
    WORDS,
    File,
    Url,
    read_classification,
    read_file,
    read_time,
    read_verdict,
    split_threat_name,
)

SAMPLES = Path(__file__).parents[1].parent / "shared" / "samples"
SHA1 = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"
VALID_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z")


def captured(name):
    path = SAMPLES / name
    if not path.exists():
        pytest.skip("captured bodies are not at hand")
    return json.loads(path.read_text())


class TestCapturedBodies:
    """What a real appliance said, read right."""

    def test_classification_v3(self):
        verdict = read_verdict(captured("classification_v3_local_2024.json"))

        assert (verdict.classification, verdict.riskscore, verdict.reason) == ("malicious", 10, "antivirus")
        assert verdict.threat_name == "Win32.Ransomware.Petya"
        assert verdict.threat.family == "Petya"
        assert verdict.subject.sha1 == SHA1
        assert verdict.subject.sha256.startswith("121c3fc4")
        assert (verdict.first_seen, verdict.last_seen) == ("2024-01-08T16:36:03Z", "2024-06-10T10:31:18Z")
        assert verdict.source == "local"

    def test_classification_v2_with_the_old_words(self):
        body = captured("classification_v2_2021.json")
        verdict = read_verdict(body)

        assert verdict.classification == "malicious"
        assert verdict.riskscore is None
        assert (verdict.threat_level, verdict.trust_factor) == (body["threat_level"], body["trust_factor"])

    def test_not_found_inside_a_200_is_no_verdict(self):
        assert read_verdict(captured("classification_v3_not_found.json")) is None

    def test_a_summary_report(self):
        for body in captured("summary_report_v2_2022.json")["results"]:
            verdict = read_verdict(body)

            assert verdict.classification == body["classification"].lower()
            assert verdict.riskscore == body["riskscore"]
            assert verdict.subject.sha1 == body["sha1"]
            assert VALID_TIME.fullmatch(verdict.first_seen)

    def test_the_cloud_s_part_of_a_report(self):
        body = captured("ticloud_subobject_2022.json")
        verdict = read_verdict(body, {"sha1": SHA1}, "cloud")

        assert verdict.classification == body["classification"].lower()
        assert verdict.source == "cloud"

    def test_entries_of_a_cloud_search(self):
        entries = captured("search_entries_cloud_2024.json")
        verdicts = [read_verdict(entry) for entry in entries]

        assert [verdict.subject.sha1 for verdict in verdicts] == [entry["sha1"] for entry in entries]
        assert [verdict.classification for verdict in verdicts] == [
            entry["classification"].lower() for entry in entries
        ]
        assert [verdict.scanner_match for verdict in verdicts] == [entry["antivirus"] for entry in entries]
        assert all(VALID_TIME.fullmatch(verdict.first_seen) for verdict in verdicts)

    def test_a_finished_url(self):
        report = captured("url_status_complete_2024_trimmed.json")["report"]

        assert read_verdict(report).classification == report["classification"].lower()


class TestWords:
    @pytest.mark.parametrize("key", ["classification", "threat_status", "status"])
    @pytest.mark.parametrize("word", WORDS)
    @pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
    def test_every_vocabulary_in_any_case(self, key, word, case):
        assert read_classification({key: case(word)}) == WORDS[word]

    def test_a_word_that_nobody_documented_is_unknown_and_not_clean(self):
        assert read_classification({"classification": "wonderful"}) == "unknown"

    @pytest.mark.parametrize("body", [{}, {"classification": None}, {"classification": ""}, {"classification": 3}])
    def test_no_word_is_no_classification(self, body):
        assert read_classification(body) is None

    @pytest.mark.parametrize("score", [-1, 11, 3.5, "7", True, None, 10**30])
    def test_a_riskscore_out_of_its_range_is_none(self, score):
        body = {"sha1": SHA1, "classification": "malicious", "riskscore": score}

        assert read_verdict(body).riskscore is None

    def test_the_classification_decides_whatever_the_score_says(self):
        verdict = read_verdict({"sha1": SHA1, "classification": "goodware", "riskscore": 10})

        assert (verdict.classification, verdict.riskscore) == ("goodware", 10)

    def test_a_verdict_without_any_hash_is_none(self):
        assert read_verdict({"classification": "malicious"}) is None
        assert read_verdict({"classification": "malicious", "sha1": "xyz"}) is None

    def test_hashes_are_lowered_and_only_real_ones_kept(self):
        file = read_file({"sha1": SHA1.upper(), "md5": "zz", "sha256": 5})

        assert (file.sha1, file.md5, file.sha256) == (SHA1, None, None)
        assert file.strongest == ("sha1", SHA1)

    def test_last_seen_is_never_before_first_seen(self):
        body = {"sha1": SHA1, "classification": "malicious", "first_seen": "2024-02-01", "last_seen": "2024-01-01"}

        assert read_verdict(body).last_seen == read_verdict(body).first_seen

    @pytest.mark.parametrize(
        ("name", "parts"),
        [
            ("Win32.Ransomware.Petya", ("Win32", "Ransomware", "Petya")),
            ("Document-PDF.Phishing.Generic", ("Document-PDF", "Phishing", None)),
            ("Win32.Trojan.Heuristic", ("Win32", "Trojan", None)),
            ("Win64.Trojan.Emotet.B", ("Win64", "Trojan", "Emotet.B")),
            ("Win32.Trojan", ("Win32", "Trojan", None)),
            ("EICAR", ("EICAR", None, None)),
            ("..", (None, None, None)),
            ("", (None, None, None)),
            (None, (None, None, None)),
        ],
    )
    def test_a_threat_name_is_taken_apart(self, name, parts):
        found = split_threat_name(name)

        assert (found.platform, found.type, found.family) == parts


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "time"),
        [
            ("2024-01-08T16:36:03Z", "2024-01-08T16:36:03Z"),
            ("2024-01-08T16:36:03", "2024-01-08T16:36:03Z"),
            ("2024-01-08T16:36:03.123456Z", "2024-01-08T16:36:03.123Z"),
            ("2024-01-08T16:36:03.000001Z", "2024-01-08T16:36:03Z"),
            ("2024-01-08T18:36:03+02:00", "2024-01-08T16:36:03Z"),
            ("2024-01-08 16:36:03", "2024-01-08T16:36:03Z"),
            ("2024-01-08", "2024-01-08T00:00:00Z"),
            (" 2024-01-08T16:36:03Z ", "2024-01-08T16:36:03Z"),
        ],
    )
    def test_the_forms_that_were_seen(self, text, time):
        assert read_time(text) == time

    @pytest.mark.parametrize("value", [None, 5, "", "yesterday", "2024-13-01", [], "0001-01-01T00:00:00+23:00"])
    def test_what_is_no_time_is_none(self, value):
        assert read_time(value) is None

    @given(
        st.text(max_size=40)
        | st.from_regex(r"[0-9]{4}-?[0-9W]{1,3}-?[0-9]{0,2}[T ]?[0-9:.,]{0,15}(Z|[+-][0-9:]{0,8})?")
    )
    def test_whatever_it_says_is_rfc_3339_in_utc_or_none(self, text):
        found = read_time(text)

        assert found is None or VALID_TIME.fullmatch(found)

    @given(st.datetimes())
    def test_a_time_without_a_zone_is_utc(self, moment):
        found = read_time(moment.isoformat())

        assert abs((datetime.fromisoformat(found[:-1]) - moment).total_seconds()) < 1


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(SHA1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    [
        "md5",
        "sha1",
        "sha256",
        "sha512",
        "classification",
        "threat_status",
        "status",
        "riskscore",
        "factor",
        "threat_name",
        "threatname",
        "classification_result",
        "threat_level",
        "trust_factor",
        "first_seen",
        "last_seen",
        "firstseen",
        "local_first_seen",
        "cloud_last_lookup",
        "av_scanners_summary",
        "antivirus",
        "data_source",
        "file_type",
        "file_subtype",
        "sampletype",
        "filename",
        "aliases",
        "file_size",
        "size",
        "classification_reason",
        "reason",
        "threat_family",
    ]
)


@given(st.dictionaries(KEYS, ANY))
def test_no_garbage_crashes_it_and_what_is_read_is_sound(body):
    verdict = read_verdict(body)

    if verdict is not None:
        assert verdict.classification in set(WORDS.values())
        assert verdict.riskscore is None or 0 <= verdict.riskscore <= 10
        assert verdict.first_seen is None or VALID_TIME.fullmatch(verdict.first_seen)
        assert re.fullmatch("[0-9a-f]+", verdict.subject.strongest[1])
        assert verdict.subject.size is None or verdict.subject.size >= 0


def test_a_file_without_hashes_says_so_and_a_url_keeps_its_value():
    with pytest.raises(ValueError, match="at least one hash"):
        _ = File().strongest
    assert Url(value="http://a").value == "http://a"
