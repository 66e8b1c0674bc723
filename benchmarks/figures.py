"""The figures that are asked for: what is run for each, what is compared, and the bound it must keep."""

from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.harness import Bench, Measured, Row, child, in_rounds, middle, ratio, row, without

Profiled = tuple[str, dict[str, Any]]


def single(bench: Bench) -> list[Row]:
    """Look-ups one at a time."""
    url, count = bench.url("plain"), 500 if bench.quick else 1500
    modes = {
        "connector": lambda: child("lookups:connector", url=url, count=count),
        "with STIX": lambda: child("lookups:connector", url=url, count=count, stix=True),
        "SDK": lambda: child("lookups:sdk", url=url, count=count),
        "bare socket": lambda: child("lookups:bare", url=url, count=count),
    }
    got = in_rounds(bench, 7, modes, "rate")
    value = ratio(got["connector"], got["SDK"], "rate")
    text = f"{value:.2f}x ({rates(got, 'connector', 'SDK', 'bare socket')}; {cpu(got, 'connector', 'SDK')})"
    profile = ("lookups:connector", {"url": url, "count": count})
    return [
        row("look-ups one at a time, verdicts, against the SDK", ">= 1.3x", text, value, 1.3, profile=profile),
        with_stix(got, "SDK"),
    ]


def with_stix(got: dict[str, list[Measured]], other: str) -> Row:
    """The same with a bundle for each outcome, which is the default and which the others do not make."""
    value = ratio(got["with STIX"], got[other], "rate")
    return Row("the same with a STIX bundle for each", "", f"{value:.2f}x ({rates(got, 'with STIX')})")


def bulk(bench: Bench) -> list[Row]:
    """Look-ups fifty at once, against the SDK's pool and stock httpx, and without the extra."""
    url, count = bench.url("plain"), 1000 if bench.quick else 3000
    got = in_rounds(bench, 5, bulk_modes(bench, url, count), "rate")
    profile = ("lookups:stream", {"url": url, "count": count})
    rows = []
    for figure, asked, ours, theirs, bound, also in (
        (
            "50 at once, verdicts, against the SDK's best thread pool",
            ">= 2x (aim 3x)",
            "connector",
            "SDK",
            2,
            "bare sockets",
        ),
        ("the same with a STIX bundle for each", "", "with STIX", "SDK", 0, ""),
        ("50 at once, against httpx.AsyncClient as installed", ">= 15x (aim 20x)", "connector", "httpx", 15, ""),
        ("the same where httpx may keep all 50 connections", "", "connector", "httpx, 50 kept", 0, ""),
        ("50 at once without the [fast] extra, against the pool", ">= 1x", "without the extra", "SDK", 1, ""),
    ):
        value = ratio(got[ours], got[theirs], "rate")
        names = [name for name in (ours, theirs, also) if name]
        text = f"{value:.2f}x ({rates(got, *names)}; {cpu(got, ours, theirs)})"
        rows.append(row(figure, asked, text, value, bound, profile=profile) if bound else Row(figure, asked, text))
    return rows


def bulk_modes(bench: Bench, url: str, count: int) -> dict[str, Callable[[], Measured]]:
    stock, plain = without(bench.folder, "stock"), without(bench.folder, "plain")
    return {
        "connector": lambda: child("lookups:stream", url=url, count=count),
        "with STIX": lambda: child("lookups:stream", url=url, count=count, stix=True),
        "SDK": lambda: child("lookups:sdk_pool", url=url, count=count),
        "httpx": lambda: child("lookups:httpx_stock", lacks=stock, url=url, count=count // 8),
        "httpx, 50 kept": lambda: child("lookups:httpx_stock", lacks=stock, url=url, count=count // 10, kept=50),
        "without the extra": lambda: child("lookups:stream", lacks=plain, url=url, count=count),
        "bare sockets": lambda: child("lookups:bare", url=url, count=count, at_once=50),
    }


def rates(got: dict[str, list[Measured]], *names: str) -> str:
    return ", ".join(f"{name} {middle(got[name], 'rate'):.0f}/s" for name in names)


def cpu(got: dict[str, list[Measured]], *names: str) -> str:
    return "CPU " + ", ".join(f"{name} {middle(got[name], 'cpu_us'):.0f} us" for name in names)


def latency(bench: Bench) -> list[Row]:
    """A hundred at once at 20 ms, and the TLS contexts made on the way."""
    url, at_once = bench.url("slow"), 100
    count = 1500 if bench.quick else 6000
    modes = {
        "connector": lambda: child("lookups:stream", url=url, count=count, at_once=at_once, seconds=120),
        "SDK, 50 threads": lambda: child("lookups:sdk_pool", url=url, count=count // 3),
    }
    got = in_rounds(bench, 5, modes, "rate")
    ceiling = at_once / 0.020
    share, best = middle(got["connector"], "rate") / ceiling, max(each["rate"] for each in got["connector"]) / ceiling
    p50, p99 = middle(got["connector"], "p50_ms"), middle(got["connector"], "p99_ms")
    spread = f"best round {best:.0%}; p50 {p50:.0f} ms, p99 {p99:.0f} ms"
    text = f"{share:.0%} ({rates(got, 'connector', 'SDK, 50 threads')}; {spread})"
    profile = ("lookups:stream", {"url": url, "count": count, "at_once": at_once})
    runs = len(got["connector"]) * count
    tls = child("tls_contexts:count", url=bench.url("tls"), ca=str(bench.ca))
    return [
        row("20 ms latency, 100 at once, of the ceiling", ">= 45 %", text, share, 0.45, profile=profile),
        row("look-ups that hung", "none", f"none of {runs}, each within its deadline of 60 s", 0, 0, least=False),
        row(
            "TLS contexts for one appliance, 3 connectors, 300 look-ups",
            "1",
            str(tls["contexts"]),
            tls["contexts"],
            1,
            least=False,
        ),
    ]


def upload(bench: Bench) -> list[Row]:
    """A file of 1 GiB: memory, speed with and without hashing, and the event loop."""
    plain, tls, path, ca = bench.url("plain"), bench.url("tls"), str(bench.file), str(bench.ca)
    bare = {"path": path, "known_sha1": bench.file_sha1}
    modes = {
        "curl": lambda: child("uploads:curl", url=plain, path=path),
        "bare": lambda: child("uploads:connector", url=plain, **bare),
        "curl over TLS": lambda: child("uploads:curl", url=tls, path=path, ca=ca),
        "bare over TLS": lambda: child("uploads:connector", url=tls, ca=ca, **bare),
        "hashing alone": lambda: child("uploads:hashing", path=path),
        "connector": lambda: child("uploads:connector", url=plain, path=path),
        "AsyncConnector": lambda: child("uploads:under_asyncio", url=plain, path=path),
        "heartbeat alone": lambda: child("uploads:idle_loop"),
    }
    shown = {name: mode for name, mode in modes.items() if name != "heartbeat alone"}
    got = in_rounds(bench, 5, shown, "rate")
    got |= in_rounds(bench, 5, {"heartbeat alone": modes["heartbeat alone"]}, "lag_ms")
    theirs = child("uploads:sdk", url=plain, path=path)
    return [*upload_speed(got, plain, path), *upload_weight(got, theirs)]


def upload_speed(got: dict[str, list[Measured]], url: str, path: str) -> list[Row]:
    rows = []
    profile = ("uploads:connector", {"url": url, "path": path})
    for figure, ours, theirs, bound in (
        ("1 GiB upload, bare transfer, against curl", "bare", "curl", 0.75),
        ("the same over TLS", "bare over TLS", "curl over TLS", 0.85),
        ("1 GiB upload with SHA-1 and SHA-256, against hashing alone", "connector", "hashing alone", 0.65),
    ):
        value = ratio(got[ours], got[theirs], "rate")
        text = f"{value:.2f}x ({ours} {middle(got[ours], 'rate'):.0f} MB/s, {theirs} {middle(got[theirs], 'rate'):.0f})"
        rows.append(row(figure, f">= {bound}x", text, value, bound, profile=profile))
    return rows


def upload_weight(got: dict[str, list[Measured]], theirs: Measured) -> list[Row]:
    over = max(each["peak_over_idle"] for each in got["connector"] + got["AsyncConnector"])
    lag = max(each["lag_ms"] for each in got["AsyncConnector"])
    every = ", ".join(f"{each['lag_ms']:.0f}" for each in got["AsyncConnector"])
    alone = middle(got["heartbeat alone"], "lag_ms")
    return [
        row(
            "1 GiB upload, peak memory over idle",
            "<= 16 MB",
            f"{over:.1f} MB (SDK {theirs['peak_over_idle']:.0f} MB)",
            over,
            16,
            least=False,
        ),
        row(
            "1 GiB upload, longest the event loop was held",
            "<= 25 ms",
            f"{lag:.0f} ms (rounds: {every}; the heartbeat without an upload {alone:.0f} ms)",
            lag,
            25,
            least=False,
        ),
    ]


def search(bench: Bench) -> list[Row]:
    """Search pages: to STIX, in the same memory, and against the SDK's aggregation."""
    return [*stix(bench), walk_memory(bench), *walk_speed(bench)]


def walk_memory(bench: Bench) -> Row:
    few, many = (100, 500) if bench.quick else (1_000, 10_000)
    url = bench.url("plain")
    peaks = [child("searching:connector", url=url, pages=pages, seconds=400)["peak"] for pages in (few, many)]
    over = peaks[1] - peaks[0]
    text = f"{over:.1f} MB ({peaks[0]:.0f} and {peaks[1]:.0f} MB)"
    return row(f"{few:,} and {many:,} pages, difference in peak memory", "<= 5 MB", text, over, 5, least=False)


def walk_speed(bench: Bench) -> list[Row]:
    """The walk with a bundle for each page, and without, which is what the SDK does."""
    url, pages = bench.url("slow"), 100 if bench.quick else 1_000
    modes = {
        "verdicts": lambda: child("searching:connector", url=url, pages=pages, stix=False),
        "with STIX": lambda: child("searching:connector", url=url, pages=pages),
        "SDK": lambda: child("searching:sdk", url=url, pages=pages),
    }
    got = in_rounds(bench, 2, modes, "seconds")
    bench.say(f"SDK: peak {middle(got['SDK'], 'peak'):.0f} MB")
    rows = []
    for name, asked, bound in (("verdicts", ">= 5x", 5.0), ("with STIX", "", None)):
        value = ratio(got["SDK"], got[name], "seconds")
        text = f"{value:.1f}x ({middle(got[name], 'seconds'):.1f} s, SDK {middle(got['SDK'], 'seconds'):.1f} s)"
        said = "with STIX" if got[name][0]["objects"] else "verdicts"
        figure = f"{pages:,} pages at 20 ms, {said}, against the SDK's aggregation"
        profile = ("searching:connector", {"url": bench.url("plain"), "pages": 100, "stix": said == "with STIX"})
        rows.append(
            Row(figure, asked, text) if bound is None else row(figure, asked, text, value, bound, profile=profile)
        )
    return rows


def stix(bench: Bench) -> list[Row]:
    """A search page of 100 to STIX bytes; the objects are compared first."""
    rows = []
    for name, lacks in (("orjson", None), ("standard library", without(bench.folder, "plain"))):
        value = child("searching:stix", lacks=lacks)["ratio"]
        figure = f"a search page of 100 to STIX bytes, against stix2 ({name})"
        rows.append(row(figure, ">= 50x", f"{value:.0f}x, equal object by object", value, 50))
    return rows


def start(bench: Bench) -> list[Row]:
    """The command line from cold."""
    count = 6 if bench.quick else 20
    found = child("starting:commands", url=bench.url("tls"), ca=str(bench.ca), count=count)["found"]
    wall, spent = ({name: median(each[n] for each in got) for name, got in found.items()} for n in (0, 1))
    for name in found:
        bench.say(f"{name}: {wall[name]:.0f} ms, CPU {spent[name]:.0f} ms (medians)")
    return [*start_of_help(spent), cold("wall", wall), cold("CPU", spent)]


def start_of_help(spent: dict[str, float]) -> list[Row]:
    over = spent["help"] - spent["bare"]
    told = f"{over:.0f} ms ({spent['help']:.0f}, bare Python {spent['bare']:.0f})"
    heavy = child("starting:imported")["names"]
    names = ", ".join(heavy) or "none"
    return [
        row("CPU of spectra --help over bare Python", "<= 100 ms", told, over, 100, least=False),
        row("httpx, stix2, jsonschema, pydantic imported for it", "none", names, len(heavy), 0, least=False),
    ]


def cold(kind: str, spent: dict[str, float]) -> Row:
    value = spent["look_up"] / spent["sdk"]
    text = f"{value:.2f}x ({spent['look_up']:.0f} ms, SDK {spent['sdk']:.0f} ms)"
    figure = f"one cold look-up over TLS, {kind}, against the SDK"
    return row(figure, "<= 1.6x", text, value, 1.6, least=False, profile=("profiling:imports", {}))


def validation(_bench: Bench) -> list[Row]:
    """The input of an action."""
    spent = child("checking:ten_hashes")["us"]
    return [row("validating ten hashes", "<= 0.2 ms", f"{spent / 1e3:.3f} ms", spent, 200, least=False)]


FIGURES: dict[str, Callable[[Bench], list[Row]]] = {
    "single": single,
    "bulk": bulk,
    "latency": latency,
    "upload": upload,
    "search": search,
    "start": start,
    "validation": validation,
}
