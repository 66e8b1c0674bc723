"""Test the connection: is the appliance reached, and does it accept the credentials."""

from pydantic import Field

from connector.action import DOCS, Action, Answer, Context, Example
from connector.endpoints import FILE_STATUS
from connector.plan import Plan
from connector.steps import file_statuses
from connector.vocabulary import Message


class Params(Message):
    """No parameters."""


class Result(Message):
    """What was reached."""

    connected: bool
    appliance: str = Field(description="Address of the appliance.")
    appliance_time: str = Field(description="The appliance's clock at the answer, RFC 3339 in UTC.")


def plan(params: Params, context: Context) -> Plan[Answer]:  # every plan has this shape
    """Ask for the status of a hash of zeros, which the vendor's SDK does too; it changes nothing."""
    found = yield from file_statuses(["0" * 40])
    return Answer(
        result=Result(connected=True, appliance=context.origin, appliance_time=found.answered_at),
        endpoint=FILE_STATUS,
        answered_at=found.answered_at,
    )


ACTION = Action(
    name="test_connection",
    title="Test the connection",
    description="Checks address, TLS and credentials with one harmless request.",
    effect="read",
    params=Params,
    result=Result,
    endpoints=(FILE_STATUS,),
    plan=plan,
    branches=("ok",),
    stix=(),
    egress="none",
    idempotent=True,
    doc_url=DOCS + "samples#check-processing-status-of-samples",
    examples=(Example("no parameters", {}),),
)
