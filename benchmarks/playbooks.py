"""The cost of running playbooks: of a step without durability, and of kept steps beside a bare DBOS workflow.

Every mode makes the same HTTP calls to a peer that answers at once. The bare modes are what a program has that uses
httpx, or DBOS with ``run_step_async``, directly and does nothing else.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness import ROOT, Bench, Measured, Row, child, environment, in_rounds, middle, ratio, row, stop

CORE = 0  # of the peer
STEPS = 20
BODY = {
    "action": "get_tags",
    "branch": "ok",
    "verdicts": [{"hash": "0" * 40, "classification": "malicious", "riskscore": 9, "threat_name": "Win32.Trojan.X"}]
    * 4,
    "stix": None,
    "notices": [],
    "result": {"tags": ["one", "two"]},
}
LONGEST = 120.0
BARE_RUN, BARE_QUEUE = "bare.run", "bare"


# --- the peer


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request on a connection at once."""
    body = json.dumps(BODY).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    try:
        while True:
            asked = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(asked.partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            writer.write(head + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve() -> None:
    os.sched_setaffinity(0, {CORE})
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.to_thread(sys.stdin.read)


@contextmanager
def peer() -> Iterator[str]:
    """The address of a peer, for the length of a block."""
    command = [sys.executable, "-m", "benchmarks.playbooks"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdin=pipe, stdout=pipe, text=True)
    try:
        port = json.loads(process.stdout.readline())["port"] if process.stdout else 0
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


# --- modes, each in a process of its own


def plain(url: str, count: int) -> Measured:
    """So many steps of one run that is not kept."""
    from pydantic import SecretStr

    from connector.playbooks.calling import Caller
    from connector.playbooks.runner import run

    async def timed() -> float:
        async with Caller(url, SecretStr("key")) as caller:
            await run(made(1), caller)
            started = time.perf_counter()
            ending = await run(made(count), caller)
            assert not ending.failed, ending
            return time.perf_counter() - started

    return {"ms": asyncio.run(timed()) * 1e3 / count}


def plain_bare(url: str, count: int) -> Measured:
    async def timed() -> float:
        async with poster(url) as post:
            await post()
            started = time.perf_counter()
            for _ in range(count):
                await post()
            return time.perf_counter() - started

    return {"ms": asyncio.run(timed()) * 1e3 / count}


def durable(url: str, state: str, runs: int, steps: int) -> Measured:
    """Runs side by side in one process, kept."""

    async def timed() -> float:
        async with opened(url, state) as engine:
            handles = [await engine.start(made(1, "first"))]
            await handles[0].get_result()
            started = time.perf_counter()
            handles = [await engine.start(made(steps, f"run-{n}")) for n in range(runs)]
            endings = [await handle.get_result() for handle in handles]
            assert not any(ending["sentence"] for ending in endings), endings
            return time.perf_counter() - started

    return {"rate": runs * steps / asyncio.run(timed())}


def durable_bare(url: str, state: str, runs: int, steps: int) -> Measured:
    async def timed() -> float:
        async with bare(url, state) as (start, walk):
            handle = await start(walk, 1)
            await handle.get_result()
            started = time.perf_counter()
            handles = [await start(walk, steps) for _ in range(runs)]
            for handle in handles:
                await handle.get_result()
            return time.perf_counter() - started

    return {"rate": runs * steps / asyncio.run(timed())}


def two_workers(url: str, state: str, runs: int, steps: int, kind: str) -> Measured:
    """Two processes that take runs from a queue as they come."""
    os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
    given = json.dumps({"url": url, "state": state})
    command = [sys.executable, "-m", "benchmarks.playbooks", kind, given]
    pipe = subprocess.PIPE
    workers = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    try:
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        started = time.perf_counter()
        shares = leave(state, runs, steps, kind)
        return {"rate": runs * steps / (time.perf_counter() - started), "shares": shares}
    finally:
        for worker in workers:
            stop(worker)


def leave(state: str, runs: int, steps: int, kind: str) -> list[int]:
    """Put runs into the queue and wait until all are done; how many of them each worker did."""
    from collections import Counter

    from dbos import DBOSClient, DBOSPortableJSONSerializer

    from connector.playbooks.durable.engine import APPLICATION, RUN, RUNS
    from connector.playbooks.order import RULES

    ours = kind == "worker"
    client = DBOSClient(
        system_database_url=state, serializer=DBOSPortableJSONSerializer(), application_name=APPLICATION
    )
    name, queue = (RUN, RUNS) if ours else (BARE_RUN, BARE_QUEUE)
    shared = client.retrieve_queue(queue)
    assert shared is not None
    shared.set_worker_concurrency(runs // 2)  # else the one that looks first may take all
    prefix = f"{kind}-{time.time_ns()}-"
    for number in range(runs):
        run = f"{prefix}{number}"
        options: Any = {"workflow_name": name, "queue_name": queue, "workflow_id": run, "app_version": RULES}
        client.enqueue(options, made(steps, run).as_dict() if ours else steps)
    end = time.monotonic() + LONGEST
    while True:
        found = client.list_workflows(workflow_id_prefix=prefix, load_input=False, load_output=False)
        states = Counter(one.status for one in found)
        if states["SUCCESS"] == runs:
            client.destroy()
            return sorted(Counter(str(one.executor_id) for one in found).values())
        assert not states["ERROR"], states
        assert time.monotonic() < end, states
        time.sleep(0.05)


async def worker(url: str, state: str) -> None:
    from connector.playbooks.durable.engine import RUNS

    async with opened(url, state, (RUNS,)):
        await until_told()


async def bare_worker(url: str, state: str) -> None:
    async with bare(url, state):
        await until_told()


async def until_told() -> None:
    await asyncio.sleep(1.5)  # DBOS looks once in a second for new queues; both workers shall take from them
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


# --- what they are made of


def made(steps: int, run: str = "run") -> Any:
    """An order of so many calls, one after the other, each of which takes something from its answer."""
    from connector.playbooks.extension import ANSWER
    from tests.playbooks.victim_books import chain, order

    playbook = chain(steps)
    playbook["playbook_variables"]["__x__"] = {"type": "string", "value": ""}
    for step in playbook["workflow"].values():
        if step["type"] == "action":
            step["step_extensions"] = {ANSWER: {"out_map": {"__x__": "$.branch"}}}
    return order(playbook, run)


def opened(url: str, state: str, queues: tuple[str, ...] = ()) -> Any:
    from pydantic import SecretStr

    from connector.playbooks.durable.hosting import Hosting, hosting
    from connector.playbooks.durable.state import State

    return hosting(Hosting(state=State.of(state), server=url, api_key=SecretStr("key")), queues)


def poster(url: str) -> Any:
    """A client, and one call with it as the runner makes it: the answer as a step would keep it."""
    import ssl
    from contextlib import asynccontextmanager

    import httpx

    content = json.dumps({"hash_value": "0" * 40}).encode()
    headers = {"Content-Type": "application/json", "Authorization": "Bearer key", "Idempotency-Key": "run:1"}

    @asynccontextmanager
    async def client() -> Any:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=20)
        more: Any = {"trust_env": False, "limits": limits, "timeout": httpx.Timeout(None, connect=10.0)}
        async with httpx.AsyncClient(verify=ssl.create_default_context(), **more) as http:

            async def post() -> dict[str, Any]:
                response = await http.post(f"{url}/actions/get_tags", content=content, headers=headers)
                return {"at": time.time(), "status": response.status_code, "body": response.json()}

            yield post

    return client()


def bare(url: str, state: str) -> Any:
    """DBOS as the engine sets it up, and a workflow of so many calls."""
    from contextlib import asynccontextmanager
    from uuid import uuid4

    from dbos import DBOS

    from connector.playbooks.durable.engine import POLL_SECONDS, config
    from connector.playbooks.durable.state import State

    @asynccontextmanager
    async def running() -> Any:
        where = State.of(state)
        where.prepare()
        async with poster(url) as post:
            DBOS(config=config(where, str(uuid4())))

            @DBOS.workflow(name=BARE_RUN)
            async def walk(steps: int) -> None:
                for number in range(steps):
                    await DBOS.run_step_async({"name": f"{number}"}, post)

            DBOS.launch()
            await DBOS.register_queue_async(BARE_QUEUE, polling_interval_sec=POLL_SECONDS)
            try:
                yield DBOS.start_workflow_async, walk
            finally:
                await asyncio.to_thread(DBOS.destroy)

    return running()


# --- figures


def playbooks(bench: Bench) -> list[Row]:
    """The runner, kept and not, beside what it is made of."""
    with peer() as url:
        return [not_kept(bench, url), *kept_in_a_file(bench, url), *kept_on_a_server(bench, url)]


def not_kept(bench: Bench, url: str) -> Row:
    count = 200 if bench.quick else 500
    modes = {
        "steps": lambda: child("playbooks:plain", url=url, count=count),
        "bare calls": lambda: child("playbooks:plain_bare", url=url, count=count),
    }
    got = in_rounds(bench, 5, modes, "ms")
    over = median(one["ms"] - other["ms"] for one, other in zip(got["steps"], got["bare calls"], strict=True))
    text = f"{over:.2f} ms ({middle(got['steps'], 'ms'):.2f}, bare {middle(got['bare calls'], 'ms'):.2f})"
    profile = ("playbooks:plain", {"url": url, "count": count})
    return row(
        "a step that is not kept, over its bare HTTP call", "<= 3 ms", text, over, 3, least=False, profile=profile
    )


def kept_in_a_file(bench: Bench, url: str) -> list[Row]:
    folder, size = bench.folder / "playbooks", {"runs": 10 if bench.quick else 25, "steps": STEPS}
    modes = {
        name: fresh(folder, lambda state, mode=mode: child(f"playbooks:{mode}", url=url, state=state, **size))
        for name, mode in (("kept", "durable"), ("bare DBOS", "durable_bare"))
    }
    return beside(in_rounds(bench, 5, modes, "rate"), "kept steps on SQLite", 50)


def kept_on_a_server(bench: Bench, url: str) -> list[Row]:
    from tests.playbooks.postgres import binaries, postgres

    if binaries() is None:
        return [Row("kept steps on PostgreSQL, two workers", ">= 200/s", "not measured: PostgreSQL is not here")]
    size = {"runs": 30 if bench.quick else 100, "steps": STEPS}
    with postgres() as state:
        modes = {
            name: lambda kind=kind: child("playbooks:two_workers", url=url, state=state, kind=kind, **size)
            for name, kind in (("kept", "worker"), ("bare DBOS", "bare_worker"))
        }
        got = in_rounds(bench, 5, modes, "rate")
    for name, found in got.items():
        bench.say(f"{name}: runs of each worker {', '.join('+'.join(map(str, one['shares'])) for one in found)}")
    return beside(got, "kept steps on PostgreSQL, two workers", 200)


def fresh(folder: Path, mode: Callable[[str], Measured]) -> Callable[[], Measured]:
    """A mode on a new state each time."""
    return lambda: mode(str(folder / f"{time.time_ns()}"))


def beside(got: dict[str, list[Measured]], figure: str, least: float) -> list[Row]:
    rate, share = middle(got["kept"], "rate"), ratio(got["kept"], got["bare DBOS"], "rate")
    text = f"{share:.2f}x ({rate:.0f}/s, bare {middle(got['bare DBOS'], 'rate'):.0f}/s)"
    return [
        row(figure, f">= {least:.0f}/s", f"{rate:.0f}/s", rate, least),
        row("the same against a bare DBOS workflow of the same calls", ">= 0.8x", text, share, 0.8),
    ]


ROLES: dict[str, Callable[..., Awaitable[None]]] = {"worker": worker, "bare_worker": bare_worker}


if __name__ == "__main__":
    asyncio.run(ROLES[sys.argv[1]](**json.loads(sys.argv[2])) if len(sys.argv) > 1 else serve())
