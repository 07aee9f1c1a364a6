"""Motion terms: what costs nothing, what leaves them unchanged, and gradients where rotations are awkward."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handlib.errors import BadInputError
from handlib.losses.motion import (
    detour,
    frame_turns,
    pose_to_quaternions,
    quaternion_loss,
    rotations_to_quaternions,
    smooth_loss,
    temporal_loss,
    texture_shape_loss,
)
from handlib.losses.motion_prior import (
    matrix_to_quaternion,
    rotation_angle,
    rotvec_to_quaternion,
    same_side,
    slerp,
    transition,
)

LOSSES = (quaternion_loss, temporal_loss, smooth_loss)
AXIS = torch.tensor([0.48, 0.6, -0.64], dtype=torch.float64)


def random_poses(clips: int = 2, frames: int = 4, joints: int = 3, seed: int = 0, spread: float = 0.5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return rotvec_to_quaternion(
        spread * torch.randn(clips, frames, joints, 3, generator=generator, dtype=torch.float64)
    )


def turning(angles: list[float], axis: torch.Tensor = AXIS, start: torch.Tensor | None = None) -> torch.Tensor:
    """One joint that turns about a fixed axis of the world, from any orientation."""
    path = rotvec_to_quaternion(torch.tensor(angles, dtype=torch.float64)[:, None] * axis)
    begin = rotvec_to_quaternion(torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)) if start is None else start
    x, y, z, w = path.unbind(-1)
    matrix = torch.stack(
        [
            torch.stack([w, -z, y, x], -1),
            torch.stack([z, w, -x, y], -1),
            torch.stack([-y, x, w, z], -1),
            torch.stack([-x, -y, -z, w], -1),
        ],
        -2,
    )
    return (matrix @ begin)[None, :, None]


def test_turning_about_one_axis_is_free_at_any_speed():
    steady, uneven = turning([0.0, 0.4, 0.8, 1.2]), turning([0.0, 0.05, 1.1, 1.2])
    for poses in (steady, uneven, uneven.flip(1), turning([0.0, 0.0, 0.7, 0.7])):
        assert quaternion_loss(poses).abs().item() < 1e-7
    # Slerp, as a target, would punish the uneven one.
    between = slerp(uneven[:, 0], uneven[:, -1], torch.tensor(1 / 3, dtype=torch.float64))
    assert rotation_angle(between, uneven[:, 1]).item() > 0.3


def test_turning_back_and_trembling_cost():
    assert quaternion_loss(turning([0.0, 0.5, 0.2])).item() == pytest.approx(0.6, abs=1e-9)
    along, across = turning([0.0, 0.3, 0.6]), turning([0.0, 0.3, 0.6])
    across[:, 1] = turning([0.0, 0.1], axis=torch.tensor([0.8, 0.0, 0.6], dtype=torch.float64))[:, 1]
    assert quaternion_loss(along).item() < 1e-7 < 1e-3 < quaternion_loss(across).item()


def test_a_frozen_hand_costs_nothing_anywhere():
    frozen = random_poses(frames=1).expand(-1, 5, -1, -1)
    for loss in LOSSES:
        assert loss(frozen).abs().max() == 0


def test_competitors_punish_what_the_quaternion_loss_allows():
    steady = turning([0.0, 0.3, 0.6])
    assert temporal_loss(steady).item() == pytest.approx(0.09)
    assert smooth_loss(steady).item() == pytest.approx(0.2)
    # Within its threshold the smooth loss lets a hand tremble.
    trembling = turning([0.0, 0.09, 0.0])
    assert smooth_loss(trembling).item() == 0
    assert quaternion_loss(trembling).item() == pytest.approx(0.18)


@pytest.mark.parametrize("loss", LOSSES)
def test_double_cover_and_global_rotation_change_nothing(loss):
    poses = random_poses(seed=1)
    signs = torch.where(torch.rand(2, 4, 3, 1, generator=torch.Generator().manual_seed(2)) < 0.5, -1.0, 1.0)
    assert torch.allclose(loss(poses * signs), loss(poses), atol=1e-12)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64))[0]
    turn = turn * torch.linalg.det(turn)
    generator = torch.Generator().manual_seed(4)
    rotations = torch.linalg.qr(torch.randn(2, 4, 3, 3, 3, generator=generator, dtype=torch.float64))[0]
    rotations = rotations * torch.linalg.det(rotations)[..., None, None]
    plain = loss(rotations_to_quaternions(rotations))
    assert torch.allclose(loss(rotations_to_quaternions(turn @ rotations)), plain, atol=1e-9)
    assert torch.allclose(loss(rotations_to_quaternions(rotations @ turn)), plain, atol=1e-9)


def test_a_joint_that_stays_dilutes_and_a_clip_is_its_own():
    poses = random_poses(clips=3, seed=5)
    still = poses[:, :1, :1].expand(-1, 4, 3, -1)
    assert torch.allclose(quaternion_loss(torch.cat([poses, still], 2)), quaternion_loss(poses) / 2, atol=1e-12)
    assert torch.allclose(quaternion_loss(poses[1:2]), quaternion_loss(poses)[1:2])
    assert torch.allclose(detour(poses).mean(-1), quaternion_loss(poses))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 6), st.floats(0.01, 3.0))
def test_a_detour_is_never_negative(seed, frames, spread):
    assert detour(random_poses(1, frames, 2, seed, spread)).min() > -1e-7


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("at", ["zero", "near zero", "pi", "anywhere"])
def test_gradient_through_the_rotation_vectors(loss, at):
    """The frames' poses lie around the named rotation; no two frames are equal, where an angle has a kink."""
    centre = {"zero": 0.0, "near zero": 1e-5, "pi": math.pi, "anywhere": 1.3}[at]
    generator = torch.Generator().manual_seed(6)
    offsets = 0.4 * torch.randn(1, 3, 1, 3, generator=generator, dtype=torch.float64)
    offsets[:, 0] = 0  # the first frame is exactly there
    rotvecs = (centre * AXIS + offsets).requires_grad_()
    assert torch.autograd.gradcheck(lambda r: loss(rotvec_to_quaternion(r)), (rotvecs,), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradient_at_either_sign_of_a_quaternion(sign):
    poses = random_poses(1, 3, 1, seed=7)
    poses[:, 1] *= sign
    poses.requires_grad_()
    assert torch.autograd.gradcheck(quaternion_loss, (poses,), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("angle", [0.0, 1e-3, math.pi / 2, math.pi])
def test_gradient_through_matrices(angle):
    generator = torch.Generator().manual_seed(8)
    rotvec = angle * AXIS + torch.tensor([0.0, 0.1, -0.2], dtype=torch.float64)[:, None] * torch.randn(
        3, 3, generator=generator, dtype=torch.float64
    )
    matrices = torch.linalg.matrix_exp(skew(rotvec))[None, :, None].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda m: quaternion_loss(rotations_to_quaternions(m)), (matrices,), eps=1e-7, atol=1e-5
    )


def skew(v: torch.Tensor) -> torch.Tensor:
    x, y, z = v.unbind(-1)
    o = torch.zeros_like(x)
    return torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).unflatten(-1, (3, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_where_frames_are_equal_or_opposite(dtype):
    zero = torch.zeros(1, 3, 48, dtype=dtype)
    half_turn = zero.clone()
    half_turn[:, 1, 0::3] = math.pi
    for start in (zero, half_turn):
        values = start.clone().requires_grad_()
        for loss in LOSSES:
            loss(pose_to_quaternions(values[..., 3:], values[..., :3])).sum().backward()
        texture_shape_loss(None, values).sum().backward()
        assert values.grad.isfinite().all()


def test_single_precision_sees_small_angles():
    """An inverse cosine in float32 cannot tell angles under 3e-4 from zero."""
    a = rotvec_to_quaternion(torch.tensor([0.5, 0.2, 0.1]))
    b = rotvec_to_quaternion(torch.tensor([0.5001, 0.2, 0.1]))
    assert rotation_angle(a, b).item() == pytest.approx(1e-4, rel=0.02)


def test_matrices_and_vectors_give_the_same_rotations():
    rotvec = torch.randn(20, 3, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    direct, through = rotvec_to_quaternion(rotvec), matrix_to_quaternion(torch.linalg.matrix_exp(skew(rotvec)))
    assert torch.allclose(same_side(through, direct), direct, atol=1e-12)


def test_losses_pull_towards_the_arc():
    """A frame off the arc moves onto it, and not towards its middle."""
    ends = turning([0.0, 1.0])
    off = turning([0.0, 0.25])[:, 1:] + torch.tensor([0.1, -0.1, 0.05, 0.0], dtype=torch.float64)
    middle = (off / off.norm(dim=-1, keepdim=True)).requires_grad_()
    optimiser = torch.optim.SGD([middle], lr=0.04)
    for _ in range(100):
        optimiser.zero_grad()
        quaternion_loss(torch.cat([ends[:, :1], middle, ends[:, 1:]], 1)).sum().backward()
        optimiser.step()
    found = middle.detach()
    share = float(rotation_angle(ends[:, :1], found) / rotation_angle(ends[:, :1], ends[:, 1:]))
    on_arc = transition(ends[:, :1], ends[:, 1:], torch.full((1, 1, 1), share, dtype=torch.float64))
    assert float(rotation_angle(on_arc, found)) < 0.03
    assert 0.1 < share < 0.4


def test_one_skin_and_shape_for_all_frames_cost_nothing():
    shape = torch.randn(2, 1, 10, generator=torch.Generator().manual_seed(10)).expand(-1, 4, -1)
    colours = torch.rand(2, 1, 7, 3, generator=torch.Generator().manual_seed(11)).expand(-1, 4, -1, -1)
    assert texture_shape_loss(colours, shape).max() < 1e-6
    assert texture_shape_loss(None, shape + torch.arange(4.0)[:, None]).min() > 1


def test_gradient_of_texture_and_shape():
    generator = torch.Generator().manual_seed(12)
    colours = torch.rand(1, 3, 2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    shape = torch.randn(1, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(texture_shape_loss, (colours, shape))


def test_too_few_frames_and_bad_thresholds_are_refused():
    poses = random_poses(frames=2)
    with pytest.raises(BadInputError, match="at least 3"):
        quaternion_loss(poses)
    with pytest.raises(BadInputError, match="at least 2"):
        temporal_loss(poses[:, :1])
    with pytest.raises(BadInputError, match="at least 2"):
        smooth_loss(poses[:, :1])
    with pytest.raises(BadInputError, match="threshold"):
        smooth_loss(poses, -0.1)
    assert frame_turns(poses).shape == (2, 1, 3)
