"""Breakers, the retry budget and places, on a clock that only the test moves."""

import contextlib
import random
import threading

import pytest

from connector.errors import (
    AuthError,
    BadRequest,
    CapacityError,
    CircuitOpen,
    ConnectFailed,
    DeadlineExceeded,
    InputRefused,
    MaintenanceError,
    QuotaError,
    ServerError,
    StateError,
    StorageFull,
    TlsError,
    Truncated,
)
from connector.health import BUDGET, COST, MOST_AT_ONCE, THROTTLE_COST, Breaker, Health, capabilities, cost_of, counts
from connector.plan import Call

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
        got = threading.Event()

        def wants():
            with watch.health.place(SUBMIT, lambda: 10.0):
                got.set()

        with watch.health.place(SUBMIT, lambda: 0.0):
            thread = threading.Thread(target=wants)
            thread.start()
            assert not got.is_set()
        thread.join(10)

        assert got.is_set()

    def test_a_place_is_given_back_when_the_submission_fails(self, watch):
        watch.fail(SUBMIT, CapacityError("full"), times=1)
        with pytest.raises(ZeroDivisionError), watch.health.place(SUBMIT, lambda: 0.0):
            raise ZeroDivisionError

        assert self.held(watch, 10) == 1
