"""What the pages on S2HAND(V) look at: middle frames on arcs, a noisy joint that settles, networks that are left."""

import numpy as np
import pytest
import torch

from handlib.errors import MissingFileError
from handlib.experiments.s2hand_v import S2HAND
from handlib.experiments.s2hand_v.looks import draw_over, left_detections, left_network, look, shapes_in_films
from handlib.experiments.s2hand_v.looks_joint import (
    go_downhill,
    middle_frames,
    noisy_joint,
    real_bone_directions,
    settle,
    trembling_rad,
    triples,
)
from handlib.losses.motion import quaternion_loss, temporal_loss
from handlib.losses.motion_prior import rotation_angle, rotvec_to_quaternion, slerp
from handlib.pretrained import released_network
from handlib.viz.orientations import bent_and_spread


def test_a_middle_frame_on_the_arc_is_on_it_and_as_far_along_as_it_went():
    ends = rotvec_to_quaternion(torch.tensor([[0.1, 0.3, 0.2], [0.4, -0.9, 1.0]]).double())
    whole = rotation_angle(ends[0], ends[1]) / 2
    for share in (0.1, 0.5, 0.8):
        middle = slerp(ends[0], ends[1], torch.tensor(share).double())
        # The other name of the middle frame changes nothing.
        found = middle_frames(torch.stack([ends[0], -middle, ends[1]])[:, None], 1)
        assert torch.allclose(found.whole, whole[None, None])
        assert torch.allclose(found.along_arc, abs(share - 0.5) * whole[None, None], atol=1e-7)
        assert found.off_arc.max() < 1e-6


def test_a_middle_frame_off_the_arc_or_beyond_its_end():
    bend, spread = torch.tensor([0.0, 0.5, 1.0]).double(), torch.zeros(3).double()
    beside = middle_frames(bent_and_spread(bend, spread + torch.tensor([0.0, 0.3, 0.0]).double())[:, None], 1)
    # Halfway, and beside the arc: the speed is right and the axis is not.
    assert float(beside.off_arc) > 0.1 > 10 * float(beside.along_arc)
    beyond = middle_frames(bent_and_spread(torch.tensor([0.0, 1.4, 1.0]).double(), spread)[:, None], 1)
    assert float(beyond.off_arc) == pytest.approx(0.2) and float(beyond.along_arc) == pytest.approx(0.25)
    # At an interval of 2, of five frames, there is one start.
    assert middle_frames(torch.randn(5, 3, 4).double(), 2).whole.shape == (1, 3)


def test_frames_that_are_seen_badly_become_smoother_and_truer_and_too_much_stops_them():
    joint = noisy_joint(0)
    off = rotation_angle(joint.true, joint.seen).mean()
    for loss in (quaternion_loss, temporal_loss):
        settled = settle(joint.seen, loss, 1.0, steps=60)
        assert rotation_angle(settled, joint.true).mean() < off
        assert trembling_rad(settled) < 0.8 * trembling_rad(joint.seen)
    stopped = settle(joint.seen, temporal_loss, 100.0)
    assert rotation_angle(stopped[0], stopped[-1]) < 0.7 * rotation_angle(joint.true[0], joint.true[-1])
    assert triples(joint.true).shape == (38, 3, 1, 4)
    assert trembling_rad(joint.true[:1].expand(5, 4)) == 0


def test_downhill_the_quaternion_loss_finds_an_arc_and_the_temporal_loss_stops_the_joint():
    frames = bent_and_spread(torch.tensor([0.1, 0.7, 1.6]), torch.tensor([-0.3, 0.8, 0.3]))
    ends = rotation_angle(frames[0], frames[-1])
    on_arc = go_downhill(frames, quaternion_loss)
    assert quaternion_loss(on_arc[None, :, None]) < 0.05 * quaternion_loss(frames[None, :, None])
    assert rotation_angle(on_arc[0], on_arc[-1]) > ends
    stopped = go_downhill(frames, temporal_loss)
    assert rotation_angle(stopped[0], stopped[-1]) < 0.1 * ends
    # Frames that agree stay where they are.
    same = frames[:1].expand(3, 4)
    assert torch.equal(go_downhill(same, quaternion_loss), same)


def test_bones_of_real_films_are_unit_directions(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLIB_DATA", str(tmp_path))
    with pytest.raises(MissingFileError):
        real_bone_directions()
    joints = np.random.default_rng(0).normal(size=(3000, 21, 3))
    np.savez(tmp_path / "stb_joint_poses.npz", train_m=joints)
    films = real_bone_directions()
    assert len(films) == 2 and films[0].shape == (1500, 12, 4) and (films[0][..., 3] == 0).all()
    assert torch.allclose(films[0].norm(dim=-1), torch.ones(1500, 12))
    # Seen from the palm, a hand that only moves and turns has not bent its fingers.
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    moved = joints @ (turn * np.sign(np.linalg.det(turn))).T + 0.3
    np.savez(tmp_path / "stb_joint_poses.npz", train_m=moved)
    assert torch.allclose(real_bone_directions()[1], films[1], atol=1e-5)


def test_no_network_is_left_where_nothing_has_run(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path / "results"))
    assert left_network(S2HAND, "smoke") is None
    assert left_detections("smoke") is None and shapes_in_films(S2HAND, "smoke") is None


def test_hands_are_drawn_over_their_frames():
    network = released_network()
    rgb = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), np.uint8)
    faces = network.hand.faces.numpy()
    K = np.array([[70.0, 0, 31.5], [0, 70.0, 31.5], [0, 0, 1]], np.float32)[None].repeat(2, 0)
    for lenses in (None, K):
        drawn = draw_over(rgb, look(network, rgb, lenses), faces, lenses)
        assert len(drawn) == 2 and drawn[0].shape == (64, 64, 3) and (drawn[0] != rgb[0]).any()
