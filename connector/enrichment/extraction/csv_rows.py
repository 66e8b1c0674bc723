"""Reads CSV (RFC 4180): the first line names the columns, each other line becomes an event of texts by column."""

import csv
from collections.abc import Iterator, Sequence
from typing import Final

from connector.enrichment.codec import dumps
from connector.enrichment.extraction.reading import BOM, Read, not_utf8, untouched
from connector.enrichment.extraction.rules import Hits, Rule, file_rule, hash_rule, own_rule, url_rule
from connector.enrichment.extraction.subjects import LENGTHS, is_address, is_hash
from connector.enrichment.values import Failure

DELIMITERS: Final = (",", ";", "\t")
# Column names without case, spaces and signs: as MISP and abuse.ch export them, and as reports have them.
_OF_KIND: Final = {kind: {kind, f"{kind}hash", f"file{kind}", f"filehash{kind}", f"hash{kind}"} for kind in LENGTHS}
_OF_ANY_KIND: Final = frozenset({"hash", "hashes", "hashvalue", "filehash", "processhash"})
_ADDRESS: Final = frozenset({"url", "urls", "fullurl", "originalurl"})
_EITHER: Final = frozenset({"indicator", "indicatorvalue", "ioc", "iocvalue", "observable", "value"})
_BROKEN: Final = "its quotes do not match; a line break within a cell is not supported"


class CsvReader:
    """Takes columns by their names, the hashes of a row being those of one file, or the ``fields`` that were named.

    The delimiter is a comma, a semicolon or a tab, whichever parts the header into the most cells. A quoted cell that
    holds a line break is not supported: each of its lines is refused as a row with the wrong number of cells.
    """

    __slots__ = ("_columns", "_delimiter", "_fields", "_header", "_rule", "_urls")

    def __init__(self, fields: Sequence[str] = (), *, urls: bool) -> None:
        self._fields, self._urls = fields, urls
        self._header: bytes | None = None
        self._columns: list[str] = []
        self._delimiter = ","
        self._rule: Rule = _flat(())

    @property
    def header(self) -> bytes | None:
        return self._header

    @header.setter
    def header(self, line: bytes | None) -> None:
        self._header = None
        if line is not None:
            self._begin(line)

    def read(self, raw: bytes) -> Read | Failure | None:
        if not raw.strip(b" \r\n"):
            return untouched(raw)
        if self._header is None:
            return self._begin(raw)
        try:
            cells = _cells(raw.decode(), self._delimiter)
        except UnicodeDecodeError as error:
            return not_utf8(error)
        except csv.Error:
            return Failure("csv_row", f"the row is no CSV: {_BROKEN}")
        if len(cells) != len(self._columns):
            wanted, got = len(self._columns), len(cells)
            return Failure("csv_row", f"the row must have {wanted} cells as the header has, and has {got}")
        event = dict(zip(self._columns, cells, strict=True))
        hits: Hits = {}
        malformed = self._rule(event, hits)
        return Read(dumps(event), event, tuple(hits.values()), malformed)

    def _begin(self, line: bytes) -> Failure | None:
        """Take the header; a line that cannot be one is refused, and the next one is tried."""
        try:
            text = line.removeprefix(BOM).decode()
        except UnicodeDecodeError as error:
            return not_utf8(error)
        cells, self._delimiter = max(
            (_tried(text, delimiter) for delimiter in DELIMITERS), key=lambda made: len(made[0])
        )
        if not cells:
            return Failure("csv_header", f"the line that names the columns is no CSV: {_BROKEN}")
        if any(is_hash(cell) or is_address(cell) for cell in cells):
            return Failure(
                "csv_header", "the first line must name the columns, and holds a hash or a URL; add a header"
            )
        self._columns = _distinct(cells)
        rows = self._own() if self._fields else _known(self._columns, urls=self._urls)
        self._rule = _flat([*rows])
        self._header = line
        return None

    def _own(self) -> Iterator[tuple[str, Rule]]:
        for name in self._fields:
            yield name, own_rule(name, urls=self._urls)


def _cells(line: str, delimiter: str) -> list[str]:
    line = line.rstrip("\r\n")
    if '"' not in line:
        return [cell.strip(" ") for cell in line.split(delimiter)]
    row = next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True), [])
    return [cell.strip(" ") for cell in row]


def _tried(line: str, delimiter: str) -> tuple[list[str], str]:
    """The cells of a header by this delimiter, none where its quotes do not allow it."""
    try:
        return _cells(line, delimiter), delimiter
    except csv.Error:
        return [], delimiter


def _distinct(cells: Sequence[str]) -> list[str]:
    """The names of columns, each once: the second ``hash`` is ``hash_2``, and a third without a name ``column_3``."""
    names: list[str] = []
    for number, cell in enumerate(cells, 1):
        name = cell or f"column_{number}"
        again = 2
        while name in names:
            name, again = f"{cell}_{again}", again + 1
        names.append(name)
    return names


def _known(columns: Sequence[str], *, urls: bool) -> Iterator[tuple[str, Rule]]:
    """What is taken from columns by their names; "" stands for the whole row."""
    plain = {name: "".join(each for each in name.lower() if each.isalnum()) for name in columns}
    hashes = [next((name for name in columns if plain[name] in names), None) for names in _OF_KIND.values()]
    if any(hashes):
        yield "", file_rule("", [name for name in hashes if name])
    for name in columns:
        if plain[name] in _OF_ANY_KIND:
            yield name, hash_rule(name)
        elif plain[name] in _ADDRESS and urls:
            yield name, url_rule(name)
        elif plain[name] in _EITHER:
            yield name, _lenient(own_rule(name, urls=urls))


def _lenient(rule: Rule) -> Rule:
    """A column of indicators of any kind: what is neither hash nor URL is an address or a name, and no error."""

    def lenient(value: object, hits: Hits) -> int:
        rule(value, hits)
        return 0

    return lenient


def _flat(rows: Sequence[tuple[str, Rule]]) -> Rule:
    """One rule for a row: dots in the name of a column mean nothing."""

    def rule(row: dict[str, str], hits: Hits) -> int:
        return sum([take(row.get(name) if name else row, hits) for name, take in rows])

    return rule
