"""What a run counts adds up, survives a checkpoint, and stays small."""

import json
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.enrichment.bounded import MOST_FAMILIES, MOST_SAMPLES, Families, Sample, Series
from connector.enrichment.counts import BOUNDS, PASSED, Counts
from connector.enrichment.values import Finding
from connector.verdict import File, Verdict
from tests.enrichment import runs
from tests.enrichment.runs import Clock, batch

few = st.integers(0, 50)
batches = st.builds(
    batch,
    enriched=few,
    without=few,
    not_found=few,
    not_shown=few,
    over_quota=few,
    dead=st.lists(st.sampled_from(["not_json", "too_long", "refused"]), max_size=5).map(tuple),
    malicious=few,
)


@given(st.lists(batches, max_size=20))
@settings(max_examples=100)
def test_every_event_ends_in_one_way_and_the_counts_add_up(told):
    counts = Counts(Clock())
    for tally in told:
        counts.add_batch(tally)

    assert counts.balance()
    assert counts.read == sum(tally.read for tally in told)
    assert counts.enriched + counts.passed + counts.dead.total() == counts.read
    assert counts.verdicts["malicious"] == sum(tally.verdicts["malicious"] for tally in told)


def test_an_event_that_was_lost_or_told_twice_is_noticed():
    lost, twice = Counts(Clock()), Counts(Clock())
    lost.add_batch(runs.Tally(read=2, ends=Counter(enriched=1)))
    twice.add_batch(runs.Tally(read=1, ends=Counter(enriched=1, not_found=1)))

    assert not lost.balance()
    assert not twice.balance()


@given(st.lists(batches, max_size=10), st.lists(batches, max_size=10))
@settings(max_examples=50)
def test_a_run_that_was_cut_off_goes_on_counting_from_its_checkpoint(first, then):
    whole, part = Counts(Clock()), Counts(Clock())
    for counts, told in ((whole, first + then), (part, first)):
        for tally in told:
            counts.add_batch(tally)
    part = Counts.from_dict(json.loads(json.dumps(part.as_dict())), Clock())
    for tally in then:
        part.add_batch(tally)

    assert part.as_dict() == whole.as_dict()


def test_the_time_between_two_processes_does_not_count():
    clock = Clock()
    counts = Counts(clock)
    clock.now += 10
    kept = counts.as_dict()
    clock.now += 3600
    again = Counts.from_dict(kept, clock)
    clock.now += 5

    assert again.seconds == 15
    assert again.started == counts.started


def test_time_stands_still_when_a_run_is_over():
    clock = Clock()
    counts = Counts(clock)
    clock.now += 2
    counts.finish()
    clock.now += 100

    assert counts.seconds == 2


def test_a_clock_that_is_set_back_gives_no_negative_time():
    clock = Clock()
    counts = Counts(clock)
    clock.now -= 100

    assert counts.seconds == 0


def test_a_checkpoint_of_an_earlier_form_is_read_as_far_as_it_goes():
    counts = Counts.from_dict({"read": 3, "buckets": [1, 2]}, Clock())

    assert counts.read == 3
    assert counts.buckets == [0] * (len(BOUNDS) + 1)


def test_answers_are_from_memory_where_neither_cache_nor_appliance_gave_them():
    counts = Counts(Clock())
    counts.looked_up("malicious", 0.02, "Emotet")
    counts.cached(4)
    counts.add_batch(batch(enriched=90, not_found=10, over_quota=3, without=7))

    assert (counts.hits_memory, counts.hits_cache, counts.look_ups) == (95, 4, 1)
    assert counts.hit_ratio == pytest.approx(0.99)


def test_an_event_that_names_two_subjects_can_be_counted_as_two():
    counts = Counts(Clock())
    counts.add_batch(batch(enriched=10), answered=20)

    assert counts.hits_memory == 20


def test_lines_that_were_refused_were_not_written():
    counts = Counts(Clock())
    counts.add_batch(batch(enriched=10), refused=2)

    assert (counts.lines_written, counts.refused_lines) == (8, 2)


def test_a_run_without_a_question_has_no_hit_ratio():
    assert Counts(Clock()).hit_ratio is None


@pytest.mark.parametrize(("seconds", "place"), [(0.0, 0), (0.005, 0), (0.0051, 1), (60.0, 12), (61.0, 13)])
def test_a_look_up_is_in_the_bucket_of_its_upper_bound(seconds, place):
    counts = Counts(Clock())
    counts.looked_up("goodware", seconds, None)

    assert counts.buckets[place] == 1


def test_families_from_the_cache_count_as_well_but_only_of_what_is_bad():
    def finding(classification):
        verdict = Verdict(subject=File(sha1="1" * 40), classification=classification, threat_name="Win32.Trojan.Emotet")
        return Finding("1" * 40, verdict, 0, 1)

    counts = Counts(Clock())
    counts.cached(3, [finding("malicious"), finding("goodware"), Finding("2" * 40, None, 0, 1)])

    assert counts.hits_cache == 3
    assert counts.families.top(5) == [("Emotet", 1)]


@given(st.lists(st.integers(0, 2000).map(lambda n: int(math.sqrt(n) * 30)), max_size=4000))
@settings(max_examples=25)
def test_a_frequent_family_is_never_missed_and_off_by_no_more_than_is_said(stream):
    families, true = Families(), Counter(map(str, stream))
    for family in stream:
        families.add(str(family))

    assert len(families.counts) <= MOST_FAMILIES
    assert families.error <= len(stream) / (MOST_FAMILIES + 1)
    for family, count in true.items():
        assert count - families.error <= families.counts.get(family, 0) <= count


def test_families_beyond_the_bound_leave_the_frequent_ones_on_top():
    families = Families()
    for number in range(20_000):
        families.add(f"rare-{number}")
        if number % 4 == 0:
            families.add("Emotet")

    assert families.top(1)[0][0] == "Emotet"
    assert 0 < families.error <= 25_000 / 501
    assert 5_000 - families.error <= families.top(1)[0][1] <= 5_000


def test_the_course_of_a_long_run_keeps_to_its_bound_and_reaches_from_end_to_end():
    series = Series()
    for number in range(1, 100_001):
        if number / 4 >= series.due:
            series.add(Sample(number / 4, number * 10, number))
    seconds = [sample.seconds for sample in series.samples]

    assert MOST_SAMPLES / 2 - 1 <= len(seconds) <= MOST_SAMPLES
    assert seconds == sorted(seconds)
    assert seconds[-1] >= 25_000 - series.step
    assert all(sample.events == sample.seconds * 40 for sample in series.samples)


def test_the_tally_of_the_pipeline_is_what_is_counted():
    dressing = pytest.importorskip("connector.enrichment.dressing")
    tally = dressing.Tally(1, 0)
    tally.ends["enriched"] += 1
    counts = Counts(Clock())
    counts.add_batch(tally)

    assert counts.balance()
    assert set(tally.__dataclass_fields__) >= set(runs.Tally.__dataclass_fields__)
    assert {*dressing.End.__args__} == {"enriched", *PASSED}
