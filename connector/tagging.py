"""User tags of a sample: read them, and change them so that the answer tells what is there afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field, WithJsonSchema

from connector.action import Answer, Context, request
from connector.endpoint import Endpoint
from connector.endpoints import ADD_TAGS, TAGS
from connector.errors import EndpointMissing, MalformedResponse, OutcomeUnknown, SpectraError
from connector.plan import Plan, Reply, nap
from connector.vocabulary import Branch, Message, Tags, hash_of, hash_schema, split_tags

DOCUMENTED: Final = "tags-api"  # vendor page: user tags only; MD5, SHA-1 and SHA-256
SETTLING: Final = (1.0, 4.0)  # seconds before the look after each lost answer; a change is sent as often at most
LOST: Final = (
    "the answer to the change was lost; the tags were looked up, and sent once more where they were not there: "
    "tags and changed say what is there now"
)
OTHERS: Final = "the appliance took the change, but shows other tags than were asked for"
INTERRUPTED: Final = (
    "an earlier run of this operation was interrupted and may have changed tags; changed counts this run only"
)
_HINT: Final = "ask get_tags what is there now; the same change may be sent again, as twice is as once"
_LENGTHS: Final = (32, 40, 64)


SampleHash = Annotated[
    str,
    hash_of(_LENGTHS, "an MD5, SHA-1 or SHA-256 in hexadecimal (32, 40 or 64 characters), no SHA-512"),
    WithJsonSchema(
        hash_schema(_LENGTHS, "An MD5, SHA-1 or SHA-256 in hexadecimal, of a sample that the appliance has.")
    ),
]


class TagChange(Message):
    """A sample and tags. What a tag may be is said of an upload's (vocabulary.py); the page on tags is silent."""

    hash_value: SampleHash
    tags: Tags = Field(
        description="User tags: a list, or one comma-separated string; 42 characters in all, commas included. These "
        "limits are the vendor's for the tags of an upload."
    )


class Changed(Message):
    """What is on the sample after a change, and what the change itself did."""

    hash_value: str
    tags: tuple[str, ...] = Field(description="User tags of the sample after the change.")
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tagged:
    """The user tags of a sample; None where the appliance does not have it."""

    tags: tuple[str, ...] | None
    answered_at: str


def tags_of(hash_value: str) -> Plan[Tagged]:
    """Ask for the user tags of a sample; their order is the appliance's."""
    reply = yield from request(TAGS, values={"hash": hash_value})
    if reply.status == 404 or (isinstance(reply.json, dict) and reply.json.get("code") == 404):
        return Tagged(None, reply.answered_at)
    tags = _shown(reply)
    if tags is None:
        raise MalformedResponse(f"{TAGS.name} answered without a list of tags (/tags)")
    return Tagged(tags, reply.answered_at)


def _shown(reply: Reply) -> tuple[str, ...] | None:
    """The tags in an answer: a list (vendor page "Tags API"), or one under ``tags``; None where there are none."""
    found = reply.json.get("tags") if isinstance(reply.json, dict) else reply.json
    if not isinstance(found, list) or not all(isinstance(tag, str) for tag in found):
        return None
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Change:
    """Tags to add to a sample or to take off it, and which ones it had before."""

    endpoint: Endpoint
    hash_value: str
    tags: tuple[str, ...]
    before: tuple[str, ...]

    @property
    def adds(self) -> bool:
        return self.endpoint is ADD_TAGS

    def done(self, now: tuple[str, ...]) -> bool:
        """Whether all of it is so already; then there is nothing to send."""
        return all((tag in now) == self.adds for tag in self.tags)

    def is_whole(self, shown: tuple[str, ...]) -> bool:
        """Whether tags in an answer are all those that must be there now, and not an echo of what was sent.

        An echo may hold all of them, too, in another order than the appliance has.
        """
        before, given = set(self.before), set(self.tags)
        in_order = shown != self.tags or self.tags[: len(self.before)] == self.before
        return in_order and set(shown) == (before | given if self.adds else before - given)

    def changed(self, now: Tagged) -> tuple[str, ...]:
        """The tags that were not so before, and are now; none of a sample that is gone."""
        if now.tags is None:
            return ()
        return tuple(tag for tag in self.tags if (tag in self.before) != self.adds and (tag in now.tags) == self.adds)


def subject(params: TagChange, context: Context) -> Plan[Mapping[str, Any] | None]:
    """What the journal keeps: nothing that changes something leaves without an intent there, repeatable or not."""
    yield from ()  # a plan, though it asks nothing
    return {"hash_value": params.hash_value, "tags": split_tags(params.tags)}


def change_tags(endpoint: Endpoint, result: type[Changed], params: TagChange, context: Context) -> Plan[Answer]:
    """Look what is there, send the change where there is something to change, and tell what is there then."""
    first = yield from tags_of(params.hash_value)
    change = Change(endpoint, params.hash_value, tuple(split_tags(params.tags)), first.tags or ())
    now, notices = first, tuple[str, ...]()
    if first.tags is not None and not change.done(first.tags):
        now, notices = yield from _made(change)
    if context.under_way is not None and context.under_way.in_doubt:
        notices += (INTERRUPTED,)
    there = now.tags or ()
    branch: Branch = "not_found" if now.tags is None else "ok" if change.done(there) else "partial"
    return Answer(
        result=result(hash_value=params.hash_value, tags=there, changed=change.changed(now)),
        endpoint=endpoint,
        answered_at=now.answered_at,
        status="not_found" if now.tags is None else "success",
        branch=branch,
        notices=notices,
    )


Made = tuple[Tagged, tuple[str, ...]]


def _made(change: Change) -> Plan[Made]:
    """Send a change until its effect is seen, at most twice: adding or removing the same tags twice is as once.

    Raises:
        OutcomeUnknown: when it was sent and its effect was not seen, or nobody could look; it may come yet.
    """
    doubt: OutcomeUnknown | None = None
    for wait in SETTLING:
        shown, pause = None, 0.0
        try:
            shown = yield from _sent(change)
        except OutcomeUnknown as error:
            doubt, pause = _in_doubt(error), wait
        except SpectraError as error:
            raise (doubt or error) from None
        now = shown or (yield from _looked(change, pause, doubt))
        if now.tags is None or change.done(now.tags):
            return now, (LOST,) if doubt else ()
    if doubt is not None:
        raise doubt
    return now, (OTHERS,)


def _sent(change: Change) -> Plan[Tagged | None]:
    """Send the change once; None where its answer does not show what is there now.

    No source says what is answered, so it is believed only where it shows all the tags that must be there.
    """
    body = {"tags": list(change.tags)}
    try:
        reply = yield from request(change.endpoint, values={"hash": change.hash_value}, json=body)
    except EndpointMissing as error:
        if error.status != 404:
            raise
        now = yield from tags_of(change.hash_value)  # 404 is also the answer for a sample that is gone by now
        if now.tags is not None:
            raise
        return now
    shown = _shown(reply)
    return Tagged(shown, reply.answered_at) if shown is not None and change.is_whole(shown) else None


def _looked(change: Change, pause: float, doubt: OutcomeUnknown | None) -> Plan[Tagged]:
    """What is there, some time after an answer was lost; raises a doubt where nobody can tell."""
    try:
        if pause:
            yield from nap(pause)
        return (yield from tags_of(change.hash_value))
    except SpectraError as error:
        raise (doubt or _unseen(error)) from None


def _in_doubt(error: OutcomeUnknown) -> OutcomeUnknown:
    """The same doubt in the words of tags: what the retry policy advises is about submissions."""
    cause = error.message.partition(";")[0]
    text = f"{cause}; the change of tags was sent and may have been done"
    return OutcomeUnknown(text, status=error.status, retry_after=error.retry_after, hint=_HINT)


def _unseen(error: SpectraError) -> OutcomeUnknown:
    """A change that the appliance took, in an answer that no source describes, and that nobody could see."""
    text = f"the change of tags was taken and may have been done, but looking at the tags failed ({error.code})"
    return OutcomeUnknown(text, status=error.status, retry_after=error.retry_after, hint=_HINT)
