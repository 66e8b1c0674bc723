"""Syslog messages (RFC 5424) in frames that count their octets (RFC 6587 section 3.4.1, RFC 5425 section 4.3).

A frame says how long it is, so a message may hold anything, line ends and zeros as well.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, get_args

from connector.errors import ConfigError

Severity = Literal["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)  # RFC 5424 table 2, by number
FACILITIES: Final = {"user": 1, "audit": 13, "alert": 14} | {f"local{n}": 16 + n for n in range(8)}  # table 1
BOM: Final = b"\xef\xbb\xbf"
SD_ID: Final = (
    "spectra@32473"  # 32473 is the enterprise number for examples, RFC 5612: this package has none of its own
)
HOSTNAME, APP_NAME, PROCID, MSGID, SD_NAME = 255, 48, 128, 32, 32  # longest, RFC 5424 section 6
_NOT_PRINTABLE: Final = re.compile(r"[^\x21-\x7e]")
_SD_ID: Final = re.compile(r"[\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32}\Z")  # section 6.3.3: without = " ]
_ESCAPED: Final = re.compile(r'["\\\]]')


@dataclass(frozen=True, slots=True)
class Heading:
    """What all messages of a sink begin with; made by ``heading``."""

    before_time: bytes
    after_time: bytes


def heading(
    host: str, procid: str, msgid: str, *, app_name: str, facility: str, severity: str, sd_id: str = SD_ID
) -> Heading:
    """Check and join what does not change from message to message. What the header cannot hold becomes an underscore.

    Raises:
        ConfigError: for a facility, a severity or an SD-ID that is none.
    """
    if facility not in FACILITIES:
        raise ConfigError(f"syslog facility: it is one of {', '.join(FACILITIES)}")
    if severity not in SEVERITIES:
        raise ConfigError(f"syslog severity: it is one of {', '.join(SEVERITIES)}")
    if not _SD_ID.match(sd_id):
        raise ConfigError('syslog SD-ID: 1 to 32 printable ASCII characters, without a space, =, ] and "')
    priority = FACILITIES[facility] * 8 + SEVERITIES.index(severity)
    names = (_field(host, HOSTNAME), _field(app_name, APP_NAME), _field(procid, PROCID), _field(msgid, MSGID))
    return Heading(f"<{priority}>1 ".encode(), f" {' '.join(names)} [{sd_id}".encode())


def message(start: Heading, moment: bytes, name: str, text: bytes, *, bom: bool = True) -> bytes:
    """One message, without its frame; ``moment`` is made by ``timestamp``, ``name`` is the event id.

    Text in UTF-8 begins with a BOM (section 6.4), but for ASCII alone it is left out: that is a MSG-ANY as well, and
    receivers are known to keep the BOM in the message, which then is no JSON to them (rsyslog issue 284).
    """
    told = _ESCAPED.sub(r"\\\g<0>", name).encode()
    mark = BOM if bom and not text.isascii() and not text.startswith(BOM) and _is_utf8(text) else b""
    return b"".join((start.before_time, moment, start.after_time, b' id="', told, b'"] ', mark, text))


def framed(made: bytes) -> bytes:
    return b"%d %b" % (len(made), made)


def timestamp(seconds: float) -> bytes:
    """Seconds since 1970 as section 6.2.3 wants them: with at most six digits of a second, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z".encode()


def _field(text: str, longest: int) -> str:
    """A field of the header: PRINTUSASCII, not longer than it may be, and - (NILVALUE) for nothing."""
    return _NOT_PRINTABLE.sub("_", text[:longest]) or "-"


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
