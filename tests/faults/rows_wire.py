"""F01 to F19: what goes wrong on the way, before an answer is whole."""

from typing import Final

from tests.faults.causes import Cause, both, struck
from tests.faults.expect import (
    ANSWERS,
    READS,
    WRITES,
    Again,
    AtOnce,
    Column,
    Error,
    Exactly,
    Rule,
    Unharmed,
    Unknown,
    Unread,
    Verified,
)
from tests.faults.rows import CUT, N_A, NOT_MADE, UNTOLD, Case, Entry, Row, case, doubtful, no, row, same

_PLACE = {
    "first": Unharmed(),
    "second": no("DeadlineExceeded", "not_sent", "no place"),
    "every": AtOnce(Error("DeadlineExceeded", "not_sent", "no place", journal="")),
}
_NAMES = {"stage": "names", "done": False, "reaches": False}
_FORMS = ("unknown_ca", "wrong_host", "expired", "not_yet_valid", "self_signed", "tls_1_1")
_FACES = {"stage": "faces", "done": False, "reaches": False, "after": "all_closed"}
_TUNNEL = {"stage": "tunnel", "done": False, "reaches": False}
_REFUSES = Error("ConnectFailed", "not_sent", "the proxy refused the connection, not the appliance")
# F01 to F08: nothing was sent.
CONNECTIONS: Final[dict[str, Row]] = {
    "F01": row(
        "the host name does not exist",
        "connections",
        same(
            Cause(name="EAI_NONAME", numbers={"how": "nobody"}, **_NAMES),
            must=no("ConnectFailed", "not_sent", "does not exist; nothing was sent"),
        ),
    ),
    "F02": row(
        "the host name cannot be looked up for the moment",
        "connections",
        same(Cause(name="EAI_AGAIN", numbers={"how": "later"}, **_NAMES), must=Again(NOT_MADE)),
    ),
    "F03": row(
        "the connection is refused, or not accepted in time",
        "connections",
        same(*(Cause(name=how, numbers={"how": how}, **_NAMES) for how in ("refused", "deaf")), must=Again(NOT_MADE)),
    ),
    "F04": row(
        "no place to send from is free",
        "connections",
        case(
            Cause(name="crowd", stage="crowd", reaches=False, done=False, only=("UPF", "UPU", "TAG")),
            reads=N_A("a read has a connection of its own: there is no pool to wait for"),
            upf=_PLACE,
            upu=_PLACE,
            delete=N_A("a deletion takes none of the places for submissions"),
            tag=_PLACE,
        ),
    ),
    "F05": row(
        "the proxy refuses the tunnel",
        "connections",
        same(Cause(name="407", numbers={"status": 407}, **_TUNNEL), must=AtOnce(_REFUSES)),
        same(Cause(name="502", numbers={"status": 502}, **_TUNNEL), must=Again(_REFUSES)),
    ),
    "F06": row(
        "a certificate that proves nothing, or TLS 1.1",
        "connections",
        same(*(Cause(name=form, numbers={"form": form}, **_FACES) for form in _FORMS), must=UNTOLD),
    ),
    "F07": row(
        "another certificate than the pinned one",
        "connections",
        same(
            Cause(name="pin", numbers={"form": "changed_leaf", "pinned": True}, **_FACES),
            must=no("TlsError", "not_sent"),
        ),
    ),
    "F08": row(
        "plain HTTP on the TLS port",
        "connections",
        same(Cause(name="plain", numbers={"form": ""}, **_FACES), must=UNTOLD),
    ),
}

_REUSED: dict[Column, Entry] = {
    column: {
        "first": Exactly(Rule(ends=ANSWERS[column], asked=(2, 2), slept=(0.125, 0.125))),
        "second": Exactly(Rule(ends=ANSWERS[column], asked=(2, 2), slept=(0.25, 0.25))),
        "every": Exactly(Rule(ends="Truncated", happened="not_sent", asked=(3, 3), slept=(0.375, 0.375))),
    }
    for column in READS
}
_SIZES = {"size": 4 << 20, "only": ("UPF",)}
_UPLOAD_ONLY = N_A("only submit_file has a body that can be cut in two")
_BROKEN = no("UnexpectedResponse", "not_sent", "broke a rule of HTTP")
_HALVES = [struck(f"answer_{part}_{end}") for end in ("fin", "rst") for part in ("head", "half", "all_but_one")]
# F09 to F13 and F17 to F19: the answer ends early.
CUTS: Final[dict[str, Row]] = {
    "F09": row("RST before the first byte", "cuts", doubtful(*both("answer_none_rst"), reads=CUT)),
    "F10": row(
        "RST within the upload",
        "cuts",
        case(
            *(struck("request_rst", done=False, at=at, **_SIZES) for at in (0.1, 0.5, "all_but_one")),
            reads=_UPLOAD_ONLY,
            upf=Verified(),
            upu=_UPLOAD_ONLY,
            delete=_UPLOAD_ONLY,
            tag=_UPLOAD_ONLY,
        ),
    ),
    "F11": row(
        "FIN before the answer, also on a connection that was kept",
        "cuts",
        doubtful(*both("answer_none_fin"), reads=CUT),
        Case(
            (struck("answer_none_fin", stage="warm", only=READS),),
            _REUSED | dict.fromkeys(WRITES, N_A("what changes something gets a fresh connection")),
        ),
    ),
    "F12": row("part of the answer, then FIN", "cuts", doubtful(*_HALVES[:3], reads=CUT)),
    "F13": row("part of the answer, then RST", "cuts", doubtful(*_HALVES[3:], reads=CUT)),
    "F17": row(
        "framing that is broken or not ended",
        "cuts",
        doubtful(struck("chunk_unterminated"), struck("content_length_more"), struck("chunk_broken"), reads=CUT),
        doubtful(struck("garbage"), struck("headers_bad"), reads=_BROKEN),
        doubtful(struck("content_length_twice"), reads=_BROKEN),
    ),
    "F18": row(
        "gzip that ends early in whole framing",
        "cuts",
        doubtful(
            struck("gzip_cut"),
            struck("gzip_cut", at="all_but_one"),
            reads=Again(Error("Truncated", "rejected", "compressed")),
        ),
    ),
    "F19": row(
        "a body that ends with its connection, cut",
        "cuts",
        doubtful(struck("close_delimited_cut"), reads=no("MalformedResponse"), tag=Unread()),
    ),
}


def _late(*kinds: str, **more: object) -> Case:
    causes = tuple(struck(kind, stage="slow", done=kind != "request_swallow", **more) for kind in kinds)
    return case(
        *causes, reads=no("DeadlineExceeded", "not_sent"), upf=Unknown(), upu=Unknown(), delete=Unknown(), tag=Unknown()
    )


# F14 to F16: the deadline comes first, so nothing can be looked for either.
SLOW: Final[dict[str, Row]] = {
    "F14": row("half an answer, then silence", "slow", _late("answer_half_wait")),
    "F15": row("silence", "slow", _late("answer_none_wait"), _late("request_swallow", only=("SRCH", "UPF", "DEL"))),
    "F16": row(
        "an answer that drips, or never comes to its point",
        "slower",
        _late("answer_dribble_head", "answer_early_hints"),
        _late("answer_dribble_body", "answer_100_continue_endless", only=("REP", "UPU")),
    ),
}
