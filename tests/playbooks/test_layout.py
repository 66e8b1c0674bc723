"""The layout: nothing lies on anything else, edges lead from node to node around the others, always the same way."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.playbooks.drawing.layers import crossings, layered
from connector.playbooks.drawing.layout import Layout, Link, Node, arrange
from connector.playbooks.drawing.places import pooled

SLACK = 0.01


@st.composite
def graphs(draw):
    """Up to 14 nodes of several sizes, with cycles, loops, repeated edges and parts that do not hang together."""
    count = draw(st.integers(1, 14))
    sizes = st.sampled_from([(60.0, 30.0), (200.0, 60.0), (120.0, 46.0)])
    nodes = [Node(str(number), *draw(sizes)) for number in range(count)]
    ends = st.integers(0, count - 1).map(str)
    labels = st.sampled_from([(0.0, 0.0), (40.0, 16.0), (150.0, 16.0)])
    pairs = draw(st.lists(st.tuples(ends, ends, labels), max_size=24))
    return nodes, [Link(source, target, *label) for source, target, label in pairs]


def boxes(nodes: list[Node], made: Layout) -> dict[str, tuple[float, float, float, float]]:
    return {
        node.id: (x - node.width / 2, y - node.height / 2, x + node.width / 2, y + node.height / 2)
        for node in nodes
        for x, y in [made.places[node.id]]
    }


def apart(a, b) -> bool:
    return a[2] <= b[0] + SLACK or b[2] <= a[0] + SLACK or a[3] <= b[1] + SLACK or b[3] <= a[1] + SLACK


def labels(links: list[Link], made: Layout):
    for link, route in zip(links, made.routes, strict=True):
        if link.width:
            x, y = route.label
            yield (x - link.width / 2, y - link.height / 2, x + link.width / 2, y + link.height / 2)


@given(graphs())
def test_no_two_nodes_overlap(graph):
    made = arrange(*graph)

    assert all(apart(a, b) for a, b in combinations(boxes(graph[0], made).values(), 2))


@given(graphs())
def test_no_label_lies_on_a_node_or_on_another_label(graph):
    made = arrange(*graph)
    said = list(labels(graph[1], made))

    assert all(apart(label, box) for label in said for box in boxes(graph[0], made).values())
    assert all(apart(a, b) for a, b in combinations(said, 2))


@given(graphs())
def test_every_edge_starts_and_ends_at_the_border_of_its_nodes(graph):
    nodes, links = graph
    made = arrange(nodes, links)
    outlines = boxes(nodes, made)

    def on_border(point, box) -> bool:
        (x, y), (left, top, right, bottom) = point, box
        inside = left - SLACK <= x <= right + SLACK and top - SLACK <= y <= bottom + SLACK
        return inside and min(abs(y - top), abs(y - bottom), abs(x - right)) < SLACK

    for link, route in zip(links, made.routes, strict=True):
        assert on_border(route.points[0], outlines[link.source])
        assert on_border(route.points[-1], outlines[link.target])


@given(graphs())
def test_no_edge_goes_through_a_node(graph):
    nodes, links = graph
    made = arrange(nodes, links)
    outlines = boxes(nodes, made).values()

    for route in made.routes:
        for (x, y), (to_x, to_y) in pairwise(route.points):
            for part in range(9):
                px, py = x + (to_x - x) * part / 8, y + (to_y - y) * part / 8
                assert not any(
                    box[0] + SLACK < px < box[2] - SLACK and box[1] + SLACK < py < box[3] - SLACK for box in outlines
                )


@given(graphs())
def test_everything_lies_within_the_size_that_is_told(graph):
    made = arrange(*graph)
    spots = [*boxes(graph[0], made).values(), *labels(graph[1], made)]

    for left, top, right, bottom in spots:
        assert left >= -SLACK
        assert top >= -SLACK
        assert right <= made.width + SLACK
        assert bottom <= made.height + SLACK


@given(graphs())
def test_the_same_graph_gets_the_same_layout(graph):
    assert arrange(*graph) == arrange(*graph)


def test_a_sequence_is_one_upright_line():
    nodes = [Node(str(n), 100.0 + 10 * n, 40) for n in range(6)]
    made = arrange(nodes, [Link(str(n), str(n + 1)) for n in range(5)])

    assert len({round(x, 3) for x, _ in made.places.values()}) == 1
    assert all(len(route.points) == 2 for route in made.routes)


def test_an_edge_against_the_direction_goes_upwards():
    nodes = [Node(name, 100, 40) for name in "abc"]
    made = arrange(nodes, [Link("a", "b"), Link("b", "c"), Link("c", "a")])

    assert made.places["a"][1] < made.places["b"][1] < made.places["c"][1]
    assert made.routes[2].points[0][1] > made.routes[2].points[-1][1]


def test_branches_keep_the_order_in_which_they_are_given():
    nodes = [Node(name, 100, 40) for name in ("top", "left", "middle", "right")]
    made = arrange(nodes, [Link("top", name, 30, 16) for name in ("left", "middle", "right")])

    assert made.places["left"][0] < made.places["middle"][0] < made.places["right"][0]
    assert made.places["middle"][0] == pytest.approx(made.places["top"][0])


def test_a_crossing_that_can_be_avoided_is_avoided():
    layers = layered(4, [(0, 3), (1, 2)])

    assert crossings(layers) == 0


def test_parts_that_do_not_hang_together_are_set_in_rows():
    nodes = [Node(str(n), 200, 40) for n in range(12)]
    made = arrange(nodes, [], width=700)

    assert made.width <= 700
    assert len({y for _, y in made.places.values()}) == 4


def test_a_link_to_nowhere_is_refused():
    with pytest.raises(KeyError):
        arrange([Node("a", 10, 10)], [Link("a", "b")])


def test_a_long_graph_is_no_deep_recursion():
    nodes = [Node(str(n), 80, 30) for n in range(3000)]
    made = arrange(nodes[:1500], [Link(str(n), str(n + 1)) for n in range(1499)])

    assert len(made.places) == 1500


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0.1, 5)), max_size=12))
def test_pooled_values_never_fall_and_keep_the_weighted_sum(pairs):
    wanted, weights = [value for value, _ in pairs], [weight for _, weight in pairs]
    found = pooled(wanted, weights)

    assert all(a <= b + 1e-9 for a, b in pairwise(found))
    assert sum(v * w for v, w in zip(found, weights, strict=True)) == pytest.approx(
        sum(v * w for v, w in pairs), abs=1e-6
    )
