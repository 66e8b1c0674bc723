"""What every search takes: a query or typed clauses, local or cloud, and dates; and the query they make."""

import re
from datetime import date
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema, model_validator

from connector.action import exactly_one, require_one
from connector.query import Clause, check_query, where_text
from connector.vocabulary import Message

LONGEST_QUERY: Final = 7000  # vendor, cloud search API TCA-0320
_DAY: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
    "minLength": 10,
    "maxLength": 10,
    "examples": ["2026-05-30"],
}


def _day(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("must be a day such as 2026-05-30")
    try:
        date.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a day of the calendar, such as 2026-05-30") from None
    return value


Day = Annotated[str, AfterValidator(_day), WithJsonSchema(_DAY)]
Query = Annotated[str, Field(min_length=1, max_length=LONGEST_QUERY), AfterValidator(check_query)]


class SearchBase(Message):
    """The part that searching and counting share."""

    model_config = ConfigDict(json_schema_extra=exactly_one("query", "where"))

    query: Query | None = Field(
        None,
        description="A query in the vendor's language, such as classification:malicious AND firstseen:3d-.",
        examples=["classification:malicious AND firstseen:3d-"],
    )
    where: Annotated[list[Clause], Field(min_length=1, max_length=25)] | None = Field(
        None, description="Typed clauses, all of which must hold; safe for values from elsewhere."
    )
    ticloud: bool = Field(False, description="true searches the cloud; false the appliance's own samples.")
    start_search_date: Day | None = Field(
        None, description="The later day: the search walks back in time. Current endpoint only."
    )
    end_search_date: Day | None = Field(None, description="The earlier day. Current endpoint only.")

    @model_validator(mode="after")
    def _one_query(self) -> "SearchBase":
        require_one(self, "query", "where")
        start, end = self.start_search_date, self.end_search_date
        if start and end and start < end:
            raise ValueError("start_search_date is the later day, as the search walks back in time; swap the two")
        return self


def query_text(params: SearchBase) -> str:
    """The query to send, from either form."""
    return params.query if params.query is not None else where_text(params.where or [])
