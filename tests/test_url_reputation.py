"""The reputation of a URL: what is sent, what is read from the answer, and what is refused instead."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import BadRequest, InputRefused, MalformedResponse, QuotaError, ResponseMismatch
from connector.outcome import Outcome
from connector.plan import Call
from connector.wire import target
from tests.laboratory import schema_says
from tests.test_plans import action_plan, driven, failed, ok

URL = "https://www.example.com/download"
COUNTS = {"total": 20, "malicious": 3, "clean": 2, "undetected": 15}
# the keys of the vendor's page, 9.1.0, and times without a zone as in the capture of 2023; all values are ours
ONCE = {"analysis_time": "2026-02-03T04:05:06", "domain": "www.example.com", "http_response_code": 200}
THREATS = [{"threat_name": "Win32.Trojan.Emotet", "risk_score": 9, "files_count": 4}, {"threat_name": "X.Y.Z"}]
ANALYSIS = {
    "analysis_history": [ONCE],
    "last_analysis": ONCE,
    "first_analysis": "2026-01-02T03:04:05",
    "analysis_count": 7,
    "top_threats": THREATS,
    "statistics": {"unknown": 1, "suspicious": 0, "malicious": 4, "goodware": 2, "total": 7},
}
REPORT = {
    "requested_url": URL,
    "classification": "malicious",
    "third_party_reputations": {"sources": [], "statistics": COUNTS},
    "analysis": ANALYSIS,
}


def plan(url=URL, **context):
    return action_plan("get_url_reputation", {"url": url}, **{"allow_cloud": True, **context})


def read(body, status=200):
    return driven(plan(), ok(body, status))


class TestReading:
    def test_a_full_report_is_told_in_flat_words(self):
        answer = read(REPORT)

        told = answer.result.model_dump()
        assert told["third_parties"] == COUNTS | {"suspicious": None}
        assert told["analysis"] == {
            "count": 7,
            "first": "2026-01-02T03:04:05Z",
            "last": "2026-02-03T04:05:06Z",
            "files": {"total": 7, "malicious": 4, "suspicious": 0, "goodware": 2, "unknown": 1},
        }
        assert [threat["threat_name"] for threat in told["top_threats"]] == ["Win32.Trojan.Emotet", "X.Y.Z"]
        assert told["top_threats"][0] == {"threat_name": "Win32.Trojan.Emotet", "riskscore": 9, "files": 4}
        assert (answer.status, answer.branch, told["found"]) == ("success", "malicious", True)

    def test_the_verdict_is_on_the_url_that_was_asked_for(self):
        (verdict,) = read(REPORT | {"requested_url": URL + "/", "riskscore": 9, "reason": "Third_Party"}).verdicts

        assert (verdict.subject.value, verdict.subject.served) == (URL, None)
        assert (verdict.classification, verdict.threat.family, verdict.source) == ("malicious", "Emotet", "cloud")
        assert (verdict.riskscore, verdict.reason) == (9, "third_party")
        assert (verdict.first_seen, verdict.last_seen) == ("2026-01-02T03:04:05Z", "2026-02-03T04:05:06Z")

    def test_a_report_without_an_analysis_is_read_as_in_the_capture(self):
        answer = read(
            {
                "third_party_reputations": {
                    "sources": [{"detection": "undetected", "source": "a", "update_time": "2023-06-21T11:47:45"}],
                    "statistics": {"total": 20, "malicious": 0, "clean": 0, "undetected": 20},
                },
                "classification": "unknown",
                "requested_url": URL,
            }
        )

        assert (answer.status, answer.branch, answer.result.analysis) == ("success", "unknown", None)
        assert (answer.verdicts[0].first_seen, answer.verdicts[0].threat_name) == (None, None)

    @pytest.mark.parametrize(
        ("word", "branch"),
        [
            *(("MALICIOUS", "malicious"), ("Suspicious", "suspicious"), ("clean", "goodware"), ("known", "goodware")),
            *(("Goodware", "goodware"), ("UNKNOWN", "unknown"), ("a word of tomorrow", "unknown")),
        ],
    )
    def test_words_are_read_in_any_letter_case(self, word, branch):
        assert read(REPORT | {"classification": word}).branch == branch

    @pytest.mark.parametrize(
        ("body", "status"),
        [({}, 200), ({"message": "not found"}, 404), ({"code": 404, "message": "x"}, 200), ({"rl": {}}, 200)]
        + [(REPORT | {"classification": none}, 200) for none in (None, "")],
    )
    def test_without_a_classification_nothing_is_found(self, body, status):
        answer = read(body, status)

        assert (answer.status, answer.branch, answer.verdicts) == ("not_found", "not_found", ())
        assert (answer.result.found, answer.result.url) == (False, URL)

    def test_a_report_in_the_envelope_of_the_cloud_is_read_too(self):
        assert read({"rl": REPORT}).branch == "malicious"

    def test_the_threat_name_of_the_url_goes_before_those_of_its_files(self):
        assert read(REPORT | {"threat_name": "A.B.C"}).verdicts[0].threat_name == "A.B.C"

    @pytest.mark.parametrize("word", ["goodware", "unknown"])
    def test_what_is_no_threat_gets_no_name_from_its_files(self, word):
        assert read(REPORT | {"classification": word}).verdicts[0].threat_name is None

    def test_no_more_than_ten_threats_are_shown(self):
        many = [{"threat_name": f"A.B.C{number}"} for number in range(50)]

        assert len(read(REPORT | {"analysis": {"top_threats": many}}).result.top_threats) == 10

    @pytest.mark.parametrize("word", [5, True, [], {"a": "b"}])
    def test_a_classification_that_is_no_word_is_not_taken_for_not_found(self, word):
        error = failed(MalformedResponse, plan(), ok(REPORT | {"classification": word}))

        assert "(/classification)" in error.message

    @pytest.mark.parametrize("asked", [URL, "https://WWW.example.com:443/download"])
    def test_an_answer_about_another_host_is_discarded(self, asked):
        failed(ResponseMismatch, plan(asked), ok(REPORT | {"requested_url": "https://www.example.org/download"}))
        assert driven(plan(asked), ok(REPORT)).branch == "malicious"

    @settings(max_examples=60, deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from([*REPORT, *ANALYSIS, "statistics", "threat_name", "risk_score", *COUNTS]),
                    inner,
                    max_size=5,
                )
            ),
            max_leaves=20,
        ),
        st.sampled_from(["analysis", "third_party_reputations", "threat_name", "riskscore", "first_seen", "reason"]),
    )
    def test_whatever_lies_around_a_classification_the_answer_keeps_to_its_schema(self, value, key):
        answer = read(REPORT | {key: value})

        assert answer.branch == "malicious"
        assert schema_says("get_url_reputation.result", answer.result.model_dump(mode="json")) == []


class TestAsking:
    @settings(max_examples=60, deadline=None)
    @given(st.from_regex(r"https://www\.example\.com/[a-z%/+;,.~-]{0,20}(\?[a-z]=[a-z0-9%&+=]{0,9})?", fullmatch=True))
    def test_a_url_arrives_as_it_was_written(self, url):
        asked = plan(url)
        try:
            call = next(asked)
        except InputRefused:  # it happens to look like a secret
            return
        asked.close()

        assert isinstance(call, Call)
        assert (call.method, call.cloud, call.effect) == ("GET", True, "read")
        assert parse_qsl(urlsplit(target(call)).query, strict_parsing=True) == [("url", url)]

    @pytest.mark.parametrize("generation", ["auto", "current", "legacy"])
    def test_there_is_one_endpoint_and_no_probe(self, generation):
        answer = driven(plan(generation=generation), ok(REPORT))

        assert (answer.endpoint.name, answer.endpoint.deprecated) == ("url_reputation", False)

    def test_a_used_up_quota_is_told_as_that(self):
        failed(QuotaError, plan(), *(ok({"message": "x"}, 429) for _ in range(6)))

    def test_the_query_of_the_url_is_no_word_of_an_error(self):
        asked = plan(URL + "?who=someone-particular")
        call = next(asked)
        reply = ok({"message": "someone-particular is bad: who=someone-particular"}, 400, hidden=call.secrets)
        error = failed(BadRequest, plan(URL + "?who=someone-particular"), reply)
        asked.close()

        assert call.secrets == ("who=someone-particular",)
        assert "who=someone-particular" not in error.message


class TestRefusing:
    def test_without_the_setting_nothing_is_asked(self):
        with pytest.raises(InputRefused, match="set allow_cloud"):
            next(plan(allow_cloud=False))

    @pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://localhost/", "https://a:b@www.example.com/"])
    def test_what_is_refused_for_the_cloud_is_refused_whatever_is_allowed(self, url):
        with pytest.raises(InputRefused) as refused:
            next(plan(url, allow_internal_urls=True))

        assert [violation.pointer for violation in refused.value.violations] == ["/url"]
        assert url not in str(refused.value)


def test_an_enrichment_finds_the_url_in_the_first_verdict(lab):
    lab.load(url=URL, classification="malicious", threat_name="Win32.Trojan.Emotet")

    outcome = lab.run("get_url_reputation", {"url": URL}, allow_cloud=True)

    assert isinstance(outcome, Outcome)
    assert (outcome.verdicts[0].subject.value, outcome.verdicts[0].threat.family) == (URL, "Emotet")
    assert {thing["type"] for thing in outcome.stix["objects"]} >= {"url", "indicator", "malware", "relationship"}
