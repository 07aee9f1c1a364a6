"""Places on one hand for the vertices of another: exact on itself, by parts, and against brute force."""

import numpy as np
import pytest
import torch

from handlib.experiments.mesh_correspondence import closest_on_triangles, hand_correspondence, move_onto
from handlib.hand.anatomy import rest_joints_m
from handlib.hand.model import HandModel


@pytest.fixture(scope="module")
def open_hand() -> HandModel:
    return HandModel.load("open", dtype=torch.float64)


def test_a_hand_lies_on_itself(open_hand):
    places = hand_correspondence("open", "open")
    vertices = open_hand.v_template.numpy()[None]
    assert places.distance_m.max() < 1e-7
    assert np.allclose(places.carry(vertices), vertices, atol=1e-6)


def test_the_other_hand_is_near_but_for_the_stump_of_its_wrist():
    places = hand_correspondence("generic", "open")
    assert np.allclose(places.barycentric.sum(1), 1) and places.barycentric.min() > -1e-9
    assert places.distance_m.mean() < 0.004 and (places.distance_m < 0.01).mean() > 0.95


def test_moving_a_hand_puts_its_joints_where_they_are_asked(open_hand):
    generic = HandModel.load("generic", dtype=torch.float64)
    asked = rest_joints_m(open_hand)
    moved = move_onto(generic, asked)
    fingertips = moved[generic.tip_vertices]
    tips = asked[[4, 8, 12, 16, 20]]
    assert (fingertips - tips).norm(dim=-1).max() < 0.002
    assert torch.allclose(move_onto(open_hand, asked), open_hand.v_template, atol=1e-7)


def test_carried_points_follow_the_pose(open_hand):
    places = hand_correspondence("generic", "open")
    flat, bent = torch.zeros(1, 45).double(), 0.4 * torch.ones(1, 45).double()
    first, second = (
        places.carry(open_hand(pose, torch.zeros(1, 10).double()).vertices.numpy()) for pose in (flat, bent)
    )
    moved = np.linalg.norm(first - second, axis=-1)
    assert moved.max() > 0.02 and moved.min() < 0.002


def test_closest_points_against_dense_sampling():
    rng = np.random.default_rng(0)
    points, triangles = rng.normal(size=(6, 3)), rng.normal(size=(5, 3, 3))
    coordinates, apart = closest_on_triangles(points, triangles)
    grid = np.array([(i, j, 60 - i - j) for i in range(61) for j in range(61 - i)]) / 60
    dense = np.einsum("gc,tcx->tgx", grid, triangles)
    nearest = np.linalg.norm(points[:, None, None] - dense, axis=-1).min(-1)
    assert (apart <= nearest + 1e-9).all() and (nearest - apart).max() < 0.02
    assert coordinates.min() >= 0 and np.allclose(coordinates.sum(-1), 1)
    found = np.einsum("ptc,tcx->ptx", coordinates, triangles)
    assert np.allclose(np.linalg.norm(found - points[:, None], axis=-1), apart)
