"""What has a value is known along every path that a run can take, and only along those."""

import pytest

from connector.playbooks.cacao import Playbook
from connector.playbooks.linting.compared import comparisons, set_if
from connector.playbooks.linting.flow import APPROVED, Flow
from connector.playbooks.linting.lint import lint_value
from connector.playbooks.linting.view import View
from tests.playbooks.making import (
    END,
    START,
    action,
    call,
    end,
    given,
    held,
    if_,
    key,
    manual,
    parallel,
    playbook,
    playbook_action,
    start,
    switch,
    while_,
)

OPEN = key("if-condition", "open")
LOOP, FORK, WHICH = key("while-condition", "loop"), key("parallel", "fork"), key("switch-condition", "which")
SET, SET2, USE, ASK = (key("action", name) for name in ("set", "set2", "use", "ask"))
E1, E2, E3, E4 = (key("end", name) for name in ("1", "2", "3", "4"))
VARIABLES = {"__in__": given(), "__a__": held()}


def sets(then, **more):
    """A step that gives __a__ a value."""
    return action(call("get_tags", '{"hash_value": "__in__:value"}'), then=then, takes={"__a__": "$.x"}, **more)


def uses(then=END, **more):
    """A step that needs __a__."""
    return action(call("get_classification", '{"hash_value": "__a__:value"}'), then=then, **more)


def waits(then, **more):
    return action(manual(), then=then, **more)


def made(steps, **more):
    return playbook({START: start(next(iter(steps))), **steps, END: end()}, VARIABLES, **more)


# what: the playbook, and the code that the use of __a__ has; none where it has a value for sure
PATHS = {
    "set before": (made({SET: sets(USE), USE: uses()}), None),
    "set nowhere": (made({USE: uses()}), "unset-variable"),
    "set after": (made({USE: uses(SET), SET: sets(END)}), "unset-variable"),
    "set by the step itself": (made({USE: uses(takes={"__a__": "$.x"})}), "unset-variable"),
    "set in one branch": (
        made({OPEN: if_("__in__:value = 'x'", SET, USE), SET: sets(E1), USE: uses(), E1: end()}),
        "perhaps-unset-variable",
    ),
    "set in both branches": (
        made({OPEN: if_("__in__:value = 'x'", SET, USE, SET2), SET: sets(E1), SET2: sets(E2), USE: uses(), E1: end(), E2: end()}),
        None,
    ),
    "used in the other branch": (
        made({OPEN: if_("__in__:value = 'x'", SET, END, USE), SET: sets(E1), USE: uses(E2), E1: end(), E2: end()}),
        "unset-variable",
    ),
    "set in a branch within a branch": (
        made(
            {
                OPEN: if_("__in__:value = 'x'", key("if-condition", "2"), USE, SET2),
                key("if-condition", "2"): if_("__in__:value = 'y'", SET, E1, ASK),
                SET: sets(E2), ASK: waits(E3), SET2: sets(E4), USE: uses(), E1: end(), E2: end(), E3: end(), E4: end(),
            }
        ),
        "perhaps-unset-variable",
    ),
    "set where a step failed": (
        made({SET: sets(None, on_success=USE, on_failure=USE, on_completion=None), USE: uses()}),
        "perhaps-unset-variable",
    ),
    "used where the step that sets it failed": (
        made({SET: sets(None, on_success=END, on_failure=USE, on_completion=None), USE: uses(E1), E1: end()}),
        "unset-variable",
    ),
    "set in a loop that may not be entered": (
        made({LOOP: while_("__in__:value = 'x'", SET, USE), SET: sets(E1), USE: uses(), E1: end()}),
        "perhaps-unset-variable",
    ),
    "set in a loop, used in it before": (
        made({LOOP: while_("__in__:value = 'x'", USE, END), USE: uses(SET), SET: sets(E1), E1: end()}),
        "perhaps-unset-variable",
    ),
    "set in a loop, used in it after": (
        made({LOOP: while_("__in__:value = 'x'", SET, END), SET: sets(USE), USE: uses(E1), E1: end()}),
        None,
    ),
    "waited for by a loop that ends when it is set": (
        made({LOOP: while_("__a__:value != 'done'", SET, USE), SET: sets(E1), USE: uses(), E1: end()}),
        None,
    ),
    "asked for by a condition": (
        made({OPEN: if_("__a__:value = 'x' AND __in__:value = 'x'", USE, END), USE: uses(E1), E1: end()}),
        None,
    ),
    "asked for by one of two conditions": (
        made({OPEN: if_("__a__:value = 'x' OR __in__:value = 'x'", USE, END), USE: uses(E1), E1: end()}),
        "unset-variable",
    ),
    "asked whether it exists": (
        made({OPEN: if_("EXISTS __a__:value", USE, END), USE: uses(E1), E1: end()}),
        None,
    ),
    "used where a condition on it does not hold": (
        made({OPEN: if_("__a__:value = 'x'", E1, END, USE), USE: uses(E2), E1: end(), E2: end()}),
        "unset-variable",
    ),
    "set in one of two parallel branches": (
        made({FORK: parallel(SET, ASK, then=USE), SET: sets(E1), ASK: waits(E2), USE: uses(), E1: end(), E2: end()}),
        None,
    ),
    "set in a parallel branch, used in the other": (
        made({FORK: parallel(SET, USE, then=END), SET: sets(E1), USE: uses(E2), E1: end(), E2: end()}),
        "unset-variable",
    ),
    "set in one case": (
        made({WHICH: switch("__in__", {"a": SET, "default": ASK}, USE), SET: sets(E1), ASK: waits(E2), USE: uses(), E1: end(), E2: end()}),
        "perhaps-unset-variable",
    ),
    "set in every case": (
        made({WHICH: switch("__in__", {"a": SET, "b": SET2}, USE), SET: sets(E1), SET2: sets(E2), USE: uses(), E1: end(), E2: end()}),
        None,
    ),
    "set by another playbook": (
        made({SET: playbook_action(key("playbook", "o"), USE, out_args=["__a__"]), USE: uses()}),
        None,
    ),
    "used by the exception handler": (
        made({SET: sets(ASK), ASK: waits(END), USE: uses(E1), E1: end()}, workflow_exception=USE),
        "perhaps-unset-variable",
    ),
    "used by the handler of a step around": (
        made({OPEN: if_("__in__:value = 'x'", SET, None, on_completion=None, on_success=END, on_failure=USE),
              SET: sets(ASK), ASK: waits(E1), USE: uses(E2), E1: end(), E2: end()}),
        "perhaps-unset-variable",
    ),
    "never reached": (made({ASK: waits(END), USE: uses(E1), E1: end()}), None),
}  # fmt: skip


@pytest.mark.parametrize("what", PATHS)
def test_a_use_has_a_value_on_every_path_on_some_or_on_none(what):
    playbook_, code = PATHS[what]
    found = {
        finding.code for finding in lint_value(playbook_).findings if "unset" in finding.code and USE in finding.pointer
    }

    assert found == ({code} if code else set())


def approved(playbook_, step):
    flow = Flow(View(Playbook.model_validate(playbook_)))
    known = flow.before(step)
    assert known is not None
    return bool(known.always & flow.bit(APPROVED))


def test_what_follows_an_approval_is_approved_and_what_follows_a_refusal_is_not():
    asked = waits(None, on_success=SET, on_failure=SET2, on_completion=None)
    one = made({ASK: asked, SET: sets(END), SET2: sets(E1), E1: end()})

    assert approved(one, SET)
    assert not approved(one, SET2)
    assert not approved(one, ASK)


def test_an_approval_in_a_branch_is_none_after_it():
    one = made({OPEN: if_("__in__:value = 'x'", ASK, USE), ASK: waits(SET), SET: sets(E1), E1: end(), USE: uses()})

    assert approved(one, SET)
    assert not approved(one, USE)


def test_a_condition_is_taken_apart():
    text = "__a__:value NOT IN ('it\\'s', 'OR', 7) AND (__b__:value != true OR NOT EXISTS __c__:value)"

    assert {(c.variable, c.operator, c.negated, c.literals) for c in comparisons(text)} == {
        ("__a__", "IN", True, ("'it\\'s'", "'OR'", "7")),
        ("__b__", "!=", True, ("true",)),
        ("__c__", "EXISTS", True, ()),
    }


@pytest.mark.parametrize(
    ("condition", "holds", "fails"),
    [
        ("__a__:value = 'x'", {"__a__"}, set()),
        ("__a__:value != 'x'", set(), {"__a__"}),
        ("__a__:value NOT != 'x'", {"__a__"}, set()),
        ("__a__:value NOT LIKE 'x'", set(), {"__a__"}),
        ("__a__:value = ' OR ' AND __b__:value != 'x'", {"__a__"}, set()),
        ("__a__:value = 'x' OR __b__:value != 'x'", set(), {"__b__"}),
        ("EXISTS __a__:value", {"__a__"}, set()),
        ("NOT EXISTS __a__:value", set(), {"__a__"}),
        ("no condition", set(), set()),
    ],
)
def test_a_condition_tells_which_variables_have_a_value(condition, holds, fails):
    assert set_if(condition, holds=True) == holds
    assert set_if(condition, holds=False) == fails
