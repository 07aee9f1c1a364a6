"""A mesh's waves, a hand built of them, coarser graphs; flow as pictures."""

import numpy as np
import pytest
import torch

from handlib import HandModel, viz
from handlib.errors import BadInputError
from handlib.models.mesh_hierarchy import MeshHierarchy, mesh_hierarchy
from handlib.render.shapes import sphere_mesh
from handlib.viz.flows import flow_figure, flow_picture
from handlib.viz.mesh_graphs import built_of_waves, cluster_centres, cluster_colours, coarse_graph_figure, mesh_waves


@pytest.fixture(scope="module")
def ball() -> tuple[torch.Tensor, torch.Tensor, MeshHierarchy]:
    vertices, faces = sphere_mesh(0.1, torch.zeros(3), 2)
    return vertices, faces, mesh_hierarchy(faces, len(vertices), levels=2)


def test_waves_are_orthonormal_and_the_slowest_has_no_sign_change(ball):
    _, _, tree = ball
    frequencies, waves = mesh_waves(tree)
    assert abs(float(frequencies[0])) < 1e-12 and bool((frequencies.diff() >= -1e-12).all()) and frequencies[-1] <= 2
    torch.testing.assert_close(waves.mT @ waves, torch.eye(len(waves), dtype=waves.dtype))
    slowest = waves[:, 0] * waves[0, 0].sign()
    assert bool((slowest > 0).all())


def test_one_wave_is_a_point_and_all_waves_are_the_mesh(ball):
    vertices, _, tree = ball
    point = built_of_waves(vertices + 1, tree, 1)
    torch.testing.assert_close(point, point[:1].expand_as(point))
    torch.testing.assert_close(built_of_waves(vertices, tree, len(vertices)), vertices)
    with pytest.raises(BadInputError, match="count: 0"):
        built_of_waves(vertices, tree, 0)


def test_clusters_have_one_colour_and_their_vertices_mean(ball):
    vertices, _, tree = ball
    colours, centres = cluster_colours(tree, 1), cluster_centres(vertices, tree, 1)
    cluster = tree.cluster(1)
    pair = (cluster == cluster[0]).nonzero()[:, 0]
    assert len(np.unique(colours[pair.numpy()], axis=0)) == 1
    torch.testing.assert_close(centres[cluster[0]], vertices[pair].mean(0))
    assert bool(torch.isnan(centres[~tree.real[1]]).all())


def test_clusters_that_are_joined_have_shades_of_one_colour():
    hand = HandModel.load("open")
    tree = mesh_hierarchy(hand.faces, hand.num_vertices)
    fine, joined = cluster_colours(tree, 3), tree.cluster(4).numpy()
    within = [np.ptp(fine[joined == node], axis=0).mean() for node in np.unique(joined)]
    assert np.mean(within) < 0.7 * np.abs(fine - np.roll(fine, 400, axis=0)).mean()
    assert len(np.unique(fine, axis=0)) == len(np.unique(tree.cluster(3).numpy()))


def test_coarse_graph_figure_draws_each_edge_once(ball):
    vertices, faces, tree = ball
    figure = coarse_graph_figure(vertices, faces, tree, 1)
    lines = figure.data[-1]
    edges = int((torch.triu(tree.adjacency[1], 1) > 0).sum())
    assert len(lines.x) == 3 * edges and int(np.isnan(lines.x).sum()) == edges


def test_hand_has_one_piece():
    hand = HandModel.load("open")
    frequencies, _ = viz.mesh_waves(mesh_hierarchy(hand.faces, hand.num_vertices))
    assert int((frequencies < 1e-9).sum()) == 1


def test_flow_colours_tell_direction_and_length():
    flow = np.zeros((2, 3, 2), np.float32)
    flow[0, 0], flow[0, 1], flow[0, 2] = (4, 0), (-4, 0), (2, 0)
    picture = flow_picture(flow)
    assert len({tuple(colour) for colour in picture[0]}) == 3
    assert np.ptp(picture[1].astype(int), axis=-1).max() == 0  # what stands still is without colour
    np.testing.assert_array_equal(flow_picture(flow, 8.0)[0, 0], flow_picture(flow)[0, 2])


def test_flow_figure_has_a_panel_a_flow_and_arrows_where_they_count():
    flow = np.ones((12, 12, 2), np.float32)
    counted = np.zeros((12, 12), bool)
    counted[:6] = True
    figure = flow_figure({"one": flow, "two": 2 * flow}, counted, every=3)
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
    assert len(figure.axes[0].collections[0].U) == 8
    with pytest.raises(BadInputError, match="shapes"):
        flow_figure({"one": flow, "two": flow[:5]})
