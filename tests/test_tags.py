"""User tags are read and changed as sets, and whatever is lost on the way, what is told is what is there."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector import InputRefused, OutcomeUnknown
from connector.action import Context, UnderWay
from connector.actions import find
from connector.check import checked
from connector.cli.failure import exit_code
from connector.errors import CapacityError, EndpointMissing, MalformedResponse, Truncated
from connector.plan import Call, Pause, Reply
from tests.laboratory import Lab, schema_says
from tests.test_recording import entry, left

SHA1, NOBODY = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5", "0" * 40
AT = "2026-03-01T12:00:00Z"
PATH = f"/api/tag/{SHA1}/"
CHANGES = {"add_tags": "POST", "remove_tags": "DELETE"}
BODIES = [(listed, told) for listed in ("list", "object") for told in ("message", "tags", "empty")]
NEVER = {"status": 500, "cut": "before"}  # the request comes to nothing, and no answer comes back
every_lane = pytest.mark.parametrize("lane", ["sync", "async"])
each_change = pytest.mark.parametrize("action", CHANGES)
each_generation = pytest.mark.parametrize("generation", ["current", "legacy", "auto"])


@pytest.fixture
def tagged(lab: Lab) -> Lab:
    """An appliance with a sample that has two tags."""
    lab.load(sha1=SHA1, classification="malicious", tags=["old", "case 1"])
    return lab


def asked(*tags: str, sample: str = SHA1) -> dict:
    return {"hash_value": sample, "tags": list(tags)}


def there(lab: Lab) -> list[str]:
    return list(lab.product.local.find(SHA1).user_tags)


def sent(lab: Lab, action: str) -> int:
    return sum(line.startswith(f"{CHANGES[action]} ") for line in lab.requests)


class TestReading:
    @every_lane
    @each_generation
    @pytest.mark.parametrize("shape", ["list", "object"])
    def test_the_tags_of_a_sample_in_either_shape_of_the_answer(self, tagged, shape, generation, lane):
        tagged.switch(tags_body=shape)

        outcome = tagged.run("get_tags", {"hash_value": SHA1}, lane=lane, api_generation=generation)

        assert (outcome.status, outcome.branch) == ("success", "ok")
        assert (outcome.result.hash_value, outcome.result.tags) == (SHA1, ("old", "case 1"))
        assert tagged.requests == [f"GET {PATH} 200"]

    def test_a_sample_without_tags_is_found_and_one_that_is_not_there_is_not(self, lab):
        lab.load(sha1=SHA1)

        found, missing = (lab.run("get_tags", {"hash_value": value}) for value in (SHA1, NOBODY))

        assert (found.status, found.branch, found.result.tags) == ("success", "ok", ())
        assert (missing.status, missing.branch, missing.result.tags) == ("not_found", "not_found", ())

    @pytest.mark.parametrize("kind", ["md5", "sha1", "sha256"])
    def test_a_sample_is_named_by_any_of_three_hashes_in_either_case(self, lab, kind):
        hashes = lab.load(content_base64="YWJj", tags=["old"])

        outcome = lab.run("get_tags", {"hash_value": hashes[kind].upper()})

        assert (outcome.result.hash_value, outcome.result.tags) == (hashes[kind], ("old",))

    @pytest.mark.parametrize("body", [{"tags": "a"}, {"tags": [1]}, {}, [{"name": "a"}]])
    def test_an_answer_without_a_list_of_tags_is_an_error_and_not_an_empty_list(self, tagged, body):
        tagged.fault(PATH, method="GET", status=200, body=body)

        with pytest.raises(MalformedResponse, match="without a list of tags"):
            tagged.run("get_tags", {"hash_value": SHA1})

    def test_not_found_inside_a_200_is_not_found(self, tagged):
        tagged.fault(PATH, method="GET", status=200, body={"code": 404, "message": "Sample not found."})

        assert tagged.run("get_tags", {"hash_value": SHA1}).branch == "not_found"


class TestChanging:
    @every_lane
    @each_generation
    @pytest.mark.parametrize(("listed", "told"), BODIES)
    def test_tags_are_added_and_removed_whatever_shape_the_answers_have(self, tagged, listed, told, generation, lane):
        tagged.switch(tags_body=listed, tags_change_body=told)
        more = {"lane": lane, "api_generation": generation}

        added = tagged.run("add_tags", asked("new", "old"), **more)
        removed = tagged.run("remove_tags", asked("old", "never"), **more)

        assert (added.branch, added.result.tags, added.result.changed) == ("ok", ("old", "case 1", "new"), ("new",))
        assert (removed.branch, removed.result.tags, removed.result.changed) == ("ok", ("case 1", "new"), ("old",))
        assert (added.notices, removed.notices) == ((), ())
        assert there(tagged) == ["case 1", "new"]
        looks = sum(line.startswith("GET") for line in tagged.requests)
        assert looks == (2 if told == "tags" else 4), "an answer that shows the tags is not asked for once more"

    @each_change
    @every_lane
    def test_what_is_so_already_is_told_and_nothing_is_sent(self, tagged, action, lane):
        tags = ("old", "case 1") if action == "add_tags" else ("never", "nor this")

        outcome = tagged.run(action, asked(*tags), lane=lane)

        assert (outcome.status, outcome.branch, outcome.result.changed) == ("success", "ok", ())
        assert outcome.result.tags == ("old", "case 1")
        assert sent(tagged, action) == 0

    @each_change
    def test_twice_is_as_once(self, tagged, action):
        first, second = (tagged.run(action, asked("old", "new")) for _ in range(2))

        assert first.result.tags == second.result.tags
        assert (len(first.result.changed), second.result.changed) == (1, ())
        assert len(tagged.ledger["tag_changes"]) == 1

    @each_change
    @every_lane
    def test_a_sample_that_the_appliance_does_not_have_is_an_answer(self, tagged, action, lane):
        outcome = tagged.run(action, asked("new", sample=NOBODY), lane=lane)

        assert (outcome.status, outcome.branch) == ("not_found", "not_found")
        assert (outcome.result.hash_value, outcome.result.tags, outcome.result.changed) == (NOBODY, (), ())
        assert sent(tagged, action) == 0

    def test_tags_may_be_given_as_one_string_and_twice(self, tagged):
        outcome = tagged.run("add_tags", {"hash_value": SHA1, "tags": "new, case 2,new"})

        assert outcome.result.changed == ("new", "case 2")

    def test_every_outcome_is_what_its_schema_says(self, tagged):
        for action, params in (
            ("get_tags", {"hash_value": SHA1}),
            *((action, asked("new", sample=sample)) for action in CHANGES for sample in (SHA1, NOBODY)),
        ):
            told = json.loads(tagged.run(action, params).to_json())
            assert schema_says("outcome", told) == []
            assert schema_says(f"{action}.result", told["result"]) == []

    def test_the_same_operation_again_gives_the_stored_outcome_and_sends_nothing(self, tagged):
        with tagged.connector() as connector:
            first = connector.run("add_tags", asked("new"), operation_id="case-7-tags")
            before = len(tagged.requests)
            again = connector.run("add_tags", asked("new"), operation_id="case-7-tags")

        assert again.to_json() == first.to_json()
        assert again.result.changed == ("new",)
        assert len(tagged.requests) == before

    @each_change
    def test_an_appliance_that_keeps_other_tags_than_it_was_told_is_seen_through(self, tagged, action):
        tagged.fault(PATH, method=CHANGES[action], status=200, body={"message": "Done."})

        outcome = tagged.run(action, asked("old" if action == "remove_tags" else "new"))

        assert (outcome.status, outcome.branch, outcome.result.changed) == ("success", "partial", ())
        assert outcome.result.tags == ("old", "case 1")
        assert "shows other tags" in outcome.notices[0]

    @each_change
    def test_an_answer_that_only_repeats_what_was_sent_is_not_taken_for_what_is_there(self, tagged, action):
        tag = "old" if action == "remove_tags" else "new"
        tagged.fault(PATH, method=CHANGES[action], apply=True, status=200, body={"tags": [tag]})

        outcome = tagged.run(action, asked(tag))

        assert (outcome.branch, list(outcome.result.tags)) == ("ok", there(tagged))
        assert outcome.result.changed == (tag,)

    @each_change
    def test_a_404_to_a_change_of_a_sample_that_is_there_is_a_missing_endpoint(self, tagged, action):
        tagged.fault(PATH, method=CHANGES[action], status=404, body={"message": "Not found."})

        with pytest.raises(EndpointMissing) as raised:
            tagged.run(action, asked("old", "new"))

        assert (raised.value.outcome, exit_code(raised.value)) == ("rejected", 3)
        assert there(tagged) == ["old", "case 1"]


BAD = {
    "no tag": ([], "at least one tag"),
    "an empty tag": ([""], "each tag starts"),
    "capitals": (["Phishing"], "each tag starts"),
    "a hyphen first": (["-a"], "each tag starts"),
    "a comma within": (["a,b"], "each tag starts"),
    "another alphabet": (["\u00e9t\u00e9"], "each tag starts"),
    "a line break": (["a\n"], "each tag starts"),
    "too much in all": (["a" * 21, "b" * 21], "42 characters"),
    "no string": ([1], "must be a string"),
    "nothing": (None, "must be a string or must be a list"),
}


class TestRefusing:
    """What a tag may be is what an upload takes; nothing else is sent."""

    @each_change
    @every_lane
    @pytest.mark.parametrize("what", BAD)
    def test_tags_outside_the_charset_or_the_length(self, tagged, action, what, lane):
        tags, wanted = BAD[what]

        with pytest.raises(InputRefused) as refused:
            tagged.run(action, {"hash_value": SHA1, "tags": tags}, lane=lane)

        assert {one.pointer.split("/")[1] for one in refused.value.violations} == {"tags"}
        assert wanted in refused.value.message
        assert tagged.requests == []

    def test_forty_two_characters_are_taken(self, tagged):
        assert tagged.run("add_tags", asked("a" * 20, "b" * 21)).branch == "ok"

    @pytest.mark.parametrize("action", ["get_tags", *CHANGES])
    @pytest.mark.parametrize("value", ["a" * 128, "a" * 41, "", "g" * 40, "\u0663" * 40, "../" + "a" * 37])
    def test_a_hash_that_these_endpoints_do_not_take(self, tagged, action, value):
        given_ = {"hash_value": value} | ({} if action == "get_tags" else {"tags": ["new"]})

        with pytest.raises(InputRefused, match="MD5, SHA-1 or SHA-256") as refused:
            tagged.run(action, given_)

        assert [one.pointer for one in refused.value.violations] == ["/hash_value"]
        assert schema_says(f"{action}.params", given_) != []
        assert tagged.requests == []


def tag_for(action: str) -> str:
    return "new" if action == "add_tags" else "old"


def after(action: str) -> list[str]:
    return ["old", "case 1", "new"] if action == "add_tags" else ["case 1"]


class TestLost:
    """An answer that is lost is looked for; what was not done is sent once more, as twice is as once."""

    @each_change
    @every_lane
    @pytest.mark.parametrize("cut", ["before", "halfway"])
    def test_an_answer_that_is_lost_after_the_work_is_found_done(self, tagged, action, cut, lane):
        tagged.fault(PATH, method=CHANGES[action], apply=True, cut=cut)

        outcome = tagged.run(action, asked(tag_for(action)), lane=lane)

        assert (outcome.branch, outcome.result.changed) == ("ok", (tag_for(action),))
        assert list(outcome.result.tags) == there(tagged) == after(action)
        assert "the answer to the change was lost" in outcome.notices[0]
        assert len(tagged.ledger["tag_changes"]) == sent(tagged, action) == 1
        assert tagged.time.slept == [1.0]

    @each_change
    @every_lane
    def test_a_request_that_is_lost_before_the_work_is_sent_once_more(self, tagged, action, lane):
        tagged.fault(PATH, method=CHANGES[action], nth=1, **NEVER)

        outcome = tagged.run(action, asked(tag_for(action)), lane=lane)

        assert (outcome.branch, outcome.result.changed) == ("ok", (tag_for(action),))
        assert list(outcome.result.tags) == there(tagged) == after(action)
        assert (len(tagged.ledger["tag_changes"]), sent(tagged, action)) == (1, 2)

    @each_change
    @every_lane
    def test_what_is_never_seen_is_unknown_and_said_to_be_repeatable(self, tagged, action, lane):
        tagged.fault(PATH, method=CHANGES[action], **NEVER)

        with pytest.raises(OutcomeUnknown, match="change of tags was sent and may have been done") as raised:
            tagged.run(action, asked(tag_for(action)), lane=lane)

        assert exit_code(raised.value) == 5
        assert "get_tags" in raised.value.hint
        assert "twice is as once" in raised.value.hint
        assert sent(tagged, action) == 2
        assert tagged.time.slept == [1.0, 4.0]
        assert there(tagged) == ["old", "case 1"]

    @each_change
    def test_a_second_try_that_is_refused_leaves_the_doubt_about_the_first(self, tagged, action):
        strike = {"match": {"method": CHANGES[action], "path": PATH}}
        tagged.faulty = True
        tagged.tell(
            "faults",
            faults=[
                strike | {"nth": 1, **NEVER},
                strike | {"nth": 2, "status": 400, "body": {"message": "no"}},
            ],
        )

        with pytest.raises(OutcomeUnknown, match="may have been done"):
            tagged.run(action, asked(tag_for(action)))

    @each_change
    def test_when_nobody_can_look_afterwards_it_is_unknown_and_not_an_answer(self, tagged, action):
        tagged.fault(PATH, method="GET", nth=2, times=9, status=500, body={"message": "no"})

        with pytest.raises(OutcomeUnknown, match=r"looking at the tags failed \(server\)") as raised:
            tagged.run(action, asked(tag_for(action)))

        assert "nothing was done" not in raised.value.message
        assert there(tagged) == after(action)

    @each_change
    def test_what_was_refused_for_lack_of_room_is_asked_again(self, tagged, action):
        tagged.fault(PATH, method=CHANGES[action], nth=1, status=429, body={"message": "The queue is full."})

        assert tagged.run(action, asked(tag_for(action))).notices == ()
        assert there(tagged) == after(action)

    @each_change
    def test_a_refusal_is_raised_as_it_is_and_nothing_was_changed(self, tagged, action):
        tagged.fault(PATH, method=CHANGES[action], status=429, body={"message": "The queue is full."})

        with pytest.raises(CapacityError) as raised:
            tagged.run(action, asked(tag_for(action)))

        assert raised.value.outcome == "rejected"
        assert tagged.ledger["tag_changes"] == []


class TestTakenUp:
    """An operation that an earlier process left open."""

    @each_change
    @pytest.mark.parametrize("state", ["intent", "unknown"])
    @pytest.mark.parametrize("done", [True, False])
    def test_what_was_interrupted_ends_in_the_truth(self, tagged, tmp_path, action, state, done):
        folder, params = tmp_path / "state", asked(tag_for(action))
        left(tagged, folder, action, state, params)
        if done:
            tagged.run(action, params, state=str(tmp_path / "other"))
        before = sent(tagged, action)

        with tagged.connector(state=str(folder), api_generation="current") as connector:
            outcome = connector.run(action, params, operation_id="op")
            again = connector.run(action, params, operation_id="op")

        assert (outcome.branch, list(outcome.result.tags)) == ("ok", after(action))
        assert outcome.result.changed == (() if done else (tag_for(action),))
        assert "was interrupted" in outcome.notices[0]
        assert sent(tagged, action) - before == (0 if done else 1)
        assert again.to_json() == outcome.to_json()
        assert entry(folder, "op").state == "done"

    def test_an_operation_in_doubt_is_kept_as_unknown_and_can_be_run_again(self, tagged, tmp_path):
        tagged.fault(PATH, method="POST", nth=1, times=2, **NEVER)
        with tagged.connector(state=str(tmp_path / "state")) as connector:
            with pytest.raises(OutcomeUnknown) as raised:
                connector.run("add_tags", asked("new"), operation_id="op")
            assert (raised.value.operation_id, connector.journal.find("op").state) == ("op", "unknown")

            outcome = connector.run("add_tags", asked("new"), operation_id="op")

            assert (outcome.branch, outcome.result.changed) == ("ok", ("new",))
            assert connector.journal.find("op").state == "done"


class Appliance:
    """One sample's tags as a set, and what becomes of each change in turn: done or lost, and how it is answered."""

    def __init__(self, tags, fates):
        self.tags, self.fates, self.sent = list(tags), list(fates), 0

    def answer(self, call: Call):
        if call.method == "GET":
            return self.said(list(self.tags))
        self.sent += 1
        fate = self.fates.pop(0) if self.fates else "message"
        given_ = call.json["tags"]
        if fate not in {"lost before", "ignored"}:
            kept = [tag for tag in self.tags if tag not in given_]
            self.tags = [*self.tags, *(t for t in given_ if t not in self.tags)] if call.method == "POST" else kept
        if fate.startswith("lost"):
            return Truncated("the connection ended before the answer was complete", outcome="unknown")
        shown = {"list": list(self.tags), "object": {"tags": list(self.tags)}, "echo": list(given_), "empty": None}
        return self.said(shown.get(fate, {"message": "Done."}), "is empty" if fate == "empty" else "")

    def said(self, body, problem=""):
        return Reply(200, body, problem, content_type="application/json", answered_at=AT)


def run_with(appliance: Appliance, action: str, params: dict, context: Context | None = None):
    plan = find(action).plan(checked(find(action), params), context or Context())
    try:
        step = next(plan)
        while True:
            answer = appliance.answer(step) if isinstance(step, Call) else None
            assert not isinstance(step, Pause) or step.seconds <= 30
            step = plan.throw(answer) if isinstance(answer, Exception) else plan.send(answer)
    except StopIteration as end:
        return end.value


TAGS = st.lists(st.sampled_from("abcdefg"), unique=True, max_size=5)
FATES = st.lists(
    st.sampled_from(["message", "list", "object", "echo", "empty", "lost before", "lost after", "ignored"]), max_size=3
)


@example(before=["a"], tags=["b", "a"], fates=["echo"], action="add_tags")
@given(before=TAGS, tags=TAGS.filter(bool), fates=FATES, action=st.sampled_from(sorted(CHANGES)))
def test_whatever_is_lost_an_answer_is_the_truth_and_a_doubt_is_a_doubt(before, tags, fates, action):
    appliance = Appliance(before, fates)

    try:
        answer = run_with(appliance, action, {"hash_value": SHA1, "tags": tags})
    except OutcomeUnknown:
        assert "lost before" in fates
        return

    result = answer.result
    assert list(result.tags) == appliance.tags
    assert set(result.changed) == set(tags) & (set(before) ^ set(appliance.tags))
    wanted = all((tag in appliance.tags) == (action == "add_tags") for tag in tags)
    assert answer.branch == ("ok" if wanted else "partial")
    assert appliance.sent <= 2


@pytest.mark.parametrize("in_doubt", [True, False])
def test_what_an_earlier_run_may_have_changed_is_never_claimed_as_unchanged(in_doubt):
    context = Context(under_way=UnderWay({}, in_doubt=in_doubt))

    answer = run_with(Appliance(["a"], []), "add_tags", {"hash_value": SHA1, "tags": ["a"]}, context)

    assert (answer.result.changed, bool(answer.notices)) == ((), in_doubt)


@pytest.mark.parametrize("action", CHANGES)
def test_a_sample_that_goes_between_the_look_and_the_change_is_not_found(action):
    """A 404 to the change alone could also be a missing route, so it is looked up."""

    class Going(Appliance):
        def answer(self, call: Call):
            if call.method == "GET" and self.sent == 0:
                return super().answer(call)
            self.sent += 1
            return Reply(404, {"detail": "Sample not found."}, content_type="application/json", answered_at=AT)

    answer = run_with(Going(["a"], []), action, {"hash_value": SHA1, "tags": ["a", "b"]})

    assert (answer.status, answer.branch) == ("not_found", "not_found")
    assert (answer.result.tags, answer.result.changed) == ((), ())
