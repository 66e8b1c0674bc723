"""Each subject once: what is known of one file comes together, and forged hashes join nothing."""

from dataclasses import replace

from connector.stix import FORGED, StixOptions, bundle
from connector.stix_merge import once
from connector.verdict import File, Url, Verdict
from tests.test_stix_cases import ANSWERED_AT, RANSOMWARE, SERVED, WANNACRY


def about(file: File, word: str = "malicious", last: str | None = None) -> Verdict:
    return Verdict(subject=file, classification=word, last_seen=last)


def test_two_names_of_one_file_are_one_file() -> None:
    """Known once by MD5 and once by all its hashes, it has one object, one analysis and one indicator."""
    by_md5 = about(File(md5=WANNACRY.md5), last="2020-01-01T00:00:00Z")
    told, _, forged = once([by_md5, RANSOMWARE])
    assert told == [RANSOMWARE]
    assert not forged


def test_the_later_verdict_stands() -> None:
    """Whichever comes first in the answer."""
    early = about(WANNACRY, "goodware", "2020-01-01T00:00:00Z")
    late = about(WANNACRY, "malicious", "2021-01-01T00:00:00.5Z")
    almost = about(WANNACRY, "suspicious", "2021-01-01T00:00:00Z")
    assert once([early, late, almost])[0] == once([late, almost, early])[0] == [late]


def test_of_two_at_the_same_time_the_worse_one_stands() -> None:
    """Doubt is not resolved in favour of the file."""
    bad, good = about(WANNACRY, "malicious"), about(WANNACRY, "goodware")
    assert once([good, bad])[0] == once([bad, good])[0] == [bad]


def test_a_third_name_joins_two() -> None:
    """MD5 alone, SHA-256 alone, and then both: one file, with everything known."""
    one, two = about(File(md5="a" * 32)), about(File(sha256="b" * 64, size=7))
    both = about(File(md5="a" * 32, sha256="b" * 64), last="2020-01-01T00:00:00Z")
    (verdict,) = once([one, two, both])[0]
    assert verdict.subject == File(md5="a" * 32, sha256="b" * 64, size=7)


def test_files_with_a_forged_md5_stay_apart() -> None:
    """A collision cannot lend a clean file's hash to a malicious one: the later gives the shared hash up."""
    clean = about(File(md5="a" * 32, sha256="b" * 64), "goodware")
    evil = about(File(md5="a" * 32, sha256="c" * 64), "malicious")
    told, _, forged = once([clean, evil])
    assert [v.subject for v in told] == [clean.subject, File(sha256="c" * 64)]
    assert forged
    made = bundle([clean, evil], StixOptions(), ANSWERED_AT)
    assert FORGED in made.notices
    assert len([o for o in made.objects["objects"] if o["type"] == "file"]) == 2


def test_a_served_file_learns_what_its_own_verdict_knows() -> None:
    """So that the URL's file and the file are one object."""
    url = replace(SERVED, subject=Url(value="http://a.example/", served=File(md5=WANNACRY.md5)))
    told, _, _ = once([url, RANSOMWARE])
    assert told[0].subject.served == WANNACRY
    objects = bundle([url, RANSOMWARE], StixOptions(), ANSWERED_AT).objects["objects"]
    assert len([o for o in objects if o["type"] == "file"]) == 1
    assert len([o for o in objects if o["type"] == "indicator"]) == 2


def test_observed_is_what_has_no_verdict() -> None:
    """A subject with a verdict is not said again; others once."""
    other = File(sha1="d" * 40)
    _, seen, _ = once([RANSOMWARE], [File(sha1=WANNACRY.sha1), other, other, Url(value="http://a.example/")])
    assert seen == [other, Url(value="http://a.example/")]


def test_order_is_kept() -> None:
    """The answer's order is the bundle's order."""
    files = [about(File(sha1=f"{n:040x}")) for n in (5, 3, 9, 1)]
    assert once(files)[0] == files
    assert once([*files, files[0]])[0] == files
