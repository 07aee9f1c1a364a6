"""The regularising losses: golden values, zero where a hand is plausible, growth beyond, gradients."""

import math

import pytest
import torch
from pose_hands import anatomy, model, random_angles

from handlib.hand.pose_limits import dof_mask, limit_violation
from handlib.hand.poses import NAMED_POSES
from handlib.joint_limits import S2HAND_LIMITS
from handlib.losses.regularisation import (
    MANO_MIDDLE_PROXIMAL_M,
    axis_angle_limit_loss,
    euler_limit_loss,
    laplacian_loss,
    laplacian_matrix,
    middle_proximal_length_m,
    scale_loss,
    shape_prior,
    squared_shape_prior,
    template_scale_m,
    texture_outlier_loss,
)

# A regular tetrahedron: every vertex neighbours the three others.
TETRAHEDRON = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
TETRAHEDRON_FACES = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def all_named_angles() -> torch.Tensor:
    return torch.stack([pose.angles for pose in NAMED_POSES.values()]).double()


def test_shape_priors_by_hand():
    shape = torch.zeros(2, 10, dtype=torch.float64)
    shape[1, :2] = torch.tensor([3.0, 4.0])
    assert shape_prior(shape).tolist() == [0.0, 5.0]
    assert squared_shape_prior(shape).tolist() == [0.0, 2.5]


def test_shape_prior_pulls_evenly_and_its_gradient_at_the_mean_shape_is_zero():
    shape = torch.zeros(2, 10, dtype=torch.float64)
    shape[1, 0] = 1e-3
    shape.requires_grad_()
    (gradient,) = torch.autograd.grad(shape_prior(shape).sum(), shape)
    assert gradient[0].abs().max() == 0 and gradient[1, 0] == pytest.approx(1.0)


def test_texture_outliers_by_hand():
    # 99 equal vertices and one brighter by 1 in red: mean 0.01, sigma sqrt(0.01 * 0.99) = 0.0995, so only it is out.
    colours = torch.full((1, 100, 3), 0.0, dtype=torch.float64)
    colours[0, 7, 0] = 1.0
    assert texture_outlier_loss(colours).item() == pytest.approx(0.99 / 300)


def test_colours_within_two_sigma_cost_nothing_and_each_hand_has_its_own_mean():
    two_tone = torch.tensor([0.2, 0.8], dtype=torch.float64).repeat(50)[None, :, None].expand(2, -1, 3)
    brighter = two_tone + torch.tensor([0.0, 5.0])[:, None, None]
    assert texture_outlier_loss(brighter).tolist() == [0.0, 0.0]
    assert texture_outlier_loss(torch.full((1, 20, 3), 0.3)).item() < 1e-6


def test_texture_gradient_reaches_the_outlier_and_is_right():
    colours = 0.1 * rand(1, 30, 3)
    colours[0, 4, 1] = 1.5
    colours.requires_grad_()
    assert torch.autograd.gradcheck(texture_outlier_loss, colours)
    (gradient,) = torch.autograd.grad(texture_outlier_loss(colours).sum(), colours)
    assert gradient[0, 4, 1] > 0


def test_scale_loss_by_hand():
    joints = torch.zeros(1, 21, 3, dtype=torch.float64)
    joints[0, 10] = torch.tensor([0.03, 0.0, 0.04], dtype=torch.float64)
    joints += rand(1, 1, 3)
    assert middle_proximal_length_m(joints).item() == pytest.approx(0.05)
    assert scale_loss(joints).item() == pytest.approx(0.05 - 0.0282)
    assert scale_loss(joints, 0.052, squared=True).item() == pytest.approx(0.002**2)


def test_the_paper_and_the_released_code_agree_on_one_millimetre():
    joints = torch.zeros(1, 21, 3, dtype=torch.float64)
    joints[0, 10, 0] = MANO_MIDDLE_PROXIMAL_M + 1e-3
    assert 100 * scale_loss(joints, squared=True).item() == pytest.approx(0.1 * scale_loss(joints).item())


@pytest.mark.parametrize("source", ["open", "generic"])
def test_the_template_has_its_own_scale_in_every_pose(source):
    target = template_scale_m(model(source))
    pose = anatomy(source).to_axis_angle(random_angles(4))
    assert scale_loss(model(source)(pose).joints, target).max() < 1e-12
    assert 0.04 < target < 0.05
    assert template_scale_m(model(source, "left")) == pytest.approx(target)


def test_every_named_pose_is_within_the_anatomical_limits():
    limits = anatomy().limits
    angles = all_named_angles()
    assert euler_limit_loss(angles, limits).max() < 1e-6
    # And still after the way that training takes: through axis-angle and back.
    assert euler_limit_loss(anatomy().from_axis_angle(anatomy().to_axis_angle(angles)), limits).max() < 1e-6


def test_the_released_limits_refuse_every_named_pose():
    cost = axis_angle_limit_loss(anatomy().to_axis_angle(all_named_angles()))
    names = list(NAMED_POSES)
    assert cost.min() > 1e-3
    assert cost[names.index("fist")] > 5 * cost[names.index("relaxed")]
    # The median plausible pose costs more than one joint bent backwards by 57 degrees adds to a straight hand.
    backwards = torch.zeros(2, 15, 3, dtype=torch.float64)
    backwards[1, 1, 0] = -1.0
    straight, bent = axis_angle_limit_loss(anatomy().to_axis_angle(backwards))
    assert cost.median() > bent - straight > 0.03


def test_the_released_limits_refuse_for_leaving_the_axes_and_never_for_bending():
    pose = anatomy().to_axis_angle(all_named_angles()).unflatten(-1, (15, 3))
    excess = limit_violation(pose, torch.tensor(S2HAND_LIMITS))
    assert excess[..., 2].max() == 0
    # Only fingers that bend about exactly the frame's z would pass: ring, little and thumb do not.
    by_finger = excess.unflatten(1, (5, 3)).sum((0, 2, 3)) / excess.sum()
    index, middle, little, ring, thumb = by_finger.tolist()
    assert index + middle < 0.15 < min(little, ring) and 0.3 < thumb < 0.5


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["flexion", "abduction", "twist"])
@pytest.mark.parametrize("side", [0, 1], ids=["below", "above"])
def test_euler_limits_grow_beyond_each_limit(axis, side):
    limits = anatomy().limits
    sign = 2 * side - 1
    middle = limits.mean(-1)[None]
    for joint in range(15):
        angles = middle.repeat(3, 1, 1)
        angles[:, joint, axis] = limits[joint, axis, side] + sign * torch.tensor([0.0, 0.1, 0.3], dtype=torch.float64)
        expected = torch.tensor([0.0, 0.1, 0.3], dtype=torch.float64) / 45
        assert torch.allclose(euler_limit_loss(angles, limits), expected, atol=1e-7)
        assert torch.allclose(euler_limit_loss(angles, limits, 0.1), (expected - 0.1 / 45).clamp(min=0), atol=1e-7)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [0, 1], ids=["below", "above"])
def test_released_limits_grow_beyond_each_limit(axis, side):
    weight = (1, 1, 2)[axis]
    limits = torch.tensor(S2HAND_LIMITS)
    for joint in range(15):
        pose = limits.mean(-1).repeat(3, 1, 1)
        excess = torch.tensor([0.0, 0.1, 0.3], dtype=torch.float64)
        pose[:, joint, axis] = limits[joint, axis, side] + (2 * side - 1) * excess
        assert torch.allclose(axis_angle_limit_loss(pose.flatten(1)), weight * excess / 48, atol=1e-12)


def test_released_limits_by_hand():
    # The index's knuckle bent by 120 degrees about z: 20 beyond 100, twice counted, over 48 components.
    pose = torch.zeros(1, 45, dtype=torch.float64)
    pose[0, 2] = math.radians(120)
    assert axis_angle_limit_loss(pose).item() == pytest.approx(math.radians(20) * 2 / 48)


def test_a_finger_bent_backwards_is_refused_by_both_forms():
    angles = torch.zeros(1, 15, 3, dtype=torch.float64)
    angles[0, 1, 0] = math.radians(-60)
    assert euler_limit_loss(angles, anatomy().limits).item() == pytest.approx(math.radians(60) / 45, rel=1e-6)
    straight = axis_angle_limit_loss(anatomy().to_axis_angle(torch.zeros_like(angles)))
    assert axis_angle_limit_loss(anatomy().to_axis_angle(angles)) > straight + 0.02


def test_hinges_do_not_bend_sideways_beyond_their_play():
    hinge = int((~dof_mask()[:, 1]).nonzero()[0])
    angles = torch.zeros(1, 15, 3, dtype=torch.float64)
    angles[0, hinge, 1] = math.radians(4)
    assert euler_limit_loss(angles, anatomy().limits) > 0
    assert euler_limit_loss(angles, anatomy().limits, play_rad=math.radians(5)) == 0


def test_gradients_of_both_forms_also_at_rest():
    hand = anatomy()
    unposed = torch.zeros(1, 45, dtype=torch.float64)
    for pose in (hand.to_axis_angle(random_angles(2)).requires_grad_(), unposed.requires_grad_()):
        # Axes of zero range have a kink at zero; with five degrees of play the loss is smooth at rest.
        assert torch.autograd.gradcheck(
            lambda p: euler_limit_loss(hand.from_axis_angle(p), hand.limits, math.radians(5)), pose
        )
        # The released range of the thumb's x begins at zero, a kink too.
        beside = torch.zeros_like(pose)
        beside[:, 36] = 0.1
        assert torch.autograd.gradcheck(lambda p, shift=beside: axis_angle_limit_loss(p + shift), pose)


def test_laplacian_of_a_tetrahedron_by_hand():
    laplacian = laplacian_matrix(TETRAHEDRON_FACES, 5)
    assert torch.allclose(laplacian[:4, :4], torch.eye(4) * 4 / 3 - 1 / 3)
    assert laplacian[4].abs().sum() == 0 and laplacian[:, 4].abs().sum() == 0
    # The middle of the three others is minus a third of the vertex: its distance is 4/3 of the radius sqrt(3).
    cost = laplacian_loss(TETRAHEDRON[None], laplacian[:4, :4])
    assert cost.item() == pytest.approx(4 / 3 * math.sqrt(3), rel=1e-6)


def test_laplacian_is_the_naive_one_on_the_hand():
    hand = model()
    neighbours = [set() for _ in range(hand.num_vertices)]
    for a, b, c in hand.faces.tolist():
        neighbours[a] |= {b, c}
        neighbours[b] |= {a, c}
        neighbours[c] |= {a, b}
    v = hand.v_template
    distances = [(v[i] - v[sorted(near)].mean(0)).norm() for i, near in enumerate(neighbours)]
    cost = laplacian_loss(v[None], laplacian_matrix(hand.faces, hand.num_vertices))
    assert cost.item() == pytest.approx(torch.stack(distances).mean().item(), rel=1e-5)


def test_laplacian_forgives_place_and_turn_grows_with_size_and_with_noise():
    hand = model()
    laplacian = laplacian_matrix(hand.faces, hand.num_vertices).double()
    v = hand.v_template[None]
    cost = laplacian_loss(v, laplacian)
    turn, _ = torch.linalg.qr(rand(3, 3))
    assert torch.allclose(laplacian_loss(v @ turn + torch.tensor([0.1, 0.2, 0.8]), laplacian), cost)
    assert torch.allclose(laplacian_loss(1.5 * v, laplacian), 1.5 * cost)
    assert laplacian_loss(v + 0.005 * (rand(*v.shape) - 0.5), laplacian) > 1.2 * cost


def test_laplacian_keeps_its_digits_under_autocast():
    hand = model()
    laplacian = laplacian_matrix(hand.faces, hand.num_vertices)
    v = hand.v_template[None].float() + torch.tensor([0.0, 0.0, 0.8])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = laplacian_loss(v, laplacian)
    assert half.item() == pytest.approx(laplacian_loss(v.double(), laplacian).item(), rel=1e-4)


def test_laplacian_gradient():
    vertices = (TETRAHEDRON[None] + 0.3 * rand(2, 4, 3)).requires_grad_()
    laplacian = laplacian_matrix(TETRAHEDRON_FACES, 4).double()
    assert torch.autograd.gradcheck(lambda v: laplacian_loss(v, laplacian), vertices)
