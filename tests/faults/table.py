"""The fault matrix as data: what must come of each of the 52 faults in each column, in the order of their numbers."""

from collections.abc import Mapping
from typing import Final

from tests.faults.rows import Row
from tests.faults.rows_answers import BODIES, LIMITS, STATUSES
from tests.faults.rows_state import JOBS, STATE
from tests.faults.rows_wire import CONNECTIONS, CUTS, SLOW

RULES: Final[Mapping[str, Row]] = dict(
    sorted((CONNECTIONS | CUTS | SLOW | BODIES | STATUSES | LIMITS | STATE | JOBS).items())
)
