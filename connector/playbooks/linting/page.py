"""The page of the codes, docs/playbooks/lint.md, made by ``python -m connector.playbooks.linting.page``."""

from pathlib import Path
from typing import Final

from connector.playbooks.linting.finding import RULES, Severity

PAGE: Final = "docs/playbooks/lint.md"
_HEAD: Final = """# What the linter finds

`spectra playbook lint FILE` reads a playbook and tells what is wrong with it before anything is run. Each finding has
a code, a JSON pointer (RFC 6901) into the file, one sentence, and what to do. A playbook with an **error** does not
start; a **warning** does not keep it from starting. Whatever the published CACAO 2.0 schemas refuse is an error here
too, and much that they let pass. No finding repeats what looks like a secret.

This page is made from the rules (`connector/playbooks/linting/finding.py`); codes do not change.
"""
_HEADINGS: Final[tuple[tuple[Severity, str], ...]] = (("error", "Errors"), ("warning", "Warnings"))
_COLUMNS: Final = ("| code | what it means | what to do |", "|---|---|---|")


def page() -> str:
    """The page as it should be."""
    parts = [_HEAD]
    for severity, heading in _HEADINGS:
        rows = [
            f"| `{code}` | {rule.meaning} | {rule.mend[:1].upper()}{rule.mend[1:]}. |"
            for code, rule in RULES.items()
            if rule.severity == severity
        ]
        parts.append("\n".join([f"## {heading}\n", *_COLUMNS, *rows, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    Path(PAGE).write_text(page(), encoding="utf-8")
