"""Both depth domains: labels agree with crops, a seed is a data set, and samples do not depend on their batch."""

import numpy as np
import pytest
import torch

from handlib.data.depth_cube import crop_points_m, denormalise_depth
from handlib.data.depth_hands import Turns, turn_rotations
from handlib.data.depth_sensor import DepthSensor
from handlib.data.depth_source import SyntheticDepth, add_pixel_noise
from handlib.data.depth_target import MultiViewDepth, crop_views, kinect_rig, nyu_like_joints
from handlib.errors import BadInputError
from handlib.render import render_spheres
from handlib.render.spheres import crop_camera
from handlib.skeleton import JOINT_NAMES

COUNT = 6


@pytest.fixture(scope="module")
def clean():
    return SyntheticDepth(noise=False).batch(0, COUNT)


@pytest.fixture(scope="module")
def target():
    return MultiViewDepth().batch(0, COUNT)


def test_source_crops_and_labels_have_their_places(clean):
    assert clean.depth.shape == (COUNT, 64, 64) and clean.depth.dtype == torch.float32
    assert clean.centres_m.shape == (COUNT, 41, 3) and clean.joints_m.shape == (COUNT, 21, 3)
    assert len(clean) == COUNT
    assert clean.depth.max() == 1 and (clean.depth.flatten(1).amin(1) < 0).all()
    assert clean.centres_m[..., :2].abs().max() < 0.15


def test_rendered_spheres_are_where_the_mesh_is(clean):
    radii = SyntheticDepth().spheres.radii_m.float()
    rendered = render_spheres(clean.centres_m, 0.9 * radii[None], crop_camera(64), 64)
    mesh = denormalise_depth(clean.depth)
    both = (rendered < 0.1) & (mesh < 0.1)
    either = (rendered < 0.1) | (mesh < 0.1)
    assert both.sum() / either.sum() > 0.7, "the silhouettes overlap"
    difference = (rendered - mesh)[both]
    assert difference.abs().median() < 0.004 and difference.median().abs() < 0.003


def test_joints_lie_among_the_spheres(clean):
    assert torch.cdist(clean.joints_m, clean.centres_m).amin(-1).max() < 0.02


@pytest.mark.parametrize("noise", [True, False])
def test_a_source_sample_is_the_same_in_any_batch(noise):
    data = SyntheticDepth(seed=3, noise=noise)
    together, alone = data.batch(0, 5), SyntheticDepth(seed=3, noise=noise).batch(3, 1)
    for one, many in ((alone.depth, together.depth), (alone.centres_m, together.centres_m)):
        assert torch.equal(one[0], many[3])
    assert torch.equal(data.sphere_centres(3, 1), alone.centres_m)


def test_seeds_and_splits_are_other_data():
    first = SyntheticDepth(seed=0).batch(0, 2).centres_m
    for other in (SyntheticDepth(seed=1), SyntheticDepth(seed=0, split="test")):
        assert (other.batch(0, 2).centres_m - first).abs().amax((1, 2)).min() > 0.01
    with pytest.raises(BadInputError, match="split"):
        SyntheticDepth(split="validation").batch(0, 1)


def test_noise_leaves_hands_and_background_as_they_are(clean):
    noisy = SyntheticDepth(noise=True).batch(0, COUNT)
    assert torch.equal(noisy.centres_m, clean.centres_m)
    far_from_hand = torch.nn.functional.max_pool2d(-clean.depth[:, None], 11, stride=1, padding=5)[:, 0] == -1
    assert (noisy.depth[far_from_hand] == 1).all()


def test_pixel_noise_has_the_released_deviations():
    streams = [np.random.default_rng(k) for k in range(20)]
    flat = add_pixel_noise(torch.zeros(20, 64, 64), streams)
    assert float(flat.std()) == pytest.approx(0.05, rel=0.02)
    ramp = torch.arange(64.0).expand(20, 64, 64) / 64 - 0.5
    shifts = (add_pixel_noise(ramp, [np.random.default_rng(k) for k in range(20)]) - ramp)[:, :, 8:-8] * 64
    # Rounded to whole pixels, a deviation of 0.5 px moves 32 % of the pixels: variance 0.32 px^2.
    assert float(shifts.var() - (64 * 0.05) ** 2) == pytest.approx(0.32, abs=0.15)


def test_turns_stay_within_their_limits():
    draws = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rotation = turn_rotations(draws, Turns(90.0, 50.0))
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3).double().expand(4000, 3, 3), atol=1e-12)
    assert (torch.linalg.det(rotation) > 0).all()
    fingers = -rotation[:, :, 0]
    tilt = torch.rad2deg(torch.acos(-fingers[:, 1]))
    assert 48 < tilt.max() <= 50
    upright = turn_rotations(torch.tensor([[0.5, 0.0, 0.0]], dtype=torch.float64), Turns(90.0, 50.0))[0]
    assert torch.allclose(upright @ torch.tensor([-1.0, 0, 0]).double(), torch.tensor([0, -1.0, 0]).double())
    assert torch.allclose(upright @ torch.tensor([0, -1.0, 0]).double(), torch.tensor([0, 0, -1.0]).double())


def test_target_batches_have_their_shapes(target):
    assert target.depth.shape == (COUNT, 3, 64, 64) and target.usable.all() and len(target) == COUNT
    assert target.frames.rotation.shape == (COUNT, 3, 3, 3)
    assert target.joints_m.shape == (COUNT, 21, 3)
    joints = target.frames.from_world(target.joints_m[:, None])
    assert joints.abs().max() < 0.17, "the hand lies in the cube of every view"


def test_three_views_see_one_surface(target):
    points, seen = crop_points_m(denormalise_depth(target.depth.flatten(0, 1)))
    world = target.frames.to_world(points.unflatten(0, (COUNT, 3)))
    vertices, _ = MultiViewDepth().world_hands(0, COUNT)
    for view in range(3):
        distance = torch.cdist(world[:, view], vertices).amin(-1)[seen.unflatten(0, (COUNT, 3))[:, view]]
        # Nearest vertex, not surface, and beyond the wrist there is an arm.
        assert distance.median() < 0.006


def test_a_target_sample_is_the_same_in_any_batch(target):
    alone = MultiViewDepth().batch(4, 1)
    assert torch.equal(alone.depth[0], target.depth[4])
    assert torch.equal(alone.frames.origin_m[0], target.frames.origin_m[4])
    assert torch.equal(alone.joints_m[0], target.joints_m[4])
    assert not torch.equal(MultiViewDepth(split="test").batch(4, 1).joints_m, alone.joints_m)


def test_noise_grows_with_the_sensor_and_leaves_labels():
    pictures = {noise: MultiViewDepth(sensor=DepthSensor(noise=noise)).raw(0, 2) for noise in (0.5, 2.0)}
    assert torch.equal(pictures[0.5].joints_m, pictures[2.0].joints_m)
    assert torch.equal(pictures[0.5].true_depth_m, pictures[2.0].true_depth_m)

    def scatter(raw):
        inner = (raw.depth_m > 0) & (raw.true_depth_m > 0)
        return float((raw.depth_m - raw.true_depth_m)[inner].abs().median())

    assert scatter(pictures[2.0]) > 1.8 * scatter(pictures[0.5])


def test_wrists_are_cropped():
    data = MultiViewDepth(sensor=DepthSensor(noise=0.0, edge_drop=0.0, flying=0.0))
    raw = data.raw(0, COUNT)
    crops = crop_views(raw.true_depth_m, raw.K, data.rig, raw.joints_m)
    points, seen = crop_points_m(denormalise_depth(crops.depth.flatten(0, 1)))
    wrist = crops.frames.from_world(raw.joints_m[:, None])[:, :, :1].flatten(0, 1)
    reach = torch.where(seen, (points - wrist).norm(dim=-1), 0).amax(1)
    assert reach.max() < 0.23, "a hand's length, and no elbow"


def test_an_empty_view_is_marked_and_all_background():
    data = MultiViewDepth()
    raw = data.raw(0, 2)
    depth = raw.depth_m.clone()
    depth[1, 2] = 0
    crops = crop_views(depth, raw.K, data.rig, raw.joints_m)
    assert crops.usable.tolist() == [[True, True, True], [True, True, False]]
    assert (crops.depth[1, 2] == 1).all() and torch.isfinite(crops.frames.origin_m).all()
    with pytest.raises(BadInputError, match="Divide millimetres"):
        crop_views(1000 * depth, raw.K, data.rig, raw.joints_m)


def test_the_rig_looks_at_the_workspace():
    rig = kinect_rig()
    seen = rig.to_cameras(torch.tensor([[[0.0, 0.0, 0.8]]]))[0, :, 0]
    assert torch.allclose(seen[:, :2], torch.zeros(3, 2), atol=1e-6)
    assert torch.allclose(seen[:, 2], torch.tensor([0.8, 0.85, 0.85]))
    assert torch.equal(rig.rotation[0], torch.eye(3)) and torch.equal(rig.translation_m[0], torch.zeros(3))
    assert torch.allclose(torch.linalg.det(rig.rotation), torch.ones(3))


def test_fourteen_joints_of_a_hand():
    joints = torch.arange(63.0).view(1, 21, 3)
    chosen = nyu_like_joints(joints)
    assert chosen.shape == (1, 14, 3)
    assert torch.equal(chosen[0, 0], joints[0, JOINT_NAMES.index("little_tip")])
    assert torch.equal(chosen[0, 7], joints[0, JOINT_NAMES.index("index_pip")])
    assert torch.equal(chosen[0, 10], joints[0, JOINT_NAMES.index("thumb_mcp")])
    assert torch.allclose(chosen[0, 11:13].mean(0), joints[0, 0])


@pytest.mark.parametrize("data", [SyntheticDepth, MultiViewDepth])
def test_no_samples_are_refused(data):
    for start, count in ((0, 0), (-1, 2)):
        with pytest.raises(BadInputError, match="expected a start from 0 up"):
            data().batch(start, count)
