"""The graph of a playbook has every edge, by its field, and says what can be reached."""

from hypothesis import given
from hypothesis import strategies as st

from connector.playbooks.cacao import Playbook
from connector.playbooks.graph import Edge, edges, graph_of, starts
from tests.playbooks.making import (
    END,
    START,
    action,
    changed,
    cleaning,
    cleaning_key,
    end,
    if_,
    key,
    line,
    manual,
    parallel,
    playbook,
    simple,
    start,
    step_key,
    switch,
    while_,
)


def read(made):
    return Playbook.model_validate(made)


def names(found):
    """The names of steps of ``cleaning`` by their ids."""
    ids = {cleaning_key(name): name for name in ("start", "plan", "anything", "ask", "delete", "wait", "look", "told")}
    ids |= {cleaning_key(name): name for name in ("looked", "done", "nothing", "end", "failed", "over")}
    return {ids[one] for one in found}


def test_every_kind_of_step_has_its_edges():
    ids = {
        name: key(kind, "x")
        for name, kind in {"if": "if-condition", "while": "while-condition", "all": "parallel"}.items()
    }
    which, a, b = key("switch-condition", "x"), key("action", "a"), key("end", "b")
    made = playbook(
        {
            START: start(ids["if"]),
            ids["if"]: if_("__a__:value = 'x'", a, ids["while"], b),
            ids["while"]: while_("__a__:value = 'x'", a, ids["all"]),
            ids["all"]: parallel(a, b, then=which),
            which: switch("__a__", {"x": a, "default": b}, END),
            a: action(manual(), then=b, on_completion=None, on_success=b, on_failure=END),
            b: end(),
            END: end(),
        }
    )

    assert edges(read(made)) == [
        Edge(START, "on_completion", ids["if"], ("on_completion",)),
        Edge(ids["if"], "on_true", a, ("on_true",)),
        Edge(ids["if"], "on_false", b, ("on_false",)),
        Edge(ids["if"], "on_completion", ids["while"], ("on_completion",)),
        Edge(ids["while"], "on_true", a, ("on_true",)),
        Edge(ids["while"], "on_completion", ids["all"], ("on_completion",)),
        Edge(ids["all"], "next_steps", a, ("next_steps", 0)),
        Edge(ids["all"], "next_steps", b, ("next_steps", 1)),
        Edge(ids["all"], "on_completion", which, ("on_completion",)),
        Edge(which, "case x", a, ("cases", "x")),
        Edge(which, "case default", b, ("cases", "default")),
        Edge(which, "on_completion", END, ("on_completion",)),
        Edge(a, "on_success", b, ("on_success",)),
        Edge(a, "on_failure", END, ("on_failure",)),
    ]


def test_an_edge_says_where_in_the_file_it_stands():
    made = cleaning()

    for edge in edges(read(made)):
        here = made["workflow"][edge.source]
        for part in edge.path:
            here = here[part]
        assert here == edge.target


def test_an_edge_to_nowhere_is_an_edge_and_no_way():
    made = read(changed(simple(), "workflow", step_key(0), "on_completion", to=key("end", "nowhere")))

    assert key("end", "nowhere") in {edge.target for edge in edges(made)}
    assert graph_of(made).reachable(starts(made)) == {START, step_key(0)}


def test_everything_is_reached_from_the_start_and_the_exception_handler():
    made = read(cleaning())
    graph = graph_of(made)

    assert graph.reachable(starts(made)) == made.workflow.keys()
    assert names(graph.reachable([made.workflow_exception])) == {"told", "over"}


def test_a_sequence_keeps_out_of_branches_and_a_body_goes_into_them():
    graph = graph_of(read(cleaning()))

    assert names(graph.sequence(cleaning_key("start"))) == {"start", "plan", "anything", "failed", "end"}
    assert names(graph.sequence(cleaning_key("ask"))) == {"ask", "delete", "wait", "done"}
    assert names(graph.body(cleaning_key("ask"))) == {"ask", "delete", "wait", "done", "look", "looked"}


def test_what_begins_a_branch_is_told_from_what_leads_on():
    graph = graph_of(read(cleaning()))

    assert names(edge.target for edge in graph.branches()) == {"ask", "nothing", "look"}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=10, max_size=10))
def test_reaching_is_closed_under_edges_and_holds_nothing_else(ways):
    def step(number):
        return lambda _then: action(manual(), then=step_key(ways[number][0]), on_completion=None,
                                    on_success=step_key(ways[number][0]), on_failure=step_key(ways[number][1]))  # fmt: skip

    made = read(line(*(step(number) for number in range(10))))
    graph = graph_of(made)
    reached = graph.reachable([step_key(0)])
    expected, new = set(), {0}
    while new - expected:
        expected |= new
        new = {way for number in expected for way in ways[number]}

    assert reached == {step_key(number) for number in expected}


def test_every_step_is_part_of_one_sequence_and_knows_what_opened_it():
    made = read(cleaning())
    sequences = graph_of(made).sequences(starts(made))
    members = {}
    for name, head in sequences.head_of.items():
        members.setdefault(*names([head]), set()).add(*names([name]))

    assert [*names(sequences.heads[:1]), *names(sequences.heads[1:2])] == ["start", "told"]
    assert members == {
        "start": {"start", "plan", "anything", "failed", "end"},
        "told": {"told", "over"},
        "ask": {"ask", "delete", "wait", "done"},
        "nothing": {"nothing"},
        "look": {"look", "looked"},
    }
    assert [name for step in sequences.around(cleaning_key("looked")) for name in names([step])] == ["wait", "anything"]
    assert sequences.around(cleaning_key("failed")) == []


def test_a_step_that_two_sequences_lead_to_belongs_to_the_outer_one():
    made = read(changed(cleaning(), "workflow", cleaning_key("looked"), to=action(manual(), then=cleaning_key("end"))))
    sequences = graph_of(made).sequences(starts(made))

    assert sequences.head_of[cleaning_key("end")] == cleaning_key("start")
