"""Breakers, the retry budget and places, on a clock that only the test moves."""

import contextlib
import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from connector.errors import (
    AuthError,
    BadRequest,
    CapacityError,
    CircuitOpen,
    ConnectFailed,
    DeadlineExceeded,
    InputRefused,
    MaintenanceError,
    MalformedResponse,
    QuotaError,
    ResponseTooLarge,
    ServerError,
    SpectraError,
    StateError,
    StorageFull,
    TlsError,
    Truncated,
    UnexpectedResponse,
)
from connector.health import BUDGET, COST, MOST_AT_ONCE, THROTTLE_COST, Breaker, Health, capabilities, cost_of, counts
from connector.plan import Call, Judged, Pause, Reply
from connector.retry import persist

READ = Call("GET", "/x")
CLOUD = Call("GET", "/x", cloud=True)
SUBMIT = Call("POST", "/x", effect="submit")
PUBLIC = Call("POST", "/x", effect="submit", cloud=True)
DELETE = Call("POST", "/x", effect="destroy")
LOGIN = Call("POST", "/x", authorised=False)
FAILED = ServerError("it failed inside")


class Watch:
    """A clock, and a health that reads it."""

    def __init__(self):
        self.now = 1000.0
        self.health = Health(lambda: self.now)

    def fail(self, call=READ, error=FAILED, times=5):
        for _ in range(times):
            self.health.judged(call, error)

    def wait(self, call=READ):
        """Seconds that this call would have to wait; None where it may go."""
        try:
            self.health.admit(call)
        except CircuitOpen as closed:
            return closed.retry_after
        return None


@pytest.fixture
def watch():
    return Watch()


class TestBreakers:
    def test_what_a_call_needs(self):
        assert [capabilities(call) for call in (READ, CLOUD, SUBMIT, PUBLIC, DELETE)] == [
            *(("read",), ("cloud",), ("submit",), ("submit", "cloud"), ("delete",)),
        ]

    def test_four_failures_keep_it_closed_and_the_fifth_opens_it_for_30_seconds(self, watch):
        watch.fail(times=4)
        assert watch.wait() is None
        watch.fail(times=1)
        assert watch.wait() == 30.0

    def test_a_success_between_begins_the_count_anew(self, watch):
        watch.fail(times=4)
        watch.health.judged(READ, None)
        watch.fail(times=4)

        assert watch.wait() is None

    def test_a_refusal_of_the_input_shows_that_it_is_alive(self, watch):
        watch.fail(times=4)
        watch.health.judged(READ, BadRequest("no"))
        watch.fail(times=4)

        assert watch.wait() is None

    @pytest.mark.parametrize("error", [InputRefused("x"), StateError("x"), CircuitOpen("x"), BadRequest("x")])
    def test_what_never_counts(self, watch, error):
        assert not counts(error)
        watch.fail(error=error, times=20)

        assert watch.wait() is None

    @pytest.mark.parametrize(
        "error", [ConnectFailed("x"), DeadlineExceeded("x"), Truncated("x"), ServerError("x"), CapacityError("x")]
    )
    def test_what_counts(self, watch, error):
        assert counts(error)
        watch.fail(error=error)

        assert watch.wait() == 30.0

    def test_others_go_on(self, watch):
        watch.fail(SUBMIT)

        assert watch.wait(SUBMIT) == 30.0
        assert [watch.wait(call) for call in (READ, CLOUD, DELETE)] == [None, None, None]

    def test_the_rest_of_the_time_is_told(self, watch):
        watch.fail()
        watch.now += 12.5

        assert watch.wait() == 17.5

    def test_after_it_one_probe_goes_and_the_others_wait_for_it(self, watch):
        watch.fail()
        watch.now += 30.0

        assert watch.wait() is None
        assert watch.wait() == 60.0
        watch.now += 59.0
        assert watch.wait() == 1.0

    def test_a_probe_that_never_ends_is_given_up_after_60_seconds(self, watch):
        watch.fail()
        watch.now += 30.0
        assert watch.wait() is None
        watch.now += 60.0

        assert watch.wait() is None

    def test_a_probe_that_succeeds_closes_it(self, watch):
        watch.fail()
        watch.now += 30.0
        watch.wait()
        watch.health.judged(READ, None)

        assert [watch.wait(), watch.wait()] == [None, None]
        watch.fail(times=4)
        assert watch.wait() is None
        watch.fail(times=1)
        assert watch.wait() == 30.0, "a breaker that closed begins anew"

    def test_what_was_under_way_when_it_opened_makes_it_no_longer(self, watch):
        for _ in range(MOST_AT_ONCE):
            assert watch.wait() is None
        watch.now += 3.0
        watch.fail(times=5)
        watch.now += 4.0
        watch.fail(times=MOST_AT_ONCE - 5)

        assert watch.wait() == 26.0
        watch.now += 26.0
        assert watch.wait() is None
        watch.fail(times=1)
        assert watch.wait() == 60.0, "the first probe that fails doubles it once"

    def test_a_late_success_of_what_was_under_way_closes_it(self, watch):
        watch.fail()
        watch.now += 4.0
        watch.health.judged(READ, None)

        assert [watch.wait(), watch.wait()] == [None, None]

    def test_until_the_very_end_nothing_goes(self, watch):
        watch.fail()
        watch.now += 29.5
        assert watch.wait() == 0.5
        watch.now += 0.5
        assert watch.wait() is None
        watch.now += 59.5
        assert watch.wait() == 0.5
        watch.now += 0.5
        assert watch.wait() is None

    @pytest.mark.parametrize("error", [MalformedResponse("x"), UnexpectedResponse("x"), ResponseTooLarge("x")])
    def test_an_answer_that_is_not_believed_neither_counts_nor_proves_that_it_is_well(self, watch, error):
        assert not counts(error)
        watch.fail(times=4)
        watch.fail(error=error, times=20)
        assert watch.wait() is None
        watch.fail(times=1)

        assert watch.wait() == 30.0

    def test_a_probe_that_was_refused_for_its_input_closes_it(self, watch):
        watch.fail()
        watch.now += 30.0
        watch.wait()
        watch.health.judged(READ, BadRequest("no"))

        assert [watch.wait(), watch.wait()] == [None, None]

    def test_a_call_that_needs_two_is_kept_back_by_the_one_that_is_open_longer(self, watch):
        watch.fail(SUBMIT)
        watch.fail(CLOUD, QuotaError("used up"), times=2)

        with pytest.raises(CircuitOpen, match=r"cloud requests .* 900 s") as closed:
            watch.health.admit(PUBLIC)
        assert closed.value.retry_after == 900.0

    def test_a_call_that_is_kept_back_is_the_probe_of_nothing(self, watch):
        watch.fail(SUBMIT)
        watch.now += 30.0
        watch.fail(CLOUD, QuotaError("used up"), times=2)

        assert watch.wait(PUBLIC) == 900.0
        assert watch.wait(SUBMIT) is None

    def test_a_call_that_needs_two_is_the_probe_of_both(self, watch):
        watch.fail(PUBLIC)
        watch.now += 30.0

        assert watch.wait(PUBLIC) is None
        assert [watch.wait(SUBMIT), watch.wait(CLOUD), watch.wait(READ)] == [60.0, 60.0, None]
        watch.health.judged(PUBLIC, None)
        assert [watch.wait(SUBMIT), watch.wait(CLOUD)] == [None, None]

    def test_each_failed_probe_doubles_the_time_up_to_ten_minutes(self, watch):
        watch.fail()
        waits = [watch.wait()]
        for _ in range(6):
            watch.now += waits[-1]
            assert watch.wait() is None
            watch.fail(times=1)
            waits.append(watch.wait())

        assert waits == [30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0]

    def test_a_full_disk_stops_submissions_for_a_quarter_of_an_hour_and_nothing_else(self, watch):
        watch.fail(SUBMIT, StorageFull("full"), times=1)

        assert watch.wait(SUBMIT) == 900.0
        assert watch.wait(READ) is None

    def test_maintenance_stops_submissions_for_30_seconds(self, watch):
        watch.fail(SUBMIT, MaintenanceError("closed"), times=1)

        assert watch.wait(SUBMIT) == 30.0
        assert watch.wait(READ) is None

    def test_a_quota_that_is_used_up_twice_stops_the_cloud_for_a_quarter_of_an_hour(self, watch):
        watch.fail(CLOUD, QuotaError("used up"), times=1)
        assert watch.wait(CLOUD) is None
        watch.fail(CLOUD, QuotaError("used up"), times=1)

        assert watch.wait(CLOUD) == 900.0
        assert watch.wait(PUBLIC) == 900.0
        assert [watch.wait(READ), watch.wait(SUBMIT)] == [None, None]

    def test_a_quota_that_is_still_used_up_is_left_alone_for_another_quarter_of_an_hour(self, watch):
        watch.fail(CLOUD, QuotaError("used up"), times=2)
        for _ in range(2):
            watch.now += 900.0
            assert watch.wait(CLOUD) is None
            watch.fail(CLOUD, QuotaError("used up"), times=1)
            assert watch.wait(CLOUD) == 900.0

    def test_a_quota_between_two_successes_is_no_two_in_a_row(self, watch):
        watch.fail(CLOUD, QuotaError("used up"), times=1)
        watch.health.judged(CLOUD, None)
        watch.fail(CLOUD, QuotaError("used up"), times=1)

        assert watch.wait(CLOUD) is None

    def test_a_used_up_quota_of_a_public_submission_leaves_private_ones_alone(self, watch):
        watch.fail(PUBLIC, QuotaError("used up"), times=2)

        assert [watch.wait(PUBLIC), watch.wait(SUBMIT)] == [900.0, None]

    def test_a_quota_that_a_local_look_up_met_counts_as_any_failure(self, watch):
        watch.fail(READ, QuotaError("used up"), times=4)
        assert [watch.wait(READ), watch.wait(CLOUD)] == [None, None]
        watch.fail(READ, QuotaError("used up"), times=1)

        assert [watch.wait(READ), watch.wait(CLOUD)] == [30.0, None]

    def test_the_cloud_fails_five_times_like_everything_else(self, watch):
        watch.fail(CLOUD, times=4)
        assert watch.wait(CLOUD) is None
        watch.fail(CLOUD, times=1)

        assert [watch.wait(CLOUD), watch.wait(READ)] == [30.0, None]

    def test_a_403_before_any_success_stops_everything(self, watch):
        watch.fail(SUBMIT, AuthError("no"), times=1)

        assert [watch.wait(call) for call in (READ, CLOUD, SUBMIT, DELETE)] == [30.0] * 4

    def test_a_403_after_a_success_is_a_missing_right_and_stops_its_own(self, watch):
        watch.health.judged(READ, None)
        watch.fail(SUBMIT, AuthError("no"), times=1)

        assert watch.wait(SUBMIT) == 30.0
        assert [watch.wait(READ), watch.wait(DELETE)] == [None, None]

    def test_a_success_without_the_token_proves_nothing_of_it(self, watch):
        watch.health.judged(LOGIN, None)
        watch.fail(SUBMIT, AuthError("no"), times=1)

        assert watch.wait(READ) == 30.0

    def test_a_certificate_that_is_not_believed_stops_everything(self, watch):
        watch.health.judged(READ, None)
        watch.fail(SUBMIT, TlsError("who?"), times=1)

        assert [watch.wait(call) for call in (READ, SUBMIT, DELETE)] == [30.0] * 3

    def test_a_longer_time_is_not_cut_by_a_shorter_one(self):
        breaker = Breaker()
        breaker.open(0.0, "storage_full", 900.0)
        breaker.open(10.0, "server", 30.0)

        assert breaker.wait(10.0) == 890.0

    def test_the_refusal_says_what_failed_and_that_nothing_was_sent(self, watch):
        watch.fail(SUBMIT, Truncated("cut"))

        with pytest.raises(CircuitOpen) as closed:
            watch.health.admit(SUBMIT)

        assert closed.value.message.startswith("submissions failed again and again (last: truncated)")
        assert "30 s more; nothing was sent" in closed.value.message
        assert (closed.value.outcome, closed.value.retryable) == ("not_sent", True)

    @pytest.mark.parametrize(
        ("call", "error", "words"),
        [
            (READ, ServerError("x"), "look-ups"),
            (DELETE, Truncated("x"), "deletions"),
            (CLOUD, QuotaError("x"), "cloud requests"),
            (SUBMIT, StorageFull("x"), "submissions"),
            (SUBMIT, MaintenanceError("x"), "submissions"),
            (READ, AuthError("x"), "look-ups"),
            (DELETE, TlsError("x"), "deletions"),
        ],
    )
    def test_it_names_the_last_failure(self, watch, call, error, words):
        watch.fail(call, error)

        with pytest.raises(CircuitOpen, match=rf"^{words} .*\(last: {error.code}\)"):
            watch.health.admit(call)


class TestBudget:
    def test_what_a_retry_costs(self):
        assert [cost_of(error) for error in (ServerError("x"), ConnectFailed("x"))] == [COST, COST] == [10, 10]
        assert [cost_of(error) for error in (CapacityError("x"), QuotaError("x"))] == [THROTTLE_COST] * 2 == [5, 5]

    def test_ten_retries_use_it_up(self, watch):
        for _ in range(10):
            watch.health.spend(COST)
        assert watch.health.tokens == 0

        with pytest.raises(CircuitOpen) as empty:
            watch.health.spend(COST)
        assert (empty.value.retry_after, empty.value.outcome) == (30.0, "not_sent")
        assert "used up" in empty.value.message

    def test_a_pause_without_cost_is_always_allowed(self, watch):
        for _ in range(10):
            watch.health.spend(COST)

        watch.health.spend(0)

    def test_a_clean_success_earns_one_and_a_retried_one_gets_its_cost_back(self, watch):
        for _ in range(3):
            watch.health.spend(COST)
        watch.health.judged(READ, None)
        assert watch.health.tokens == 71
        watch.health.judged(READ, None, 20)
        assert watch.health.tokens == 91

    def test_it_never_holds_more_than_a_hundred(self, watch):
        watch.health.judged(READ, None)
        watch.health.judged(READ, None, 20)

        assert watch.health.tokens == BUDGET == 100

    def test_what_is_there_to_the_last_token_can_be_spent(self, watch):
        for _ in range(9):
            watch.health.spend(COST)
        watch.health.spend(THROTTLE_COST)
        with pytest.raises(CircuitOpen):
            watch.health.spend(COST)
        watch.health.spend(THROTTLE_COST)

        assert watch.health.tokens == 0

    def test_a_failure_earns_nothing(self, watch):
        watch.health.spend(COST)
        for error in (FAILED, BadRequest("x"), CapacityError("x"), InputRefused("x")):
            watch.health.judged(READ, error, 10)

        assert watch.health.tokens == 90

    def test_ten_threads_keep_it_between_nothing_and_full(self, watch):
        seen = []

        def use(seed):
            rng = random.Random(seed)
            for _ in range(400):
                if rng.random() < 0.5:
                    watch.health.judged(READ, None, rng.choice((0, 5, 10)))
                else:
                    with contextlib.suppress(CircuitOpen):
                        watch.health.spend(rng.choice((5, 10)))
                seen.append(watch.health.tokens)

        threads = [threading.Thread(target=use, args=(seed,)) for seed in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(seen) == 4000
        assert min(seen) >= 0
        assert max(seen) <= BUDGET


class TestPlaces:
    """How many submissions at once."""

    def held(self, watch, count, left=lambda: 0.0):
        """Take places until none is left, or this many."""
        places = []
        for _ in range(count):
            place = watch.health.place(SUBMIT, left)
            try:
                place.__enter__()
            except DeadlineExceeded:
                break
            places.append(place)
        for place in places:
            place.__exit__(None, None, None)
        return len(places)

    def test_many_while_there_is_room(self, watch):
        assert self.held(watch, 100) == MOST_AT_ONCE == 64

    def test_one_after_the_appliance_was_full_and_one_more_for_each_success(self, watch):
        watch.fail(SUBMIT, CapacityError("full"), times=1)
        assert self.held(watch, 10) == 1
        for more in (2, 3, 4):
            watch.health.judged(SUBMIT, None)
            assert self.held(watch, 10) == more
        for _ in range(100):
            watch.health.judged(SUBMIT, None)
        assert self.held(watch, 100) == MOST_AT_ONCE

    def test_no_other_failure_takes_places(self, watch):
        for error in (FAILED, QuotaError("x"), StorageFull("x"), Truncated("x")):
            watch.fail(SUBMIT, error, times=1)

        assert self.held(watch, 100) == MOST_AT_ONCE

    def test_a_successful_read_gives_no_place_back(self, watch):
        watch.fail(SUBMIT, CapacityError("full"), times=1)
        watch.health.judged(READ, None)

        assert self.held(watch, 10) == 1

    def test_a_read_that_was_throttled_takes_none(self, watch):
        watch.fail(READ, CapacityError("full"), times=1)

        assert self.held(watch, 100) == 64

    def test_reads_and_deletions_need_none(self, watch):
        watch.fail(SUBMIT, CapacityError("full"), times=1)
        full = watch.health.place(SUBMIT, lambda: 0.0)
        with full, watch.health.place(READ, lambda: 0.0), watch.health.place(DELETE, lambda: 0.0):
            assert self.held(watch, 1) == 0

    def test_none_in_time_is_a_deadline_and_nothing_was_sent(self, watch):
        watch.fail(SUBMIT, CapacityError("full"), times=1)
        with watch.health.place(SUBMIT, lambda: 0.0), pytest.raises(DeadlineExceeded) as late:
            watch.health.place(SUBMIT, lambda: 0.0).__enter__()

        assert late.value.outcome == "not_sent"

    def test_a_place_that_comes_free_is_given_on(self, watch):
        watch.fail(SUBMIT, CapacityError("full"), times=1)
        asked, got = threading.Event(), threading.Event()

        def left():
            asked.set()
            return 10.0

        def wants():
            with watch.health.place(SUBMIT, left):
                got.set()

        thread = threading.Thread(target=wants)
        with watch.health.place(SUBMIT, lambda: 0.0):
            thread.start()
            assert asked.wait(10)
            assert not got.is_set()
        thread.join(10)

        assert got.is_set()

    def test_a_success_elsewhere_lets_one_in_that_waits(self, watch):
        watch.fail(SUBMIT, CapacityError("full"), times=1)
        asked, got = threading.Event(), threading.Event()

        def left():
            asked.set()
            return 10.0

        def wants():
            with watch.health.place(SUBMIT, left):
                got.set()

        thread = threading.Thread(target=wants)
        with watch.health.place(SUBMIT, lambda: 0.0):
            thread.start()
            assert asked.wait(10)
            watch.health.judged(SUBMIT, None)
            assert got.wait(10)
        thread.join(10)

    def test_a_place_is_given_back_when_the_submission_fails(self, watch):
        watch.fail(SUBMIT, CapacityError("full"), times=1)
        with pytest.raises(ZeroDivisionError), watch.health.place(SUBMIT, lambda: 0.0):
            raise ZeroDivisionError

        assert self.held(watch, 10) == 1


class Model(RuleBasedStateMachine):
    """Health beside the shortest model of it: the budget as a sum, the read breaker as its published times."""

    def __init__(self):
        super().__init__()
        self.watch = Watch()
        self.tokens, self.failures, self.openings, self.until, self.probe = 100, 0, 0, None, 0.0

    @rule(spent=st.sampled_from((0, 5, 10, 15, 20)))
    def succeed(self, spent):
        self.watch.health.judged(READ, None, spent)
        self.tokens = min(100, self.tokens + max(1, spent))
        self.failures, self.openings, self.until, self.probe = 0, 0, None, 0.0

    @rule()
    def fail(self):
        self.watch.fail(times=1)
        self.failures += 1
        now = self.watch.now
        if (self.until is None and self.failures >= 5) or (self.until is not None and now >= self.until):
            self.until, self.probe = now + min(600.0, 30.0 * 2**self.openings), 0.0
            self.openings += 1

    @rule(cost=st.sampled_from((0, 5, 10)))
    def spend(self, cost):
        if cost > self.tokens:
            with pytest.raises(CircuitOpen):
                self.watch.health.spend(cost)
        else:
            self.watch.health.spend(cost)
            self.tokens -= cost

    @rule(seconds=st.sampled_from((0.5, 15.0, 29.5, 30.0, 59.5, 60.0, 600.0)))
    def wait(self, seconds):
        self.watch.now += seconds

    @rule()
    def ask(self):
        now = self.watch.now
        expected = None
        if self.until is not None and now < max(self.until, self.probe):
            expected = (self.until if now < self.until else self.probe) - now
        elif self.until is not None:
            self.probe = now + 60.0
        assert self.watch.wait() == expected

    @invariant()
    def the_budget_is_the_sum(self):
        assert 0 <= self.watch.health.tokens == self.tokens <= BUDGET


TestModel = Model.TestCase


CALLS = (READ, CLOUD, SUBMIT, PUBLIC, DELETE, LOGIN)
ERRORS = (FAILED, CapacityError("x"), QuotaError("x"), StorageFull("x"), AuthError("x"), TlsError("x"), BadRequest("x"))


@given(st.lists(st.tuples(st.sampled_from(CALLS), st.sampled_from((None, *ERRORS)), st.integers(0, 700)), max_size=60))
def test_whatever_happens_no_call_is_kept_back_for_longer_than_a_quarter_of_an_hour(steps):
    watch = Watch()
    for call, error, seconds in steps:
        wait = watch.wait(call)
        assert wait is None or 0 < wait <= 900.0
        watch.health.judged(call, error)
        watch.now += seconds
    watch.now += 900.0

    assert [watch.wait(call) for call in (READ, DELETE)] == [None, None]


def lived(watch, call, judge, answers):
    """A plan against this health, as a driver runs it; how often its call was sent, and the error at its end."""
    plan, sent, brought = persist(call, judge), 0, None
    try:
        step = next(plan)
        while True:
            try:
                brought = None
                match step:
                    case Call():
                        watch.health.admit(step)
                        sent, brought = sent + 1, answers[sent]
                    case Pause():
                        watch.health.spend(step.cost)
                        watch.now += step.seconds
                    case Judged():
                        watch.health.judged(step.call, step.error, step.spent)
            except SpectraError as error:
                step = plan.throw(error)
            else:
                step = plan.send(brought)
    except StopIteration:
        return sent, None
    except SpectraError as error:
        return sent, error


OK, DOWN = Reply(200), Reply(500)


def judged(reply):
    return None if reply.status == 200 else FAILED


class TestWithThePlan:
    """What the plan of a call tells, health takes in."""

    def test_two_retries_of_one_that_fails_cost_twenty(self, watch):
        assert lived(watch, READ, judged, [DOWN] * 3) == (3, FAILED)
        assert watch.health.tokens == 80

    def test_retries_of_one_that_succeeds_cost_nothing_in_the_end(self, watch):
        assert lived(watch, READ, judged, [DOWN, DOWN, OK]) == (3, None)
        assert watch.health.tokens == 100

    def test_throttled_retries_cost_half(self, watch):
        full = CapacityError("full", status=429)

        assert lived(watch, READ, lambda _: full, [DOWN] * 3) == (3, full)
        assert watch.health.tokens == 90

    def test_the_breaker_ends_a_plan_in_its_middle_with_nothing_sent(self, watch):
        assert lived(watch, READ, judged, [DOWN] * 3)[0] == 3
        sent, error = lived(watch, READ, judged, [DOWN] * 3)

        assert (sent, error.code) == (2, "circuit_open")

    def test_without_budget_each_call_is_sent_once(self, watch):
        for _ in range(10):
            watch.health.spend(COST)

        assert lived(watch, READ, judged, [DOWN]) == (1, FAILED)
