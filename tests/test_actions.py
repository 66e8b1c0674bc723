"""Every action on every release, generation and unknown of the appliance: the right answer, or a clear error."""

import hashlib
import json
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from connector.actions import every
from connector.cli.failure import exit_code
from connector.emulator.pages.routes import routes_of
from connector.emulator.switches import Switches
from connector.errors import (
    AuthError,
    BadRequest,
    CapacityError,
    ConfigError,
    EndpointMissing,
    FileTooLarge,
    InputRefused,
    InUse,
    JobFailed,
    MaintenanceError,
    QuotaError,
    ServerError,
    StorageFull,
    UnexpectedResponse,
)
from tests.laboratory import schema_says

RELEASES = ("9.1", "9.6", "next")
WAYS = (("auto", "sync"), ("auto", "async"), ("current", "sync"), ("legacy", "sync"))
LANES = ("sync", "async")
SHA1, OTHER = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5", "3395856ce81f2b7382dee72602f798b642f14140"
NOBODY = "0" * 40
URL = "https://www.example.com/download"
SEEN = {SHA1: "malicious", OTHER: "goodware"}
FRAME = {"identity", "marking-definition", "extension-definition"}
EXAMPLES = [(action, example) for action in every() for example in action.examples]

each_example = pytest.mark.parametrize(
    ("action", "example"), EXAMPLES, ids=[f"{action.name}: {example.title}" for action, example in EXAMPLES]
)


@pytest.fixture
def furnished(appliances, tmp_path, monkeypatch):
    """An appliance of a release that holds what the examples speak of, and a folder with their file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample.exe").write_bytes(b"MZ SPECTRA-LAB-MALICIOUS")

    def made(release="9.6"):
        lab = appliances(release).as_new()
        for sha1, classification in SEEN.items():
            lab.load(sha1=sha1, classification=classification, cloud=True, local=True)
        lab.load(url=URL, classification="suspicious", threat_name="Win32.Trojan.Delf")
        return lab

    return made


def prepared(lab, action, params):
    """Params of an example with the ids and digests that only an appliance can give."""
    if action.name == "get_url_status":
        job = lab.run("submit_url", {"url": URL})
        lab.tell("clock", advance=5)
        return params | {"task_id": job.result.task_id}
    if action.name == "get_bulk_delete_status":
        lab.load(sha1=SHA1, classification="malicious")
        planned = lab.run("bulk_delete", {"hash_values": [SHA1], "plan": True})
        confirm = {"hash_values": [SHA1], "confirm": planned.result.digest, "wait": False}
        deleting = lab.run("bulk_delete", confirm, allow_delete=True, api_generation="current")
        lab.tell("clock", advance=60)
        return params | {"task_id": deleting.result.task_id}
    if "confirm" in params:
        planned = lab.run("bulk_delete", {"hash_values": params["hash_values"], "plan": True})
        return params | {"confirm": planned.result.digest}
    return params


def expected_endpoint(action, generation, release):
    """The endpoint that should answer, by the emulator's own table of pages; None where the release has none."""
    there = [endpoint for endpoint in action.endpoints if has(release, endpoint)]
    if action.endpoints[0].generation == "both":
        return action.endpoints[0]
    if generation == "auto":
        return there[0] if there else None
    return next((endpoint for endpoint in there if endpoint.generation == generation), None)


def has(release, endpoint):
    return routes_of(release).find(endpoint.path.replace("{hash}", NOBODY).replace("{id}", "1")) is not None


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(("generation", "lane"), WAYS)
@each_example
def test_every_example_on_every_release_and_generation(furnished, action, example, generation, release, lane):
    lab = furnished(release)
    params = prepared(lab, action, dict(example.params))
    endpoint = expected_endpoint(action, generation, release)
    before = len(lab.requests)

    if endpoint is None and "plan" in params:
        pytest.skip("a plan sends nothing to the endpoint that it names")
    if endpoint is None:
        with pytest.raises((EndpointMissing, ConfigError)):
            lab.run(action.name, params, api_generation=generation, allow_delete=True, allow_cloud=True)
        return
    if any(params.get(name) for name in endpoint.cannot):
        with pytest.raises(InputRefused, match="cannot honour"):
            lab.run(action.name, params, api_generation=generation)
        return
    outcome = lab.run(action.name, params, lane=lane, api_generation=generation, allow_delete=True, allow_cloud=True)

    assert outcome.action == action.name
    assert outcome.branch in action.branches
    assert outcome.status != "not_found"
    told = (endpoint.name, endpoint.path, endpoint.deprecated, endpoint.successor)
    used = outcome.endpoint
    assert (used.name, used.path, used.deprecated, used.successor) == told
    assert any("is deprecated; its successor is" in notice for notice in outcome.notices) == endpoint.deprecated
    answer = json.loads(outcome.to_json())
    assert schema_says("outcome", answer) == []
    assert schema_says(f"{action.name}.result", answer["result"]) == []
    assert answer == outcome.as_dict()
    if outcome.stix:
        assert {thing["type"] for thing in outcome.stix["objects"]} <= {*action.stix, *FRAME}
    if outcome.next:
        assert schema_says(f"{outcome.next.action}.params", answer["next"]["params"]) == []
    if action.effect == "read":
        assert not [line for line in lab.requests[before:] if "submit" in line and not line.startswith("GET")]


@pytest.mark.parametrize("release", RELEASES)
def test_auto_never_sends_to_an_endpoint_that_the_release_does_not_have(furnished, release):
    lab = furnished(release)
    with lab.connector(allow_delete=True, allow_cloud=True) as connector:
        for action, example in EXAMPLES:
            params = prepared(lab, action, dict(example.params))
            if action.name == "count_search_results" and release == "9.1":
                continue
            connector.run(action.name, params)

    missing = [line for line in lab.requests if line.endswith(" 404")]
    assert all(line.startswith("GET ") or "/search/total" in line for line in missing), missing


@pytest.mark.parametrize("action", every(), ids=lambda action: action.name)
def test_what_an_outcome_says_to_do_next_can_be_done(furnished, action):
    lab = furnished()
    for example in action.examples:
        params = prepared(lab, action, dict(example.params))
        outcome = lab.run(action.name, params, allow_delete=True, allow_cloud=True)
        steps = 0
        while outcome.next is not None and steps < 5:
            lab.tell("clock", advance=max(1.0, outcome.next.after_seconds))
            outcome = lab.run(outcome.next.action, outcome.next.params)
            steps += 1

        assert outcome.status in {"success", "not_found"}
        assert steps < 5


class TestVerdicts:
    """Not found, unknown, clean and failed are four different things, on both generations."""

    @pytest.mark.parametrize("generation", ["current", "legacy"])
    @pytest.mark.parametrize("word", ["malicious", "suspicious", "goodware", "unknown"])
    def test_the_branch_is_the_classification(self, lab, word, generation):
        known = lab.load(sha1=SHA1, classification=word, cloud=True, local=True)
        asked = {
            "get_classification": {"hash_value": known["sha256"]},
            "get_ticloud_reputation": {"hash_value": known["md5"]},
            "get_report": {"hash_values": [known["sha1"]]},
            "advanced_search": {"where": [{"field": "sha1", "is": known["sha1"]}]},
        }
        for action, params in asked.items():
            outcome = lab.run(action, params, api_generation=generation)

            assert (outcome.status, outcome.branch) == ("success", word), action
            assert outcome.verdicts[0].classification == word
            types = {thing["type"] for thing in outcome.stix["objects"]}
            assert ("indicator" in types) == (word in {"malicious", "suspicious"})
            assert "malware-analysis" in types

    @pytest.mark.parametrize("generation", ["current", "legacy"])
    def test_not_found_is_an_answer_without_a_verdict(self, lab, generation):
        asked = {
            "get_classification": {"hash_value": NOBODY},
            "get_ticloud_reputation": {"hash_values": [NOBODY]},
            "get_report": {"hash_values": [NOBODY]},
            "get_file_status": {"hash_values": [NOBODY]},
            "advanced_search": {"query": NOBODY},
            "get_url_status": {"task_id": 999},
            "get_bulk_delete_status": {"task_id": 999},
            "bulk_delete": {"hash_values": [NOBODY], "plan": True},
            "get_tags": {"hash_value": NOBODY},
            "add_tags": {"hash_value": NOBODY, "tags": ["new"]},
            "remove_tags": {"hash_value": NOBODY, "tags": ["new"]},
        }
        for action, params in asked.items():
            outcome = lab.run(action, params, api_generation=generation)

            assert (outcome.status, outcome.branch) == ("not_found", "not_found"), action
            assert (outcome.verdicts, outcome.stix) == ((), None)

    @pytest.mark.parametrize("word", ["malicious", "suspicious", "goodware", "unknown"])
    def test_the_branch_of_a_url_is_its_classification(self, lab, word):
        lab.load(url=URL, classification=word)

        outcome = lab.run("get_url_reputation", {"url": URL}, allow_cloud=True)

        assert (outcome.status, outcome.branch, outcome.result.classification) == ("success", word, word)
        assert outcome.verdicts[0].subject.value == URL
        types = {thing["type"] for thing in outcome.stix["objects"]}
        assert ("indicator" in types) == (word in {"malicious", "suspicious"})
        assert "url" in types

    @pytest.mark.parametrize("answer", ["404", "empty"])
    def test_a_url_without_a_classification_is_not_found(self, lab, answer):
        lab.switch(url_nobody_knows=answer)

        outcome = lab.run("get_url_reputation", {"url": URL}, allow_cloud=True)

        assert (outcome.status, outcome.branch, outcome.verdicts) == ("not_found", "not_found", ())
        assert (outcome.result.found, outcome.stix) == (False, None)

    def test_the_worst_of_several_decides(self, lab):
        for number, word in enumerate(("goodware", "suspicious", "unknown")):
            lab.load(sha1=f"{number:040x}", classification=word)

        outcome = lab.run("get_report", {"hash_values": [f"{number:040x}" for number in range(4)]})

        assert outcome.branch == "suspicious"
        assert [line.found for line in outcome.result.entries] == [True, True, True, False]

    def test_two_runs_say_the_same_to_the_byte(self, lab):
        lab.load(sha1=SHA1, classification="malicious", threat_name="Win32.Ransomware.Petya")
        runs = {lab.run("get_classification", {"hash_value": SHA1}).to_json() for _ in range(2)}

        assert len(runs) == 1


@pytest.fixture
def waiting(lab):
    """An appliance with a sample, whose clock stands still so that its queue stays full."""
    lab.load(sha1=SHA1, classification="malicious")
    return lab


FILE, LINK, HASH = {"content_base64": "YWJj"}, {"url": "http://www.example.com/a"}, {"hash_value": SHA1}
PUBLIC_FILE, CLOUD = FILE | {"analysis": "cloud"}, {"hash_value": NOBODY, "localonly": False}
BOTH = ("current", "legacy")
# state of the appliance, action, params, generations, error, outcome, exit code, requests of the last step
STATES = {
    "maintenance, a file": ({"maintenance": True}, "submit_file", FILE, BOTH, MaintenanceError, 405, 1),
    "maintenance, a URL": ({"maintenance": True}, "submit_url", LINK, BOTH, MaintenanceError, 405, 1),
    "a full disk, a file": ({"disk_free_percent": 20.0}, "submit_file", FILE, BOTH, StorageFull, 503, 1),
    "a full disk, a URL": ({"disk_free_percent": 20.0}, "submit_url", LINK, BOTH, StorageFull, 503, 1),
    "full memory, a file": ({"memory_percent": 95.0}, "submit_file", FILE, BOTH, CapacityError, 429, 3),
    "full memory, a URL": ({"memory_percent": 95.0}, "submit_url", LINK, BOTH, CapacityError, 429, 3),
    "too large a file": ({"max_upload_bytes": 2}, "submit_file", FILE, BOTH, FileTooLarge, 413, 1),
    "no quota, a public file": ({"cloud_quota": 0}, "submit_file", PUBLIC_FILE, BOTH, QuotaError, 429, 2),
    "no quota, a look-up": (
        {"cloud_quota": 0},
        "get_ticloud_reputation",
        {"hash_value": NOBODY},
        BOTH,
        QuotaError,
        429,
        2,
    ),
    "no quota, localonly false": ({"cloud_quota": 0}, "get_classification", CLOUD, BOTH, QuotaError, 429, 2),
    "no quota, a URL": ({"cloud_quota": 0}, "get_url_reputation", LINK, BOTH, QuotaError, 429, 2),
    "no cloud, a URL": ({"cloud_available": False}, "get_url_reputation", LINK, BOTH, ServerError, 503, 3),
    "no cloud, a look-up": (
        *({"cloud_available": False}, "get_ticloud_reputation", {"hash_value": NOBODY}, BOTH, ServerError, 503, 3),
    ),
}


class TestStates:
    """What the appliance refuses from its state is told by its own name, once or as often as is right."""

    @pytest.mark.parametrize("lane", LANES)
    @pytest.mark.parametrize("generation", BOTH)
    @pytest.mark.parametrize("what", STATES)
    def test_a_refusal_from_state(self, waiting, what, generation, lane):
        state, action, params, generations, kind, status, tries = STATES[what]
        waiting.state(**state)

        with pytest.raises(kind) as refused:
            waiting.run(action, params, lane=lane, api_generation=generation, allow_cloud=True)

        error = refused.value
        assert generation in generations
        assert type(error) is kind
        assert (error.status, error.outcome, exit_code(error)) == (status, "rejected", 3)
        assert len(waiting.requests) == tries
        assert waiting.ledger["submissions"] == []
        assert error.message.startswith(f"the appliance answered {status} to ")

    def test_a_full_queue_is_waited_for(self, waiting):
        waiting.state(queue_limit=0)
        with waiting.connector(api_generation="legacy") as connector:
            connector.run("submit_file", FILE)

            outcome = connector.run("submit_file", {"content_base64": "eHl6"})

        assert outcome.branch == "submitted"
        assert waiting.time.slept == pytest.approx([15.75])

    @pytest.mark.parametrize("generation", BOTH)
    def test_a_wrong_token_is_an_auth_error_everywhere(self, waiting, generation):
        for action, example in EXAMPLES:
            if {"file", "confirm", "fields"} & set(example.params) or action.name == "count_search_results":
                continue
            with pytest.raises(AuthError) as refused:
                waiting.run(
                    *(action.name, example.params),
                    token="0123456789abcdef",
                    api_generation=generation,
                    allow_cloud=True,
                )

            assert (refused.value.status, exit_code(refused.value)) == (403, 3)

    def test_a_user_without_the_right_is_refused(self, waiting):
        user = waiting.tell("users", username="reader", password="p", rights=[])
        for action, params in (("submit_file", FILE), ("submit_url", LINK)):
            with pytest.raises(AuthError):
                waiting.run(action, params, token=user["token"])

    def test_what_the_appliance_does_not_take_is_told_in_its_words(self, waiting):
        with pytest.raises(BadRequest) as refused:
            waiting.run("advanced_search", {"query": "nonsense:1"})

        assert (refused.value.status, refused.value.outcome, exit_code(refused.value)) == (400, "rejected", 3)
        assert "nonsense" in refused.value.message

    def test_a_sample_in_use_is_told_as_that(self, lab):
        lab.load(sha1=SHA1, classification="malicious")
        lab.fault("/api/samples/v2/delete_bulk/", method="POST", status=405, body={"message": "in use"})
        planned = lab.run("bulk_delete", {"hash_values": [SHA1], "plan": True})

        with pytest.raises(InUse) as refused:
            lab.run("bulk_delete", {"hash_values": [SHA1], "confirm": planned.result.digest}, allow_delete=True)

        assert (refused.value.outcome, exit_code(refused.value)) == ("rejected", 3)

    def test_a_release_without_an_endpoint_that_counts_says_so(self, furnished):
        with pytest.raises(EndpointMissing):
            furnished("9.1").run("count_search_results", {"query": "classification:malicious"})

    @pytest.mark.parametrize("form", ["none", "seconds", "date"])
    def test_retry_after_is_kept_to_on_the_appliance_s_clock(self, waiting, form):
        waiting.switch(retry_after=form, retry_after_seconds=7)
        waiting.state(memory_percent=95.0)

        with pytest.raises(CapacityError) as refused:
            waiting.run("submit_url", LINK, api_generation="current")

        assert refused.value.retry_after == (None if form == "none" else 7.0)
        assert waiting.time.slept == pytest.approx([15.75, 31.5] if form == "none" else [7.35, 7.35])


class TestPrivacy:
    """Private by default; public only where it was asked for and allowed."""

    @pytest.mark.parametrize("lane", LANES)
    @pytest.mark.parametrize("generation", BOTH)
    @pytest.mark.parametrize("default", ["cloud", "local"])
    def test_the_default_is_private_whatever_the_appliance_s_default(self, lab, generation, default, lane):
        lab.switch(crawler_default_uploads=default, crawler_default_submit=default)

        for action, params in (("submit_url", LINK), ("submit_file", FILE)):
            outcome = lab.run(action, params, api_generation=generation, lane=lane)
            assert outcome.result.visibility == "private"

        found = lab.ledger
        assert [record["visibility"] for record in found["submissions"]] == ["private", "private"]
        assert found["submissions"][0]["fields"]["crawler"] == "local"
        assert found["cloud_queries"] == []

    @pytest.mark.parametrize("generation", BOTH)
    @pytest.mark.parametrize(
        ("action", "more"),
        [
            ("submit_file", {"analysis": "cloud"}),
            ("submit_file", {"rl_cloud_sandbox_platform": "windows10"}),
            ("submit_url", {"crawler": "cloud"}),
            ("submit_url", {"rl_cloud_sandbox_platform": "windows10"}),
        ],
    )
    def test_public_needs_both_the_parameter_and_the_setting(self, lab, action, more, generation):
        params = (FILE if action == "submit_file" else LINK) | more
        with pytest.raises(InputRefused, match="set allow_cloud"):
            lab.run(action, params, api_generation=generation)
        assert lab.requests == []

        outcome = lab.run(action, params, api_generation=generation, allow_cloud=True)

        assert outcome.result.visibility == "public"
        assert [record["visibility"] for record in lab.ledger["submissions"]] == ["public"]

    @pytest.mark.parametrize("url", ["http://127.1/", "http://[::1]/", "http://169.254.169.254/", "https://intranet/"])
    def test_the_appliance_is_not_sent_inside_unless_a_setting_allows_it(self, lab, url):
        with pytest.raises(InputRefused, match="set allow_internal_urls"):
            lab.run("submit_url", {"url": url}, allow_internal_urls=False)
        assert lab.requests == []

        assert lab.run("submit_url", {"url": url}, allow_internal_urls=True).branch == "submitted"

    def test_the_private_zones_of_the_settings_are_inside(self, lab):
        zones = {"private_zones": ("corp.example.net",), "allow_internal_urls": False}
        with pytest.raises(InputRefused, match="private zone"):
            lab.run("submit_url", {"url": "https://wiki.corp.example.net/"}, **zones)

        assert lab.run("submit_url", {"url": "https://www.example.net/"}, **zones).branch == "submitted"

    @pytest.mark.parametrize(
        "url", ["http://a:b@www.example.com/", "http://www.example.com:0/", "http://%31.example.com/"]
    )
    def test_a_url_whose_host_is_in_doubt_is_refused_whatever_is_allowed(self, lab, url):
        with pytest.raises(InputRefused) as refused:
            lab.run("submit_url", {"url": url}, allow_internal_urls=True)

        assert refused.value.violations[0].pointer == "/url"
        assert lab.requests == []

    def test_a_url_is_looked_up_in_the_cloud_only_where_the_setting_allows_it(self, lab):
        with pytest.raises(InputRefused, match="set allow_cloud") as refused:
            lab.run("get_url_reputation", LINK)
        assert [violation.pointer for violation in refused.value.violations] == ["/url"]
        assert lab.requests == []

        lab.run("get_url_reputation", LINK, allow_cloud=True)

        assert [query["url"] for query in lab.ledger["cloud_queries"]] == [LINK["url"]]
        assert (lab.ledger["submissions"], lab.ledger["reanalyses"]) == ([], [])

    @pytest.mark.parametrize(
        ("params", "words"),
        [
            ({"url": "http://192.168.1.1/"}, "internal host"),
            ({"url": "https://wiki.corp.example.net/"}, "private zone"),
            ({"url": "https://user:pass@www.example.com/"}, "user name or password"),
            ({"url": "https://www.example.com/reset?token=6f1ed002ab5595859014"}, "looks like a secret"),
            ({"url": "https://www.example.com/", "tlp": "amber"}, "TLP:AMBER"),
            ({"url": "https://%31.example.com/"}, "percent-encoding"),
        ],
    )
    def test_a_private_url_is_never_looked_up_in_the_cloud(self, lab, params, words):
        with pytest.raises(InputRefused, match=words) as refused:
            lab.run("get_url_reputation", params, allow_cloud=True, private_zones=("corp.example.net",))

        assert "6f1ed002ab5595859014" not in str(refused.value)
        assert lab.requests == []

    @pytest.mark.parametrize("action", ["submit_file", "submit_url"])
    @pytest.mark.parametrize("tlp", ["amber", "amber+strict", "red"])
    def test_what_is_marked_never_becomes_public(self, lab, action, tlp):
        wish = {"analysis": "cloud"} if action == "submit_file" else {"crawler": "cloud"}
        with pytest.raises(InputRefused, match="TLP"):
            lab.run(action, (FILE if action == "submit_file" else LINK) | wish | {"tlp": tlp}, allow_cloud=True)

        assert lab.requests == []

    def test_the_setting_alone_makes_nothing_public(self, lab):
        lab.run("submit_file", FILE, allow_cloud=True)
        lab.run("submit_url", LINK, allow_cloud=True)

        assert lab.ledger["totals"]["public_submissions"] == 0

    @pytest.mark.parametrize("generation", BOTH)
    def test_a_local_look_up_asks_no_cloud(self, lab, generation):
        lab.run("get_classification", {"hash_value": NOBODY}, api_generation=generation)
        lab.run("advanced_search", {"query": NOBODY}, api_generation=generation)
        lab.run("get_report", {"hash_values": [NOBODY]}, api_generation=generation)

        assert lab.ledger["cloud_queries"] == []

    def test_no_read_starts_an_analysis(self, furnished):
        lab = furnished()
        for action, example in EXAMPLES:
            if action.effect == "read" and action.name not in {"get_url_status", "get_bulk_delete_status"}:
                lab.run(action.name, example.params, allow_cloud=True)

        assert (lab.ledger["reanalyses"], lab.ledger["submissions"], lab.ledger["deletes"]) == ([], [], [])
        assert lab.ledger["tag_changes"] == []


class TestDeleting:
    @pytest.mark.parametrize("lane", LANES)
    @pytest.mark.parametrize("generation", BOTH)
    def test_plan_then_confirm_then_gone(self, lab, generation, lane):
        lab.load(sha1=SHA1)
        lab.load(sha1=OTHER)
        asked = {"hash_values": [SHA1, NOBODY]}
        planned = lab.run("bulk_delete", asked | {"plan": True}, api_generation=generation, lane=lane)
        assert lab.ledger["deletes"] == []

        confirm = asked | {"confirm": planned.result.digest}
        outcome = lab.run("bulk_delete", confirm, api_generation=generation, lane=lane, allow_delete=True)

        assert outcome.branch == "deleted"
        assert [line.state for line in outcome.result.entries] == ["deleted", "already_absent"]
        assert lab.run("get_file_status", {"hash_values": [SHA1, OTHER]}).result.processed == 1

    def test_a_digest_of_another_appliance_or_user_deletes_nothing(self, lab):
        lab.load(sha1=SHA1)
        user = lab.tell("users", username="second", password="p")
        planned = lab.run("bulk_delete", {"hash_values": [SHA1], "plan": True})

        with pytest.raises(InputRefused):
            lab.run(
                "bulk_delete",
                {"hash_values": [SHA1], "confirm": planned.result.digest},
                token=user["token"],
                allow_delete=True,
            )

        assert lab.ledger["deletes"] == []

    def test_a_plan_of_yesterday_deletes_nothing(self, lab):
        lab.load(sha1=SHA1)
        planned = lab.run("bulk_delete", {"hash_values": [SHA1], "plan": True})
        lab.tell("clock", advance=901)

        with pytest.raises(InputRefused, match="15 minutes"):
            lab.run("bulk_delete", {"hash_values": [SHA1], "confirm": planned.result.digest}, allow_delete=True)

        assert lab.ledger["deletes"] == []


def values_of(name, kind):
    """The values of a switch to try, beside its default."""
    found = get_args(kind) if get_origin(kind) is Literal else FREE[name]
    return [value for value in found if value != getattr(Switches(), name)]


FREE = {
    "retry_after_seconds": [30],
    "pending_word": ["queued", "PROCESSING"],
    "max_hashes_per_request": [100],
    "cloud_data_source": ["CLOUD", "spectra intelligence"],
    "delete_wrapped": [False],
    "records_per_page_default": [1],
    "sort_default": ["sha1 asc"],
    "empty_page": [2],
    "total_count_in_cloud": [False],
    "cloud_cursor_keys": [True],
    "query_max_length": [1024],
    "cloud_results_limit": [100],
    "clean_in_queries": [True],
}
SWITCHES = [(name, value) for name, kind in get_type_hints(Switches).items() for value in values_of(name, kind)]
# Where a setting of the unknown leaves no answer, the clear error that comes instead.
CLEAR_ERRORS = {
    ("url_unknown_status", 400, "an unknown task"): BadRequest,
    ("url_unknown_status", 200, "an unknown task"): JobFailed,
    ("delete_unknown_status", 400, "an unknown deletion"): BadRequest,
}


def is_found(outcome, word):
    assert (outcome.status, outcome.branch, outcome.verdicts[-1].classification) == ("success", word, word)


def is_not_found(outcome):
    assert (outcome.status, outcome.branch) == ("not_found", "not_found")


class Truths:
    """What is so, whatever the unknown is."""

    def __init__(self, lab, connector, generation):
        self.lab, self.run, self.generation = lab, connector.run, generation

    def a_known_hash(self):
        is_found(self.run("get_classification", {"hash_value": SHA1}), "malicious")

    def an_unknown_hash(self):
        is_not_found(self.run("get_classification", {"hash_value": NOBODY}))

    def a_hash_that_the_cloud_knows(self):
        is_found(self.run("get_ticloud_reputation", {"hash_value": SHA1}), "malicious")

    def a_hash_that_the_cloud_does_not_know(self):
        is_not_found(self.run("get_ticloud_reputation", {"hash_value": NOBODY}))

    def a_url_that_the_cloud_knows(self):
        outcome = self.run("get_url_reputation", {"url": URL})
        is_found(outcome, "suspicious")
        assert (outcome.result.third_parties.total, outcome.result.top_threats[0].riskscore) == (20, 7)

    def a_url_that_the_cloud_does_not_know(self):
        outcome = self.run("get_url_reputation", {"url": "https://www.example.com/elsewhere"})
        assert outcome.branch in {"unknown", "not_found"}
        assert outcome.result.analysis is None

    def a_report(self):
        outcome = self.run("get_report", {"hash_values": [SHA1, NOBODY]})
        is_found(outcome, "malicious")
        assert [line.found for line in outcome.result.entries] == [True, False]

    def a_file_status(self):
        outcome = self.run("get_file_status", {"hash_values": [SHA1, NOBODY]})
        assert [line.status for line in outcome.result.entries] == ["processed", "not_found"]

    def a_search_over_several_pages(self):
        outcome = self.run("advanced_search", {"query": "size:[0 TO *]", "limit": 120, "sort": "sha1 asc"})
        found = [verdict.subject.sha1 for verdict in outcome.verdicts]
        assert len(found) == len(set(found)) == 120
        assert found == sorted(found)

    def a_search_for_one(self):
        is_found(self.run("advanced_search", {"where": [{"field": "sha1", "is": SHA1}]}), "malicious")

    def a_search_for_nothing(self):
        is_not_found(self.run("advanced_search", {"query": NOBODY}))

    def a_search_of_the_cloud(self):
        dates = (
            {"start_search_date": "2030-01-01", "end_search_date": "2000-01-01"} if self.generation == "current" else {}
        )
        is_found(self.run("advanced_search", {"query": SHA1, "ticloud": True, **dates}), "malicious")

    def a_count(self):
        if self.generation == "current":
            dates = {"start_search_date": "2030-01-01", "end_search_date": "2000-01-01"}
            assert self.run("count_search_results", {"query": SHA1, "ticloud": True, **dates}).result.total == 1

    def a_file_that_is_waited_for(self):
        content = {"content_base64": "TVogU1BFQ1RSQS1MQUItTUFMSUNJT1VT", "tags": "a, b", "wait": True}
        outcome = self.run("submit_file", content)
        is_found(outcome, "malicious")
        assert outcome.result.sha1 == hashlib.sha1(b"MZ SPECTRA-LAB-MALICIOUS").hexdigest()
        assert outcome.result.report_url.startswith(self.lab.url)

    def a_url_that_is_waited_for(self):
        is_found(self.run("submit_url", {"url": URL, "wait": True}), "suspicious")

    def a_url_that_is_not_done(self):
        task = self.run("submit_url", {"url": URL}).result.task_id
        outcome = self.run("get_url_status", {"task_id": task})
        assert (outcome.status, outcome.branch) == ("pending", "pending")

    def an_unknown_task(self):
        is_not_found(self.run("get_url_status", {"task_id": 999}))

    def an_unknown_deletion(self):
        outcome = self.run("get_bulk_delete_status", {"task_id": 999, "hash_values": [SHA1]})
        assert outcome.branch in {"not_found", "partial"}

    def a_tag_that_comes_and_goes(self):
        tags = {"hash_value": SHA1, "tags": ["new", "case 1"]}
        assert self.run("add_tags", tags).result.changed == ("new", "case 1")
        assert self.run("remove_tags", tags | {"tags": ["new"]}).result.tags == ("case 1",)
        assert self.run("get_tags", {"hash_value": SHA1}).result.tags == ("case 1",)

    def a_sample_that_has_no_tags_as_it_is_not_there(self):
        is_not_found(self.run("get_tags", {"hash_value": NOBODY}))

    def a_wrong_token(self):
        with pytest.raises(AuthError):
            self.lab.run("test_connection", token="0123456789abcdef")

    def a_refusal(self):
        self.lab.state(maintenance=True)
        with pytest.raises(MaintenanceError):
            self.run("submit_url", {"url": URL})
        self.lab.state(maintenance=False)

    def a_deletion(self):
        planned = self.run("bulk_delete", {"hash_values": [SHA1, NOBODY], "plan": True})
        confirm = {"hash_values": [SHA1, NOBODY], "confirm": planned.result.digest}
        outcome = self.run("bulk_delete", confirm)
        assert [line.state for line in outcome.result.entries] == ["deleted", "already_absent"]


TRUTHS = [name for name in vars(Truths) if name.startswith(("a_", "an_"))]


@pytest.mark.parametrize("generation", BOTH)
@pytest.mark.parametrize(
    ("switch", "value"),
    [pytest.param(name, value, id=f"{name}={value}") for name, value in SWITCHES],
)
def test_what_is_so_is_so_under_every_unknown(furnished, switch, value, generation):
    lab = furnished("9.6")
    lab.tell("samples", generate=130, seed=1)
    lab.switch(**{switch: value})

    with lab.connector(api_generation=generation, allow_delete=True, allow_cloud=True) as connector:
        truths = Truths(lab, connector, generation)
        for name in TRUTHS:
            holds_or_is_told(getattr(truths, name), CLEAR_ERRORS.get((switch, value, name.replace("_", " "))))

    assert lab.ledger["failures"] == []


def holds_or_is_told(truth, kind):
    if kind is None:
        truth()
    else:
        with pytest.raises(kind):
            truth()


@pytest.mark.parametrize("generation", BOTH)
def test_a_page_that_comes_back_empty_is_survived(lab, generation):
    lab.tell("samples", generate=250, seed=1)
    lab.switch(empty_page=2)

    outcome = lab.run("advanced_search", {"query": "size:[0 TO *]", "limit": 1000}, api_generation=generation)

    assert (outcome.result.returned, outcome.result.total, outcome.result.complete) == (150, 250, True)


@pytest.mark.parametrize("missing", ["html404", "json404", "login_redirect"])
def test_auto_tells_a_missing_route_from_a_missing_sample(furnished, missing):
    lab = furnished("9.1")
    lab.switch(missing_route=missing)

    if missing == "login_redirect":
        with pytest.raises(UnexpectedResponse, match="never followed"):
            lab.run("submit_url", {"url": URL})
        assert lab.ledger["submissions"] == []
    else:
        assert lab.run("submit_url", {"url": URL}).endpoint.deprecated
    is_not_found(lab.run("get_classification", {"hash_value": NOBODY}))
