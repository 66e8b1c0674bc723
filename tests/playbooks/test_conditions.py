"""Conditions: what the comparison expressions of STIX mean over variables, and that no text does anything else."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.playbooks.conditions import LONGEST, BadCondition, read_condition

VALUES = {
    "__text__": "invoice.exe",
    "__empty__": "",
    "__seven__": 7,
    "__half__": 0.5,
    "__yes__": True,
    "__ip__": "10.1.2.3",
    "__ip6__": "2001:db8::7",
    "__list__": '["a","b"]',
    "__a-b__": "dash",
}
HOLD = [
    "__text__:value = 'invoice.exe'",
    "__text__:value == 'invoice.exe'",
    "__text__:value != 'invoice'",
    "__text__:value <> 'invoice'",
    "__text__:value NOT = 'invoice'",
    "__text__:value NOT != 'invoice.exe'",
    "__empty__:value = ''",
    "EXISTS __empty__:value",
    "__seven__:value = 7",
    "__seven__:value = 7.0",
    "__seven__:value = +7",
    "__seven__:value != -7",
    "__seven__:value > 6",
    "__seven__:value >= 7",
    "__seven__:value < 7.5",
    "__seven__:value <= 7",
    "__seven__:value NOT < 7",
    "__half__:value = .5",
    "__half__:value = 0.5",
    "__half__:value < 1",
    "__yes__:value = true",
    "__yes__:value != false",
    "__text__:value > 'a'",
    "__text__:value < 'j'",
    "__text__:value IN ('x', 'invoice.exe')",
    "__seven__:value IN (1, 7, 9)",
    "__seven__:value NOT IN (1, 9)",
    "__seven__:value NOT IN ()",
    "__text__:value LIKE 'invoice%'",
    "__text__:value LIKE '%.exe'",
    "__text__:value LIKE '_nvoice.exe'",
    "__text__:value LIKE '%'",
    "__text__:value LIKE '%o%i%.%e'",
    "__text__:value NOT LIKE 'invoice'",
    "__text__:value NOT LIKE 'invoice_'",
    "__text__:value MATCHES '^inv.*\\\\.exe$'",
    "__text__:value MATCHES 'voice'",
    "__text__:value NOT MATCHES '^voice'",
    "__ip__:value ISSUBSET '10.0.0.0/8'",
    "__ip__:value NOT ISSUBSET '192.168.0.0/16'",
    "__ip__:value ISSUPERSET '10.1.2.3'",
    "__ip__:value NOT ISSUPERSET '10.0.0.0/8'",
    "__ip6__:value ISSUBSET '2001:db8::/32'",
    "__ip6__:value NOT ISSUBSET '10.0.0.0/8'",
    "__text__:value NOT ISSUBSET '10.0.0.0/8'",
    "EXISTS __text__:value",
    "NOT EXISTS __none__:value",
    "__list__:value != '[]'",
    "__a-b__:value = 'dash'",
    # null: nothing but NOT and !=
    "__none__:value != 'x'",
    "__none__:value NOT = 'x'",
    "__none__:value NOT IN ('x')",
    "__none__:value NOT LIKE '%'",
    "__none__:value NOT > 0",
    # values of unlike kinds are unequal, and in no order
    "__seven__:value != '7'",
    "__text__:value != 7",
    "__yes__:value != 1",
    "__seven__:value NOT < 'z'",
    "__yes__:value NOT IN (1, 'true')",
    # AND before OR, brackets before both
    "__yes__:value = true OR __yes__:value = true AND __yes__:value = false",
    "(__yes__:value = false AND __yes__:value = true) OR __yes__:value = true",
    "__yes__:value = true AND (__yes__:value = false OR __yes__:value = true)",
    "((__yes__:value = true))",
    "\n __yes__:value\t=\ntrue ",
]
FAIL = [
    "__text__:value = 'INVOICE.EXE'",
    "__text__:value != 'invoice.exe'",
    "__text__:value = '__text__:value'",
    "__seven__:value = 8",
    "__seven__:value > 7",
    "__seven__:value IN ()",
    "__text__:value LIKE 'invoice'",
    "__text__:value LIKE '.%'",
    "__text__:value LIKE 'i%x'",
    "__text__:value MATCHES '^voice'",
    "__none__:value = 'x'",
    "__none__:value < 1",
    "__none__:value IN ('x')",
    "__none__:value LIKE '%'",
    "__none__:value MATCHES ''",
    "EXISTS __none__:value",
    "NOT EXISTS __text__:value",
    "__seven__:value = '7'",
    "__yes__:value = 'true'",
    "__yes__:value = 1",
    "__seven__:value = true",
    "__seven__:value LIKE '7'",
    "__seven__:value ISSUBSET '0.0.0.0/0'",
    "__ip__:value ISSUBSET '10.1.2.4'",
    "(__yes__:value = true OR __yes__:value = true) AND __yes__:value = false",
]
BAD = [
    "",
    " ",
    "true",
    "__text__",
    "__text__:value",
    "__text__:value = ",
    "__text__:value = invoice",
    '__text__:value = "invoice"',
    "__text__:value = TRUE",
    "__text__:value = 'a",
    "__text__:value = 'a' AND",
    "__text__:value = 'a' && __text__:value = 'b'",
    "__text__:value = 'a' and __text__:value = 'b'",
    "NOT __text__:value = 'a'",
    "file:name = 'a'",
    "__text__:name = 'a'",
    "__text__:value.size = 1",
    "__text__:value[0] = 1",
    "__text__:'value' = 'a'",
    "text:value = 'a'",
    "__text__:value = 't'] OR [__text__:value = 'u'",
    "__text__:value = 'a'] FOLLOWEDBY [__text__:value = 'b'",
    "__text__:value = 'a'] WITHIN 5 SECONDS",
    "[__text__:value = 'a']",
    "__text__:value = t'2026-01-01T00:00:00Z'",
    "__text__:value = h'00ff'",
    "__text__:value = b'AA=='",
    "__text__:value MATCHES '('",
    "__text__:value MATCHES 'a{99999999999999999999}'",
    "__text__:value ISSUBSET 'example.com'",
    "__text__:value ISSUPERSET '10.0.0.0/99'",
    "__text__:value LIKE 5",
    "__text__:value = 1.5e3",
    "__text__:value = \U0001f600",
    "__text__:value = \x00",
    "__text__:value = 1 // the rest",
    "(" * 500 + "__text__:value = 1" + ")" * 500,
    f"__text__:value = '{'a' * LONGEST}'",
    f"__{'a' * 300}__:value = 1",
]


@pytest.mark.parametrize("text", HOLD)
def test_it_holds(text):
    assert read_condition(text).holds(VALUES) is True


@pytest.mark.parametrize("text", FAIL)
def test_it_does_not_hold(text):
    assert read_condition(text).holds(VALUES) is False


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_comparison_expression_over_variables_is_refused_with_a_sentence(text):
    with pytest.raises(BadCondition, match=r"^(must|compares|is|ISSUBSET|MATCHES) "):
        read_condition(text)


def test_a_condition_knows_its_variables():
    read = read_condition("__a__:value = 1 OR (__b__:value = 2 AND EXISTS __c__:value)")
    assert read.variables == {"__a__", "__b__", "__c__"}


@pytest.mark.parametrize(
    ("literal", "text"),
    [(r"'it\'s'", "it's"), (r"'a\\b'", "a\\b"), (r"'\\\''", "\\'"), ("'[x] OR (y)'", "[x] OR (y)"), ("'//'", "//")],
)
def test_a_backslash_in_a_literal_makes_the_next_character_itself(literal, text):
    assert read_condition(f"__a__:value = {literal}").holds({"__a__": text})


def test_a_nested_set_in_a_regular_expression_warns_of_nothing():
    assert read_condition("__a__:value MATCHES '[[a]'").holds({"__a__": "["})


def test_many_wildcards_over_a_long_text_take_no_time():
    read = read_condition(f"__a__:value LIKE '{'%a' * 40}%b'")
    assert not read.holds({"__a__": "a" * 20_000})


# --- against a direct evaluation


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else str(value)


def like_kind(value: object, wanted: object) -> bool:
    kinds = [bool, str, int]
    return next(k for k in kinds if isinstance(value, k)) is next(k for k in kinds if isinstance(wanted, k))


WORDS = st.text(st.sampled_from("ab%_'\\ ]"), max_size=4)
SCALARS = st.integers(-3, 3) | st.booleans() | WORDS
NAMES = ("__a__", "__b__", "__c__")
HELD = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, SCALARS))
ORDERS = {"<": lambda a, b: a < b, ">": lambda a, b: a > b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b}


def like(text: str, pattern: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like(text[i:], pattern[1:]) for i in range(len(text) + 1))
    return bool(text) and pattern[0] in {"_", text[0]} and like(text[1:], pattern[1:])


@st.composite
def leaves(draw):
    """A comparison as text, and what it means."""
    name, wanted, turned = draw(st.sampled_from(NAMES)), draw(SCALARS), draw(st.booleans())
    word = " NOT" if turned else ""
    kind = draw(st.sampled_from(["=", "!=", "order", "IN", "LIKE", "EXISTS"]))
    if kind == "EXISTS":
        return f"{'NOT ' if turned else ''}EXISTS {name}:value", lambda held: (name in held) != turned
    if kind in {"=", "!="}:
        flipped = turned != (kind == "!=")
        plain = lambda v: like_kind(v, wanted) and v == wanted  # noqa: E731
        return f"{name}:value{word} {kind} {literal(wanted)}", meaning(name, plain, flipped)
    if kind == "IN":
        several = draw(st.lists(SCALARS, max_size=3))
        among = lambda v: any(like_kind(v, one) and v == one for one in several)  # noqa: E731
        return f"{name}:value{word} IN ({', '.join(map(literal, several))})", meaning(name, among, turned)
    if kind == "LIKE":
        pattern = draw(WORDS)
        fits = lambda v: isinstance(v, str) and like(v, pattern)  # noqa: E731
        return f"{name}:value{word} LIKE {quoted(pattern)}", meaning(name, fits, turned)
    sign = draw(st.sampled_from(sorted(ORDERS)))
    wanted = draw(st.integers(-3, 3) | WORDS)
    ordered = lambda v: like_kind(v, wanted) and ORDERS[sign](v, wanted)  # noqa: E731
    return f"{name}:value{word} {sign} {literal(wanted)}", meaning(name, ordered, turned)


def meaning(name, holds, turned):
    return lambda held: (name in held and holds(held[name])) != turned


def joined(word, how, bracket):
    """Several expressions joined; one joined by OR is put into brackets within AND."""

    def made(parts):
        text = f" {word} ".join(f"({t})" if bracket or " OR " in t else t for t, _ in parts)
        return text, lambda held: how(test(held) for _, test in parts)

    return made


EXPRESSIONS = st.recursive(
    leaves(),
    lambda inner: (
        st.tuples(st.lists(inner, min_size=2, max_size=3), st.booleans()).map(lambda x: joined("AND", all, x[1])(x[0]))
        | st.lists(inner, min_size=2, max_size=3).map(
            lambda parts: (" OR ".join(t for t, _ in parts), lambda held: any(test(held) for _, test in parts))
        )
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, HELD)
def test_a_condition_means_what_it_says(expression, held):
    text, test = expression
    assert read_condition(text).holds(held) is test(held)


TOKENS = ["__a__:value", "=", "!=", "NOT", "AND", "OR", "(", ")", "[", "]", "'", "\\", "1", "true", "IN", "LIKE", "%"]
TOKENS += ["MATCHES", "EXISTS", "ISSUBSET", "'10.0.0.0/8'", "t'", "/*", "*/", "//", "\n", "\x00", "é", "\ud800", "."]


@given(st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join) | st.text(max_size=40))
@example("__a__:value = '\ud800'")
@example("__a__:value MATCHES '" + "(" * 300 + ")" * 300 + "'")
def test_any_text_is_read_or_refused_and_nothing_else(text):
    try:
        read = read_condition(text)
    except BadCondition as refused:
        told = str(refused)
    else:
        told = "read"
        assert read.holds({}) in {True, False}
        assert all(re.fullmatch(r"__.+__", name) for name in read.variables)
    assert told
