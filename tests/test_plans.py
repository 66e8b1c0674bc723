"""Plans, driven with next() and send(): no clock, no socket, no randomness. Every decision is a value."""

import hashlib
import json
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.action import Context, Memory, choose, exists, request
from connector.actions import find
from connector.actions.advanced_search import page_cursors
from connector.actions.bulk_delete import seal
from connector.check import checked
from connector.endpoint import Endpoint
from connector.endpoints import (
    ADD_TAGS,
    CLASSIFICATION_V3,
    DELETE_V2,
    FILE_STATUS,
    REMOVE_TAGS,
    SEARCH_V2,
    SEARCH_V3,
    SUBMIT_FILE,
    TAGS,
    TICLOUD,
    UPLOADS,
)
from connector.errors import (
    AuthError,
    BadRequest,
    CapacityError,
    CircuitOpen,
    ConfigError,
    ConnectFailed,
    DeadlineExceeded,
    EndpointMissing,
    FileTooLarge,
    InputRefused,
    InUse,
    JobFailed,
    MaintenanceError,
    MalformedResponse,
    OutcomeUnknown,
    QuotaError,
    ResponseMismatch,
    ServerError,
    StorageFull,
    TlsError,
    Truncated,
    UnexpectedResponse,
)
from connector.plan import Call, Inspect, Judged, Note, Pause, Reply, Sent
from connector.retry import DEFAULT, persist

AT = "2026-03-01T12:00:00Z"
SHA1 = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"
OTHER = "3395856ce81f2b7382dee72602f798b642f14140"
NOBODY = "0" * 40


def ok(body=None, status=200, **more):
    return Reply(status, {} if body is None else body, content_type="application/json", answered_at=AT, **more)


def page(status=200, **more):
    problem = "is a page, not JSON"
    return Reply(status, None, problem, content_type="text/html; charset=utf-8", size=99, answered_at=AT, **more)


def seen(step):
    """What a driver brings for a look at a file; every path is a file that holds the word content."""
    content = step.source if isinstance(step.source, bytes) else b"content"
    return Sent(hashlib.sha1(content).hexdigest(), hashlib.sha256(content).hexdigest(), len(content))


def to_the_next(kind, plan, step):
    """Go on past what a plan only tells or looks at, to the next step of this kind."""
    while not isinstance(step, kind):
        assert isinstance(step, Judged | Note | Inspect)
        step = plan.send(seen(step) if isinstance(step, Inspect) else None)
    return step


class Driven:
    """Runs a plan on prepared answers and keeps what it asked for; an exception among the answers is thrown in."""

    def __init__(self, plan, *answers):
        self.calls, self.pauses, self.looks, self.judged, self.notes, self.result = [], [], [], [], [], None
        left = iter(answers)
        try:
            step = next(plan)
            while True:
                step = self._next(plan, step, left)
        except StopIteration as end:
            self.result = end.value
        finally:
            plan.close()
        assert next(left, None) is None, "the plan did not ask for all the answers"

    def _next(self, plan, step, left):
        if isinstance(step, Pause):
            self.pauses.append(step)
            return plan.send(None)
        if isinstance(step, Inspect):
            self.looks.append(step)
            return plan.send(seen(step))
        if isinstance(step, Judged | Note):
            (self.judged if isinstance(step, Judged) else self.notes).append(step)
            return plan.send(None)
        self.calls.append(step)
        answer = next(left)
        return plan.throw(answer) if isinstance(answer, Exception) else plan.send(answer)

    @property
    def paths(self):
        return [f"{call.method} {call.path}" for call in self.calls]


def driven(plan, *answers):
    return Driven(plan, *answers).result


def failed(kind, plan, *answers):
    with pytest.raises(kind) as raised:
        Driven(plan, *answers)
    return raised.value


def action_plan(name, params, **context):
    action = find(name)
    return action.plan(checked(action, params), Context(**{"generation": "current", **context}))


READ, SUBMIT, DESTROY = (Call("GET", "/x", effect=effect) for effect in ("read", "submit", "destroy"))


def fine(reply):
    return None if reply.status == 200 else SERVER


SERVER = ServerError("it failed inside", outcome="rejected")
UNSURE = ServerError("it failed inside", outcome="unknown")


class TestRetrying:
    """Asking again: how often, after how long, and when never."""

    def test_an_accepted_answer_is_asked_for_once(self):
        run = Driven(persist(READ, fine), ok())

        assert (run.result, len(run.calls), run.pauses) == (ok(), 1, [])

    @pytest.mark.parametrize(
        "failure", [SERVER, ConnectFailed("no"), Truncated("cut"), Truncated("x", outcome="not_sent")]
    )
    def test_a_read_is_asked_three_times_and_then_its_last_failure_is_raised(self, failure):
        assert failed(type(failure), persist(READ, lambda _: failure), ok(), ok(), ok()) is failure

    def test_a_read_that_succeeds_the_second_time_succeeds(self):
        run = Driven(persist(READ, fine), Truncated("cut"), ok())

        assert run.result == ok()
        assert run.pauses == [Pause(0.0, 0.25, cost=10)]

    def test_pauses_grow_with_full_jitter(self):
        run = Driven(persist(READ, fine, replace(DEFAULT, attempts=9)), *[Truncated("cut")] * 8, ok())

        assert [pause.seconds for pause in run.pauses] == [0.0] * 8
        assert [pause.jitter for pause in run.pauses] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0]

    def test_throttling_waits_longer(self):
        capacity = CapacityError("full", status=429)
        run = Driven(persist(READ, lambda reply: None if reply.status == 200 else capacity), ok(status=429), ok())

        assert run.pauses == [Pause(0.0, 2.0, cost=5)]

    def test_a_submission_that_found_no_room_waits_long_and_ever_longer(self):
        capacity = CapacityError("full", status=429)
        replies = ok(status=429), ok(status=429), ok()
        run = Driven(persist(SUBMIT, lambda reply: None if reply.status == 200 else capacity), *replies)

        assert run.pauses == [Pause(15.0, 1.5, cost=5), Pause(30.0, 3.0, cost=5)]

    def test_what_is_not_retryable_is_asked_once(self):
        for refusal in (BadRequest("no"), AuthError("no"), TlsError("no"), StorageFull("no"), FileTooLarge("no")):
            assert failed(type(refusal), persist(READ, lambda _, no=refusal: no), ok()) is refusal

    @pytest.mark.parametrize("call", [SUBMIT, DESTROY])
    def test_a_change_is_sent_again_only_when_it_surely_was_not_done(self, call):
        assert driven(persist(call, fine), ConnectFailed("no connection"), ok()) == ok()
        for refusal in (CapacityError("full"), QuotaError("used up")):
            replies = ok(status=429), ok()
            assert driven(persist(call, lambda r, no=refusal: None if r.status == 200 else no), *replies) == ok()

    @pytest.mark.parametrize("call", [SUBMIT, DESTROY])
    @pytest.mark.parametrize(
        "failure", [Truncated("cut", outcome="unknown"), DeadlineExceeded("late", outcome="unknown")]
    )
    def test_a_change_without_an_answer_is_unknown_and_never_sent_again(self, call, failure):
        unknown = failed(OutcomeUnknown, persist(call, fine), failure)

        assert unknown.outcome == "unknown"
        assert "was not sent again" in unknown.message
        assert "before you" in unknown.hint

    @pytest.mark.parametrize("call", [SUBMIT, DESTROY])
    def test_a_change_with_an_answer_that_cannot_be_trusted_is_unknown(self, call):
        unexpected = UnexpectedResponse("a page", outcome="unknown", status=200)

        assert failed(OutcomeUnknown, persist(call, lambda _: UNSURE), ok()).outcome == "unknown"
        assert failed(OutcomeUnknown, persist(call, lambda _: unexpected), ok()).status == 200

    @pytest.mark.parametrize("call", [SUBMIT, DESTROY])
    def test_a_change_that_never_left_is_not_unknown(self, call):
        failures = [ConnectFailed("no")] * 3

        assert failed(ConnectFailed, persist(call, fine), *failures).outcome == "not_sent"

    def test_a_used_up_quota_is_tried_once_more_and_no_more(self):
        quota = QuotaError("used up", status=429)

        assert failed(QuotaError, persist(READ, lambda _: quota), ok(), ok()) is quota

    def test_a_past_deadline_is_not_tried_again(self):
        late = DeadlineExceeded("late")

        assert failed(DeadlineExceeded, persist(READ, fine), late) is late

    def test_when_the_pause_would_pass_the_deadline_the_failure_itself_is_raised(self):
        assert self.after_a_pause_that_raises(DeadlineExceeded("no time left")) is SERVER

    def test_when_the_budget_has_no_retry_left_the_failure_itself_is_raised(self):
        assert self.after_a_pause_that_raises(CircuitOpen("the budget is used up")) is SERVER

    def after_a_pause_that_raises(self, error):
        plan = persist(READ, lambda _: SERVER)
        next(plan)
        assert plan.send(ok()) == Judged(READ, SERVER)
        assert isinstance(plan.send(None), Pause)

        with pytest.raises(ServerError) as raised:
            plan.throw(error)

        return raised.value

    def test_every_end_of_a_call_is_told_with_what_its_retries_cost(self):
        run = Driven(persist(READ, fine), Truncated("cut"), ok(status=500), ok())

        assert [(told.error and told.error.code, told.spent) for told in run.judged] == [
            ("truncated", 0),
            ("server", 0),
            (None, 20),
        ]


class TestMeaning:
    """A status code means what the page of that endpoint says."""

    TABLE = (
        (UPLOADS, {400: BadRequest, 401: AuthError, 403: AuthError, 404: EndpointMissing, 405: MaintenanceError, 413: FileTooLarge, 429: CapacityError, 503: StorageFull}),
        (SUBMIT_FILE, {400: BadRequest, 403: AuthError, 405: MaintenanceError, 413: FileTooLarge, 429: CapacityError, 503: StorageFull}),
        (CLASSIFICATION_V3, {400: BadRequest, 403: AuthError, 405: EndpointMissing, 429: QuotaError, 503: ServerError}),
        (TICLOUD, {403: AuthError, 429: QuotaError, 503: ServerError}),
        (DELETE_V2, {400: BadRequest, 403: AuthError, 405: InUse}),
        (SEARCH_V3, {400: BadRequest, 403: AuthError, 404: EndpointMissing, 405: EndpointMissing}),
        (TAGS, {400: BadRequest, 401: AuthError, 403: AuthError, 405: EndpointMissing, 429: CapacityError, 500: ServerError}),
        (ADD_TAGS, {400: BadRequest, 403: AuthError, 404: EndpointMissing, 405: EndpointMissing, 429: CapacityError}),
        (REMOVE_TAGS, {400: BadRequest, 403: AuthError, 404: EndpointMissing, 405: EndpointMissing, 429: CapacityError}),
        (FILE_STATUS, {400: BadRequest, 403: AuthError, 500: ServerError, 502: ServerError, 504: ServerError}),
    )  # fmt: skip
    ROWS = tuple((endpoint, status, kind) for endpoint, kinds in TABLE for status, kind in kinds.items())

    @pytest.mark.parametrize(("endpoint", "status", "kind"), ROWS, ids=[f"{e.name} {s}" for e, s, _ in ROWS])
    def test_a_documented_status_is_its_own_error(self, endpoint, status, kind):
        tries = 3 if kind in {CapacityError, ServerError} else 2 if kind is QuotaError else 1
        error = failed(kind, request(endpoint, values={"hash": SHA1}), *[ok({"message": "because"}, status)] * tries)

        assert error.status == status
        assert endpoint.name in error.message
        assert str(status) in error.message

    @pytest.mark.parametrize("endpoint", [UPLOADS, SUBMIT_FILE])
    def test_a_full_disk_is_not_retried_and_changed_nothing(self, endpoint):
        error = failed(StorageFull, request(endpoint), ok({"message": "full"}, 503))

        assert (error.outcome, error.retryable) == ("rejected", False)

    @pytest.mark.parametrize("endpoint", [UPLOADS, SUBMIT_FILE])
    def test_a_503_page_before_a_submission_is_a_gateway_and_not_a_full_disk(self, endpoint):
        assert failed(OutcomeUnknown, request(endpoint), page(503)).status == 503

    @pytest.mark.parametrize("endpoint", [UPLOADS, DELETE_V2, ADD_TAGS, REMOVE_TAGS])
    @pytest.mark.parametrize("status", [500, 502, 504])
    def test_a_gateway_error_after_a_change_leaves_it_unknown(self, endpoint, status):
        assert failed(OutcomeUnknown, request(endpoint), page(status)).outcome == "unknown"

    def test_a_gateway_error_to_a_read_is_asked_again(self):
        replies = [page(504), page(502), ok({"results": []})]

        assert driven(request(FILE_STATUS), *replies) == replies[-1]

    @pytest.mark.parametrize("status", [204, 206, 301, 302, 307, 308, 402, 418, 451, 501, 599])
    def test_a_status_that_no_page_lists_is_an_error(self, status):
        error = failed(UnexpectedResponse, request(FILE_STATUS), ok({}, status))

        assert error.status == status
        assert ("never followed" in error.message) == (300 <= status < 400)

    @pytest.mark.parametrize("endpoint", [FILE_STATUS, SEARCH_V3, CLASSIFICATION_V3])
    def test_a_page_where_json_was_due_is_an_error(self, endpoint):
        error = failed(UnexpectedResponse, request(endpoint, values={"hash": SHA1}), page(200))

        assert "a page (99 bytes)" in error.message
        assert error.outcome == "rejected"

    @pytest.mark.parametrize("value", [[], "text", 5, None, True])
    def test_json_that_is_no_object_is_an_error(self, value):
        reply = Reply(200, value, content_type="application/json", answered_at=AT)

        assert failed(MalformedResponse, request(SEARCH_V3), reply).code == "malformed_response"

    def test_a_page_after_a_submission_leaves_it_unknown(self):
        assert failed(OutcomeUnknown, request(UPLOADS), page(200)).outcome == "unknown"
        assert failed(OutcomeUnknown, request(DELETE_V2), page(200)).outcome == "unknown"

    def test_404_with_a_body_is_an_answer_and_with_a_page_a_missing_endpoint(self):
        missing = ok({"detail": "Not found."}, 404)
        plan = request(CLASSIFICATION_V3, values={"hash": SHA1})

        assert driven(plan, missing) == missing
        assert failed(EndpointMissing, request(CLASSIFICATION_V3, values={"hash": SHA1}), page(404)).status == 404

    @given(st.text(max_size=500))
    def test_the_appliance_s_reason_is_one_short_clean_line(self, words):
        error = failed(BadRequest, request(SEARCH_V3), ok({"message": words}, 400))

        told = error.message.partition("nothing was done")[2]
        assert len(told) <= 302
        assert told.isprintable() or not any(char in told for char in "\r\n\x1b\x00")


V3_THERE = ok({"message": "Hash not found."})
V3_MISSING = page(404)


class TestChoosing:
    """Which endpoint: as the settings say, or as the release proves, once."""

    def context(self, generation="auto"):
        return Context(generation=generation)

    def test_auto_proves_once_that_the_current_endpoint_exists_and_remembers(self):
        context = self.context()
        first = Driven(choose(context, None, CLASSIFICATION_V3, TICLOUD), V3_THERE)
        second = Driven(choose(context, None, CLASSIFICATION_V3, TICLOUD))

        assert first.paths == [f"GET /api/samples/v3/{NOBODY}/classification/"]
        assert (first.result, second.result, second.calls) == (CLASSIFICATION_V3, CLASSIFICATION_V3, [])

    def test_auto_falls_back_to_the_deprecated_endpoint_and_remembers(self):
        context = self.context()

        assert driven(choose(context, None, SEARCH_V3, SEARCH_V2), V3_MISSING) is SEARCH_V2
        assert driven(choose(context, None, SEARCH_V3, SEARCH_V2)) is SEARCH_V2

    def test_the_proof_costs_the_cloud_nothing_and_changes_nothing(self):
        run = Driven(choose(self.context(), None, CLASSIFICATION_V3, TICLOUD), V3_THERE)
        submission = Driven(exists(self.context(), SUBMIT_FILE), ok({"detail": "no"}, 405))

        assert dict(run.calls[0].query) == {"localonly": "1", "av_scanners": "0"}
        assert (submission.calls[0].method, submission.calls[0].effect) == ("GET", "read")
        assert submission.calls[0].upload is None

    @pytest.mark.parametrize("status", [200, 202, 400, 405])
    def test_an_answer_in_json_proves_that_it_exists(self, status):
        assert driven(exists(self.context(), SUBMIT_FILE), ok({}, status)) is True

    def test_404_in_json_or_as_a_page_proves_that_it_does_not(self):
        assert driven(exists(self.context(), SUBMIT_FILE), ok({"detail": "Not found."}, 404)) is False
        assert driven(exists(self.context(), SUBMIT_FILE), page(404)) is False

    @pytest.mark.parametrize(
        ("reply", "kind"),
        [
            *((page(200), UnexpectedResponse), (page(302), UnexpectedResponse), (ok({}, 418), UnexpectedResponse)),
            (page(405), EndpointMissing),
        ],
    )
    def test_what_proves_nothing_is_an_error_and_is_not_remembered(self, reply, kind):
        context = self.context()

        failed(kind, exists(context, SUBMIT_FILE), reply)

        assert context.memory.has == {}

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refused_token_is_told_as_that(self, status):
        failed(AuthError, exists(self.context(), SUBMIT_FILE), ok({"detail": "Invalid token."}, status))

    def test_current_and_legacy_ask_nothing(self):
        assert driven(choose(self.context("current"), None, SEARCH_V3, SEARCH_V2)) is SEARCH_V3
        assert driven(choose(self.context("legacy"), None, SEARCH_V3, SEARCH_V2)) is SEARCH_V2

    def test_legacy_where_there_is_none_is_a_config_error(self):
        assert (
            "set api_generation to"
            in failed(ConfigError, choose(self.context("legacy"), None, SEARCH_V3, None)).message
        )

    def test_nothing_is_ever_sent_to_an_endpoint_that_is_missing(self):
        run = Driven(
            action_plan("advanced_search", {"query": "a"}, generation="auto"), V3_MISSING, search_page([], more=False)
        )

        assert run.paths == ["GET /api/samples/v3/search/", "POST /api/samples/v2/search/"]

    def test_what_was_learned_is_shared_by_all_actions_of_a_client(self):
        memory = Memory()
        Driven(
            action_plan("get_classification", {"hash_value": SHA1}, generation="auto", memory=memory),
            V3_THERE,
            V3_THERE,
        )
        run = Driven(
            action_plan("get_ticloud_reputation", {"hash_value": SHA1}, generation="auto", memory=memory), V3_THERE
        )

        assert len(run.calls) == 1

    def test_a_value_in_a_path_is_escaped(self):
        endpoint = Endpoint(name="x", generation="both", method="GET", path="/a/{id}/b")
        run = Driven(request(endpoint, values={"id": "../?x=1#y"}), ok())

        assert run.paths == ["GET /a/..%2F%3Fx%3D1%23y/b"]


def entry(number, **more):
    return {"sha1": f"{number:040x}", "classification": "malicious", "factor": 8, **more}


def search_page(entries, *, more, total=None):
    body = {"entries": entries, "more_pages": more}
    return ok({"rl": {"web_search_api": body | ({} if total is None else {"total_count": total})}})


def searching(limit=100, cursor=None, **more):
    params = {"query": "classification:malicious", "limit": limit, **more}
    return action_plan("advanced_search", params | ({"cursor": cursor} if cursor else {}))


def numbers(answer):
    return [int(line.hash_value, 16) for line in answer.result.entries]


class TestSearching:
    """Pages until the limit, the end, or something that cannot be believed."""

    def test_pages_are_asked_for_until_the_limit(self):
        run = Driven(
            searching(250),
            *[
                search_page([entry(n) for n in range(start, start + 100)], more=True, total=999)
                for start in (0, 100, 200)
            ],
        )

        assert [call.json["page"] for call in run.calls] == [1, 2, 3]
        assert numbers(run.result) == list(range(250))
        assert (run.result.result.total, run.result.result.returned, run.result.result.complete) == (999, 250, True)
        assert run.result.result.cursor is not None

    def test_the_end_has_no_cursor(self):
        answer = driven(searching(100), search_page([entry(1), entry(2)], more=False))

        assert (numbers(answer), answer.result.cursor) == ([1, 2], None)

    def test_a_small_limit_asks_for_a_small_page(self):
        run = Driven(searching(2), search_page([entry(1), entry(2)], more=True))

        assert run.calls[0].json["records_per_page"] == 2

    def test_a_repeated_page_ends_the_search_with_a_notice(self):
        same = search_page([entry(1), entry(2)], more=True)
        answer = driven(searching(), same, same)

        assert numbers(answer) == [1, 2]
        assert answer.result.complete is False
        assert answer.result.cursor is None
        assert "same page twice" in answer.notices[0]

    def test_an_empty_page_is_survived(self):
        answer = driven(
            searching(),
            search_page([entry(1)], more=True),
            search_page([], more=True),
            search_page([entry(2)], more=False),
        )

        assert numbers(answer) == [1, 2]
        assert answer.result.complete is True

    def test_empty_pages_without_end_are_not_believed(self):
        answer = driven(searching(), *[search_page([], more=True)] * 3)

        assert answer.status == "not_found"
        assert answer.result.complete is False
        assert answer.result.cursor is not None

    def test_duplicates_are_removed_by_sha1_also_across_pages(self):
        answer = driven(
            searching(),
            search_page([entry(1), entry(2, sha256="a" * 64), entry(2)], more=True),
            search_page([entry(2), entry(3)], more=False),
        )

        assert [verdict.subject.sha1 for verdict in answer.verdicts] == [f"{n:040x}" for n in (1, 2, 3)]

    def test_a_failure_on_the_way_keeps_what_was_found(self):
        run = Driven(searching(), search_page([entry(1)], more=True), ok({"message": "no more"}, 400))

        assert numbers(run.result) == [1]
        assert run.result.result.complete is False
        assert "ended early (bad_request)" in run.result.notices[0]
        again = Driven(searching(cursor=run.result.result.cursor), search_page([entry(2)], more=False))
        assert again.calls[0].json["page"] == 2

    def test_a_failure_at_the_first_page_is_raised(self):
        failed(BadRequest, searching(), ok({"message": "no"}, 400))

    @pytest.mark.parametrize(
        "body",
        [{}, {"rl": []}, {"rl": {}}, {"rl": {"web_search_api": []}}, {"rl": {"web_search_api": {"entries": {}}}}],
    )
    def test_an_answer_without_its_envelope_is_malformed(self, body):
        failed(MalformedResponse, searching(), ok(body))

    def test_entries_that_say_nothing_are_left_out(self):
        answer = driven(
            searching(), search_page([entry(1), None, 5, {}, {"sha1": "x"}, {"sha1": f"{3:040x}"}], more=False)
        )

        assert numbers(answer) == [1]

    def test_nothing_found_is_not_found(self):
        answer = driven(searching(), search_page([], more=False, total=0))

        assert (answer.status, answer.branch, answer.result.total) == ("not_found", "not_found", 0)

    def test_dates_and_order_are_sent_as_they_are(self):
        dates = {"start_search_date": "2026-02-01", "end_search_date": "2026-01-01"}
        run = Driven(searching(sort="size desc", **dates), search_page([], more=False))

        assert {key: run.calls[0].json[key] for key in (*dates, "sort")} == dates | {"sort": "size desc"}

    @given(st.integers(0, 260), st.lists(st.integers(1, 130), min_size=8, max_size=8))
    def test_cursors_resume_exactly(self, total, limits):
        """However a search is cut into pieces, the pieces together are the whole, in order, without repeats."""
        found, cursor, asked = [], None, 0
        for limit in limits:
            answer = self.serve(searching(limit, cursor), total)
            assert len(numbers(answer)) <= limit
            found, cursor, asked = found + numbers(answer), answer.result.cursor, asked + limit
            if cursor is None:
                break

        assert found == list(range(total))[:asked]
        assert cursor is not None or len(found) == total

    def serve(self, plan, total):
        """Drive a search against an endless patience: pages cut from range(total)."""
        step = next(plan)
        while True:
            step = to_the_next(Call, plan, step)
            size, number = step.json["records_per_page"], step.json["page"]
            start = (number - 1) * size
            entries = [entry(n) for n in range(start, min(total, start + size))]
            try:
                told = plan.send(search_page(entries, more=start + size < total))
                step = plan.send(None) if isinstance(told, Judged) else told
            except StopIteration as end:
                return end.value

    @given(st.text(max_size=60))
    def test_a_cursor_that_this_action_did_not_write_is_refused(self, cursor):
        assert failed(InputRefused, searching(cursor=cursor or "x")).violations[0].pointer == "/cursor"

    def test_the_cursors_of_pages_are_those_of_a_search(self):
        params = checked(find("advanced_search"), {"query": "classification:malicious", "limit": 100})
        third = [cursor for cursor, _ in zip(page_cursors(params), range(3), strict=False)][2]

        assert Driven(searching(cursor=third), search_page([], more=False)).calls[0].json["page"] == 3


def status_of(*processed):
    return ok({"hash_type": "sha1", "results": [{"hash_value": value, "status": "processed"} for value in processed]})


KEY = b"k" * 32


def deleting(confirm, hashes=(SHA1,), **context):
    params = {"hash_values": list(hashes), "confirm": confirm}
    return action_plan("bulk_delete", params, **{"key": KEY, "allow_delete": True, **context})


def digest(hashes=(SHA1,), issued=AT, **context):
    return seal(Context(**{"key": KEY, **context}), list(hashes), int(datetime.fromisoformat(issued).timestamp()))


class TestDeleting:
    """First a plan, then the confirmation of exactly that plan."""

    def test_a_plan_says_what_would_go_and_deletes_nothing(self):
        run = Driven(
            action_plan("bulk_delete", {"hash_values": [SHA1, OTHER], "plan": True}, key=KEY, allow_delete=True),
            status_of(SHA1),
        )

        assert run.paths == ["POST /api/samples/status/"]
        assert [(e.hash_value, e.state) for e in run.result.result.entries] == [
            (SHA1, "would_delete"),
            (OTHER, "not_found"),
        ]
        assert (run.result.branch, run.result.notices) == ("planned", ())

    def test_the_digest_of_a_plan_confirms_it(self):
        plan = action_plan("bulk_delete", {"hash_values": [SHA1], "plan": True}, key=KEY, allow_delete=True)
        given_digest = driven(plan, status_of(SHA1)).result.digest
        run = Driven(deleting(given_digest), status_of(SHA1), ok({"id": 7}, 202), ok({}, 202), ok({}), status_of())

        assert run.paths[1:4] == [
            "POST /api/samples/v2/delete_bulk/",
            *["GET /api/samples/v2/delete_bulk/status/"] * 2,
        ]
        assert (run.result.branch, run.result.result.deleted) == ("deleted", 1)

    def test_a_plan_for_nothing_gives_no_digest(self):
        answer = driven(action_plan("bulk_delete", {"hash_values": [SHA1], "plan": True}), status_of())

        assert (answer.status, answer.branch, answer.result.digest) == ("not_found", "not_found", None)

    def test_a_plan_says_when_it_could_not_be_confirmed(self):
        answer = driven(action_plan("bulk_delete", {"hash_values": [SHA1], "plan": True}), status_of(SHA1))

        assert "set allow_delete" in answer.notices[0]

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda: deleting("1-" + "a" * 32),
            lambda: deleting(digest(hashes=(OTHER,))),
            lambda: deleting(digest(), hashes=(SHA1, OTHER)),
            lambda: deleting(digest(key=b"other")),
            lambda: deleting(digest(origin="https://other.example.com")),
            lambda: deleting(digest(), allow_delete=False),
        ],
        ids=[
            "made up",
            "of other hashes",
            "more hashes",
            "of another token",
            "of another appliance",
            "deleting is off",
        ],
    )
    def test_what_does_not_fit_the_plan_sends_nothing(self, wrong):
        assert failed(InputRefused, wrong()).violations[0].pointer == "/confirm"

    def test_hashes_may_come_in_another_order(self):
        both = digest(hashes=(SHA1, OTHER))
        run = Driven(deleting(both, hashes=(OTHER, SHA1)), status_of(SHA1), ok({"id": 7}, 202), ok({}), status_of())

        assert run.result.branch == "deleted"
        assert [line.state for line in run.result.result.entries] == ["already_absent", "deleted"]

    @pytest.mark.parametrize("issued", ["2026-03-01T11:44:59Z", "2026-03-01T12:01:01Z"])
    def test_a_plan_that_is_too_old_or_from_the_future_deletes_nothing(self, issued):
        run = failed(InputRefused, deleting(digest(issued=issued)), status_of(SHA1))

        assert run.violations[0].pointer == "/confirm"

    @pytest.mark.parametrize("issued", ["2026-03-01T11:45:00Z", "2026-03-01T12:01:00Z"])
    def test_a_plan_lasts_a_quarter_of_an_hour_and_a_minute_of_crooked_clock(self, issued):
        driven(deleting(digest(issued=issued)), status_of(SHA1), ok({"id": 7}, 202), ok({}), status_of())

    def test_what_is_gone_already_is_not_deleted_again(self):
        run = Driven(deleting(digest()), status_of(), status_of())

        assert run.paths == ["POST /api/samples/status/"] * 2
        assert run.result.branch == "not_found"

    def test_done_is_verified_hash_by_hash(self):
        run = Driven(
            deleting(digest(hashes=(SHA1, OTHER)), hashes=(SHA1, OTHER)),
            *(status_of(SHA1, OTHER), ok({"id": 7}, 202), ok({}), status_of(OTHER)),
        )

        assert run.result.branch == "partial"
        assert [line.state for line in run.result.result.entries] == ["deleted", "still_there"]

    CUT = Truncated("cut", outcome="unknown")

    def test_a_deletion_whose_answer_was_lost_is_looked_for_and_not_sent_again(self):
        run = Driven(deleting(digest()), status_of(SHA1), self.CUT, status_of(SHA1), status_of())

        assert [line.state for line in run.result.result.entries] == ["deleted"]
        assert "the answer to the deletion was lost" in run.result.notices[0]
        assert sum("delete_bulk" in path for path in run.paths) == 1

    def test_what_is_still_there_after_three_looks_is_told_so(self):
        run = Driven(deleting(digest()), status_of(SHA1), self.CUT, *[status_of(SHA1)] * 3)

        assert (run.result.branch, run.result.result.entries[0].state) == ("partial", "still_there")
        assert sum("delete_bulk" in path for path in run.paths) == 1

    def test_a_deletion_whose_answer_was_lost_is_unknown_where_nobody_can_tell(self):
        error = failed(OutcomeUnknown, deleting(digest()), status_of(SHA1), self.CUT, ok({}, 403))

        assert "get_file_status" in error.hint

    def test_a_failure_while_following_never_loses_the_task(self):
        run = Driven(deleting(digest()), status_of(SHA1), ok({"id": 7}, 202), ok({}, 403))

        assert (run.result.status, run.result.result.task_id) == ("pending", 7)
        assert run.result.next.params == {"task_id": 7, "hash_values": [SHA1]}
        assert "failed (auth)" in run.result.notices[0]

    def test_the_deprecated_endpoint_takes_the_singular_and_any_body(self):
        run = Driven(
            deleting(digest(), generation="legacy"), status_of(SHA1), Reply(200, content_type="text/plain"), status_of()
        )

        assert run.paths[1] == "POST /api/samples/delete_bulk/"
        assert run.calls[1].json == {"hash_value": [SHA1]}
        assert run.result.branch == "deleted"

    def test_without_wait_the_answer_is_pending(self):
        params = {"hash_values": [SHA1], "confirm": digest(), "wait": False}
        plan = action_plan("bulk_delete", params, key=KEY, allow_delete=True)
        answer = driven(plan, status_of(SHA1), ok({"id": "a-7"}, 202))

        assert (answer.branch, answer.next.action, answer.next.after_seconds) == (
            "pending",
            "get_bulk_delete_status",
            10.0,
        )


def classified(word="malicious", **more):
    return ok({"sha1": SHA1, "classification": word, "riskscore": 7, **more})


class TestLookingUp:
    """Not found, unknown, clean and failed are four different things."""

    @pytest.mark.parametrize("name", ["get_classification", "get_ticloud_reputation"])
    @pytest.mark.parametrize(
        "reply",
        [
            ok({"message": "Hash not found."}),
            ok({"code": 404, "message": "HASH NOT FOUND"}),
            ok({}),
            ok({"detail": "no"}, 404),
        ],
        ids=["in a 200", "in capitals", "an empty object", "404"],
    )
    def test_every_way_to_say_not_found_is_an_answer(self, name, reply):
        answer = driven(action_plan(name, {"hash_value": SHA1}), reply)

        assert (answer.status, answer.branch, answer.verdicts) == ("not_found", "not_found", ())

    @pytest.mark.parametrize("word", ["malicious", "suspicious", "goodware", "unknown"])
    def test_the_branch_is_the_classification(self, word):
        answer = driven(action_plan("get_classification", {"hash_value": SHA1}), classified(word.upper()))

        assert (answer.status, answer.branch) == ("success", word)

    @pytest.mark.parametrize("name", ["get_classification", "get_ticloud_reputation"])
    def test_an_answer_for_another_hash_is_discarded(self, name):
        failed(ResponseMismatch, action_plan(name, {"hash_value": OTHER}), classified())

    def test_letters_of_another_case_are_the_same_hash(self):
        answer = driven(action_plan("get_classification", {"hash_value": SHA1.upper()}), classified(sha1=SHA1.upper()))

        assert answer.verdicts[0].subject.sha1 == SHA1

    def test_an_answer_without_a_classification_is_malformed(self):
        failed(MalformedResponse, action_plan("get_classification", {"hash_value": SHA1}), ok({"sha1": SHA1, "x": 1}))

    @pytest.mark.parametrize(
        ("params", "query"),
        [
            ({}, {"localonly": "1", "av_scanners": "0"}),
            ({"localonly": True}, {"localonly": "1", "av_scanners": "0"}),
            ({"localonly": False}, {"localonly": "0", "av_scanners": "0"}),
            ({"av_scanners": True}, {"localonly": "0", "av_scanners": "1"}),
            ({"localonly": False, "av_scanners": False}, {"localonly": "0", "av_scanners": "0"}),
        ],
    )
    def test_the_cloud_is_asked_only_where_it_was_meant(self, params, query):
        run = Driven(action_plan("get_classification", {"hash_value": SHA1, **params}), classified())

        assert dict(run.calls[0].query) == query

    def test_the_deprecated_classification_is_asked_without_scanners(self):
        run = Driven(action_plan("get_classification", {"hash_value": SHA1}, generation="legacy"), classified())

        assert run.calls[0].query == (("localonly", "1"),)

    def test_several_hashes_are_looked_up_one_by_one_and_the_worst_decides(self):
        plan = action_plan("get_ticloud_reputation", {"hash_values": [SHA1, OTHER]}, generation="legacy")
        run = Driven(
            plan, classified("goodware"), ok({"sha1": OTHER, "threat_status": "suspicious", "trust_factor": 3})
        )

        assert run.paths == [f"GET /api/samples/{SHA1}/ticloud/", f"GET /api/samples/{OTHER}/ticloud/"]
        assert run.result.branch == "suspicious"
        assert [verdict.source for verdict in run.result.verdicts] == ["cloud", "cloud"]

    def test_reports_are_asked_for_in_batches_and_never_start_an_analysis(self):
        hashes = [f"{n:040x}" for n in range(250)]
        replies = [
            ok({"results": [{"sha1": h.upper(), "classification": "goodware"} for h in hashes[s : s + 100]]})
            for s in (0, 100, 200)
        ]
        run = Driven(action_plan("get_report", {"hash_values": hashes}), *replies)

        assert [sum(name == "hash_values" for name, _ in call.form) for call in run.calls] == [100, 100, 50]
        assert all(("skip_reanalysis", "true") in call.form for call in run.calls)
        assert [line.hash_value for line in run.result.result.entries] == hashes
        assert run.result.result.found == 250

    def test_a_report_without_a_verdict_is_found_but_unknown(self):
        answer = driven(action_plan("get_report", {"hash_values": [SHA1]}), ok({"results": [{"sha1": SHA1}]}))

        assert (answer.status, answer.branch, answer.result.entries[0].found) == ("success", "unknown", True)

    def test_reports_nobody_asked_for_are_left_out(self):
        results = [{"sha1": OTHER, "classification": "malicious"}]
        answer = driven(action_plan("get_report", {"hash_values": [SHA1]}), ok({"results": results}))

        assert (answer.status, answer.result.reports) == ("not_found", ())

    @pytest.mark.parametrize("name", ["get_report", "get_file_status"])
    @pytest.mark.parametrize("body", [{}, {"results": None}, {"results": {}}])
    def test_lists_that_are_no_lists_are_malformed(self, name, body):
        failed(MalformedResponse, action_plan(name, {"hash_values": [SHA1]}), ok(body))

    def test_file_statuses_are_asked_for_in_batches(self):
        hashes = [f"{n:040x}" for n in range(101)]
        run = Driven(action_plan("get_file_status", {"hash_values": hashes}), status_of(*hashes[:100]), status_of())

        assert [len(call.form) for call in run.calls] == [100, 1]
        assert (run.result.branch, run.result.result.processed, run.result.result.not_found) == ("partial", 100, 1)

    def test_hashes_asked_for_twice_are_sent_once(self):
        run = Driven(action_plan("get_file_status", {"hash_values": [SHA1, SHA1.upper()]}), status_of(SHA1))

        assert run.calls[0].form == (("hash_values", SHA1),)

    def test_the_count_tries_its_two_spellings(self):
        run = Driven(action_plan("count_search_results", {"query": "a"}), ok({}, 404), ok({"total_count": 3}))

        assert run.paths == ["POST /api/samples/v3/search/total-count", "POST /api/samples/v3/search/totalcount/"]
        assert run.result.result.total == 3

    @pytest.mark.parametrize("body", [{}, {"total_count": "3"}, {"total_count": True}, {"total_count": -1}, {"rl": []}])
    def test_a_count_that_is_none_is_malformed(self, body):
        failed(MalformedResponse, action_plan("count_search_results", {"query": "a"}), ok(body))


def url_status(word, **more):
    return ok({"processing_status": word, "message": "", **more})


REPORT = {"sha1": SHA1, "classification": "suspicious", "riskscore": 7}
URL = "https://www.example.com/a"


class TestSubmitting:
    """A receipt is never lost; a wait is bounded; what is found decides."""

    def receipt(self, **more):
        return ok({"code": 201, "message": "Done.", "detail": {"id": 5, "created": "x", "filename": "f", **more}}, 201)

    def sent(self, reply):
        return replace(reply, sent=Sent(SHA1, "b" * 64, 3))

    def file_plan(self, **more):
        return action_plan("submit_file", {"content_base64": "YWJj", **more})

    def test_a_file_is_looked_at_before_anything_is_sent(self):
        plan = self.file_plan()

        assert isinstance(next(plan), Inspect)

    def test_a_receipt_is_pending_with_its_next_step(self):
        answer = driven(self.file_plan(), self.sent(self.receipt(sha1=SHA1.upper(), href=f"/?q={SHA1}")))

        assert (answer.status, answer.branch) == ("pending", "submitted")
        assert answer.next.params == {"hash_values": [SHA1], "submitted": True}
        assert answer.result.report_url == f"https://appliance.example.com/?q={SHA1}"

    def test_another_sha1_than_was_sent_is_a_mismatch_that_was_applied(self):
        error = failed(ResponseMismatch, self.file_plan(), self.sent(self.receipt(sha1=OTHER)))

        assert error.outcome == "applied"

    def test_with_a_password_another_sha1_is_that_of_the_extracted_file(self):
        answer = driven(self.file_plan(archive_password="x"), self.sent(self.receipt(sha1=OTHER)))

        assert (answer.result.sha1, answer.result.sent_sha1) == (OTHER, SHA1)
        assert answer.observed[0].sha256 is None

    @pytest.mark.parametrize("detail", [None, [], {}, {"id": None}, {"id": [1]}])
    def test_an_unreadable_receipt_says_that_it_was_applied(self, detail):
        error = failed(MalformedResponse, self.file_plan(), self.sent(ok({"detail": detail}, 201)))

        assert error.outcome == "applied"

    def test_waiting_polls_ever_more_slowly_and_then_looks_up_the_verdict(self):
        run = Driven(
            self.file_plan(wait=True),
            *(self.sent(self.receipt(sha1=SHA1)), status_of(), status_of(), status_of(SHA1), classified()),
        )

        assert [pause.seconds for pause in run.pauses] == pytest.approx([0.25, 0.4, 0.64])
        assert run.result.branch == "malicious"
        assert run.result.next is None

    def test_waiting_ends_at_the_deadline_with_a_pending_answer(self):
        plan = self.file_plan(wait=True)
        to_the_next(Call, plan, next(plan))
        to_the_next(Pause, plan, plan.send(self.sent(self.receipt(sha1=SHA1))))

        with pytest.raises(StopIteration) as end:
            plan.throw(DeadlineExceeded("no time left"))

        assert (end.value.value.status, end.value.value.branch) == ("pending", "pending")

    def test_a_failure_while_waiting_never_loses_the_receipt(self):
        answer = driven(self.file_plan(wait=True), self.sent(self.receipt(sha1=SHA1)), ok({}, 403))

        assert (answer.status, answer.result.task_id) == ("pending", 5)
        assert "failed (auth)" in answer.notices[0]

    def test_a_processed_file_without_a_verdict_is_unknown(self):
        answer = driven(
            self.file_plan(wait=True),
            *(self.sent(self.receipt(sha1=SHA1)), status_of(SHA1), ok({"message": "Hash not found."})),
        )

        assert (answer.status, answer.branch, answer.verdicts) == ("success", "unknown", ())

    @pytest.mark.parametrize("generation", ["current", "legacy"])
    def test_the_form_is_what_each_generation_takes(self, generation):
        params = {
            "content_base64": "YWJj",
            "analysis": "cloud",
            "rl_cloud_sandbox_platform": "windows10",
            "tags": ["a", "b c"],
            "comment": "<b>x</b>",
            "filename": "a.exe",
            "archive_password": "secret",
        }
        run = Driven(
            action_plan("submit_file", params, generation=generation, allow_cloud=True),
            self.sent(self.receipt(sha1=SHA1)),
        )

        fields = dict(run.calls[0].upload.fields)
        common = {"filename": "a.exe", "tags": "a,b c", "comment": "<b>x</b>", "archive_password": "secret"}
        assert common.items() <= fields.items()
        if generation == "current":
            wanted = {"cloud": True, "rl_dynamic_analysis": {"platform": "windows10"}}
            assert json.loads(fields["analysis"]) == wanted
        else:
            assert (fields["analysis"], fields["rl_cloud_sandbox_platform"]) == ("cloud", "windows10")
        assert run.result.result.visibility == "public"

    def test_a_step_never_shows_its_secrets(self):
        run = Driven(self.file_plan(archive_password="canary-4711"), self.sent(self.receipt(sha1=SHA1)))

        assert "canary-4711" not in repr(run.calls)
        assert "YWJj" not in repr(run.looks)

    @pytest.mark.parametrize("generation", ["current", "legacy"])
    def test_the_crawler_is_always_sent_and_local_by_default(self, generation):
        run = Driven(action_plan("submit_url", {"url": URL}, generation=generation), self.receipt())

        assert ("crawler", "local") in run.calls[0].form
        assert run.result.result.visibility == "private"

    def test_a_url_that_is_waited_for_ends_with_its_verdict(self):
        run = Driven(
            action_plan("submit_url", {"url": URL, "wait": True}),
            *(self.receipt(), url_status("processing"), url_status("complete", report=REPORT)),
        )

        assert run.result.branch == "suspicious"
        assert [verdict.subject.kind for verdict in run.result.verdicts] == ["url", "file"]

    def test_a_url_that_cannot_be_analysed_is_a_failed_job_that_was_applied(self):
        error = failed(
            JobFailed,
            action_plan("submit_url", {"url": URL, "wait": True}),
            *(self.receipt(), url_status("error", message="no route")),
        )

        assert error.outcome == "applied"
        assert "no route" in error.message


class TestUrlStatus:
    def test_complete_with_a_report_is_a_verdict(self):
        answer = driven(
            action_plan("get_url_status", {"task_id": 5, "url": URL}), url_status("complete", report=REPORT)
        )

        assert (answer.status, answer.branch, answer.result.entry.hash_value) == ("success", "suspicious", SHA1)
        assert answer.verdicts[0].subject.served.sha1 == SHA1

    def test_a_nested_report_is_read_too(self):
        nested = {"sample_summary": REPORT}
        answer = driven(action_plan("get_url_status", {"task_id": 5}), url_status("COMPLETE", report=nested))

        assert answer.branch == "suspicious"

    @pytest.mark.parametrize("word", ["processing", "pending", "started", "", "something new"])
    def test_every_other_word_is_pending(self, word):
        answer = driven(action_plan("get_url_status", {"task_id": 5}), url_status(word))

        assert (answer.status, answer.branch, answer.next.params) == ("pending", "pending", {"task_id": 5})

    def test_error_is_a_failed_job(self):
        failed(JobFailed, action_plan("get_url_status", {"task_id": 5}), url_status("error", message="no"))

    def test_a_task_that_is_not_there_is_not_found(self):
        answer = driven(action_plan("get_url_status", {"task_id": "a-5"}), ok({"message": "no"}, 404))

        assert (answer.status, answer.branch) == ("not_found", "not_found")

    @pytest.mark.parametrize("report", [None, [], "x"])
    def test_complete_without_a_report_is_malformed(self, report):
        failed(MalformedResponse, action_plan("get_url_status", {"task_id": 5}), url_status("complete", report=report))

    def test_complete_with_an_empty_report_is_unknown(self):
        answer = driven(action_plan("get_url_status", {"task_id": 5}), url_status("complete", report={}))

        assert (answer.status, answer.branch, answer.verdicts) == ("success", "unknown", ())


class TestDeletionStatus:
    @pytest.mark.parametrize(
        ("reply", "state", "status"),
        [
            (ok({}, 202), "running", "pending"),
            (ok({}), "done", "success"),
            (ok({"detail": "x"}, 404), "not_found", "not_found"),
        ],
    )
    def test_the_status_code_is_the_state(self, reply, state, status):
        answer = driven(action_plan("get_bulk_delete_status", {"task_id": 7}), reply)

        assert (answer.result.state, answer.status) == (state, status)

    def test_any_body_of_a_success_is_accepted(self):
        empty = Reply(200, content_type="", answered_at=AT)

        assert driven(action_plan("get_bulk_delete_status", {"task_id": 7}), empty).result.state == "done"

    def test_done_is_verified_where_hashes_are_given(self):
        params = {"task_id": 7, "hash_values": [SHA1, OTHER]}
        answer = driven(action_plan("get_bulk_delete_status", params), ok({}), status_of(OTHER))

        assert (answer.branch, answer.result.deleted) == ("partial", 1)

    def test_a_running_task_is_to_be_asked_for_again_with_the_same_hashes(self):
        params = {"task_id": 7, "hash_values": [SHA1]}

        assert driven(action_plan("get_bulk_delete_status", params), ok({}, 202)).next.params == params


@pytest.mark.parametrize("name", ["get_url_status", "get_bulk_delete_status"])
@given(task=st.from_regex(r"[A-Za-z0-9-]{1,64}", fullmatch=True) | st.integers(0, 2**70))
def test_any_task_id_finds_its_way_into_the_request(name, task):
    plan = action_plan(name, {"task_id": task})
    call = next(plan)
    plan.close()

    assert str(task) in (call.path + dict(call.query).get("id", ""))
