"""Boxes and arrows."""

import numpy as np
import pytest

from handlib.errors import BadInputError
from handlib.viz.diagrams import Block, _edge, block_diagram
from handlib.viz.pictures import figure_pictures


def test_a_diagram_shows_its_boxes_in_both_inks():
    blocks = {"a": Block(0, 0, "picture"), "b": Block(1, 0, "network", 0), "c": Block(1, 1, "hand", 1)}
    figure = block_diagram(blocks, [("a", "b"), ("b", "c")], dashed=[("a", "c")])
    assert [text.get_text() for text in figure.axes[0].texts if text.get_text()] == ["picture", "network", "hand"]
    light, dark = (np.asarray(picture) for picture in figure_pictures(figure).values())
    assert light.shape == dark.shape and (light != dark).any()


def test_arrows_end_at_the_edges_of_boxes():
    left, right = Block(0, 0, "a"), Block(2, 0, "b")
    assert _edge(left, right) == pytest.approx((0.44, 0.0)) and _edge(right, left) == pytest.approx((1.56, 0.0))


def test_an_arrow_to_nowhere_is_refused():
    with pytest.raises(BadInputError, match="'z'"):
        block_diagram({"a": Block(0, 0, "a")}, [("a", "z")])
    with pytest.raises(BadInputError):
        block_diagram({}, [])
