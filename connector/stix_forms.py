"""The forms that STIX objects are filled from: what stix2 built once, kept beside this file as JSON.

Importing stix2 takes longer than a whole action, and building an indicator with it a millisecond. A form is
copied and filled in two microseconds, and a test holds it equal to what stix2 makes of the same values.
"""

import json
import marshal
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from connector.stix_terms import TLP1, TLP2, StixOptions

Object = dict[str, Any]
EXEMPLARS: Final = Path(__file__).with_name("exemplars.json")


@lru_cache(maxsize=1)
def forms() -> dict[str, Object]:
    """Every form by its name. Read once; nobody may change them."""
    loaded: dict[str, Object] = json.loads(EXEMPLARS.read_text("utf-8"))
    return loaded


@lru_cache(maxsize=16)
def _frozen(form: str) -> bytes:
    return marshal.dumps(forms()[form])


@dataclass(frozen=True, slots=True)
class Kit:
    """The options of one bundle with what follows from them for every object."""

    options: StixOptions
    marking: str
    forms: dict[str, Object]

    def new(self, form: str, id_: str) -> Object:
        """A copy of a form with its id and its marking. Whatever else it holds is filled in or taken out."""
        made = self.forms[form].copy()
        made["id"] = id_
        made["object_marking_refs"] = [self.marking]
        return made

    def constant(self, form: str) -> Object:
        """A whole object that is the same in every bundle; a fresh copy, as the reader may change it."""
        made: Object = marshal.loads(_frozen(form))  # noqa: S302  # our own bytes; the fastest deep copy
        return made


@lru_cache(maxsize=32)
def kit(options: StixOptions) -> Kit:
    """The kit for some options; made once for each."""
    markings = TLP1 if options.target == "sentinel" else TLP2
    return Kit(options, markings[options.tlp], forms())
