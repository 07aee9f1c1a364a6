"""Equations 1, 2 and 6 to 11 of S2HAND, each against a computation written out from the paper.

Equations 3 to 5 are in test_losses_keypoints.py.
"""

import math
from dataclasses import replace

import pytest
import torch
from pose_hands import anatomy, random_angles

from handlib.losses.photometric import photometric_loss, pixel_loss, ssim_loss
from handlib.losses.regularisation import euler_limit_loss, scale_loss, shape_prior, texture_outlier_loss
from handlib.losses.s2hand import (
    S2HAND_WEIGHTS,
    branch_3d_loss,
    consistency_loss,
    keypoint_branch_loss,
    regularisation_loss,
    total_loss,
)

PAPER = S2HAND_WEIGHTS["paper"]
# Any numbers: what is tested is how they are added up.
TERMS = {
    "location": 7.0,
    "orientation": 0.3,
    "pixel": 1.1,
    "ssim": 0.4,
    "shape": 2.0,
    "texture": 0.05,
    "scale": 3e-5,
    "joint_limits": 0.02,
    "keypoints_2d": 5.0,
    "consistency": 11.0,
}


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def terms(*names: str) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([TERMS[name]], dtype=torch.float64) for name in names or TERMS}


def huber(a: torch.Tensor, b: torch.Tensor) -> float:
    d = math.dist(a.tolist(), b.tolist())
    return d * d / 10 if d < 5 else d - 2.5


def pictures() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    silhouette = torch.zeros(2, 14, 14, dtype=torch.float64)
    silhouette[:, 3:11, 2:12] = 1.0
    return rand(2, 14, 14, 3, seed=1), rand(2, 14, 14, 3, seed=2) * silhouette[..., None], silhouette


def test_s2hand_equation_1_training_objective():
    geometric = 7.0 + 100 * 0.3
    photometric = 1.1 + 0.2 * 0.4
    regularisation = 2.0 + 0.5 * 0.05 + 10000 * 3e-5 + 10 * 0.02
    branch_3d = 0.001 * geometric + 0.005 * photometric + 0.01 * regularisation
    others = 0.001 * 5.0 + 0.0002 * 11.0
    assert total_loss(terms(), PAPER).item() == pytest.approx(1 * branch_3d + others, rel=1e-12)
    # The paper's w_3d is 1, which would hide a weight forgotten.
    halved = replace(PAPER, branch_3d=0.5)
    assert total_loss(terms(), halved).item() == pytest.approx(0.5 * branch_3d + others, rel=1e-12)


def test_s2hand_equation_2_branch_3d_loss():
    geometric, photometric, regularisation = 7.0 + 100 * 0.3, 1.1 + 0.2 * 0.4, 2.0 + 0.5 * 0.05 + 0.3 + 0.2
    expected = 0.001 * geometric + 0.005 * photometric + 0.01 * regularisation
    # The terms of the 2D branch are not its business.
    assert branch_3d_loss(terms(), PAPER).item() == pytest.approx(expected, rel=1e-12)


def test_s2hand_equation_6_pixel_loss():
    image, rendered, silhouette = pictures()
    confidence = rand(2, 21, seed=3)
    for hand, loss in enumerate(pixel_loss(image, rendered, silhouette, confidence).tolist()):
        covered = [(v, u) for v in range(14) for u in range(14) if silhouette[hand, v, u] == 1]
        differences = [math.dist(image[hand, v, u].tolist(), rendered[hand, v, u].tolist()) for v, u in covered]
        assert loss == pytest.approx(sum(confidence[hand].tolist()) * sum(differences) / len(covered))


def test_s2hand_equation_7_structural_similarity_loss():
    image, rendered, silhouette = pictures()
    foreground = image * silhouette[..., None]
    offset = torch.arange(11, dtype=torch.float64) - 5
    window = torch.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.5**2))
    window = (window / window.sum())[..., None]
    similarity = torch.zeros(2, 4, 4, 3, dtype=torch.float64)
    for top in range(4):
        for left in range(4):
            x, y = (p[:, top : top + 11, left : left + 11] for p in (foreground, rendered))
            mx, my = (window * x).sum((1, 2)), (window * y).sum((1, 2))
            dx, dy = x - mx[:, None, None], y - my[:, None, None]
            vx, vy, cov = ((window * p).sum((1, 2)) for p in (dx * dx, dy * dy, dx * dy))
            c1, c2 = 0.01**2, 0.03**2
            similarity[:, top, left] = (2 * mx * my + c1) / (mx**2 + my**2 + c1) * (2 * cov + c2) / (vx + vy + c2)
    assert torch.allclose(ssim_loss(image, rendered, silhouette), 1 - similarity.mean((1, 2, 3)), atol=1e-12)


def test_s2hand_equation_8_photometric_loss():
    image, rendered, silhouette = pictures()
    confidence = rand(2, 21, seed=3)
    expected = pixel_loss(image, rendered, silhouette, confidence) + 0.2 * ssim_loss(image, rendered, silhouette)
    assert torch.allclose(photometric_loss(image, rendered, silhouette, confidence, ssim_weight=0.2), expected)
    # The objective adds the same parts with the same weight.
    parts = {"pixel": pixel_loss(image, rendered, silhouette, confidence)}
    parts["ssim"] = ssim_loss(image, rendered, silhouette)
    assert torch.allclose(branch_3d_loss(parts, PAPER), 0.005 * expected)


def test_s2hand_equation_9_statistical_regularisation():
    beta, colours, joints = rand(2, 10, seed=4), rand(2, 40, 3, seed=5) ** 6, 0.1 * rand(2, 21, 3, seed=6)
    angles = random_angles(2)
    parts = {
        "shape": shape_prior(beta),
        "texture": texture_outlier_loss(colours),
        "scale": scale_loss(joints, squared=True),
        "joint_limits": euler_limit_loss(angles, anatomy().limits),
    }
    limits = anatomy().limits.tolist()
    for hand, loss in enumerate(regularisation_loss(parts, PAPER).tolist()):
        e_beta = math.sqrt(sum(b * b for b in beta[hand].tolist()))
        e_c = 0.0
        for channel in colours[hand].T.tolist():
            mean = sum(channel) / 40
            sigma = math.sqrt(sum((t - mean) ** 2 for t in channel) / 40)
            e_c += sum(abs(t - mean) for t in channel if abs(t - mean) > 2 * sigma) / 120
        e_s = (math.dist(joints[hand, 9].tolist(), joints[hand, 10].tolist()) - 0.0282) ** 2
        e_j = sum(
            max(low - angle, 0.0) + max(angle - high, 0.0)
            for row, bounds in zip(angles[hand].tolist(), limits, strict=True)
            for angle, (low, high) in zip(row, bounds, strict=True)
        )
        assert e_c > 0 and e_j > 0
        assert loss == pytest.approx(e_beta + 0.5 * e_c + 10000 * e_s + 10 * e_j / 45)


def test_s2hand_equation_10_loss_of_the_2d_branch():
    estimated, detected, confidence = 20 * rand(2, 2, 21, 2), 20 * rand(2, 21, 2, seed=1), rand(2, 21, seed=2)
    for hand, loss in enumerate(keypoint_branch_loss(estimated, detected, confidence).tolist()):
        stacks = [
            sum(confidence[hand, i].item() * huber(detected[hand, i], estimated[hand, s, i]) for i in range(21)) / 21
            for s in range(2)
        ]
        assert loss == pytest.approx(sum(stacks))
    # One stack is the equation as printed.
    first = keypoint_branch_loss(estimated[:, :1], detected, confidence)
    assert first.sum() < keypoint_branch_loss(estimated, detected, confidence).sum()


def test_s2hand_equation_11_consistency_loss():
    projected, estimated = 20 * rand(2, 21, 2), 20 * rand(2, 21, 2, seed=1)
    for hand, loss in enumerate(consistency_loss(projected, estimated).tolist()):
        assert loss == pytest.approx(sum(huber(projected[hand, i], estimated[hand, i]) for i in range(21)) / 21)
