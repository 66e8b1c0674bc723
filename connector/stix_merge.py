"""Each subject once: files that share a hash are one file, and of two verdicts on it the later one stands.

An answer may name the same file twice, once by MD5 and once by SHA-256. STIX would then hold two files, two
indicators and two opinions. MD5 and SHA-1 can be forged, so files whose stronger hashes differ are never joined:
the later one gives up the hash they share, and is known by its stronger ones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from connector.stix_ids import HASH_NAMES
from connector.stix_text import milliseconds, moment
from connector.verdict import File, Url, Verdict
from connector.vocabulary import SEVERITY

KINDS = tuple(kind for _, kind in HASH_NAMES)


def once(
    verdicts: Sequence[Verdict], observed: Sequence[File | Url] = ()
) -> tuple[list[Verdict], list[File | Url], bool]:
    """The verdicts and the subjects without one, each subject once; and whether forged hashes were met."""
    if not observed and _all_different(verdicts):
        return list(verdicts), [], False
    files = _Files()
    for subject in (*(verdict.subject for verdict in verdicts), *observed):
        file = subject if isinstance(subject, File) else subject.served
        if file is not None:
            files.add(file)
    kept: dict[str, Verdict] = {}
    for verdict in verdicts:
        subject = files.fullest(verdict.subject)
        rival = kept.get(_key(subject))
        if rival is None or _rank(verdict) > _rank(rival):
            kept[_key(subject)] = replace(verdict, subject=subject)
    seen = {_key(subject): subject for subject in map(files.fullest, observed)}
    return list(kept.values()), [seen[key] for key in seen if key not in kept], files.forged


def _all_different(verdicts: Iterable[Verdict]) -> bool:
    """The usual case, found cheaply: files only, and no hash twice."""
    hashes: list[str] = []
    for verdict in verdicts:
        subject = verdict.subject
        if not isinstance(subject, File):
            return False
        hashes += [h for h in (subject.md5, subject.sha1, subject.sha256, subject.sha512) if h]
    return len(set(hashes)) == len(hashes)


def _key(subject: File | Url) -> str:
    return subject.strongest[1] if isinstance(subject, File) else subject.value


def _rank(verdict: Verdict) -> tuple[str, int]:
    seen = moment(verdict.last_seen) or moment(verdict.first_seen)
    return milliseconds(seen) if seen else "", SEVERITY[verdict.classification]


class _Files:
    """Every file met so far, found by any of its hashes."""

    def __init__(self) -> None:
        self.known: dict[str, File] = {}
        self.forged = False

    def add(self, file: File) -> None:
        whole = self._honest(file)
        for kind in KINDS:
            known = self.known.get(getattr(whole, kind) or "")
            if known is not None and _agree(known, whole):
                whole = _joined(known, whole)
        for kind in KINDS:
            if getattr(whole, kind):
                self.known[getattr(whole, kind)] = whole

    def fullest(self, subject: File | Url) -> File | Url:
        """The same subject with everything that is known of its file."""
        if isinstance(subject, Url):
            served = subject.served and self._known(subject.served)
            return subject if served is subject.served else replace(subject, served=served)
        return self._known(subject)

    def _known(self, file: File) -> File:
        return self.known.get(self._honest(file).strongest[1], file)

    def _honest(self, file: File) -> File:
        """The file without a weak hash that belongs to another file (whose stronger hash is not the same)."""
        for kind in ("md5", "sha1"):
            known = self.known.get(getattr(file, kind) or "")
            if known is None or _agree(known, file):
                continue
            if any(getattr(file, other) for other in KINDS if other != kind):
                file = replace(file, md5=None) if kind == "md5" else replace(file, sha1=None)
                self.forged = True
        return file


def _agree(one: File, other: File) -> bool:
    """Whether two files may be one: no hash that both know differs."""
    return all(
        not getattr(one, kind) or not getattr(other, kind) or getattr(one, kind) == getattr(other, kind)
        for kind in KINDS
    )


def _joined(one: File, other: File) -> File:
    """One file with what either knows; where both know something, the first one's word."""
    fields = (*KINDS, "name", "size", "file_type")
    return File(**{field: getattr(one, field) or getattr(other, field) for field in fields})
