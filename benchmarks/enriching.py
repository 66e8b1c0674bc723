"""The enrichment of events: cached and uncached rates, memory, two workers on one broker, and the limiter.

The command is measured whole, from its start to its exit, as a user runs it. What it is compared with does the same
job: read a line, look its hash up, add ``threat.enrichments``, write the line, in order.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path
from threading import local
from typing import Any

from benchmarks.harness import ROOT, TOKEN, Bench, Measured, Row, child, environment, in_rounds, middle, ratio, row

SPECTRA = (sys.executable, "-c", "from connector.cli import main; main()", "enrich")
MOST = 900.0


# --- what is enriched


def event(number: int, distinct: int) -> bytes:
    """An ECS event of about 350 bytes, as a shipper writes it."""
    value = sha1(b"%d" % (number % distinct)).hexdigest()
    return json.dumps(
        {
            "@timestamp": f"2026-01-01T00:00:{number % 60:02d}.000Z",
            "ecs": {"version": "9.0.0"},
            "event": {"kind": "event", "category": ["file"], "sequence": number},
            "host": {"name": f"workstation-{number % 977}", "os": {"family": "windows"}},
            "process": {"pid": number % 65536, "name": "chrome.exe"},
            "file": {"name": f"invoice-{number}.exe", "size": 1000 + number, "hash": {"sha1": value}},
            "user": {"name": "someone", "domain": "EXAMPLE"},
        },
        separators=(",", ":"),
    ).encode()


def events(path: Path, count: int, distinct: int) -> Path:
    if not path.exists():
        with path.open("wb") as stream:
            stream.writelines(event(number, distinct) + b"\n" for number in range(count))
    return path


# --- the command


def command(url: str, source: str, output: str, *more: str) -> list[str]:
    return [*SPECTRA, "--input", source, "--output", output, "--quiet", "--url", url, "--token", TOKEN, *more]


def variables(folder: Path) -> dict[str, str]:
    made = environment(XDG_STATE_HOME=str(folder), SPECTRA_API_GENERATION="current")
    return made | {"PYTHONPATH": str(ROOT)}


def enrich(url: str, folder: str, source: str, output: str, count: int, more: list[str]) -> Measured:
    """Run the command to its end; its rate, CPU and peak memory. ``-`` for output throws the lines away."""
    if output != "-":
        Path(output).unlink(missing_ok=True)
    told = Path(source).with_suffix(".summary")
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command(url, source, output, "--summary", str(told), *more), check=True, cwd=ROOT, env=variables(Path(folder)),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=MOST,
    )  # fmt: skip
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = json.loads(told.read_text())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"rate": count / wall, "wall": wall, "cpu": cpu, "peak": after.ru_maxrss / 1024, "summary": summary}


def stdlib_loop(source: str, output: str, count: int, seeded: str) -> Measured:
    """The same loop with the standard library's json, a dict for a cache, and the very same enrichments."""
    known = {}
    with Path(seeded).open("rb") as lines:
        for line in lines:
            value = json.loads(line)
            known[value["file"]["hash"]["sha1"]] = value["threat"]["enrichments"][0]
    began = time.perf_counter()
    with Path(source).open("rb") as read, Path(output).open("wb") as write:
        for line in read:
            value = json.loads(line)
            value["threat"] = {"enrichments": [known[value["file"]["hash"]["sha1"]]]}
            write.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
    return {"rate": count / (time.perf_counter() - began)}


def sdk_job(url: str, source: str, output: str, count: int, at_once: int) -> Measured:
    """The vendor's SDK in a thread pool, doing the same job in order."""
    from ReversingLabs.SDK.a1000 import A1000

    own = local()

    def look_up(line: bytes) -> bytes:
        if not hasattr(own, "sdk"):
            own.sdk = A1000(url, token=TOKEN)
        value = json.loads(line)
        found = own.sdk.get_classification_v3(value["file"]["hash"]["sha1"], local_only=True).json()
        value["threat"] = {"enrichments": [{"indicator": {"type": "file", "classification": found["classification"]}}]}
        return json.dumps(value).encode() + b"\n"

    began = time.perf_counter()
    with Path(source).open("rb") as read, Path(output).open("wb") as write, ThreadPoolExecutor(at_once) as pool:
        write.writelines(pool.map(look_up, read.read().splitlines()))
    return {"rate": count / (time.perf_counter() - began)}


# --- figures


def cached(bench: Bench) -> list[Row]:
    """Events whose hashes are all in the cache."""
    count, distinct = (100_000 if bench.quick else 1_000_000), 5_000
    source = events(bench.folder / "cached.ndjson", count, distinct)
    seed = events(bench.folder / "seed.ndjson", distinct, distinct)
    url, folder = bench.url("plain"), str(bench.folder / "cached-state")
    at = {"url": url, "folder": folder, "more": ["--action", "get_classification"]}
    seeded = str(bench.folder / "seeded")
    child("enriching:enrich", source=str(seed), output=seeded, count=distinct, **at)
    output = str(bench.folder / "cached.out")
    modes = {
        "spectra enrich": lambda: child("enriching:enrich", source=str(source), output=output, count=count, **at),
        "json loop": lambda: child(
            "enriching:stdlib_loop",
            source=str(source),
            output=str(bench.folder / "loop.out"),
            count=count,
            seeded=seeded,
        ),
    }
    got = in_rounds(bench, 3, modes, "rate")
    _require_order(Path(output), bench.folder / "loop.out")
    rate, times = middle(got["spectra enrich"], "rate"), ratio(got["spectra enrich"], got["json loop"], "rate")
    text = f"{rate:,.0f}/s ({count:,} events, start and exit included)"
    return [
        row("cached events, file to file, one core, order kept", ">= 100,000/s", text, rate, 100_000),
        row(
            "the same against a loop with the standard library's json",
            ">= 4x",
            f"{times:.1f}x (loop {middle(got['json loop'], 'rate'):,.0f}/s)",
            times,
            4,
        ),
    ]


def _require_order(ours: Path, theirs: Path) -> None:
    """Both outputs are the same events in the same order, with the same enrichments but for the time of the look-up."""
    with ours.open("rb") as one, theirs.open("rb") as other:
        for n, (left, right) in enumerate(zip(one, other, strict=True)):
            if left[:300] != right[:300] or (n % 997 == 0 and json.loads(left) != json.loads(right)):
                raise AssertionError("the outputs are not the same")


def uncached(bench: Bench) -> list[Row]:
    """Events that all need a look-up, a hundred at once, at 20 ms."""
    count, at_once = (4_000 if bench.quick else 20_000), 100
    source, url = events(bench.folder / "uncached.ndjson", count, count), bench.url("slow")
    output = str(bench.folder / "uncached.out")
    more = ["--action", "get_classification", "--at-once", str(at_once), "--cache", "none"]
    at = {"url": url, "source": str(source), "output": output, "count": count}
    modes = {
        "spectra enrich": lambda: child("enriching:enrich", folder=str(bench.folder / "u"), more=more, **at),
        "SDK, 50 threads": lambda: child("enriching:sdk_job", at_once=50, **at),
    }
    got = in_rounds(bench, 3, modes, "rate")
    ceiling = at_once / 0.020
    share = middle(got["spectra enrich"], "rate") / ceiling
    inner = [_without_start(each) for each in got["spectra enrich"]]
    times = ratio(inner, got["SDK, 50 threads"], "rate")
    text = f"{times:.2f}x ({middle(inner, 'rate'):,.0f}/s, SDK {middle(got['SDK, 50 threads'], 'rate'):,.0f}/s)"
    return [
        row(
            "uncached, 100 at once, 20 ms, start and exit included, of the ceiling",
            ">= 45 %",
            f"{share:.0%} ({share * ceiling:,.0f}/s)",
            share,
            0.45,
        ),
        row("the same from the first event on, against the vendor's SDK in a thread pool", ">= 2x", text, times, 2),
    ]


def memory(bench: Bench) -> list[Row]:
    """Distinct hashes, each looked up once; and the length of the file."""
    url = bench.url("plain")
    peaks = {}
    for count in (10_000, 50_000 if bench.quick else 1_000_000):
        source = events(bench.folder / f"distinct-{count}.ndjson", count, count)
        at = {"url": url, "source": str(source), "output": "-", "count": count}
        more = ["--action", "get_classification"]
        got = child("enriching:enrich", folder=str(bench.folder / f"m{count}"), more=more, seconds=MOST, **at)
        peaks[count] = got["peak"]
        bench.say(f"{count} distinct hashes: peak {got['peak']:.1f} MB, {got['rate']:,.0f}/s")
        source.unlink()
    few, many = peaks.values()
    return [
        row(f"{max(peaks):,} distinct hashes, peak memory", "<= 120 MB", f"{many:.0f} MB", many, 120, least=False),
        row(
            "the same against 10,000 hashes",
            "<= 5 MB more",
            f"{many - few:+.1f} MB",
            many - few,
            5,
            least=False,
        ),
        _long_file(bench, url),
    ]


def _long_file(bench: Bench, url: str) -> Row:
    """The same 5,000 hashes over and over, through a file that gets a hundred times longer."""
    seed = events(bench.folder / "seed.ndjson", 5_000, 5_000)
    block = seed.read_bytes()
    small, large = (10 << 20, (100 << 20) if bench.quick else (10 << 30))
    peaks = {}
    for size in (small, large):
        path = bench.folder / "long.ndjson"
        with path.open("wb") as stream:
            for _ in range(size // len(block) + 1):
                stream.write(block)
        count = path.stat().st_size // len(block) * 5_000
        more = ["--action", "get_classification"]
        at = {"url": url, "source": str(path), "output": "-", "count": count}
        got = child("enriching:enrich", folder=str(bench.folder / "long"), more=more, seconds=MOST, **at)
        peaks[size] = got["peak"]
        bench.say(f"file of {size >> 20} MB: peak {got['peak']:.1f} MB, {got['rate']:,.0f}/s")
        path.unlink()
    growth = peaks[large] - peaks[small]
    return row(
        f"a file of {large >> 30 or large >> 20} {'GB' if large >> 30 else 'MB'} against one of 10 MB, peak memory",
        "the same (<= 5 MB)",
        f"{growth:+.1f} MB ({peaks[large]:.0f} MB)",
        growth,
        5,
        least=False,
    )


# --- workers on a broker


@contextmanager
def broker() -> Iterator[str]:
    """A Redis of its own on loopback; its address, with the database."""
    from tests.enrichment.redis_server import redis_server

    with redis_server() as server:
        yield server.address()


def workers(bench: Bench) -> list[Row]:
    """One and two workers on one Redis, each on a core of its own where there are two, beside one without a broker."""
    count = 4_000 if bench.quick else 20_000
    source = events(bench.folder / "uncached.ndjson", count, count)
    more = ["--action", "get_classification", "--at-once", "20", "--cache", "none"]
    at = {"url": bench.url("slow"), "source": str(source), "count": count}
    modes = {
        "file": lambda: _without_start(
            child(
                "enriching:enrich", folder=str(bench.folder / "w"), output=str(bench.folder / "w.out"), more=more, **at
            )
        ),
        "one worker": lambda: child("enriching:group", members=1, folder=str(bench.folder / "w"), **at),
        "two workers": lambda: child("enriching:group", members=2, folder=str(bench.folder / "w"), **at),
    }
    got = in_rounds(bench, 2, modes, "rate")
    times, cost = (
        ratio(got["two workers"], got["one worker"], "rate"),
        1 - ratio(got["one worker"], got["file"], "rate"),
    )
    rates = ", ".join(f"{name} {middle(found, 'rate'):,.0f}/s" for name, found in got.items())
    return [
        row("two workers on one Redis, 20 at once each, 20 ms", ">= 1.7x one", f"{times:.2f}x ({rates})", times, 1.7),
        row("what the broker costs one worker", "<= 15 %", f"{cost:.0%}", cost, 0.15, least=False),
        *_limited(bench),
    ]


def _without_start(measured: Measured) -> Measured:
    """The rate from the first event on, as it is measured of workers."""
    return measured | {"rate": measured["summary"]["events_per_second"]}


def group(url: str, folder: str, source: str, count: int, members: int) -> Measured:
    """So many workers on one stream, from the first to the last event written."""
    import redis

    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    with broker() as address:
        server = redis.Redis.from_url(address)
        pipe = server.pipeline(transaction=False)
        for line in Path(source).read_bytes().splitlines():
            pipe.xadd("events", {"event": line})
        pipe.execute()
        more = ["--group", "siem", "--cache", address, "--at-once", "20", "--action", "get_classification"]
        out = f"{address}?stream=enriched"
        asked = command(url, f"{address}?stream=events", out, *more)
        running = [
            subprocess.Popen(
                asked, cwd=ROOT, env=variables(Path(folder)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            for _ in range(members)
        ]
        rate = _steady_rate(server, count)
        for process in running:
            process.terminate()
        for process in running:
            process.communicate(timeout=20)
    return {"rate": rate}


def _steady_rate(server: Any, count: int) -> float:
    """Events a second between a tenth and nine tenths of them, so that neither start nor end counts."""
    marks = {}
    ends = time.monotonic() + MOST
    for share in (0.1, 0.9):
        while server.xlen("enriched") < share * count:
            if time.monotonic() > ends:
                raise TimeoutError("the workers did not get on")
            time.sleep(0.02)
        marks[share] = (time.perf_counter(), server.xlen("enriched"))
    (began, first), (ended, last) = marks.values()
    return (last - first) / (ended - began)


def _limited(bench: Bench) -> list[Row]:
    """The global limiter: twenty takers on one Redis."""
    got = child("enriching:limited", rate=500.0, seconds_asked=4.0 if bench.quick else 10.0)
    off = abs(got["rate"] - 500.0) / 500.0
    return [
        row(
            "a rate of 500/s kept by the limiter, 20 takers on one Redis",
            "within 2 %",
            f"{off:.1%} ({got['rate']:.1f}/s)",
            off,
            0.02,
            least=False,
        )
    ]


def limited(rate: float, seconds_asked: float) -> Measured:
    """Permits given in so many seconds to twenty takers."""
    from connector.enrichment.budget import Terms
    from connector.enrichment.redis_streams.limiter import RedisLimiter

    async def taken(address: str) -> int:
        limiters = [RedisLimiter(address, "bench", Terms(rate=rate)) for _ in range(20)]
        ends = time.monotonic() + seconds_asked

        async def take(limiter: RedisLimiter) -> int:
            given = 0
            while time.monotonic() < ends:
                wait = await limiter.take()
                if wait <= 0:
                    given += 1
                else:
                    await asyncio.sleep(min(wait, max(0.0, ends - time.monotonic())))
            return given

        counts = await asyncio.gather(*(take(limiter) for limiter in limiters))
        for limiter in limiters:
            await limiter.close()
        return sum(counts)

    with broker() as address:
        return {"rate": asyncio.run(taken(address)) / seconds_asked}


def enriching(bench: Bench) -> list[Row]:
    """All figures of the enrichment."""
    return [*cached(bench), *uncached(bench), *memory(bench), *workers(bench)]
