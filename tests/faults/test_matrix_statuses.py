"""The fault matrix, played: statuses."""

from tests.faults.playing import plays

test_every_cell_ends_as_its_rule_says = plays("statuses")
