"""``spectra enrich`` from outside: what goes in, what comes out, what it says of itself, and how it ends."""

import json
import re
import socket
from http.client import HTTPConnection

import pytest

from connector.enrichment.order import EMITS
from tests.enrichment.desk import LOOK_UP, WORDS, Desk, event, sha1, stopped, until

# Where the verdict stands in a line, and what a line is told of: every finding, or threats only.
VERDICTS = {
    ("ecs", "events"): lambda line: line["threat"]["enrichments"][0]["reversinglabs"]["classification"],
    ("ecs", "indicators"): lambda line: line["reversinglabs"]["classification"],
    ("ocsf", "events"): lambda line: line["enrichments"][0]["data"]["classification"],
    ("ocsf", "indicators"): lambda line: line["osint"][0]["labels"][0],
    ("ocsf", "findings"): lambda line: line["finding_info"]["title"].partition(":")[0],
    ("splunk", "events"): lambda line: line["rl_classification"],
    ("splunk", "indicators"): lambda line: line["description"].partition("(")[2].partition(",")[0],
    ("sentinel", "indicators"): lambda line: line["labels"][0],
    ("stix", "indicators"): lambda line: next(each for each in line["objects"] if each["type"] == "malware-analysis")[
        "labels"
    ][0],
}
THREATS_ONLY = {("ecs", "indicators"), ("ocsf", "findings"), ("splunk", "indicators"), ("sentinel", "indicators")}


@pytest.fixture
def desk(lab, tmp_path):
    desk = Desk(lab, tmp_path)
    yield desk
    desk.require_no_secret()


def word(line):
    """What is said of an ECS event; None for one that passed."""
    return VERDICTS["ecs", "events"](line) if "threat" in line else None


@pytest.mark.parametrize(("form", "emit"), [(form, emit) for form, emits in EMITS.items() for emit in emits])
def test_every_format_says_the_right_verdict_of_the_right_file(desk, form, emit):
    hashes = desk.load()
    desk.write("in", *(event(number) for number in range(1, 5)))

    ran = desk.run("--input", "in", "--format", form, "--emit", emit, "--summary", "told.json")

    assert ran.code == 0
    lines = ran.out.decode().splitlines()
    if form == "cef":
        said = [re.search(r" cat=(\w+) ", line)[1] for line in lines]
    else:
        lines = [json.loads(line) for line in lines]
        if form == "sentinel":
            lines = [each for line in lines for each in line["stixobjects"] if each["type"] == "indicator"]
        if emit == "events":
            assert lines.pop() == json.loads(event(4)), "nobody knows it, so it passes as it came"
        said = [VERDICTS[form, emit](line) for line in lines]
        lines = [json.dumps(line) for line in lines]
    assert said == [each for each in WORDS if each != "goodware" or (form, emit) not in THREATS_ONLY]
    for one, line in zip(said, lines, strict=True):
        assert hashes[one]["sha256"] in line
    told = json.loads((desk.folder / "told.json").read_text())
    assert told["events"]["read"] == 4
    assert told["events"]["adds_up"]


def test_events_come_from_standard_input_and_go_to_standard_output_in_order(desk):
    desk.load()

    ran = desk.run(stdin=b"\n".join(event(number) for number in (3, 9, 1, 2, 1)))

    assert ran.code == 0
    assert [(line["n"], word(line)) for line in ran.lines] == [
        *((3, "goodware"), (9, None), (1, "malicious"), (2, "suspicious"), (1, "malicious"))
    ]
    assert "adds_up" not in ran.err
    assert re.search(r"malicious +2", ran.err), "the table is on standard error, out of the way of the events"


def test_a_list_and_a_csv_file_become_events(desk):
    hashes = desk.load()
    desk.write("list", b"# of today", sha1(1).upper().encode(), hashes["goodware"]["md5"].encode())
    desk.write("csv", b"name;sha256", f"a.exe;{hashes['suspicious']['sha256']}".encode())

    listed = desk.run("--input", "list", "--shape", "list")
    rows = desk.run("--input", "csv", "--shape", "csv")

    comment, *lines = listed.out.splitlines()
    assert comment == b"# of today"
    assert [(json.loads(line)["hash"], word(json.loads(line))) for line in lines] == [
        *((sha1(1).upper(), "malicious"), (hashes["goodware"]["md5"], "goodware"))
    ]
    assert [(line["name"], word(line)) for line in rows.lines] == [("a.exe", "suspicious")]


def test_only_the_fields_and_the_verdicts_that_were_named_are_told(desk):
    desk.load()
    desk.write("in", *(json.dumps({"a": {"b": sha1(n)}, "file": {"hash": {"sha1": sha1(1)}}}).encode() for n in (2, 3)))

    ran = desk.run("--input", "in", "--field", "a.b", "--only", "suspicious", "--only", "malicious")

    assert [word(line) for line in ran.lines] == ["suspicious", None]
    assert desk.asked == 2, "what another field names is not asked for"


def test_urls_are_looked_up_only_when_they_may_go_to_the_cloud(desk):
    url = "http://files.example.com/setup.exe"
    desk.lab.load(url=url, classification="malicious", threat_name="Win32.Downloader.Imaginary")
    desk.write("in", json.dumps({"ecs": {"version": "9.4.0"}, "url": {"full": url}}).encode())

    without = desk.enrich()
    refused = desk.enrich("--urls", output="refused")
    allowed = desk.enrich("--urls", output="allowed", env={"SPECTRA_ALLOW_CLOUD": "true"})

    assert without.code == allowed.code == 0, allowed.out
    assert [word(line) for line in desk.lines("out")] == [None]
    assert refused.code == 2
    assert "urls" in refused.error["message"]
    assert "allow_cloud" in refused.error["hint"]
    assert not (desk.folder / "refused").exists()
    assert [word(line) for line in desk.lines("allowed")] == ["malicious"]


def test_dead_letters_and_the_checkpoint_lie_beside_the_output(desk):
    desk.write("in", *(event(number) for number in range(1, 20)), b"no event")
    desk.lab.fault(LOOK_UP, "GET", delay_seconds=0.05)

    with desk.running("--input", "in", "--output", "out", "--at-once", "1") as process:
        until((desk.folder / "out.checkpoint.lock").exists, "the checkpoint is taken")
        assert process.wait(30) == 0

    assert [letter["event"] for letter in desk.lines("out.dead-letter.ndjson")] == ["no event"]
    assert {path.name for path in desk.folder.iterdir()} == {"in", "out", "out.dead-letter.ndjson", "state"}


def test_without_a_file_of_output_dead_letters_go_into_the_current_folder(desk):
    ran = desk.run(stdin=b"no event\n" + event(1))

    assert [line["n"] for line in ran.lines] == [1]
    assert [letter["event"] for letter in desk.lines("spectra-enrich.dead-letter.ndjson")] == ["no event"]


def test_a_second_run_asks_nothing_unless_there_is_no_cache(desk):
    desk.load()
    desk.write("in", *(event(1 + number % 6) for number in range(50)))

    first = desk.enrich()
    assert desk.asked == 6
    second = desk.enrich(output="again")
    assert desk.asked == 6
    assert (desk.folder / "again").read_bytes() == (desk.folder / "out").read_bytes()
    desk.enrich("--cache", "none", output="third")
    assert desk.asked == 2 * 6

    assert first.summary["answers"]["appliance"] == 6
    assert second.summary["answers"]["appliance"] == 0
    assert second.summary["cache"]["hit_ratio"] == 1


def test_nothing_is_written_over_an_output_that_is_there(desk):
    desk.write("in", event(1))
    desk.write("out", b"somebody's")

    refused = desk.enrich()
    assert refused.code == 2
    assert "append" in refused.error["hint"]
    assert (desk.folder / "out").read_bytes() == b"somebody's\n"

    assert desk.enrich("--append").code == 0
    assert (desk.folder / "out").read_bytes() == b"somebody's\n" + event(1) + b"\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--input", "missing"), "input"),
        (("--at-once", "0"), "at_once"),
        (("--quota", "0"), "quota"),
        (("--lifetime", "malicious=soon"), "lifetime"),
        (("--format", "cef", "--emit", "events"), "emit"),
        (("--field", "a..b"), "field"),
        (("--follow", "--replay"), "follow"),
        (("--input", "redis://127.0.0.1/0?stream=a"), "group"),
        (("--output", "gopher://127.0.0.1/"), "output"),
        (("--output", "missing/out"), "output"),
        (("--dead-letter", "missing/letters"), "dead_letter"),
        (("--checkpoint", "missing/checkpoint"), "checkpoint"),
        (("--summary", "missing/told.json"), "summary"),
        (("--html", "missing/told.html"), "html"),
        (("--metrics", "nonsense"), "metrics"),
    ],
)
def test_what_cannot_be_done_is_refused_by_the_name_of_its_option(desk, arguments, named):
    desk.write("in", event(1), b"no event")

    ran = desk.run("--input", "in", "--output", "out", *arguments)

    assert ran.code == 2, ran
    told = ran.error
    assert re.search(named, json.dumps(told)), told
    assert desk.lines("out") in ([], [json.loads(event(1))])


def test_a_word_that_is_no_choice_is_refused_before_anything_starts(desk):
    ran = desk.enrich("--format", "xml")

    assert ran.code == 2
    assert "--format" in ran.err


def test_a_wrong_token_ends_it_with_3_and_an_appliance_that_is_away_with_4(desk):
    desk.write("in", event(1))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{closed.getsockname()[1]}"

        refused = desk.enrich(env={"SPECTRA_TOKEN": "not-the-token"})
        missing = desk.enrich("--patience", "0.5", output="other", env={"SPECTRA_URL": away})

    assert (refused.code, refused.error["status"]) == (3, 403)
    assert "not-the-token" not in refused.out.decode() + refused.err
    assert missing.code == 4, missing
    assert desk.enrich().code == 0, "with the right token the same command goes on"
    assert desk.lines("out") == [json.loads(event(1))]


def test_an_error_does_not_stand_among_the_events_of_standard_output(desk):
    refused = desk.run(stdin=event(1), env={"SPECTRA_TOKEN": "not-the-token"})

    assert refused.code == 3
    assert refused.out == b""
    assert refused.err.startswith("error: ")


# --- what is to be looked at


def test_the_summary_is_written_as_json_and_as_a_page(desk):
    desk.load()
    desk.write("in", *(event(number % 5) for number in range(40)), b"no event")

    ran = desk.enrich("--summary", "told.json", "--html", "told.html")

    told = json.loads((desk.folder / "told.json").read_text())
    assert ran.summary == told
    desk.require_whole(told, desk.lines("out"), desk.lines("out.dead-letter.ndjson"))
    assert told["verdicts"] == {"malicious": 8, "suspicious": 8, "goodware": 8, "unknown": 0, "not_found": 0}
    assert {each["family"] for each in told["families"]} == {"Fictional", "Imaginary"}
    page = (desk.folder / "told.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "Fictional" in page
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page), "nothing is fetched from anywhere"


def test_quiet_says_nothing_and_json_says_it_behind_the_events(desk):
    desk.write("in", event(1))

    quiet = desk.run("--input", "in", "--quiet")
    told = desk.run("--input", "in", "--json", "--quiet")

    assert (quiet.out, quiet.err) == (event(1) + b"\n", "")
    assert [line.get("events", {}).get("read") for line in told.lines] == [None, 1]
    assert told.err == ""


def scraped(port):
    """The metrics by name and labels, or nothing while nobody listens."""
    link = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("GET", "/metrics")
        text = link.getresponse().read().decode()
    except OSError:
        return {}
    finally:
        link.close()
    pairs = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_metrics_can_be_scraped_while_it_runs(desk):
    desk.load()
    desk.write("in", *(event(1) for _ in range(10)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name = 'spectra_enrich_events_total{outcome="enriched"}'

    with desk.running("--input", "in", "--output", "out", "--follow", "--metrics", f"127.0.0.1:{port}") as process:
        until(lambda: scraped(port).get(name) == 10, "ten events are counted")
        seen = scraped(port)
        assert stopped(process) < 10
        assert process.returncode == 0

    assert seen['spectra_enrich_verdicts_total{classification="malicious"}'] == 10
    assert seen['spectra_enrich_look_ups_total{classification="malicious"}'] == 1
    assert seen['spectra_enrich_cache_hits_total{tier="memory"}'] == 9


def test_a_log_is_followed_through_its_rotation_and_after_a_stop(desk):
    desk.load()
    log = desk.write("log", event(1), event(2))
    followed = ("--input", "log", "--follow", "--output", "out")

    with desk.running(*followed) as process:
        until(lambda: len(desk.lines("out")) == 2, "the first two events are out")
        with log.open("ab") as stream:
            stream.write(event(3) + b"\n")
        log.rename(desk.folder / "log.1")
        desk.write("log", event(4))
        until(lambda: len(desk.lines("out")) == 4, "the new file is read")
        assert stopped(process) < 10
        assert process.returncode == 0
    with log.open("ab") as stream:
        stream.write(event(5) + b"\n")
    with desk.running(*followed) as process:
        until(lambda: len(desk.lines("out")) == 5, "it goes on where it stopped")
        assert stopped(process) < 10

    assert [(line["n"], word(line)) for line in desk.lines("out")] == [
        *((1, "malicious"), (2, "suspicious"), (3, "goodware"), (4, None), (5, None))
    ]
