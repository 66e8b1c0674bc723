"""From a line to what it names: the hashes and URLs of an event in one of the shapes that SIEMs and sensors write."""

from collections.abc import Sequence
from typing import Final

from connector.enrichment.extraction.csv_rows import CsvReader
from connector.enrichment.extraction.json_events import for_any, for_fields, for_shape
from connector.enrichment.extraction.lists import ListReader
from connector.enrichment.extraction.reading import Read, Reader
from connector.enrichment.extraction.shapes import Shape
from connector.errors import ConfigError

__all__: Final = ["Read", "Reader", "Shape", "make_reader"]


def make_reader(shape: Shape = "auto", fields: Sequence[str] = (), urls: bool = True) -> Reader:
    """A reader of lines in this shape; ``auto`` tells the shape of each by itself, lists included and CSV not.

    With ``fields``, dotted names or the names of columns, these alone are looked at, and each of their values is a
    subject of its own; else a file that is named by several hashes is one subject, its SHA-256, SHA-1, MD5 or SHA-512,
    the first of these that is there. A reader keeps no more than a CSV file's header and recent texts of each field.

    Raises:
        ConfigError: for a name among the fields that is empty or has an empty part.
    """
    if shape == "csv":
        return CsvReader(fields, urls=urls)
    for name in fields:
        if not all(name.split(".")):
            raise ConfigError("each field must be names joined by dots, such as file.hash.sha256; one of them is empty")
    if shape == "list":
        return ListReader(urls=urls)
    if fields:
        return for_fields(fields, urls=urls, lines=shape == "auto")
    return for_any(urls=urls) if shape == "auto" else for_shape(shape, urls=urls)
