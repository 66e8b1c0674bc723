"""The query language means what the vendor's published queries mean, and nothing crashes it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.emulator.product.hashes import hashes_of
from connector.emulator.product.sample import Identity, Sample, Verdict
from connector.emulator.query.grammar import parse
from connector.emulator.query.predicate import Terms, compiled, is_relative
from connector.emulator.query.tree import QueryError

NOW = datetime(2025, 3, 1, tzinfo=UTC)
WORM = Sample(
    id=1,
    hashes=hashes_of(b"worm"),
    size=5000,
    identity=Identity("application", "PE", "Exe", "NSIS", "Generic"),
    names=("My Setup (1).exe",),
    verdict=Verdict("malicious", 10, "Win32.Virus.Wormy"),
    first_seen=datetime(2025, 2, 20, 12, tzinfo=UTC),
    last_seen=datetime(2025, 2, 27, 12, tzinfo=UTC),
    ticore_tags=("contains-pe", "cert-malformed"),
    av_match=5,
    properties={"uri": ("https://api.telegram.org/bot123",), "pdb-path": ("c:\\src\\worm.pdb",)},
)
PAGE = Sample(
    id=2,
    hashes=hashes_of(b"page"),
    size=0,
    identity=Identity("text", "Text", "HTML", "HTML", "Generic"),
    names=("index.html",),
    verdict=Verdict("goodware", 0),
    first_seen=datetime(2024, 12, 31, 23, 59, tzinfo=UTC),
    last_seen=datetime(2025, 1, 1, tzinfo=UTC),
    only_extracted=True,
)
BOTH, NONE = {1, 2}, set()


def matching(query: str) -> set[int]:
    predicate = compiled(parse(query), Terms(NOW))
    return {sample.id for sample in (WORM, PAGE) if predicate(sample)}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("classification:malicious", {1}),
        ("classification:MALICIOUS", {1}),
        ("classification:known", {2}),
        ("classification:[malicious, suspicious]", {1}),
        ("classification:[malicious,goodware]", BOTH),
        ("av-count:5 available:TRUE", {1}),
        ("av-count:5 available:FALSE", NONE),
        ("classification:malicious AND size:5000", {1}),
        ("classification:malicious OR classification:goodware", BOTH),
        ("classification:malicious size:1 OR classification:goodware", {2}),
        ("classification:malicious AND (size:1 OR av-count:5)", {1}),
        ("NOT classification:malicious", {2}),
        ("NOT NOT classification:malicious", {1}),
        ("available:TRUE AND NOT classification:goodware", {1}),
        ("available:TRUE NOT classification:malicious", NONE),
        ("threatname:*.Virus*", {1}),
        ("threatname:win32.virus.wormy", {1}),
        ("threatname:Virus", NONE),
        ("threatname:*", {1}),
        ("sampletype:*NSIS*", {1}),
        ('sampletype:"PE/Exe/NSIS"', {1}),
        ("filetype:EXE", {1}),
        ("type:text", {2}),
        ("tag:cert-malformed", {1}),
        ('uri:"https://api.telegram.org/bot*"', {1}),
        ("uri:https://api.telegram.org/bot*", {1}),
        ('pdb-path:"*worm.pdb"', {1}),
        ('filename:"My Setup (1).exe"', {1}),
        ("size:[0 TO *]", BOTH),
        ("size:[1 TO 5000]", {1}),
        ("size:[* TO 4999]", {2}),
        ("size:[0, 5000]", BOTH),
        ("size:*", BOTH),
        ("riskscore:[0 TO 5]", {2}),
        ("threatlevel:[0 TO 2]", {2}),
        ("firstseen:[2025-02-20T00:00:00Z TO *]", {1}),
        ("firstseen:[2025-01-01T00:00:00Z TO 2025-02-20]", {1}),
        ("firstseen:[2025-01-01T00:00:00Z TO 2025-02-20T00:00:00Z]", NONE),
        ("firstseen:2024-12-31", {2}),
        ("lastseen:3d-", {1}),
        ("lastseen:1d-", NONE),
        ("lastseen:1y-", BOTH),
        ("lastseen:[2025-01-01T00:00:00Z TO NOW]", BOTH),
        (WORM.hashes.md5, {1}),
        (WORM.hashes.sha256.upper(), {1}),
        (f"sha1:[{WORM.hashes.sha1}, {PAGE.hashes.sha1}]", BOTH),
        (f"sha512:{PAGE.hashes.sha512}", {2}),
        ("wormy", {1}),
        ("index", {2}),
        ('"Setup (1)"', {1}),
        ("similar-to:abc", NONE),
        ("ANDroid", NONE),
    ],
)
def test_a_query_finds_what_it_says(query: str, expected: set[int]) -> None:
    assert matching(query) == expected


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "unheard:of",
        "classification: malicious",
        "classification :malicious",
        "classification:",
        "classification:bad",
        "classification:malicious AND",
        "AND classification:malicious",
        "classification:malicious OR OR size:1",
        "NOT",
        "(classification:malicious",
        "classification:malicious)",
        "()",
        "size:[1 TO]",
        "size:[1 TO 2 TO 3]",
        "size:[]",
        "size:[1, ]",
        "size:many",
        "size:-1",
        "size:[a TO b]",
        "classification:[a TO b]",
        "available:MAYBE",
        "firstseen:yesterday",
        "firstseen:2025-13-01",
        "firstseen:[2025-01-01 TO soon]",
        "firstseen:99999y-",
        'filename:"open',
        "size:\uff11\uff12",
        "(" * 61 + " OR (".join(f"size:{n} AND (size:1" for n in range(70)),
        "NOT (size:1 OR " * 70 + "size:1" + ")" * 70,
    ],
)
def test_what_is_not_in_the_language_is_refused(query: str) -> None:
    with pytest.raises(QueryError):
        matching(query)


def test_relative_dates_are_known_as_such() -> None:
    assert is_relative(parse("size:1 AND NOT (firstseen:3d- OR size:2)"))
    assert not is_relative(parse("firstseen:[2025-01-01 TO *] size:1"))


PIECES = st.sampled_from(
    [
        *("AND", "OR", "NOT", "TO", "(", ")", "[", "]", ",", ":", '"', "*", " ", "classification:", "size:"),
        *(
            "malicious",
            "firstseen:",
            "3d-",
            "2025-01-01",
            "5",
            "é",
            "\\",
            "\x00",
            "\n",
            "0" * 40,
            "sha1:[",
            "available:TRUE",
        ),
    ]
)


@given(
    st.one_of(
        st.text(max_size=60), st.lists(PIECES, max_size=30).map(" ".join), st.lists(PIECES, max_size=30).map("".join)
    )
)
@settings(max_examples=400, deadline=None)
def test_any_text_is_either_answered_or_refused(text: str) -> None:
    try:
        found: Any = matching(text)
    except QueryError:
        return
    assert found <= BOTH


@given(st.integers(1, 3000))
@settings(max_examples=20, deadline=None)
def test_deep_nesting_neither_crashes_nor_hangs(depth: int) -> None:
    assert matching("(" * depth + "size:5000" + ")" * depth) == {1}
    assert matching("NOT " * depth + "size:5000") == ({1} if depth % 2 == 0 else {2})
