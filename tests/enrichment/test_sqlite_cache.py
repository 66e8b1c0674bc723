"""The cache in a file: what is put comes back, for its own scope only, bounded, and never at the price of a crash."""

import asyncio
import math
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.enrichment import sqlite_cache
from connector.enrichment.sqlite_cache import SqliteCache
from connector.enrichment.sqlite_file import identity, set_aside
from connector.enrichment.sqlite_findings import key_of, number_held
from connector.enrichment.values import Finding
from connector.errors import StateError
from connector.verdict import File, Url, Verdict

ROOT = Path(__file__).parents[2]
NOW = 1_700_000_000.0
SCOPE = "get_classification https://appliance.test"


class Clock:
    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now


def subject_of(number):
    return sha256(str(number).encode()).hexdigest()


def finding(number, until=NOW + 1000):
    subject = subject_of(number)
    verdict = Verdict(subject=File(sha256=subject), classification="malicious", threat_name=f"Win32.Trojan.N{number}")
    return Finding(subject, verdict, NOW, until)


def many(numbers, until=NOW + 1000):
    return [finding(number, until) for number in numbers]


def run(cache, work):
    """Run ``work`` with a cache, and close it."""

    async def running():
        try:
            return await work(cache)
        finally:
            await cache.close()

    return asyncio.run(running())


def kept(path, work, scope=SCOPE, clock=None, **options):
    return run(SqliteCache(path, scope, clock or Clock(), **options), work)


def test_what_is_put_comes_back_and_nothing_else(tmp_path):
    url = "https://a.test/ä?q=1"
    put = [
        finding(1),
        Finding("ab" * 16, None, NOW, NOW + 5),
        Finding(url, Verdict(subject=Url(value=url), classification="goodware"), NOW, NOW + 5),
    ]

    async def work(cache):
        assert await cache.get([each.subject for each in put]) == {}
        await cache.put(put)
        return await cache.get([*(each.subject for each in put), subject_of(2), "http://b.test/"])

    assert kept(tmp_path / "c", work) == {each.subject: each for each in put}


def test_it_is_there_after_a_restart_and_the_last_one_put_counts(tmp_path):
    kept(tmp_path / "c", lambda cache: cache.put(many(range(5))))
    newer = Finding(subject_of(3), None, NOW + 1, NOW + 9)
    kept(tmp_path / "c", lambda cache: cache.put([finding(3), newer]))

    got = kept(tmp_path / "c", lambda cache: cache.get([subject_of(number) for number in range(9)]))
    assert got == {each.subject: each for each in (*many((0, 1, 2, 4)), newer)}


def test_thousands_are_asked_for_at_once(tmp_path):
    async def work(cache):
        await cache.put(many(range(1300)))
        return await cache.get([subject_of(number) for number in range(-700, 1300)])

    assert kept(tmp_path / "c", work) == {each.subject: each for each in many(range(1300))}


def test_answers_of_another_action_or_appliance_are_never_given(tmp_path):
    kept(tmp_path / "c", lambda cache: cache.put([finding(1)]))
    ask = lambda cache: cache.get([subject_of(1)])  # noqa: E731

    assert kept(tmp_path / "c", ask, scope="get_ticloud_reputation https://appliance.test") == {}
    assert kept(tmp_path / "c", ask, scope="get_classification https://other.test") == {}
    assert len(kept(tmp_path / "c", ask)) == 1


def test_what_has_expired_is_not_given(tmp_path):
    clock = Clock()

    async def work(cache):
        await cache.put([finding(1, until=NOW + 10)])
        clock.now = NOW + 9.9
        assert len(await cache.get([subject_of(1)])) == 1
        clock.now = NOW + 10
        assert await cache.get([subject_of(1)]) == {}

    kept(tmp_path / "c", work, clock=clock)


@pytest.mark.parametrize("until", [NOW - 1, NOW, math.nan, math.inf])
def test_what_is_never_or_for_ever_to_be_used_is_not_kept(tmp_path, until):
    async def work(cache):
        await cache.put([finding(1, until), finding(2)])
        return await cache.get([subject_of(1), subject_of(2)]), cache.failures

    assert kept(tmp_path / "c", work) == ({subject_of(2): finding(2)}, 0)


def test_what_has_expired_leaves_the_file_as_others_come(tmp_path):
    clock = Clock()

    async def work(cache):
        await cache.put(many(range(1000), until=NOW + 10))
        clock.now = NOW + 20
        for start in range(1000, 3000, 50):
            await cache.put(many(range(start, start + 50)))
        rows = cache._reader.execute("SELECT count(*), sum(until <= ?) FROM findings", (clock.now,)).fetchone()
        return rows, number_held(cache._reader)

    (rows, expired), held = kept(tmp_path / "c", work, clock=clock)
    assert rows == held
    assert expired < 100


def test_no_more_rows_are_kept_than_allowed(tmp_path):
    async def work(cache):
        for start in range(0, 2000, 100):
            await cache.put(many(range(start, start + 100)))
            assert number_held(cache._reader) <= 500
        got = await cache.get([subject_of(number) for number in range(2000)])
        return len(got), cache._reader.execute("SELECT count(*) FROM findings").fetchone()[0]

    assert kept(tmp_path / "c", work, most_rows=500) == (500, 500)


def test_a_limit_that_was_lowered_is_reached_step_by_step(tmp_path):
    kept(tmp_path / "c", lambda cache: cache.put(many(range(1000))))

    async def work(cache):
        for start in range(1000, 1500, 10):
            await cache.put(many(range(start, start + 10)))
        return number_held(cache._reader)

    assert kept(tmp_path / "c", work, most_rows=600) == 600


def test_every_row_is_swept_in_the_end_wherever_a_run_began(tmp_path):
    kept(tmp_path / "c", lambda cache: cache.put(many(range(600))), scope="of a setting long gone")
    later = Clock(NOW + 2000)

    async def work(cache):
        for start in range(1000, 3000, 100):
            await cache.put(many(range(start, start + 100), until=later.now + 9))
        return number_held(cache._reader)

    assert kept(tmp_path / "c", work, clock=later) == 2000


def test_rows_are_counted_exactly_when_they_are_put_again(tmp_path):
    async def work(cache):
        for start in (0, 50, 100):
            await cache.put(many(range(start, start + 100)) * 2)
        return number_held(cache._reader), cache._reader.execute("SELECT count(*) FROM findings").fetchone()[0]

    assert kept(tmp_path / "c", work) == (200, 200)


def test_hashes_are_kept_as_bytes_and_the_scope_as_a_digest(tmp_path):
    kept(tmp_path / "c", lambda cache: cache.put([Finding("ab" * 32, None, NOW, NOW + 5)]), scope="http://u:secret@h/")
    data = (tmp_path / "c").read_bytes()

    assert bytes.fromhex("ab" * 32) in data
    assert b"abab" not in data
    assert b"secret" not in data


def test_the_file_is_its_owners_alone(tmp_path):
    kept(tmp_path / "new" / "c", lambda cache: cache.put([finding(1)]))

    assert (tmp_path / "new" / "c").stat().st_mode & 0o077 == 0
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


hexes = st.binary(max_size=33).map(bytes.hex)


@given(st.lists(hexes | hexes.map(str.upper) | st.text(st.characters(exclude_categories=()), max_size=8), max_size=20))
def test_no_two_subjects_have_one_key(subjects):
    keys = {subject: key_of(subject) for subject in subjects}
    there = [key for key in keys.values() if key is not None]

    assert len(there) == len(set(there))
    assert all(
        key is not None or any(0xD800 <= ord(char) < 0xE000 for char in subject) for subject, key in keys.items()
    )


def test_text_that_is_no_unicode_is_neither_kept_nor_in_the_way(tmp_path):
    odd = "http://a.test/\ud800"

    async def work(cache):
        await cache.put([Finding(odd, None, NOW, NOW + 5), finding(1)])
        return await cache.get([odd, subject_of(1)]), cache.failures

    assert kept(tmp_path / "c", work) == ({subject_of(1): finding(1)}, 0)


def test_a_damaged_file_is_set_aside_and_begun_anew(tmp_path):
    (tmp_path / "c").write_bytes(b"no database at all " * 500)

    async def work(cache):
        assert "kept as c.broken and begun anew" in cache.notice
        await cache.put([finding(1)])
        return await cache.get([subject_of(1)])

    assert len(kept(tmp_path / "c", work)) == 1
    assert (tmp_path / "c.broken").read_bytes().startswith(b"no database")


def spoil(path):
    """Overwrite all but the first page of a file."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def test_a_file_that_is_damaged_in_the_middle_is_set_aside_when_that_shows(tmp_path):
    kept(tmp_path / "c", lambda cache: cache.put(many(range(2000))))

    async def work(cache):
        spoil(tmp_path / "c")
        assert await cache.get([subject_of(number) for number in range(2000)]) == {}
        assert cache.failures >= 1
        assert "begun anew" in cache.notice
        await cache.put([finding(1)])
        return await cache.get([subject_of(1)])

    assert len(kept(tmp_path / "c", work)) == 1


def test_it_is_set_aside_when_it_shows_in_writing(tmp_path):
    kept(tmp_path / "c", lambda cache: cache.put(many(range(2000))))

    async def work(cache):
        spoil(tmp_path / "c")
        await asyncio.gather(cache.put([finding(1)]), cache.put([finding(2)]))
        await cache.put([finding(3)])
        return await cache.get([subject_of(3)]), cache.failures

    got, failures = kept(tmp_path / "c", work)
    assert len(got) == 1
    assert failures == 1


def test_a_file_that_another_process_has_begun_anew_already_is_not_set_aside_again(tmp_path):
    kept(tmp_path / "c", lambda cache: cache.put(many(range(2000))))

    async def work(cache):
        spoil(tmp_path / "c")
        set_aside(tmp_path / "c", identity(tmp_path / "c"))
        other = SqliteCache(tmp_path / "c", SCOPE, Clock())
        await other.put([finding(7)])
        await cache.get([subject_of(number) for number in range(500)])
        assert cache.failures == 1
        await other.close()
        return await cache.get([subject_of(7)])

    assert kept(tmp_path / "c", work) == {subject_of(7): finding(7)}


def test_a_file_is_set_aside_once_however_many_find_it_damaged(tmp_path):
    kept(tmp_path / "c", lambda cache: cache.put(many(range(2000))))
    size = (tmp_path / "c").stat().st_size

    async def work(cache):
        spoil(tmp_path / "c")
        async with cache._turn:
            asking = [asyncio.create_task(cache.get([subject_of(number)])) for number in range(3)]
            await asyncio.sleep(0)
        await asyncio.gather(*asking)
        return cache.failures

    assert kept(tmp_path / "c", work) == 3
    assert (tmp_path / "c.broken").stat().st_size == size


def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path):
    with closing(sqlite3.connect(tmp_path / "c")) as other:
        other.execute("CREATE TABLE theirs (a)")

    with pytest.raises(StateError, match="is no cache of findings, and was left as it is"):
        SqliteCache(tmp_path / "c", SCOPE, Clock())
    with closing(sqlite3.connect(tmp_path / "c")) as other:
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]


def test_a_cache_of_another_release_is_refused(tmp_path):
    kept(tmp_path / "c", lambda cache: cache.put([finding(1)]))
    with closing(sqlite3.connect(tmp_path / "c")) as other:
        other.execute("PRAGMA user_version = 2")

    with pytest.raises(StateError, match="was made by another release"):
        SqliteCache(tmp_path / "c", SCOPE, Clock())


def test_on_a_full_disk_it_goes_on_with_what_it_has(tmp_path):
    async def work(cache):
        await cache.put(many(range(100)))
        pages = cache._writer.execute("PRAGMA page_count").fetchone()[0]
        cache._writer.execute(f"PRAGMA max_page_count = {pages}")  # SQLITE_FULL, as on a disk without room
        await cache.put(many(range(100, 500)))
        assert cache.failures == 4
        assert len(await cache.get([subject_of(number) for number in range(100)])) == 100
        cache._writer.execute("PRAGMA max_page_count = 100000")
        await cache.put([finding(500)])
        return await cache.get([subject_of(500)]), cache.notice

    got, notice = kept(tmp_path / "c", work)
    assert len(got) == 1
    assert notice is None


def test_where_it_cannot_be_opened_it_is_empty_and_is_tried_again_later(tmp_path):
    clock = Clock()
    (tmp_path / "place").write_text("a file in the way")

    async def work(cache):
        assert "cannot be opened and is left out" in cache.notice
        await cache.put([finding(1)])
        assert await cache.get([subject_of(1)]) == {}
        (tmp_path / "place").unlink()
        await cache.put([finding(1)])
        assert await cache.get([subject_of(1)]) == {}, "not yet"
        clock.now += 11
        await cache.put([finding(1)])
        return await cache.get([subject_of(1)]), cache.failures

    got, failures = kept(tmp_path / "place" / "c", work, clock=clock)
    assert len(got) == 1
    assert failures == 1


def test_while_another_process_writes_reading_goes_on_and_writing_waits(tmp_path):
    async def work(cache):
        await cache.put([finding(1)])
        with closing(sqlite3.connect(tmp_path / "c", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writing = asyncio.create_task(cache.put([finding(2)]))
            await asyncio.sleep(0.03)
            assert not writing.done()
            assert len(await cache.get([subject_of(1)])) == 1
            other.execute("ROLLBACK")
        await writing
        return await cache.get([subject_of(2)]), cache.failures

    got, failures = kept(tmp_path / "c", work)
    assert len(got) == 1
    assert failures == 0


def test_a_writer_that_never_ends_costs_a_failure_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_cache, "PATIENCE", 2)

    async def work(cache):
        with closing(sqlite3.connect(tmp_path / "c", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await cache.put([finding(1)])
            other.execute("ROLLBACK")
        return cache.failures, cache.notice

    assert kept(tmp_path / "c", work) == (1, None)


def test_many_at_once_are_all_written(tmp_path):
    async def work(cache):
        await asyncio.gather(*(cache.put(many(range(start, start + 64))) for start in range(0, 3200, 64)))
        return number_held(cache._reader), cache.failures

    assert kept(tmp_path / "c", work) == (3200, 0)


def test_after_it_was_closed_it_is_empty_and_no_error(tmp_path):
    async def work():
        cache = SqliteCache(tmp_path / "c", SCOPE, Clock())
        await cache.put([finding(1)])
        await cache.close()
        await cache.close()
        await cache.put([finding(2)])
        assert await cache.get([subject_of(1)]) == {}
        assert cache.failures == 0

    asyncio.run(work())


OTHER = """
import asyncio, sys
from pathlib import Path
from connector.enrichment.sqlite_cache import SqliteCache
from connector.enrichment.values import Finding

async def main(path, first):
    cache = SqliteCache(Path(path), "shared", lambda: 1.0)
    for start in range(first, first + 600, 50):
        await cache.put([Finding(f"{number:064x}", None, 1.0, 9.0) for number in range(start, start + 50)])
    await cache.close()
    print(cache.failures, cache.notice)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def test_processes_share_a_file_and_lose_nothing(tmp_path):
    command = [sys.executable, "-c", OTHER, str(tmp_path / "c")]
    together = [
        subprocess.Popen([*command, str(first)], cwd=ROOT, stdout=subprocess.PIPE, text=True) for first in (0, 400, 800)
    ]

    assert [process.communicate(timeout=60)[0] for process in together] == ["0 None\n"] * 3
    with closing(sqlite3.connect(tmp_path / "c")) as database:
        assert database.execute("SELECT count(*) FROM findings").fetchone()[0] == 1400
        assert number_held(database) == 1400
