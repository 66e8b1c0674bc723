"""A run as one HTML file that explains itself: no network, no other file, light and dark, on a screen and on paper.

It can be opened from a disk, attached to a case and sent on. Its Content-Security-Policy allows its own style and its
one script by hash, so that not even a mistake here could make it load or send anything. The run itself is in the file
as JSON (``<script type="application/json" id="run">``), its STIX objects as ``id="bundle"``.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from connector.playbooks.bundles import merged_stix
from connector.playbooks.cacao import Playbook
from connector.playbooks.drawing.markup import Markup, join, line, tag
from connector.playbooks.drawing.page_facts import verdicts
from connector.playbooks.drawing.page_parts import about, diagram, head, stix_part, values, verdict_table
from connector.playbooks.drawing.page_script import HASH, SCRIPT
from connector.playbooks.drawing.page_style import STYLE
from connector.playbooks.drawing.page_visits import visit_table
from connector.playbooks.drawing.style import DRAWING, PALETTE

POLICY: Final = (
    f"default-src 'none'; style-src 'unsafe-inline'; script-src '{HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def timeline_page(timeline: Mapping[str, Any]) -> str:
    """The page of a run, as a complete HTML document; ``timeline`` is what ``playbooks.timeline.timeline`` gives.

    Raises:
        ValidationError: when its playbook is no CACAO 2.0 playbook.
    """
    playbook = Playbook.model_validate(timeline["playbook"])
    rows, bundle = verdicts(timeline["visits"]), merged_stix(timeline["visits"])
    body = [
        head(timeline, playbook, rows),
        tag(
            "main",
            verdict_table(rows),
            diagram(timeline, playbook),
            stix_part(bundle, str(timeline["run"])) if bundle else None,
            visit_table(timeline),
            values(timeline, playbook),
            about(playbook),
        ),
        tag("footer", tag("p", "Made by the Spectra Analyze connector. Times are in UTC.")),
        _data("run", timeline),
        _data("bundle", bundle) if bundle else None,
        tag("script", Markup(SCRIPT)),
    ]
    page = tag("html", _head(f"{line(playbook.name)}: {line(timeline['run'])}"), tag("body", *body), lang="en")
    return f"<!doctype html>\n{page}\n"


def _head(title: str) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Markup(join(Markup(PALETTE), Markup(DRAWING), Markup(STYLE)))),
    )


def _data(name: str, value: Any) -> Markup:
    """JSON within a script element: no character of it can end the element, as all that could is escaped."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return tag("script", Markup(text), type="application/json", id=name)
