"""The fault matrix, played: bodies."""

from tests.faults.playing import plays

test_every_cell_ends_as_its_rule_says = plays("bodies")
