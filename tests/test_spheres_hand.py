"""The 41 spheres of a hand: where they sit, how they move, and how they become joints and hands again."""

from functools import cache

import numpy as np
import pytest
import roma
import torch
import trimesh
from depth_frames import hands, sphere_hand

from handlib.errors import BadInputError
from handlib.fitting.sphere_pose import fit_to_spheres
from handlib.hand import HandModel, SphereHand, mirror_points, mirror_rotvec
from handlib.hand.sphere_hand import (
    BONE_PAIRS,
    BULGE_M,
    COLLISION_PAIRS,
    PUBLISHED_RADII_M,
    SPHERE_FINGERS,
    SPHERE_NAMES,
    collision_pairs,
)
from handlib.hand.sphere_maps import SphereJointMaps, fit_mixes, sample_pairs
from handlib.hand.surface_distance import point_mesh_distance
from handlib.losses.sphere_priors import bone_length_loss, bone_lengths_m, collision_loss
from handlib.render.shapes import sphere_mesh
from handlib.skeleton import FINGER_JOINTS


@cache
def model(source: str = "open", side: str = "right") -> HandModel:
    return HandModel.load(source, side, dtype=torch.float64)


@cache
def maps() -> SphereJointMaps:
    return SphereJointMaps(sphere_hand(), poses=150)


def test_the_order_and_the_published_radii_are_the_released_ones() -> None:
    assert len(SPHERE_NAMES) == len(set(SPHERE_NAMES)) == len(PUBLISHED_RADII_M) == 41
    assert [SPHERE_NAMES.index(f"{finger}_tip") for finger in SPHERE_FINGERS] == [11, 17, 23, 29, 35]
    assert SPHERE_NAMES[16] == "index_mcp" and SPHERE_NAMES[40] == "thumb_cmc" and SPHERE_NAMES[10].startswith("palm")
    # 80 mm times .30 in the palm's middle, .14 at the index finger's tip, .10 at the little finger's.
    assert [PUBLISHED_RADII_M[k] for k in (4, 11, 29)] == pytest.approx([0.024, 0.0112, 0.008])
    assert len(BONE_PAIRS) == 35 and len(COLLISION_PAIRS) == len(set(COLLISION_PAIRS)) == 11 * 30 + 360
    released = SphereHand(model(), radii="published")
    assert released.radii_m.tolist() == pytest.approx(list(PUBLISHED_RADII_M))


@pytest.mark.parametrize("source", ["open", "generic"])
def test_spheres_rest_inside_the_flesh(source: str) -> None:
    inside = SphereHand(model(source), radii="inscribed")
    triangles = model(source).v_template.numpy()[model(source).faces.numpy()]
    distance = [
        np.linalg.norm(trimesh.triangles.closest_point(triangles, np.tile(p, (len(triangles), 1))) - p, axis=1).min()
        for p in inside.rest_m.numpy()
    ]
    torch.testing.assert_close(inside.radii_m, torch.tensor(distance), rtol=0, atol=1e-6)
    assert inside.radii_m.min() > 0.004 and inside.radii_m.max() < 0.025
    torch.testing.assert_close(SphereHand(model(source)).radii_m, inside.radii_m + BULGE_M)
    # The solid angle of the mesh around a point is 4 pi inside and 0 outside (van Oosterom & Strackee 1983).
    corners = torch.from_numpy(triangles) - inside.rest_m[:, None, None]
    a, b, c = corners.unbind(2)
    la, lb, lc = (x.norm(dim=-1) for x in (a, b, c))
    above = (a * torch.linalg.cross(b, c)).sum(-1)
    below = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    winding = torch.atan2(above, below).sum(1) / (2 * torch.pi)
    # The open hand's wrist is a hole, which the spheres beside it see: they get half a turn at least.
    assert winding.min() > (0.4 if source == "open" else 0.99)


def test_distance_from_a_mesh_is_that_from_the_ball_it_stands_for() -> None:
    vertices, faces = sphere_mesh(1.0, torch.zeros(3), subdivisions=4)
    points = torch.tensor([[0.0, 0.0, 0.3], [2.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    expected = (points.norm(dim=-1) - 1).abs()
    torch.testing.assert_close(point_mesh_distance(points, vertices, faces), expected, rtol=0, atol=5e-3)
    # Above the middle of a triangle, beyond its edge, and beyond its corner.
    triangle = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    points = torch.tensor([[0.2, 0.2, 0.7], [0.5, -3.0, 4.0], [-3.0, -4.0, 0.0]])
    distance = point_mesh_distance(points, triangle, torch.tensor([[0, 1, 2]]))
    assert distance.tolist() == pytest.approx([0.7, 5.0, 5.0])


def test_spheres_at_rest_and_moved_as_a_whole() -> None:
    spheres = sphere_hand()
    still = spheres(torch.zeros(1, 45).double())
    torch.testing.assert_close(still.centres_m[0], spheres.rest_m)
    turn, shift = torch.tensor([[0.3, -1.0, 0.7]]).double(), torch.tensor([[0.1, 0.2, 0.5]]).double()
    pose = 0.4 * torch.randn(1, 45, generator=torch.manual_seed(0)).double()
    bent, moved = spheres(pose), spheres(pose, None, turn, shift)
    wrist = model().joints(pose)[:, :1]
    expected = (bent.centres_m - wrist) @ roma.rotvec_to_rotmat(turn).mT + wrist + shift[:, None]
    torch.testing.assert_close(moved.centres_m, expected)


def test_a_sphere_at_a_joint_stays_with_the_joint() -> None:
    angles = 0.5 * torch.randn(6, 45, generator=torch.manual_seed(1)).double()
    centres, joints = sphere_hand()(angles).centres_m, model().joints(angles)
    for k, finger in enumerate(SPHERE_FINGERS):
        base, second, third, _ = FINGER_JOINTS[finger]
        at_joints = centres[:, [16 + 6 * k, 14 + 6 * k, 12 + 6 * k]]
        # Joints lie near the back of the open hand's fingers, its spheres in their middle.
        assert (at_joints - joints[:, [base, second, third]]).norm(dim=-1).max() < 0.0075


def test_phalanx_pairs_keep_their_distance_whatever_the_pose() -> None:
    lengths = bone_lengths_m(hands(20, seed=2))
    torch.testing.assert_close(lengths[:, :20], sphere_hand().bone_lengths_m[:20].expand(20, -1))
    assert ((lengths / sphere_hand().bone_lengths_m) - 1).abs().max() < 0.2
    assert bone_length_loss(hands(20, seed=2), sphere_hand().bone_lengths_m).mean() < 1.0


def test_shape_carries_the_spheres_along() -> None:
    shape = torch.zeros(2, model().num_shape).double()
    shape[1, 0] = 2.0
    pose = torch.zeros(2, 45).double()
    centres, mesh = sphere_hand()(pose, shape).centres_m, model()(pose, shape)
    sizes = [x.sub(x.mean(1, keepdim=True)).norm(dim=(1, 2)) for x in (centres, mesh.joints)]
    grown = [float(size[1] / size[0]) for size in sizes]
    assert abs(grown[0] - 1) > 0.01 and grown[0] == pytest.approx(grown[1], abs=0.02)


def test_a_left_hand_is_the_mirror_image() -> None:
    pose = 0.4 * torch.randn(2, 45, generator=torch.manual_seed(0)).double()
    right = sphere_hand()(pose)
    left = SphereHand(model("open", "left"))(mirror_rotvec(pose.unflatten(1, (15, 3))).flatten(1))
    torch.testing.assert_close(left.centres_m, mirror_points(right.centres_m))
    torch.testing.assert_close(left.radii_m, right.radii_m)


def test_gradients_flow_to_pose_shape_and_place() -> None:
    spheres = sphere_hand()
    generator = torch.manual_seed(0)
    inputs = [
        (0.2 * torch.randn(1, n, generator=generator).double()).requires_grad_() for n in (45, model().num_shape, 3, 3)
    ]
    assert torch.autograd.gradcheck(lambda *x: spheres(*x).centres_m, inputs, fast_mode=True)


def test_pairs_that_overlap_at_rest_are_left_out() -> None:
    pairs = collision_pairs(sphere_hand())
    assert 600 < len(pairs) < 690
    rest, radii = sphere_hand().rest_m[None], sphere_hand().radii_m
    assert collision_loss(rest, radii, pairs).item() == 0.0 < collision_loss(rest, radii).item()


def test_joints_and_spheres_map_to_each_other_within_a_millimetre_or_so() -> None:
    centres, joints = sample_pairs(sphere_hand(), 60, seed=7)
    to_joints = (maps().to_joints(centres) - joints).norm(dim=-1)
    to_spheres = (maps().to_spheres(joints) - centres).norm(dim=-1)
    assert to_joints.mean() < 0.0012 and to_joints.mean(0).max() < 0.003
    assert to_spheres.mean() < 0.0015 and to_spheres.mean(0).max() < 0.004


def test_the_maps_move_and_turn_with_the_hand() -> None:
    centres, _ = sample_pairs(sphere_hand(), 3, seed=8)
    turn = roma.random_rotmat(1, generator=torch.manual_seed(0), dtype=torch.float64)
    shift = torch.tensor([1.0, -2.0, 3.0]).double()
    moved = maps().to_joints(centres @ turn.mT + shift)
    torch.testing.assert_close(moved, maps().to_joints(centres) @ turn.mT + shift)


def test_mixes_that_exist_are_found() -> None:
    generator = torch.manual_seed(0)
    given = torch.randn(50, 6, 3, generator=generator).double()
    true = torch.randn(4, 6, generator=generator).double()
    true += (1 - true.sum(1, keepdim=True)) / 6
    torch.testing.assert_close(fit_mixes(given, true @ given, ridge_m2=0.0), true)


def test_sampled_pairs_need_plain_poses(mano_npz) -> None:
    spheres = SphereHand(HandModel.load(mano_npz, pose_space="pca", num_pca=6))
    with pytest.raises(BadInputError, match="axis_angle"):
        sample_pairs(spheres, 2)


def test_a_hand_is_found_again_from_its_spheres() -> None:
    spheres = SphereHand(HandModel.load("open"))
    centres, joints = sample_pairs(spheres, 3, seed=9)
    turn = roma.random_rotmat(1, generator=torch.manual_seed(0))
    moved, true = (x @ turn.mT + 0.3 for x in (centres, joints))
    fit = fit_to_spheres(spheres, moved, steps=60)
    assert fit.residual_m.mean() < 0.004
    assert (fit.mesh.joints - true).norm(dim=-1).mean() < 0.005
    assert fit.mesh.vertices.shape == (3, 778, 3) and fit.angles.shape == (3, 15, 3)


def test_bad_input_is_refused() -> None:
    with pytest.raises(BadInputError, match="radii is"):
        SphereHand(model(), radii="big")
    with pytest.raises(BadInputError, match="NaN"):
        fit_to_spheres(sphere_hand(), torch.full((1, 41, 3), torch.nan).double())
    with pytest.raises(BadInputError, match="global_orient"):
        sphere_hand()(torch.zeros(1, 45).double(), None, torch.full((1, 3), torch.nan).double())
