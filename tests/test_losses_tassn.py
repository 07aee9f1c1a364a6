"""TASSN's equations, what makes them zero, and what a constant answer costs."""

import math

import pytest
import torch

from handlib.camera import PerspectiveCamera
from handlib.errors import BadInputError
from handlib.losses.tassn import (
    TASSN_WEIGHTS,
    WITHOUT_CONSISTENCY,
    WITHOUT_MESH_CONSISTENCY,
    gaussian_heatmaps,
    heatmap_loss,
    mesh_consistency_loss,
    mesh_silhouette_loss,
    pose_consistency_loss,
    silhouette_loss,
    tassn_objective,
    temporal_consistency_loss,
)
from handlib.render import render_silhouette
from handlib.render.shapes import sphere_mesh


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_tassn_equation_1_heatmap_loss():
    heatmaps, targets = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    by_hand = [
        sum(float(((h[k] - t[k]) ** 2).sum()) for k in range(3)) / 3 for h, t in zip(heatmaps, targets, strict=True)
    ]
    assert heatmap_loss(heatmaps, targets).tolist() == pytest.approx(by_hand)
    assert not heatmap_loss(targets, targets).any()
    # Keypoints that count nothing cost nothing.
    confidence = torch.tensor([[0.0, 0.0, 3.0]], dtype=torch.float64).expand(2, 3)
    expected = (heatmaps - targets)[:, 2].square().sum((1, 2))
    torch.testing.assert_close(heatmap_loss(heatmaps, targets, confidence), expected)


def test_tassn_equation_2_silhouette_loss():
    drawn, target = random(3, 4, 6), random(3, 4, 6, seed=1)
    expected = torch.linalg.matrix_norm(drawn - target).square()
    torch.testing.assert_close(silhouette_loss(drawn, target), expected)
    usable = torch.tensor([True, False, True])
    torch.testing.assert_close(silhouette_loss(drawn, target, usable), expected * usable)


def test_an_unusable_silhouette_has_no_gradient_even_if_it_is_nan():
    drawn = random(2, 3, 3).requires_grad_()
    target = torch.stack([torch.zeros(3, 3), torch.full((3, 3), math.nan)]).double()
    silhouette_loss(drawn, target, torch.tensor([True, False])).sum().backward()
    assert bool(drawn.grad[0].any()) and not drawn.grad[1].any()


def naive_disagreement(forwards: torch.Tensor, backwards: torch.Tensor) -> list[float]:
    n = forwards.shape[1] - 1
    return [
        sum(float(torch.linalg.matrix_norm(f[i] - b[i]) ** 2) for i in range(n + 1)) / n
        for f, b in zip(forwards, backwards, strict=True)
    ]


def test_tassn_equation_3_pose_consistency():
    forwards, backwards = random(2, 4, 21, 3), random(2, 4, 21, 3, seed=1)
    assert pose_consistency_loss(forwards, backwards).tolist() == pytest.approx(naive_disagreement(forwards, backwards))


def test_tassn_equation_4_mesh_consistency():
    forwards, backwards = random(2, 3, 17, 3), random(2, 3, 17, 3, seed=1)
    assert mesh_consistency_loss(forwards, backwards).tolist() == pytest.approx(naive_disagreement(forwards, backwards))


def test_tassn_equation_5_temporal_consistency():
    pose, mesh = torch.tensor([0.5, 2.0]), torch.tensor([3.0, 0.25])
    assert temporal_consistency_loss(pose, mesh).tolist() == pytest.approx([35.0, 22.5])
    assert temporal_consistency_loss(pose, mesh, WITHOUT_MESH_CONSISTENCY).tolist() == pytest.approx([5.0, 20.0])
    assert not temporal_consistency_loss(pose, mesh, WITHOUT_CONSISTENCY).any()


def test_tassn_equation_6_objective():
    silhouette, heatmap, consistency = (torch.tensor([x]) for x in (100.0, 2.0, 0.5))
    assert tassn_objective(silhouette, heatmap, consistency).tolist() == pytest.approx([0.1 * 100 + 1.0 * 2 + 0.5])
    assert (TASSN_WEIGHTS.pose, TASSN_WEIGHTS.mesh) == (10.0, 10.0)


@pytest.mark.parametrize(("loss", "points"), [(pose_consistency_loss, 21), (mesh_consistency_loss, 30)])
def test_consistency_is_zero_for_equal_readings_and_for_no_others(loss, points: int):
    reading = random(2, 3, points, 3)
    other = reading.clone().requires_grad_()
    loss(reading, other).sum().backward()
    assert not loss(reading, other).any() and not other.grad.any()
    # One coordinate of one frame of one clip, by a micrometre.
    other = reading.clone()
    other[1, 2, 7, 1] += 1e-6
    assert loss(reading, other).tolist() == pytest.approx([0.0, 1e-12 / 2], rel=1e-6)
    # The same wrong hand in all frames agrees with itself; readings of different frames do not.
    constant = reading[:, :1].expand_as(reading)
    assert not loss(constant, constant.flip(1)).any()
    assert bool((loss(reading, reading.flip(1)) > 0).all())
    with pytest.raises(BadInputError, match="one frame"):
        loss(reading[:, :1], reading[:, :1])


def test_all_losses_have_right_gradients():
    maps = (random(2, 3, 4, 5).requires_grad_(), random(2, 3, 4, 5, seed=1))
    assert torch.autograd.gradcheck(heatmap_loss, maps)
    assert torch.autograd.gradcheck(silhouette_loss, maps)
    for loss, points in ((pose_consistency_loss, 21), (mesh_consistency_loss, 30)):
        readings = (random(1, 3, points, 3).requires_grad_(), random(1, 3, points, 3, seed=1).requires_grad_())
        assert torch.autograd.gradcheck(loss, readings)
        # Where both readings agree, the loss rests.
        assert torch.autograd.gradcheck(loss, (readings[0], readings[0].detach().clone().requires_grad_()))
    parts = tuple(random(2, seed=seed).requires_grad_() for seed in range(4))
    assert torch.autograd.gradcheck(lambda s, h, p, m: tassn_objective(s, h, temporal_consistency_loss(p, m)), parts)


def test_gaussians_are_one_at_the_keypoint_and_fall_as_they_should():
    # Cell 2 of 8 in a picture of 32 px has its centre at 2.5 * 4 - 0.5.
    maps = gaussian_heatmaps(torch.tensor([[[9.5, 17.5], [-200.0, 5.0]]]), 8, 32)
    assert float(maps[0, 0, 4, 2]) == pytest.approx(1.0)
    assert float(maps[0, 0, 4, 3]) == pytest.approx(math.exp(-0.5))
    assert float(maps[0, 0, 6, 3]) == pytest.approx(math.exp(-2.5))
    assert not maps[0, 1].any()


def test_the_silhouette_pulls_a_mesh_into_place_and_rests_there():
    vertices, faces = sphere_mesh(0.05, torch.tensor([0.0, 0.0, 0.5]), subdivisions=2)
    ball = vertices[None]
    camera = PerspectiveCamera(torch.tensor([[[60.0, 0.0, 15.5], [0.0, 60.0, 15.5], [0.0, 0.0, 1.0]]]))
    target = render_silhouette(ball, faces, camera, 32, soft=True)
    assert not mesh_silhouette_loss(ball, faces, camera, target).any()
    shift = torch.tensor([0.03, 0.0, 0.0], requires_grad=True)
    loss = mesh_silhouette_loss(ball + shift, faces, camera, target)
    loss.sum().backward()
    assert float(loss.detach()) > 5 and float(shift.grad[0]) > 0
    assert float(shift.grad[0].abs()) > 3 * float(shift.grad[1].abs())
    nearer = mesh_silhouette_loss(ball + shift.detach() / 2, faces, camera, target)
    assert float(nearer) < float(loss.detach())
