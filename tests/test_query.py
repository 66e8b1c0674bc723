"""Clauses to queries: each means exactly itself, by the judgement of a parser that was written from the vendor's pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector.emulator.query.fields import FIELDS as EMULATED
from connector.emulator.query.grammar import parse
from connector.emulator.query.tree import All, Between, In, Is, Not
from connector.query import FIELDS, Clause, check_query, clause_text, where_text

TEXT = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters='"\\*?\u2028\u2029'), min_size=1, max_size=40
)
WORDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,20}", fullmatch=True).filter(
    lambda word: word.upper() not in {"AND", "OR", "NOT", "TO"}
)
VALUES = {
    "hash": st.from_regex(r"[0-9A-Fa-f]{32,128}", fullmatch=True),
    "word": WORDS | st.booleans(),
    "number": st.integers(0, 10**15 - 1),
    "date": st.from_regex(r"20[0-9]{2}-0[1-9]-[12][0-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9]Z|[0-9]{1,4}d-", fullmatch=True),
    "text": TEXT,
}


def shown(value):
    """How a value looks in the tree that the parser makes."""
    return str(value).upper() if isinstance(value, bool) else str(value)


@st.composite
def clauses(draw):
    """A clause, and the tree that it must become."""
    field = draw(st.sampled_from(sorted(FIELDS)))
    value = VALUES[FIELDS[field]]
    forms = (
        ["is", "any_of"]
        + (["from"] if FIELDS[field] in {"number", "date"} else [])
        + (["like"] if FIELDS[field] == "text" else [])
    )
    form = draw(st.sampled_from(forms))
    if form == "is":
        one = draw(value)
        made, node = {"is": one}, Is(field, shown(one))
    elif form == "any_of":
        several = draw(st.lists(value, min_size=1, max_size=5))
        made, node = {"any_of": several}, In(field, tuple(map(shown, several)))
    elif form == "like":
        pattern = draw(st.lists(TEXT, min_size=1, max_size=3).map("*".join)) + "*"
        made, node = {"like": pattern}, Is(field, pattern)
    else:
        ends = {name: draw(value) for name in draw(st.sampled_from([("from",), ("to",), ("from", "to")]))}
        made, node = ends, Between(field, shown(ends.get("from", "*")), shown(ends.get("to", "*")))
    exclude = draw(st.booleans())
    return Clause(field=field, exclude=exclude, **made), (Not(node, 2) if exclude else node)


@given(clauses())
def test_a_clause_means_exactly_itself(pair):
    clause, meant = pair

    assert parse(clause_text(clause)) == meant


@given(st.lists(clauses(), min_size=2, max_size=6))
def test_several_clauses_all_hold_and_none_leaks_into_another(pairs):
    tree = parse(where_text([clause for clause, _ in pairs]))

    assert isinstance(tree, All)
    assert tree.parts == tuple(meant for _, meant in pairs)


@given(st.sampled_from(sorted(FIELDS)), st.text(max_size=60) | st.text('"\\*?:()[] ANDORNOT', max_size=30))
def test_any_text_means_itself_or_is_refused(field, value):
    try:
        clause = Clause(field=field, **{"is": value})
    except ValidationError:
        return
    assert parse(clause_text(clause)) == Is(field, value)


@given(st.lists(clauses(), min_size=1, max_size=6))
def test_what_the_builder_writes_passes_the_check_of_written_queries(pairs):
    text = where_text([clause for clause, _ in pairs])

    assert check_query(text) == text


@given(st.text(max_size=80) | st.text('"()[] a:', max_size=30))
def test_a_query_is_balanced_or_refused(text):
    try:
        check_query(text)
    except ValueError:
        return
    assert text.strip()
    assert text.count('"') % 2 == 0


@pytest.mark.parametrize(
    "text",
    [
        "classification:malicious AND firstseen:3d-",
        'filename:"a (b" OR NOT (size:[1 TO *] AND tag:[a, "b]"])',
        "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5",
        "(((a)))",
        "threatname:*petya* size:>10",
    ],
)
def test_queries_in_the_vendor_s_language_pass(text):
    assert check_query(text) == text


@pytest.mark.parametrize(
    "text", ["", " \n ", 'a"', ")a(", "a)", "((a)", "]", "[1 TO 2", "a\x00b", "a\x7f", "a\x1b[31m"]
)
def test_what_cannot_be_a_query_is_refused(text):
    with pytest.raises(ValueError, match=r"must|has a"):
        check_query(text)


def test_every_field_is_one_that_the_language_has():
    assert FIELDS.keys() <= EMULATED.keys()


@pytest.mark.parametrize("field", sorted(FIELDS))
@pytest.mark.parametrize("value", ['" OR "', "a\\", "a\nb", "a*", "a?", "", "x" * 600, "a\u2028b", "\ud800"])
def test_what_could_be_read_as_syntax_is_refused_in_every_field(field, value):
    with pytest.raises(ValidationError):
        Clause(field=field, **{"is": value})
    with pytest.raises(ValidationError):
        Clause(field=field, any_of=["1", value])


class TestSyntaxInsideValues:
    """What the language could read as syntax is refused wherever it stands."""

    @pytest.mark.parametrize("like", ['a"b*', "a\\b*", "a\nb*", "a?b*", "*\u2028*x"])
    def test_it_is_refused_inside_a_pattern(self, like):
        with pytest.raises(ValueError, match="text without quotation marks"):
            Clause(field="filename", like=like)

    def test_a_pattern_of_asterisks_alone_is_refused(self):
        with pytest.raises(ValueError, match="some text beside the asterisks"):
            Clause(field="filename", like="**")

    def test_a_pattern_is_for_text_fields(self):
        with pytest.raises(ValueError, match="like is for text fields"):
            Clause(field="size", like="1*")

    @pytest.mark.parametrize("word", ["AND", "or", "Not", "TO"])
    def test_an_operator_is_no_word_but_may_be_text(self, word):
        with pytest.raises(ValueError, match="operators AND, OR, NOT, TO"):
            Clause(field="tag", **{"is": word})

        assert clause_text(Clause(field="filename", **{"is": word})) == f'filename:"{word}"'

    def test_words_and_numbers_stand_without_quotes(self):
        assert clause_text(Clause(field="tag", **{"is": "phishing"})) == "tag:phishing"
        assert clause_text(Clause(field="size", **{"is": 7})) == "size:7"
        assert clause_text(Clause(field="available", **{"is": True})) == "available:TRUE"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("(a", "a parenthesis that is not closed"),
            ("a)", "a parenthesis that is not closed"),
            (")a(", "a parenthesis that is not closed"),
            ("[a", "a bracket that is not closed"),
            ("a]", "a bracket that is not closed"),
            ('"a', "a quotation mark that is not closed"),
            ("  ", "at least one condition"),
            ("a\x00b", "control characters"),
            ("a\x7fb", "control characters"),
        ],
    )
    def test_a_query_that_cannot_be_one_is_told_by_what_is_wrong(self, text, told):
        with pytest.raises(ValueError, match=told):
            check_query(text)

    @pytest.mark.parametrize("text", ['filename:"(a"', "(a)", "[1 TO 2]", "a\tb", "a\nb"])
    def test_a_query_that_can_be_one_is_left_as_it_is(self, text):
        assert check_query(text) == text
