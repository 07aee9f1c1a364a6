"""Equations 8 to 15 of SeqHAND, each against a computation written out from the paper."""

from dataclasses import replace

import pytest
import torch

from handlib.errors import BadInputError
from handlib.losses.seqhand import (
    SeqHandWeights,
    camera_loss,
    finetuning_loss,
    inside_mask,
    joints_2d_loss,
    joints_3d_loss,
    mask_loss,
    pretraining_loss,
    temporal_loss,
    vertices_3d_loss,
)

# Any numbers: what is tested is how they are added up.
TERMS = {"joints_2d": 0.31, "points_3d": 0.07, "temporal": 0.013, "camera": 4.0, "mask": 0.17}


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def terms(*without: str) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([value], dtype=torch.float64) for name, value in TERMS.items() if name not in without}


def test_seqhand_equation_8_joints_2d_loss():
    found, true = 64 * rand(2, 3, 21, 2), 64 * rand(2, 3, 21, 2, seed=1)
    expected = [
        sum(
            abs(float(found[b, t, j, c] - true[b, t, j, c])) / 64 for t in range(3) for j in range(21) for c in range(2)
        )
        / 3
        for b in range(2)
    ]
    assert joints_2d_loss(found, true, 64).tolist() == pytest.approx(expected)
    # In picture widths, so that a film means the same at any size.
    assert torch.allclose(joints_2d_loss(2 * found, 2 * true, 128), joints_2d_loss(found, true, 64))


def test_seqhand_equation_9_joints_3d_loss():
    found, true = rand(2, 3, 21, 3), rand(2, 3, 21, 3, seed=1)
    expected = [
        sum(float(((found[b, t, j] - true[b, t, j]) * 10).norm()) ** 2 for t in range(3) for j in range(21)) / 3
        for b in range(2)
    ]
    assert joints_3d_loss(found, true).tolist() == pytest.approx(expected)


def test_seqhand_equation_10_vertices_3d_loss():
    true = rand(1, 2, 50, 3)
    moved = true.clone()
    moved[0, 1, 7] += torch.tensor([0.01, -0.02, 0.02], dtype=torch.float64)
    # One vertex, 3 cm off in one of two frames: (0.3 decimetres)^2 / 2.
    assert vertices_3d_loss(moved, true).item() == pytest.approx(0.3**2 / 2)
    # All vertices count, not their mean.
    assert vertices_3d_loss(true + 0.01, true).item() == pytest.approx(50 * 3 * 0.1**2)


def test_seqhand_equation_11_mask_loss():
    mask = torch.zeros(1, 2, 8, 10, dtype=torch.bool)
    mask[0, 0, 2:5, 3:7] = True
    points = torch.tensor([[3, 2], [6, 4], [7, 4], [0, 0], [-5, 3], [20, 3]], dtype=torch.float64)
    # Two of six are inside in the first frame; the second frame's mask is empty.
    assert mask_loss(points.expand(1, 2, 6, 2), mask).item() == pytest.approx((4 / 6 + 1) / 2)
    column, row = torch.meshgrid(torch.arange(10.0), torch.arange(8.0), indexing="xy")
    inside = inside_mask(torch.stack([column, row], -1).reshape(1, -1, 2), mask[:, 0].float())
    assert torch.allclose(inside.reshape(8, 10), mask[0, 0].float(), atol=1e-5)


def test_the_mask_pulls_a_vertex_across_its_outline_and_no_other():
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    points = torch.tensor([[[[3.4, 4.0], [1.0, 4.0], [6.0, 4.0]]]], requires_grad=True)
    mask_loss(points, mask).sum().backward()
    assert points.grad[0, 0, 0, 0] > 0.1 and points.grad[0, 0, 1:].abs().max() == 0


def test_seqhand_equation_12_temporal_loss():
    shape, pose = rand(2, 4, 10), rand(2, 4, 6, seed=1)
    expected = [
        sum(float((shape[b, t - 1] - shape[b, t]).norm()) ** 2 for t in (1, 2, 3)) / 3
        + 0.01 * sum(float((pose[b, t - 1] - pose[b, t]).norm()) ** 2 for t in (1, 2, 3)) / 3
        for b in range(2)
    ]
    assert temporal_loss(shape, pose, pose_weight=0.01).tolist() == pytest.approx(expected)
    # The listed weight of the pose, not the explained one, is the default.
    still_pose = temporal_loss(shape, pose[:, :1].expand(-1, 4, -1))
    assert torch.allclose(
        temporal_loss(shape, pose) - still_pose,
        2e-4 * (temporal_loss(shape, pose, pose_weight=1.0) - still_pose),
    )


def test_a_still_has_no_temporal_loss_but_a_gradient():
    shape = rand(2, 1, 10).requires_grad_()
    loss = temporal_loss(shape, rand(2, 1, 10))
    loss.sum().backward()
    assert loss.tolist() == [0, 0] and shape.grad.abs().max() == 0


def test_seqhand_equation_13_camera_loss():
    code, true = rand(2, 3, 26), rand(2, 3, 26, seed=1)
    parts = [slice(0, 10), slice(10, 20), slice(20, 21), slice(21, 23), slice(23, 26)]
    expected = [
        sum(float((code[b, t, part] - true[b, t, part]).norm()) ** 2 for t in range(3) for part in parts) / 3
        for b in range(2)
    ]
    assert camera_loss(code, true).tolist() == pytest.approx(expected)


def test_seqhand_equation_14_pretraining_loss():
    expected = 5 * 0.31 + 100 * 0.07 + 100 * 0.013 + 1 * 4.0 + 10 * 0.17
    assert pretraining_loss(terms()).item() == pytest.approx(expected, rel=1e-12)
    weights = replace(SeqHandWeights(), camera=0.5)
    assert pretraining_loss(terms(), weights).item() == pytest.approx(expected - 2.0, rel=1e-12)


def test_seqhand_equation_15_finetuning_loss():
    expected = 5 * 0.31 + 100 * 0.07 + 100 * 0.013 + 10 * 0.17
    assert finetuning_loss(terms("camera")).item() == pytest.approx(expected, rel=1e-12)
    # STB has no masks.
    assert finetuning_loss(terms("camera", "mask")).item() == pytest.approx(expected - 1.7, rel=1e-12)


def test_a_missing_or_an_unknown_term_is_refused():
    with pytest.raises(BadInputError, match="temporal"):
        pretraining_loss(terms("temporal"))
    with pytest.raises(BadInputError, match="camera"):
        finetuning_loss(terms())
    with pytest.raises(BadInputError, match="joints_2d"):
        finetuning_loss({})
    assert pretraining_loss(terms("temporal"), SeqHandWeights(temporal=0.0)).item() > 0


def test_all_losses_have_right_gradients():
    flat, true_flat = rand(1, 2, 21, 2).requires_grad_(), rand(1, 2, 21, 2, seed=3)
    assert torch.autograd.gradcheck(lambda x: joints_2d_loss(x, true_flat, 8), (flat,))
    for loss, count in ((joints_3d_loss, 21), (vertices_3d_loss, 30)):
        solid = (rand(1, 2, count, 3).requires_grad_(), rand(1, 2, count, 3, seed=4).requires_grad_())
        assert torch.autograd.gradcheck(loss, solid)
    points = (0.5 + 6 * rand(1, 2, 5, 2)).requires_grad_()
    mask = rand(1, 2, 8, 8, seed=2)
    assert torch.autograd.gradcheck(lambda x: mask_loss(x, mask), (points,))
    code = rand(1, 3, 26).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: temporal_loss(x[..., :10], x[..., 10:20]), (code,))
    assert torch.autograd.gradcheck(lambda x: camera_loss(x, rand(1, 3, 26, seed=1)), (code,))
