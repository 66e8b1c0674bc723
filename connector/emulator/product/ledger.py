"""What happened: every submission with who can see it, every delete, every byte; and never a secret."""

import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Record = dict[str, object]
SECRET_FIELDS = frozenset({"archive_password", "password", "token"})
HIDDEN = "***"
_USERINFO = re.compile(r"(?<=://)[^/?#@\s]+@")
_REQUESTS_KEPT = 10_000


def without_secrets(values: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Show received fields, a repeated one as a list, with passwords and a URL's user information hidden."""
    shown: dict[str, object] = {}
    for name, items in values.items():
        clean = [HIDDEN if name in SECRET_FIELDS else _USERINFO.sub(f"{HIDDEN}@", item) for item in items]
        shown[name] = clean[0] if len(clean) == 1 else clean
    return shown


def hidden_userinfo(url: str) -> str:
    return _USERINFO.sub(f"{HIDDEN}@", url)


@dataclass(slots=True)
class Ledger:
    """Append-only lists that tests and people read at `/_lab/ledger`."""

    submissions: list[Record] = field(default_factory=list)
    refused_submissions: list[Record] = field(default_factory=list)
    deletes: list[Record] = field(default_factory=list)
    reanalyses: list[Record] = field(default_factory=list)
    cloud_queries: deque[Record] = field(default_factory=lambda: deque(maxlen=_REQUESTS_KEPT))
    tag_changes: list[Record] = field(default_factory=list)
    failures: list[Record] = field(default_factory=list)
    requests: deque[Record] = field(default_factory=lambda: deque(maxlen=_REQUESTS_KEPT))
    request_count: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    by_status: Counter[int] = field(default_factory=Counter)

    def note_request(self, record: Record, status: int, received: int, sent: int) -> None:
        self.request_count += 1
        self.bytes_received += received
        self.bytes_sent += sent
        self.by_status[status] += 1
        self.requests.append(record | {"status": status, "bytes_received": received, "bytes_sent": sent})

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc] # a ledger that was just created is an empty ledger

    def shown(self) -> Record:
        return {
            "submissions": self.submissions,
            "refused_submissions": self.refused_submissions,
            "deletes": self.deletes,
            "reanalyses": self.reanalyses,
            "cloud_queries": list(self.cloud_queries),
            "tag_changes": self.tag_changes,
            "failures": self.failures,
            "requests": list(self.requests),
            "totals": {
                "requests": self.request_count,
                "bytes_received": self.bytes_received,
                "bytes_sent": self.bytes_sent,
                "by_status": {str(status): count for status, count in sorted(self.by_status.items())},
                "submissions": len(self.submissions),
                "public_submissions": sum(r["visibility"] == "public" for r in self.submissions),
                "deletes": len(self.deletes),
            },
        }
