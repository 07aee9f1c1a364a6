"""Hands drawn over their picture, and standing in front of it."""

import numpy as np
import pytest
import torch

from handlib.errors import BadInputError
from handlib.hand import HandModel
from handlib.viz import figure_html, mesh_before_picture, overlay_mesh

K = np.array([[400.0, 0, 120], [0, 400, 90], [0, 0, 1]], np.float32)


@pytest.fixture(scope="module")
def hand() -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) of a hand at 0.5 m in the camera's frame, and faces."""
    model = HandModel.load("open")
    mesh = model(torch.zeros(1, 45), None, torch.tensor([[0.4, 0.1, 1.2]]), torch.tensor([[0.02, 0.08, 0.5]]))
    return mesh.vertices[0].numpy(), model.faces.numpy()


def test_overlay_changes_the_hands_pixels_alone(hand):
    image = np.full((180, 240, 3), 40, np.uint8)
    drawn = overlay_mesh(image, *hand, K)
    changed = np.argwhere((drawn != image).any(-1))[:, ::-1]
    projected = hand[0] @ K.T
    pixels = projected[:, :2] / projected[:, 2:]
    assert drawn.shape == image.shape and drawn.dtype == np.uint8 and 500 < len(changed) < 20_000
    assert (changed >= np.floor(pixels.min(0)) - 1).all() and (changed <= np.ceil(pixels.max(0)) + 1).all()
    assert np.array_equal(overlay_mesh(image, *hand, K, opacity=0.0), image)


def test_wall_behind_the_hand_lies_on_the_pixels_rays(hand):
    colours = np.indices((180, 240)).transpose(1, 2, 0)
    image = np.concatenate([colours, np.zeros((180, 240, 1), int)], axis=-1).astype(np.uint8)
    figure = mesh_before_picture(*hand, None, image, K, cells=300)
    wall = figure.data[1]
    projected = np.stack([wall.x, wall.y, wall.z], 1) @ K.T
    columns, rows = (projected[:, :2] / projected[:, 2:]).T
    named = np.array([[int(colour[1:3], 16), int(colour[3:5], 16)] for colour in wall.vertexcolor])
    assert np.abs(named - np.stack([rows, columns], 1)).max() <= 0.51, "each point has its own pixel's colour"
    assert (np.asarray(wall.z) > hand[0][:, 2].max()).all()


def test_first_view_is_the_cameras(hand):
    figure = mesh_before_picture(*hand, None, np.zeros((180, 240, 3), np.uint8), K)
    scene = figure.layout.scene
    low, high = (np.array([getattr(scene, f"{axis}axis").range[end] for axis in "xyz"]) for end in (0, 1))
    eye = np.array([getattr(scene.camera.eye, axis) for axis in "xyz"])
    assert np.allclose((low + high) / 2 + eye * (high - low).max(), 0, atol=1e-6), "the origin is the camera's centre"
    assert len(figure_html(figure, alt="a hand before a wall", still=False)) < 400_000


def test_hands_that_are_in_no_picture_are_refused(hand):
    vertices, faces = hand
    image = np.zeros((180, 240, 3), np.uint8)
    with pytest.raises(BadInputError, match="behind the camera"):
        mesh_before_picture(-vertices, faces, None, image, K)
    with pytest.raises(BadInputError, match="outside the picture"):
        mesh_before_picture(vertices + np.array([9, 0, 0], np.float32), faces, None, image, K)
