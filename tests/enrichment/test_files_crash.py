"""A copy from file to file that is killed again and again ends as if nothing had happened: every line once, in order."""

import json
import random
import subprocess
import sys
import time

from connector.enrichment.files.source import FileSource
from tests.enrichment.reading import events, read

KILLS = 20
COUNT = 30_000
COPY = """
import asyncio, sys
from pathlib import Path
from connector.enrichment.files.checkpoint import Checkpoint
from connector.enrichment.files.dead_letter import DeadLetters
from connector.enrichment.files.sink import FileSink
from connector.enrichment.files.source import FileSource
from connector.enrichment.values import Failure, Output

async def run(source, output):
    checkpoint = Checkpoint(Path(output + ".checkpoint"), durable=False)
    state = checkpoint.load() or {}
    sink = FileSink(Path(output), durable=False)
    letters = DeadLetters(Path(output + ".dead"), durable=False)
    events = FileSource(Path(source))
    await sink.open(state.get("sink"))
    await letters.open(state.get("dead"))
    await events.open(state.get("position"))

    async def settle(position):
        checkpoint.save({"position": position, "sink": await sink.sync(), "dead": await letters.sync()})

    if not state:
        await settle(None)
    print("ready", flush=True)
    n = 0
    async for batch in events.batches():
        if batch is None:
            continue
        dead = {n: Failure("odd", "it is odd") for n, event in enumerate(batch.events) if event.endswith(b"7}")}
        lines = [event for n, event in enumerate(batch.events) if n not in dead]
        await sink.write(Output(batch, lines, range(len(lines))))
        if dead:
            await letters.write(batch, dead)
        n += 1
        if n % 3 == 0:
            await settle(batch.position)
        await asyncio.sleep(0.004)
    await settle(batch.position if n else state["position"])
    checkpoint.close()
    print("done")

asyncio.run(run(*sys.argv[1:]))
"""


def test_twenty_kills_lose_nothing_and_write_nothing_twice(tmp_path):
    source, output = tmp_path / "events", tmp_path / "out"
    raw = [b'{"event":"%s","n":%d}' % (b"x" * (n % 50), n) for n in range(COUNT)]
    source.write_bytes(b"".join(line + b"\n" for line in raw))
    chance = random.Random(5)
    killed = 0

    for _ in range(KILLS):
        command = [sys.executable, "-c", COPY, str(source), str(output)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.0, 0.02))
            child.kill()
            killed += child.wait() == -9
    subprocess.run([sys.executable, "-c", COPY, str(source), str(output)], check=True, capture_output=True)

    assert killed >= KILLS / 2
    assert output.read_bytes() == b"".join(line + b"\n" for line in raw if not line.endswith(b"7}"))
    letters = [json.loads(line) for line in (tmp_path / "out.dead").read_bytes().splitlines()]
    assert [letter["event"].encode() for letter in letters] == [line for line in raw if line.endswith(b"7}")]
    assert len({letter["id"] for letter in letters}) == len(letters)
    assert len(events(read(FileSource(output)))) == COUNT - len(letters)
