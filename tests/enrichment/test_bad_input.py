"""Input and outputs that misbehave: each event ends enriched, passed on or dead, and the counts are those of the lines.

What a line is worth is known by eye here, so the summary is not believed: it is held against what was written.
"""

import base64
import json
import resource
import sys
import threading
from pathlib import Path

import pytest

from tests.enrichment.desk import Desk, event, sha1, until
from tests.enrichment.place import Said, place

BOM = b"\xef\xbb\xbf"
BIG = 50_000_000


@pytest.fixture
def desk(lab, tmp_path):
    desk = Desk(lab, tmp_path)
    desk.load()
    yield desk
    desk.require_no_secret()


def reasons(letters):
    return [letter["reason"] for letter in letters]


def raw(letter):
    """The bytes of the event in a letter."""
    return letter["event"].encode() if "event" in letter else base64.b64decode(letter["event_base64"])


def test_every_line_of_a_messy_file_ends_in_one_way_and_the_counts_are_those_of_the_lines(desk):
    good, nested = event(1), b'{"a":' * 5_000 + b"1" + b"}" * 5_000
    dead = {
        "not_json": [b'{"n": 1', b"nonsense here", b'{"n": 1} {"n": 2}', b"\x00\x01", b'{"n": NaN}'],
        "not_an_object": [b"[1, 2]", b'"text"', b"17", b"null"],
        "not_utf8": [b'{"n": "\xff\xfe"}', b"\xc3\x28"],
        "too_deep": [nested],
        "too_long": [b'{"n": "' + b"x" * 3_000_000 + b'"}'],
    }
    passed = [
        b"{}",
        b'{"n": 1}',
        b'{"file": {"hash": {"sha1": "abc"}}}',
        json.dumps({"file": {"hash": {"sha1": sha1(1)[1:], "sha256": "g" * 64}}}).encode(),
        b'{"file": {"hash": {"sha1": null, "md5": 7}}}',
        b'{"file": ["no", "object"]}',
        event(77),
        b"   ",
    ]
    lines = [good, *passed, *(line for kind in dead.values() for line in kind), event(2)]
    # the file begins with a mark, ends lines in two ways, has empty ones, and stops within its last line
    (desk.folder / "in").write_bytes(BOM + b"\r\n\n".join(lines) + b"\n" + event(3))

    ran = desk.enrich("--summary", "told.json")

    written = (desk.folder / "out").read_bytes().splitlines()
    letters = desk.lines("out.dead-letter.ndjson")
    told = ran.summary
    desk.require_whole(told, written, letters)
    assert [json.loads(line)["n"] for line in (written[0], written[-2], written[-1])] == [1, 2, 3]
    assert all(b"enrichments" in line for line in (written[0], written[-2], written[-1]))
    assert written[1:-2] == passed, "what names nothing that is known passes as it came, byte for byte"
    assert reasons(letters) == [reason for reason, kind in dead.items() for _ in kind]
    kept = [line for reason, kind in dead.items() for line in kind if reason != "too_long"]
    assert [raw(letter) for letter in letters[:-1]] == kept, "a dead event is kept byte for byte"
    assert (desk.folder / letters[-1]["event_file"]).read_bytes() == dead["too_long"][0] + b"\r"
    assert all(letter["detail"] and letter["attempts"] == 1 for letter in letters)
    assert told["events"]["read"] == len(lines) + 1
    assert told["malformed_hashes"] == 4
    assert (told["events"]["passed"]["not_found"], told["events"]["enriched"]) == (1, 3)


def peak(desk, *arguments, **more):
    """A run, and the most memory that its process ever had, in bytes."""
    command = desk.start(*arguments, **more)
    with Path(f"/proc/{command.pid}/status").open() as stream:
        seen = 0
        while command.poll() is None:
            stream.seek(0)
            found = [line.split()[1] for line in stream if line.startswith("VmHWM")]
            seen = max([seen, *map(int, found)])
            threading.Event().wait(0.005)
    return desk.ended(command), seen * 1024


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the kernel's account of a process")
def test_a_line_of_50_mb_takes_no_memory_of_its_size_and_is_kept(desk):
    desk.write("small", event(1), event(2))
    with (desk.folder / "in").open("wb") as stream:
        stream.write(event(1) + b'\n{"n": "' + b"x" * BIG + b'"}\n' + event(2) + b"\n")

    small, before = peak(desk, "--input", "small", "--output", "small.out")
    big, after = peak(desk, "--input", "in", "--output", "out")

    assert (small.code, big.code) == (0, 0)
    (letter,) = desk.lines("out.dead-letter.ndjson")
    desk.require_whole(big.summary, desk.lines("out"), [letter])
    assert letter["reason"] == "too_long"
    assert (desk.folder / letter["event_file"]).stat().st_size == BIG + 9
    assert [line["n"] for line in desk.lines("out")] == [1, 2]
    assert after - before < 20_000_000, f"{(after - before) / 1e6:.1f} MB more than a run without it"


@pytest.mark.slow
def test_a_line_of_50_mb_is_enriched_where_such_lines_are_allowed(desk):
    long = json.dumps({"n": 1, "file": {"hash": {"sha1": sha1(1)}}, "text": "x" * BIG}).encode()
    desk.write("in", long)

    ran = desk.enrich("--max-line", str(BIG * 2))

    desk.require_whole(ran.summary, desk.lines("out"), [])
    written = (desk.folder / "out").read_bytes()
    assert written.startswith(long[:-1])
    assert b'"classification":"malicious"' in written[len(long) - 1 :]


def test_events_in_a_list_and_a_csv_file_that_are_none_are_dead_too(desk):
    desk.write("list", sha1(1).encode(), sha1(1)[:-1].encode(), b"", b"not a hash", b"\xff")
    desk.write("csv", b"name,sha1", b"a," + sha1(1).encode(), b"b", b"c,d,e", b'"d,' + sha1(1).encode())

    listed = desk.enrich("--shape", "list", source="list", output="list.out")
    rows = desk.enrich("--shape", "csv", source="csv", output="csv.out")

    for ran, name, reason, count in ((listed, "list", "not_a_hash", 2), (rows, "csv", "csv_row", 3)):
        letters = desk.lines(f"{name}.out.dead-letter.ndjson")
        desk.require_whole(ran.summary, desk.lines(f"{name}.out"), letters)
        assert ran.summary["events"]["enriched"] == 1
        assert reasons(letters)[:count] == [reason] * count
    assert reasons(desk.lines("list.out.dead-letter.ndjson"))[2:] == ["not_utf8"]


def test_an_empty_input_is_no_error(desk):
    for name, content in (("empty", b""), ("blank", b"\n\r\n\n"), ("mark", BOM)):
        (desk.folder / name).write_bytes(content)
        ran = desk.enrich(source=name, output=f"{name}.out")
        assert ran.summary["events"]["adds_up"], name
        assert ran.summary["events"]["dead"] == 0, name
    assert desk.run(stdin=b"").code == 0


def test_dead_letters_come_back_when_what_was_wrong_is_mended(desk):
    """Letters are mended with an editor, one is left as it is, and the replay brings back the rest."""
    desk.write("in", event(1), b'{"n": 2, "file"', event(3), b"nonsense", b"\xff\xfe")
    desk.enrich()
    letters = desk.lines("out.dead-letter.ndjson")
    assert reasons(letters) == ["not_json", "not_json", "not_utf8"]
    letters[0]["event"] = event(2).decode()
    letters[2] = {**letters[2], "event": event(5).decode()}
    del letters[2]["event_base64"]
    mended = [{"event": letter.pop("event"), **letter} for letter in letters]  # a letter begins with its event
    desk.write("mended", *(json.dumps(letter).encode() for letter in mended))

    ran = desk.enrich("--replay", source="mended", output="back")

    assert ran.code == 0, ran
    left = desk.lines("back.dead-letter.ndjson")
    desk.require_whole(ran.summary, desk.lines("back"), left)
    assert [line["n"] for line in desk.lines("back")] == [2, 5]
    assert "threat" in desk.lines("back")[0]
    assert [(letter["event"], letter["attempts"], letter["id"]) for letter in left] == [
        ("nonsense", 2, letters[1]["id"])
    ], "the same event, by the same id, tried twice"


def test_a_long_line_comes_back_when_it_may_be_longer(desk):
    long = json.dumps({"n": 1, "file": {"hash": {"sha1": sha1(1)}}, "text": "x" * 5_000}).encode()
    desk.write("in", long, event(2))
    desk.enrich("--max-line", "1024")
    assert reasons(desk.lines("out.dead-letter.ndjson")) == ["too_long"]

    ran = desk.enrich("--replay", source="out.dead-letter.ndjson", output="back")

    desk.require_whole(ran.summary, desk.lines("back"), [])
    assert (desk.folder / "back").read_bytes().startswith(long[:-1])


# --- outputs that misbehave


def test_an_event_that_the_receiver_refuses_is_dead_and_the_others_are_there(desk):
    def answer(asked):
        return Said(413 if b'"n": 4' in asked.body else 200)

    desk.write("in", *(event(n, 1) for n in range(1, 8)))
    with place(answer) as there:
        ran = desk.enrich("--dead-letter", "letters", output=f"{there.base}/in")
        got = [
            json.loads(line) for asked in there.asked for line in asked.body.splitlines() if b'"n": 4' not in asked.body
        ]

    letters = desk.lines("letters")
    desk.require_whole(ran.summary, got, letters)
    assert sorted(line["n"] for line in got) == [1, 2, 3, 5, 6, 7]
    assert [(letter["reason"], json.loads(letter["event"])["n"]) for letter in letters] == [("refused", 4)]
    assert ran.summary["lines"] == {"written": 6, "refused": 1}


def test_an_object_that_sentinel_does_not_take_is_dead(desk):
    refused = []

    def answer(asked):
        objects = json.loads(asked.body)["stixobjects"]
        bad = [n for n, each in enumerate(objects) if "suspicious" in each.get("labels", ())]
        refused.extend(bad)
        errors = [{"recordIndex": n, "errorMessages": ["Error for Property=pattern"]} for n in bad]
        return Said(200, json.dumps({"errors": errors}).encode())

    desk.write("in", event(1), event(2), event(3))
    with place(answer) as there:
        ran = desk.enrich("--format", "sentinel", "--dead-letter", "letters", output=f"{there.base}/upload")

    assert refused
    letters = desk.lines("letters")
    assert [(letter["reason"], json.loads(letter["event"])["n"]) for letter in letters] == [("refused", 2)]
    assert "pattern" in letters[0]["detail"]
    assert ran.summary["events"]["adds_up"]
    assert ran.summary["events"]["dead_by_reason"] == {"refused": 1}


def test_a_receiver_that_is_away_for_a_moment_gets_everything(desk):
    said = iter([Said(503), Said(429, headers={"Retry-After": "1"})])
    desk.write("in", *(event(n, 1) for n in range(5)))

    with place(lambda _: next(said, Said())) as there:
        ran = desk.enrich(output=f"{there.base}/in")
        got = [json.loads(line)["n"] for line in there.asked[-1].body.splitlines()]

    assert ran.code == 0, ran
    assert (got, len(there.asked)) == (list(range(5)), 3)
    assert ran.summary["events"]["adds_up"]


def small_files(most):
    """A disk that is full after so many bytes of a file, as the kernel enforces it."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    return limit


def test_a_full_disk_ends_it_at_once_and_the_same_command_completes_the_output(desk):
    desk.write("in", *(event(n, 1 + n % 3) if n % 100 else b"{" for n in range(20_000)))
    assert desk.enrich(output="whole").code == 0

    full = desk.enrich("--cache", "none", preexec_fn=small_files(1_000_000))
    assert full.code == 2, full
    assert "cannot be written" in full.error["message"]
    assert "out" in full.error["message"]
    assert (desk.folder / "out").stat().st_size <= 1_000_000
    again = desk.enrich()

    assert again.code == 0, again
    assert (desk.folder / "out").read_bytes() == (desk.folder / "whole").read_bytes()
    desk.require_whole(again.summary, desk.lines("out"), desk.lines("out.dead-letter.ndjson"))


def test_a_device_that_is_full_ends_it_too(desk):
    desk.write("in", event(1))

    with Path("/dev/full").open("wb") as full:
        standard = desk.run("--input", "in", stdout=full)
    named = desk.enrich(output="/dev/full")

    assert standard.code == named.code == 2
    assert "No space left" in standard.err
    assert "No space left" in named.error["message"]


def test_a_reader_that_leaves_ends_it_without_a_word_of_python(desk):
    desk.write("in", *(event(n, 1) for n in range(50_000)))

    with desk.running("--input", "in") as process:
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        code = process.wait(20)
        err = process.stderr.read().decode()

    assert code == 2
    assert "has ended" in err
    assert "Traceback" not in err


def test_two_runs_do_not_write_one_file(desk):
    desk.write("in", event(1))

    with desk.running("--input", "in", "--output", "out", "--follow"):
        until(lambda: desk.lines("out"), "the first event is out")
        refused = desk.enrich()

    assert refused.code == 2
    assert "in use by another run" in refused.error["message"]
    assert len(desk.lines("out")) == 1
