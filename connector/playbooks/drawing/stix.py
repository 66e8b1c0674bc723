"""A STIX bundle as a graph in SVG: objects by type with the words that a person reads, relationships between them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.playbooks.drawing.layout import Layout, Link, Node, Point, arrange
from connector.playbooks.drawing.markup import Markup, join, line, tag
from connector.playbooks.drawing.shapes import LABEL_HEIGHT, LABEL_SIZE, box, edge, sheet, smooth
from connector.playbooks.drawing.text import cut, lines, width

Object = Mapping[str, Any]
MOST: Final = 120
_COMMON: Final = frozenset({"identity", "marking-definition", "extension-definition", "language-content"})
_JUDGED: Final = frozenset({"malware-analysis", "note", "opinion", "report", "grouping", "observed-data", "sighting"})
_THREATS: Final = frozenset(
    {"indicator", "malware", "attack-pattern", "campaign", "intrusion-set", "threat-actor", "tool", "vulnerability"}
)
_RESULTS: Final = {"malicious": "failed", "suspicious": "waiting", "benign": "done", "unknown": "none"}
_EVERYWHERE: Final = frozenset({"created_by_ref", "object_marking_refs", "source_ref", "target_ref"})
_WORDS: Final = {"object_refs": "", "analysis_sco_refs": "analysed"}
_NAMES: Final = ("name", "value", "abstract", "content", "path", "key", "subject", "pattern", "id")
_WIDTH, _LINE, _TITLE, _LONGEST_LABEL, _SHEET = 172.0, 16.0, 12.5, 110.0, 780.0


@dataclass(frozen=True, slots=True)
class _Bond:
    """What ties two objects: a relationship, which is an object itself, or a reference within one."""

    source: str
    target: str
    label: str
    id: str | None


def label_of(item: Object) -> str:
    """What a person calls an object: a file by its name, else its hash; an analysis by its result; and so on."""
    match item.get("type"):
        case "file" if not item.get("name"):
            hashes = item.get("hashes") or {}
            kind = next((kind for kind in ("SHA-256", "SHA-1", "MD5", *hashes) if kind in hashes), None)
            return line(hashes[kind]) if kind else line(item.get("id", ""))
        case "malware-analysis":
            named = item.get("result_name")
            return line(f"{item.get('result', 'unknown')}{f', {named}' if named else ''}")
        case "observed-data":
            return f"seen {_times(item.get('number_observed', 1))}"
        case "sighting":
            return f"sighted {_times(item.get('count', 1))}"
        case _:
            return line(next((item[key] for key in _NAMES if item.get(key)), "object"))


def _times(count: object) -> str:
    return "once" if count == 1 else f"{line(count)} times"


def kind_of(item: Object) -> str:
    """The class of the colour of an object."""
    kind = item.get("type")
    if kind == "malware-analysis":
        return _RESULTS.get(str(item.get("result")), "none")
    if kind in _COMMON or kind == "relationship":
        return "none"
    return "failed" if kind in _THREATS else "judged" if kind in _JUDGED else "seen"


def stix_drawing(bundle: Object) -> Markup:
    """The graph as one SVG document; each object and relationship carries its id in ``data-object``, to be chosen.

    What all objects share (who made them, how they are marked) stands last, without edges. Beyond 120 objects the
    first ones are drawn, and the description says how many are left out.
    """
    objects = {str(item["id"]): item for item in bundle.get("objects", ())}
    ties = [item for item in objects.values() if _is_tie(item, objects)]
    tied = {str(item["id"]) for item in ties}
    nodes = [item for name, item in objects.items() if name not in tied]
    nodes.sort(key=lambda item: item.get("type") in _COMMON)
    shown, left = nodes[:MOST], max(0, len(nodes) - MOST)
    names = {str(item["id"]) for item in shown}
    bonds = [bond for bond in (*_relations(ties), *_references(shown)) if {bond.source, bond.target} <= names]
    said = [cut(bond.label, LABEL_SIZE, _LONGEST_LABEL) for bond in bonds]
    titles = {str(item["id"]): lines(label_of(item), _TITLE, _WIDTH - 24, 2) for item in shown}
    placed = _arranged(titles, bonds, said)
    drawn = [_bond(placed, number, bond, said[number]) for number, bond in enumerate(bonds)]
    drawn += [_object(item, titles[str(item["id"])], placed.places[str(item["id"])]) for item in shown]
    about = f"{len(nodes)} objects and {len(ties)} relationships" + (f"; {left} objects are not drawn" if left else "")
    return sheet(
        join(*drawn),
        placed.width,
        placed.height,
        name="stix-drawing",
        title="STIX objects",
        about=about,
        interactive=True,
    )


def _is_tie(item: Object, objects: Mapping[str, Object]) -> bool:
    ends = {item.get("source_ref"), item.get("target_ref")}
    return item.get("type") == "relationship" and ends <= objects.keys()


def _relations(ties: Sequence[Object]) -> Iterator[_Bond]:
    for item in ties:
        label = line(item.get("relationship_type", "related-to"))
        yield _Bond(str(item["source_ref"]), str(item["target_ref"]), label, str(item["id"]))


def _references(shown: Sequence[Object]) -> list[_Bond]:
    """References from one object to another, those between the same two as one."""
    found: dict[tuple[str, str], list[str]] = {}
    for item in shown:
        for key, value in item.items():
            if key in _EVERYWHERE or not key.endswith(("_ref", "_refs")):
                continue
            for target in value if isinstance(value, list) else [value]:
                words = line(_WORDS.get(key, key.removesuffix("s").removesuffix("_ref").replace("_", " ")))
                found.setdefault((str(item["id"]), str(target)), []).append(words)
    return [
        _Bond(source, target, ", ".join(filter(None, dict.fromkeys(words))), None)
        for (source, target), words in found.items()
    ]


def _arranged(titles: Mapping[str, list[str]], bonds: Sequence[_Bond], said: Sequence[str]) -> Layout:
    nodes = [Node(name, _WIDTH, 30.0 + _LINE * len(title)) for name, title in titles.items()]
    links = [
        Link(bond.source, bond.target, _label_width(text), LABEL_HEIGHT if text else 0.0)
        for bond, text in zip(bonds, said, strict=True)
    ]
    return arrange(nodes, links, _SHEET, sideways=True)


def _label_width(text: str) -> float:
    return width(text, LABEL_SIZE) + 8 if text else 0.0


def _bond(placed: Layout, number: int, bond: _Bond, text: str) -> Markup:
    drawn = edge(placed.routes[number], text, _label_width(text), sideways=True)
    if bond.id is None:
        return tag("g", drawn, class_="reference")
    told = tag("title", f"relationship: {bond.label}")
    near = tag("path", class_="near", d=smooth(placed.routes[number].points, sideways=True))  # wide enough to be hit
    return tag("g", told, near, drawn, class_="relation", data_object=bond.id, **_button(f"relationship {bond.label}"))


def _object(item: Object, title: Sequence[str], middle: Point) -> Markup:
    """One object: its type, and what a person calls it."""
    x, y = middle
    left, top = x - _WIDTH / 2 + 12, y - (_LINE * len(title) + 14) / 2
    kind, label = line(item.get("type", "object")), label_of(item)
    parts = [
        tag("title", f"{kind}: {label}"),
        box("card", middle, _WIDTH, 30.0 + _LINE * len(title)),
        tag("text", kind, class_="small", x=left, y=top + 10),
        *(tag("text", text, class_="title", x=left, y=top + 26 + _LINE * row) for row, text in enumerate(title)),
    ]
    return tag(
        "g", *parts, class_=f"object {kind_of(item)}", data_object=str(item["id"]), **_button(f"{kind}: {label}")
    )


def _button(label: str) -> dict[str, str]:
    return {"role": "button", "tabindex": "0", "aria_label": label, "aria_controls": "stix-detail"}
