"""How numbers and the ends of events are said to a person, the same on a terminal and on a page."""

from typing import Final

from connector.playbooks.drawing.page_facts import lasting as longer

ENDS: Final = {
    "enriched": "enriched",
    "without_subject": "without a hash or URL",
    "not_found": "not known to the appliance",
    "not_shown": "verdict not asked for",
    "over_quota": "over the quota",
}
REASONS: Final = {
    "not_json": "not JSON",
    "not_utf8": "not UTF-8",
    "not_an_object": "JSON, but no object",
    "not_a_hash": "neither a hash nor a URL",
    "too_deep": "nested too deeply",
    "too_long": "too long",
    "csv_row": "more or fewer cells than columns",
    "poison": "delivered too often",
    "refused": "refused by the other side",
    "empty": "without a value",
}


def amount(number: float) -> str:
    """A count with its thousands apart; below ten, a fraction with two digits."""
    if number != int(number) and number < 10:
        return f"{number:.2g}"
    return f"{number:,.0f}"


def many(count: float, word: str) -> str:
    """A count of things, such as ``1 look-up``."""
    return f"{amount(count)} {word}{'' if count == 1 else 's'}"


def percent(ratio: float | None) -> str:
    """A ratio in percent to a tenth, never rounded up to all or down to nothing; a dash where there is none."""
    if ratio is None:
        return "\N{EN DASH}"
    if 0 < ratio < 0.001:
        return "< 0.1 %"
    if 0.999 < ratio < 1:
        return "> 99.9 %"
    return f"{ratio * 100:.1f} %".replace(".0 %", " %")


def lasting(seconds: float) -> str:
    """A duration as a person says it: milliseconds below one second, two units at most above a minute."""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else longer(seconds)
