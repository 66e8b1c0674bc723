"""F20 to F41: answers that cannot be trusted, and answers that say no."""

from typing import Final

from tests.faults.causes import (
    HTML,
    JSON,
    NOWHERE,
    PAGE,
    STRANGERS,
    WRONG_TYPES,
    Cause,
    bodies,
    looked_at,
    receipts,
    refused,
    replaced,
    statuses,
    struck,
    untrusted,
    waiting,
)
from tests.faults.expect import READS, Again, Error, Exactly, Rule, Unharmed, Unread, fixed, patient, throttled
from tests.faults.rows import N_A, QUEUED, SUBMITS_ONLY, Row, case, doubtful, no, of_tags, row, same

_MALFORMED, _PAGE_OF = no("MalformedResponse"), no("UnexpectedResponse")
_UNREAD = no("MalformedResponse", "applied", "/detail/id")
_AS_IT_IS = Exactly(Rule(ends="partial", journal="done"))
_RECEIPT_ONLY = N_A("only a receipt names the hash of what was stored")
_WRONG = {"code": 500, "message": "no", "detail": {"id": 7}}
# F20 to F27: an answer that cannot be trusted.
BODIES: Final[dict[str, Row]] = {
    "F20": row(
        "an answer without end: packed, nested or plain",
        "bodies",
        doubtful(
            struck("gzip_bomb", mebibytes=80),
            struck("encoded_many"),
            struck("plain_huge"),
            reads=no("ResponseTooLarge", "rejected", "limit"),
        ),
    ),
    "F21": row(
        "JSON that two readers read in two ways", "bodies", doubtful(*untrusted(), reads=_MALFORMED, tag=Unread())
    ),
    "F22": row(
        "a field that is required is missing or of another type",
        "bodies",
        case(
            bodies("missing", STRANGERS),
            bodies("of another type", WRONG_TYPES),
            reads=_MALFORMED,
            upf=_UNREAD,
            upu=_UNREAD,
            delete=_AS_IT_IS,
            tag=Unread(),
        ),
    ),
    "F23": row(
        "an answer about another hash",
        "bodies",
        case(
            bodies("another hash", {"REP": {"sha1": "0" * 40, "classification": "malicious", "riskscore": 9}}),
            reads=N_A("only a look-up of one hash says which hash it is about"),
            upf=N_A("what was stored is F24"),
            upu=N_A("a URL has no hash yet"),
            delete=N_A("the receipt of a deletion names no hash"),
            tag=N_A("no source shows an answer that names the hash"),
            REP=no("ResponseMismatch", "rejected", "discarded"),
        ),
    ),
    "F24": row(
        "another hash was stored than was sent",
        "bodies",
        case(
            bodies("another hash", {"UPF": {"code": 201, "detail": {"id": 7, "sha1": "0" * 40}}}, done=True),
            reads=_RECEIPT_ONLY,
            upf=no("ResponseMismatch", "applied", "stored"),
            upu=_RECEIPT_ONLY,
            delete=_RECEIPT_ONLY,
            tag=_RECEIPT_ONLY,
        ),
    ),
    "F25": row(
        "a code inside the body that is not the status",
        "bodies",
        doubtful(*(replaced(f"code 500 {done}", None, _WRONG, done=done) for done in (True, False)), reads=_MALFORMED),
    ),
    "F26": row(
        "a redirect, to its own login and elsewhere",
        "bodies",
        same(
            replaced("302 to the login", 302, b"", (("location", "/accounts/login/?next=/"),), stage="redirect"),
            replaced("302 elsewhere", 302, b"", (("location", NOWHERE),), stage="redirect"),
            replaced("308 elsewhere", 308, b"", (("location", NOWHERE),), stage="redirect"),
            must=no("UnexpectedResponse", "rejected", "redirect"),
        ),
    ),
    "F27": row(
        "a page in place of JSON",
        "bodies",
        doubtful(
            replaced("a login page", None, PAGE, (HTML,), done=True),
            replaced("a page that says it is JSON", None, PAGE, (JSON,)),
            reads=_PAGE_OF,
        ),
    ),
}

_SERVER = Again(Error("ServerError", "rejected"))
_OTHER = N_A("a success with Retry-After is told of submissions only")
_NOISE = "this\u0007parameter is not accepted " + "x" * 500
_HELD = N_A("a submission that meets 405 is F32")
_ONLY = ("UPF", "UPU")
_KEPT = statuses([], times=2)
_GONE = refused(404, {"message": "not found"})
# F28 to F34, F39 to F41: the appliance, or something before it, says no.
STATUSES: Final[dict[str, Row]] = {
    "F28": row(
        "502, 503 or 504 with a page",
        "statuses",
        doubtful(
            *(
                replaced(f"{status} {'done' if done else 'lost'}", status, PAGE, (HTML,), done=done)
                for status, done in ((502, True), (503, False), (503, True), (504, True))
            ),
            reads=_SERVER,
        ),
    ),
    "F29": row(
        "400",
        "statuses",
        same(refused(400, {"message": _NOISE}), must=no("BadRequest", "rejected", "this parameter is not accepted")),
    ),
    "F30": row(
        "401 or 403",
        "statuses",
        same(
            *(refused(status, {"message": "no"}, after="all_closed_unless_proven") for status in (401, 403)),
            must=no("AuthError"),
        ),
    ),
    "F31": row(
        "404 for a hash or a task",
        "statuses",
        case(
            refused(404, {"message": "not found"}, only=("REP", "POLL")),
            reads=Exactly(Rule(ends="not_found")),
            upf=N_A("a submission names no hash"),
            upu=N_A("a submission names no hash"),
            delete=N_A("the next case"),
            tag=N_A("the last two cases"),
            SRCH=N_A("a search names no hash"),
        ),
        case(
            _KEPT,
            reads=N_A("the case before"),
            upf=N_A("a submission names no hash"),
            upu=N_A("a submission names no hash"),
            delete=Exactly(Rule(ends="not_found", asked=(2, 2))),
            tag=N_A("the last two cases"),
        ),
        of_tags(looked_at(_GONE, 0, times=1), Exactly(Rule(ends="not_found"))),
        of_tags(_GONE, no("EndpointMissing")),  # a look finds the sample there: it is the route that is missing
    ),
    "F32": row(
        "405 on a submission",
        "statuses",
        case(
            refused(405, {"message": "maintenance"}, only=_ONLY, after="submissions_closed"),
            reads=SUBMITS_ONLY,
            upf=no("MaintenanceError", retry_after=300.0),
            upu=no("MaintenanceError", retry_after=300.0),
            delete=SUBMITS_ONLY,
            tag=SUBMITS_ONLY,
        ),
    ),
    "F33": row(
        "405 elsewhere",
        "statuses",
        case(
            refused(405, {"message": "no"}, only=(*READS, "DEL", "TAG")),
            reads=no("EndpointMissing"),
            upf=_HELD,
            upu=_HELD,
            delete=no("InUse"),
            tag=no("EndpointMissing"),
        ),
    ),
    "F34": row(
        "413, also before the whole body",
        "statuses",
        case(
            refused(413, {"message": "too large"}, only=_ONLY),
            Cause(name="early", stage="early", done=False, only=("UPF", "UPU")),
            reads=SUBMITS_ONLY,
            upf=no("FileTooLarge"),
            upu=no("FileTooLarge"),
            delete=SUBMITS_ONLY,
            tag=SUBMITS_ONLY,
        ),
    ),
    "F39": row(
        "503 in JSON on a submission",
        "statuses",
        case(
            refused(503, {"message": "disk space"}, only=_ONLY, after="submissions_closed"),
            reads=N_A("503 on a read is F28 and F40"),
            upf=no("StorageFull"),
            upu=no("StorageFull"),
            delete=N_A("503 on a deletion is F28 and F40"),
            tag=N_A("503 on a change of tags is F28 and F40"),
        ),
    ),
    "F40": row(
        "500 in JSON",
        "statuses",
        doubtful(
            replaced("500 done", 500, {"message": "no"}, done=True),
            replaced("500 lost", 500, {"message": "no"}),
            reads=_SERVER,
        ),
    ),
    "F41": row(
        "201 with Retry-After",
        "statuses",
        case(
            receipts((JSON, ("retry-after", "5"))),
            reads=_OTHER,
            upf=Unharmed(),
            upu=Unharmed(),
            delete=_OTHER,
            tag=_OTHER,
        ),
    ),
}

_SPENT = Again(Error("QuotaError", "rejected", "quota"), patient, most=2)
_DATE = {"date": "Fri, 01 May 2026 10:00:00 GMT"}
_STORM = {
    **dict.fromkeys(("first", "second"), N_A("a storm has no single attempt")),
    "every": Exactly(Rule(ends="CircuitOpen", happened="not_sent", asked=(5, 12), slept=(0, 600))),
}
# F35 to F38: no room, or the quota is used up.
LIMITS: Final[dict[str, Row]] = {
    "F35": row(
        "429 without Retry-After",
        "statuses",
        same(
            *(refused(429, {"message": text}) for text in ("The processing queue is full.",)),
            must=Again(Error("CapacityError", "rejected", "queue"), throttled),
        ),
        same(
            replaced("429 memory", 429, {"message": "Too much memory is used."}),
            must=Again(Error("CapacityError", "rejected", "memory"), throttled),
        ),
        same(replaced("429 quota", 429, {"message": "The daily quota has been reached."}), must=_SPENT),
        case(
            replaced("429 without a word", 429, {}),
            reads=Again(Error("CapacityError", "rejected"), throttled),
            upf=Again(Error("CapacityError", "rejected"), throttled),
            upu=Again(Error("CapacityError", "rejected"), throttled),
            delete=Again(Error("CapacityError", "rejected"), throttled),
            tag=Again(Error("CapacityError", "rejected"), throttled),
            REP=Again(Error("QuotaError", "rejected"), patient, most=2),
        ),
    ),
    "F36": row(
        "429 with Retry-After, good and bad",
        "statuses",
        same(
            waiting("seconds", "7"),
            waiting("a date", "Fri, 01 May 2026 10:00:07 GMT", **_DATE),
            must=Again(QUEUED, fixed(7)),
        ),
        same(
            waiting("zero", "0"),
            waiting("a date that is past", "Fri, 01 May 2026 09:00:00 GMT", **_DATE),
            must=Again(QUEUED, fixed(0)),
        ),
        same(
            *(waiting(text[:9], text) for text in ("soon", "inf", "-5", "9" * 400)),
            must=Again(QUEUED, throttled),
        ),
    ),
    "F37": row(
        "429 whose wait is longer than the deadline",
        "statuses",
        same(waiting("100 s", "100"), must=no("CapacityError", "rejected", retry_after=100.0)),
        same(waiting("an hour", "3600"), must=no("CapacityError", "rejected", retry_after=3600.0)),
    ),
    "F38": row("ten minutes of 429", "jobs", same(refused(429, {"message": "queue"}, stage="storm"), must=_STORM)),
}
