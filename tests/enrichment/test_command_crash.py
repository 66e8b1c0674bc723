"""``spectra enrich`` stopped and killed in the middle: the same command then gives what one run would have given."""

import json
import signal
import subprocess
import time
from contextlib import suppress

import pytest

from tests.enrichment.desk import LOOK_UP, Desk, event, stopped, until

SUBJECTS = 97
SMALL = ("--input", "in", "--output", "out", "--summary", "told.json", "--at-once", "16")


@pytest.fixture
def desk(lab, tmp_path):
    desk = Desk(lab, tmp_path)
    desk.load()
    return desk


def stream(desk, count, subjects=SUBJECTS, every=500):
    """Events as a SIEM has them, the same subjects over and over, and now and then one that is none."""
    made = (b'{"broken' if n % every == every - 1 else event(n, 1 + n % subjects) for n in range(count))
    desk.write("in", *made)


def expected(desk):
    """The output and the dead letters of a run that nothing interrupts, with a cache of its own."""
    assert desk.enrich("--cache", "none", output="whole").code == 0
    return (desk.folder / "whole").read_bytes(), letters(desk, "whole")


def letters(desk, output="out"):
    """The dead letters, but for when they were written and by which run."""
    told = desk.lines(f"{output}.dead-letter.ndjson")
    return [{name: value for name, value in letter.items() if name not in {"at", "run"}} for letter in told]


def require_as_one(desk, whole):
    """What is there now is what one run would have written, and the summary counts it once."""
    assert (desk.folder / "out").read_bytes() == whole[0]
    assert letters(desk) == whole[1]
    desk.require_whole(told(desk), desk.lines("out"), desk.lines("out.dead-letter.ndjson"))
    assert {path.name for path in desk.folder.glob("out*")} == {"out", "out.dead-letter.ndjson"}


def told(desk):
    return json.loads((desk.folder / "told.json").read_text())


def size(desk):
    path = desk.folder / "out"
    return path.stat().st_size if path.exists() else 0


@pytest.mark.slow
def test_stopped_in_the_middle_it_ends_in_order_and_the_same_command_completes_it(desk):
    stream(desk, 20_000)
    whole = expected(desk)
    desk.lab.fault(LOOK_UP, "GET", delay_seconds=0.4)

    with desk.running(*SMALL) as process:
        until(lambda: desk.asked > SUBJECTS + 5, "it looks things up")
        seconds = stopped(process)
        assert process.returncode == 0
    assert seconds < 10
    assert told(desk)["events"]["adds_up"]
    assert (desk.folder / "out.checkpoint").exists()
    assert size(desk) < len(whole[0])

    assert desk.run(*SMALL).code == 0
    require_as_one(desk, whole)


@pytest.mark.slow
def test_an_appliance_that_does_not_answer_does_not_keep_it_from_stopping(desk):
    """More batches wait for answers than have room, so its end does not wait for any of them."""
    desk.write("in", *(event(n, n + 1) for n in range(12_000)))
    desk.lab.fault(LOOK_UP, "GET", delay_seconds=25)

    with desk.running("--input", "in", "--output", "out") as process:
        until((desk.folder / "out.checkpoint").exists, "it has begun")
        seconds = stopped(process)
        err = process.stderr.read()

    assert process.returncode == 0, err
    assert b"Traceback" not in err
    assert seconds < 10
    assert size(desk) == 0
    desk.forget_faults()


def test_a_second_signal_ends_it_at_once(desk):
    stream(desk, 2_000)
    desk.lab.fault(LOOK_UP, "GET", delay_seconds=5)

    with desk.running(*SMALL) as process:
        until((desk.folder / "out.checkpoint").exists, "it has begun")
        begun = time.monotonic()
        until(lambda: process.send_signal(signal.SIGTERM) or process.poll() is not None, "it is gone", 5)
        seconds = time.monotonic() - begun

    assert process.returncode == 128 + signal.SIGTERM
    assert seconds < 2
    desk.forget_faults()
    assert desk.run(*SMALL).code == 0
    assert len(desk.lines("out")) == 2_000 - 4


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--unordered",)])
def test_killed_again_and_again_every_event_is_there_once(desk, more):
    """At once after its first line, before and after its first checkpoint, and while it goes on from one."""
    count, subjects = 40_000, 1_200
    more = ("--rate", "400", *more)
    desk.write("in", *(b"{" if n % 4_999 == 7 else event(n, 1 + n * subjects // count) for n in range(count)))
    whole = expected(desk)
    kills = 0

    for seconds in (0, 0.05, 0.3, 1.2, 0, 0.6):
        with desk.running(*SMALL, *more) as process:
            begun = size(desk)
            until(lambda begun=begun, one=process: size(desk) != begun or one.poll() is not None, "it writes")
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            kills += process.poll() is None
    ran = desk.run(*SMALL, *more)

    assert ran.code == 0, ran
    assert kills >= 4
    if "--unordered" in more:
        desk.require_whole(told(desk), desk.lines("out"), desk.lines("out.dead-letter.ndjson"))
        assert sorted((desk.folder / "out").read_bytes().splitlines()) == sorted(whole[0].splitlines())
    else:
        require_as_one(desk, whole)


def test_a_run_that_failed_before_its_first_checkpoint_goes_on_all_the_same(desk):
    stream(desk, 5_000)
    desk.lab.tell(
        "faults", faults=[{"match": {"method": "GET", "path": LOOK_UP}, "nth": 60, "status": 403, "body": "json"}]
    )

    failed = desk.run(*SMALL)
    again = desk.run(*SMALL)

    assert failed.code == 3, failed
    assert again.code == 0, again
    desk.require_whole(told(desk), desk.lines("out"), desk.lines("out.dead-letter.ndjson"))
