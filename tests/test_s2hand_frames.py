"""Which frames are hard: made-up hands of which we know it."""

import numpy as np
import torch

from handlib.data.stills_cache import StillLabels
from handlib.experiments.s2hand.frames import KINDS, ORDINARY, frame_kinds, hardness
from handlib.hand.anatomy import palm_frame
from handlib.hand.model import HandModel

POSE, COVERED, EDGE_ON = 7, 12, 16
K = np.array([[60.0, 0, 31.5], [0, 60, 31.5], [0, 0, 1]])


def made_up_stills(count: int = 20) -> StillLabels:
    """Flat hands that face the camera, but for a fist, a hand behind something, and one seen along its palm."""
    model = HandModel.load("open")
    pose = torch.zeros(count, 45)
    pose[POSE, 2::3] = 1.2
    mesh = model(pose)
    palm = palm_frame(mesh.joints)[0]  # turned so that the palm's normal looks along z
    turn = torch.stack([palm[:, 0], palm[:, 2], palm[:, 1]])
    edge = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    vertices, joints = (
        torch.stack([x[i] @ (edge @ turn if i == EDGE_ON else turn).T for i in range(count)]) for x in mesh
    )
    middle = joints.mean(1, keepdim=True) - torch.tensor([0.0, 0, 0.4])
    mask = np.ones((count, 64, 64), bool)
    mask[COVERED, :, :34] = False
    return StillLabels((joints - middle).numpy(), np.zeros((count, 21, 2)), mask, (vertices - middle).numpy())


def test_each_kind_finds_its_hand():
    stills = made_up_stills()
    hard = hardness(stills, np.tile(K, (20, 1, 1)))
    found = dict(zip(KINDS, (POSE, COVERED, EDGE_ON), strict=True))
    assert {kind: int(values.argmax()) for kind, values in hard.items()} == found
    assert hard["severe-occlusions"][0] < 0.02 and hard["severe-occlusions"][COVERED] > 0.2
    assert hard["extreme-viewpoints"][0] < 0.02 and hard["extreme-viewpoints"][EDGE_ON] > 0.9
    kinds = frame_kinds(hard)
    assert all(kinds[kind].sum() == 2 and kinds[kind][row] for kind, row in found.items())
    assert not kinds[ORDINARY][[POSE, COVERED, EDGE_ON]].any() and kinds[ORDINARY].sum() >= 14
