"""Pose databases and the flows on them: Eq. 5 to 7 of SeqHAND against loops written out, and the three walks."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from pose_hands import model

from handlib.data.photos import data_folder
from handlib.data.pose_database import (
    PALM_M,
    PoseDatabase,
    database_from_joints,
    sampled_poses,
    stb_poses,
    to_palm_frame,
)
from handlib.data.pose_flow import ALPHA, draw_flows, first_pose, snap_to_database, step_towards
from handlib.errors import BadInputError
from handlib.skeleton import BONES

FIXTURES = Path(__file__).parent / "fixtures"


@cache
def database() -> PoseDatabase:
    return sampled_poses(400, seed=3, hand=model(dtype=torch.float32))


def streams(count: int, first: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng(first + index) for index in range(count)]


def brute_force(query: np.ndarray) -> int:
    return int(np.argmin([np.linalg.norm(query - pose) for pose in database().joints_m]))


def test_seqhand_equation_5_start_of_a_flow():
    poses, ends = first_pose(database(), streams(300))
    assert np.array_equal(poses, database().joints_m[ends[:, 0]])
    assert np.array_equal(draw_flows(database(), streams(5), 3).joints_m[:, 0], poses[:5])
    # Both ends are drawn from all poses, and neither knows of the other.
    assert len(np.unique(ends)) > 250 and abs(np.corrcoef(ends.T)[0, 1]) < 0.2
    assert ends.min() < 20 and ends.max() > 380


def test_seqhand_equation_6_step_of_a_flow():
    current, final = database().joints_m[:2]
    updated = step_towards(current, final, alpha=0.7, num_frames=5)
    assert np.allclose(updated, current + 0.14 * (final - current), atol=1e-7)
    # What is left of the way is a fixed share, so that n steps leave (1 - alpha / n)^n of it.
    walked = current
    for _ in range(10):
        walked = step_towards(walked, final)
    left = np.linalg.norm(walked - final) / np.linalg.norm(current - final)
    assert left == pytest.approx((1 - ALPHA / 10) ** 10, rel=1e-4) and left == pytest.approx(0.2785, abs=1e-3)


def test_seqhand_equation_7_nearest_pose():
    queries = database().joints_m[:20] + np.random.default_rng(0).normal(0, 0.02, (20, 21, 3)).astype(np.float32)
    poses, rows = snap_to_database(queries, database())
    assert rows.tolist() == [brute_force(query) for query in queries]
    assert np.array_equal(poses, database().joints_m[rows])
    # The minimum is over all poses: a pose of the database is its own nearest.
    assert snap_to_database(database().joints_m[7:8], database())[1].tolist() == [7]


def test_a_snapped_flow_is_the_loop_of_the_paper():
    flow = draw_flows(database(), streams(4), 6, alpha=3.0)
    for joints, ends in zip(flow.joints_m, flow.ends, strict=True):
        pose, final = database().joints_m[ends[0]], database().joints_m[ends[1]]
        for frame in joints[1:]:
            pose = database().joints_m[brute_force(pose - 3.0 / 6 * (pose - final))]
            assert np.array_equal(frame, pose)


def test_every_frame_of_a_snapped_flow_is_in_the_database_and_none_inside_a_straight_one():
    for walk in ("snapped", "shown"):
        flow = draw_flows(database(), streams(4), walk=walk)
        assert np.array_equal(flow.joints_m, database().joints_m[flow.rows])
    straight = draw_flows(database(), streams(4), walk="straight")
    assert database().nearest(straight.joints_m[:, 4].copy())[0].min() > 0.01
    assert (straight.distance_m[:, 1:] > 0).all() and (straight.distance_m[:, 0] == 0).all()


def test_straight_walks_shorten_bones_that_snapped_walks_keep():
    """Between two poses the straight line cuts the corner: fingers shrink on the way. A reason to snap."""
    child, parent = np.array([(c, p) for p, c in BONES]).T

    def greatest_change(joints: np.ndarray) -> float:
        length = np.linalg.norm(joints[..., child, :] - joints[..., parent, :], axis=-1)
        return float((np.ptp(length, axis=1) / length[:, 0]).max())

    assert greatest_change(draw_flows(database(), streams(30), walk="straight").joints_m) > 0.1
    assert greatest_change(draw_flows(database(), streams(30), walk="shown").joints_m) < 0.02


def test_in_a_thin_database_the_papers_walk_stands_still_and_ours_does_not():
    snapped, shown = (draw_flows(database(), streams(30), walk=walk) for walk in ("snapped", "shown"))
    assert snapped.stall_share.mean() > 0.5
    assert shown.stall_share.mean() < snapped.stall_share.mean() - 0.2
    # Once it stands still it does so for ever, because a step depends on the pose alone.
    for rows in snapped.rows:
        stays = [a == b for a, b in pairwise(rows)]
        assert stays == sorted(stays)


def test_a_flow_depends_on_its_own_stream_alone():
    together = draw_flows(database(), streams(6), 5)
    alone = draw_flows(database(), streams(1, first=4), 5)
    assert np.array_equal(together.joints_m[4], alone.joints_m[0])


@pytest.mark.parametrize(
    "changes", [{"walk": "jump"}, {"num_frames": 0}, {"alpha": 0.0}, {"alpha": 11.0, "num_frames": 10}]
)
def test_walks_that_cannot_be_are_refused(changes):
    with pytest.raises(BadInputError):
        draw_flows(database(), streams(1), **changes)


def test_the_palm_frame_forgets_place_turn_and_size():
    joints = database().joints_m[:10].astype(np.float64)
    turn = roma.random_rotmat(generator=torch.Generator().manual_seed(0)).double().numpy()
    moved = 1.3 * joints @ turn.T + [0.1, -0.2, 0.6]
    assert np.allclose(to_palm_frame(moved), joints, atol=1e-6)
    assert np.allclose(to_palm_frame(joints)[:, 9], [0, 0, PALM_M], atol=1e-7)
    # A mirrored hand is another hand: its thumb points to the other side of the palm.
    assert np.abs(to_palm_frame(joints * [-1, 1, 1]) - joints).max() > 0.01


def test_poses_without_a_palm_are_refused():
    joints = database().joints_m[:3].copy()
    joints[1, 5:] = joints[1, :1]
    with pytest.raises(BadInputError, match="pose 1"):
        to_palm_frame(joints)
    joints[1] = np.nan
    with pytest.raises(BadInputError, match="pose 1"):
        to_palm_frame(joints)
    with pytest.raises(BadInputError, match="empty"):
        database_from_joints(joints[:0], "none")


def test_neighbours_come_nearest_first_and_bad_questions_are_refused():
    distances, rows = database().nearest(database().joints_m[:4], k=3)
    assert distances.shape == rows.shape == (4, 3)
    assert rows[:, 0].tolist() == [0, 1, 2, 3] and (np.diff(distances) >= 0).all()
    for k, query in ((0, database().joints_m[:1]), (401, database().joints_m[:1]), (1, np.full((1, 21, 3), np.nan))):
        with pytest.raises(BadInputError):
            database().nearest(query.astype(np.float32), k=k)


def test_a_larger_sampled_database_begins_with_a_smaller_one():
    assert np.array_equal(sampled_poses(20, seed=3, hand=model(dtype=torch.float32)).joints_m, database().joints_m[:20])


@pytest.mark.skipif(data_folder() is None, reason="HANDLIB_DATA is not set")
def test_the_real_poses_of_stb():
    test = stb_poses("test")
    assert len(test) == 3000 and np.allclose(np.linalg.norm(test.joints_m[:, 9], axis=-1), PALM_M, atol=1e-6)
    flow = draw_flows(test, streams(3))
    assert np.isfinite(flow.joints_m).all()
    with pytest.raises(BadInputError, match="split"):
        stb_poses("validation")
