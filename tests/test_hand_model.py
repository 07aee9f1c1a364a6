"""The hand layer gives a mesh and 21 joints."""

import torch

from handlib import HandModel


def test_open_hand_has_the_promised_shapes():
    model = HandModel.load()
    mesh = model(torch.zeros(2, 45), torch.zeros(2, model.num_shape))
    assert mesh.vertices.shape == (2, model.num_vertices, 3)
    assert mesh.joints.shape == (2, 21, 3)
