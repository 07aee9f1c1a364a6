"""SeqHAND's generated films, the poses behind them, and their folder: same bytes in any way of making them."""

import sys
import types
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from pose_hands import anatomy, model

from handlib.data import film_folder
from handlib.data.bighand_poses import bighand_poses
from handlib.data.drifting_views import draw_turns, drift
from handlib.data.film_folder import MANIFEST, FilmFolder, begin_folder, finish_folder, shard_path, write_shard
from handlib.data.pose_database import PALM_M, PoseDatabase, sampled_poses, to_palm_frame
from handlib.data.seqhand_films import SeqHandFilms, skin_colours
from handlib.data.shard_workers import run_shards
from handlib.errors import BadInputError, MissingExtraError
from handlib.hand import HandModel
from handlib.hand.hand_code import HandCode, posed_joints, see_hand
from handlib.hand.inverse_kinematics import InverseKinematics
from handlib.hand.sampler import PoseSampler
from handlib.models.pose_encoder import (
    RELEASED_WIDTHS,
    PoseEncoder,
    PoseParameters,
    fit_pose_encoder,
    reconstruction_loss,
)


@cache
def database() -> PoseDatabase:
    return sampled_poses(200, hand=model(dtype=torch.float32))


@cache
def hand(dtype: torch.dtype = torch.float64, num_pca: int = 10) -> HandModel:
    return HandModel.load("open", pose_space="pca", num_pca=num_pca, flat_hand_mean=False, dtype=dtype)


@cache
def films(size: int = 5, num_frames: int = 3, **changes) -> SeqHandFilms:
    return SeqHandFilms(database(), size=size, image_px=32, num_frames=num_frames, **changes)


@cache
def film():
    return films()[1]


def test_a_film_shows_one_hand_with_one_shape():
    shown = film()
    code = HandCode.split(shown.code)
    assert shown.rgb.shape == (3, 32, 32, 3) and shown.mask.shape == (3, 32, 32) and shown.code.shape == (3, 26)
    assert torch.equal(code.shape[0], code.shape[2]) and code.shape.abs().max() <= 2
    assert (code.pose[0] - code.pose[2]).abs().max() > 0 or films().flow(1).stall_share[0] == 1
    assert (code.rotation[0] - code.rotation[2]).abs().max() > 0 and (code.scale > 0).all()
    assert shown.mask.float().mean((1, 2)).gt(0.02).all()


def test_labels_agree_with_the_picture():
    shown = film()
    seen = see_hand(hand(torch.float32), HandCode.split(shown.code), 32)
    assert torch.allclose(seen.joints_2d_px, shown.joints_2d_px, atol=1e-3)
    assert torch.allclose(seen.vertices_m, shown.vertices_m, atol=1e-6)
    # Nearly all vertices, rounded to the next pixel, fall on the mask or on a pixel beside it.
    around = torch.nn.functional.max_pool2d(shown.mask[:, None].float(), 3, 1, 1)[:, 0]
    column, row = seen.vertices_2d_px.round().long().clamp(0, 31).unbind(-1)
    assert around.flatten(1).gather(1, row * 32 + column).mean() > 0.97


def test_a_film_depends_on_its_number_and_on_nothing_else():
    again = SeqHandFilms(database(), size=2, image_px=32, num_frames=3)[1]
    for name in film_folder.ARRAYS:
        assert np.array_equal(np.asarray(getattr(film(), name)), np.asarray(getattr(again, name))), name
    assert not torch.equal(film().rgb, films()[2].rgb)
    other = SeqHandFilms(database(), size=2, image_px=32, num_frames=3, split="test")[1]
    assert not torch.equal(film().code, other.code)
    with pytest.raises(IndexError):
        films()[5]


def test_background_and_hand_move():
    shown = film()
    outside = ~(shown.mask[0] | shown.mask[2])
    assert (shown.rgb[0].int() - shown.rgb[2].int()).abs()[outside].float().mean() > 0.2


def test_skins_differ_and_are_skin():
    one, other = skin_colours(0), skin_colours(1)
    assert one.shape == (778, 3) and one.min() >= 0 and one.max() <= 1 and np.abs(one - other).mean() > 0.01
    assert (one[:, 0] > one[:, 2]).mean() > 0.95


@pytest.mark.parametrize("changes", [{"split": "validation"}, {"size": 0}, {"seed": -1}, {"image_px": 8}])
def test_impossible_films_are_refused(changes):
    with pytest.raises(BadInputError):
        SeqHandFilms(database(), **{"size": 1, "image_px": 32} | changes)


def test_drift_approaches_its_end_as_poses_do():
    way = drift(np.array([0.0, 2.0]), np.array([1.0, -1.0]), 0.5, 10)
    assert way.shape == (10, 2) and np.allclose(way[0], [0, 2])
    assert np.allclose(way[1:] - [1, -1], 0.95 * (way[:-1] - [1, -1]))


def test_views_are_rotations_that_turn_slowly():
    for egocentric in (False, True):
        turns = draw_turns(np.random.default_rng(1), 10, egocentric)
        assert torch.allclose(turns @ turns.mT, torch.eye(3).double().expand(10, 3, 3), atol=1e-9)
        assert torch.allclose(torch.linalg.det(turns), torch.ones(10).double())
        assert roma.rotmat_geodesic_distance(turns[1:], turns[:-1]).max() <= 0.06 * np.pi + 1e-9


def test_ones_own_hands_point_up_and_show_their_backs():
    rest = anatomy().rest_joints
    fingers, back = rest[9] - rest[0], torch.tensor([0.0, 1.0, 0.0]).double()
    first = torch.stack([draw_turns(np.random.default_rng(seed), 1, True)[0] for seed in range(60)])
    assert ((first @ fingers)[:, 1] < 0).float().mean() > 0.9  # up, in OpenCV's axes
    assert ((first @ back)[:, 2] < 0).float().mean() > 0.9  # towards the camera


def test_inverse_kinematics_gives_back_the_pose():
    whole = hand(num_pca=45)
    solver = InverseKinematics(whole, within_limits=False)
    joints = anatomy().to_joints(PoseSampler(model(), 5).sample(20))
    again = whole.joints(solver(joints))
    # In any place, turn and unit.
    turn = roma.random_rotmat(generator=torch.Generator().manual_seed(0)).double()
    assert torch.allclose(solver(3 * joints @ turn.mT + 1.0), solver(joints), atol=1e-6)
    assert (again - joints).norm(dim=-1).max() < 5e-4
    # Ten components lose something, and keep most.
    lost = hand().joints(InverseKinematics(hand())(joints)) - joints
    assert 5e-4 < lost.norm(dim=-1).mean() < 0.015
    with pytest.raises(BadInputError, match="pca"):
        InverseKinematics(model())


@pytest.mark.parametrize("widths", [(32, 64, 32), RELEASED_WIDTHS])
def test_the_pose_encoder_has_its_layers_and_ranges(widths):
    encoder = PoseEncoder(widths)
    linear = [layer for layer in encoder.layers if isinstance(layer, torch.nn.Linear)]
    assert [layer.out_features for layer in linear] == [*widths, 23]
    parameters = encoder(torch.randn(4, 21, 3))
    assert [part.shape[1] for part in parameters] == [3, 10, 10]
    assert parameters.pose.abs().max() <= 3.5 and parameters.shape.abs().max() <= 2


def test_the_pose_encoder_learns_through_the_hand_and_the_hand_does_not():
    torch.manual_seed(0)
    encoder, decoder = PoseEncoder((64, 64, 64)), hand(torch.float32)
    before = {name: value.clone() for name, value in decoder.named_buffers()}
    history = fit_pose_encoder(encoder, decoder, database().joints_m, steps=40, batch=64, learning_rate=3e-3)
    assert np.mean(history[-5:]) < 0.5 * np.mean(history[:3])
    assert all(torch.equal(value, before[name]) for name, value in decoder.named_buffers())
    assert not encoder.training and not any(p.requires_grad for p in encoder.parameters())
    joints = torch.from_numpy(database().joints_m[:4]).double()
    assert encoder.pose(joints).dtype == torch.float64 and encoder.pose(joints).shape == (4, 10)


def test_joints_of_the_hand_itself_are_reconstructed_without_loss():
    pose, shape = 0.5 * torch.randn(3, 10).double(), torch.randn(3, 10).double()
    parameters = PoseParameters(torch.zeros(3, 3).double(), pose, shape)
    loss = reconstruction_loss(hand(), parameters, posed_joints(hand(), pose, shape))
    assert loss.max() < 1e-20


def test_the_poses_of_bighand(format_fixture):
    root, drawn = format_fixture("bighand")
    poses = bighand_poses(root)
    truth = np.concatenate([hands.joints_m for hands in drawn.values()])
    assert np.allclose(poses.joints_m, to_palm_frame(truth), atol=1e-5)
    assert np.allclose(np.linalg.norm(poses.joints_m[:, 9], axis=-1), PALM_M, atol=1e-6)


def test_a_folder_gives_back_what_was_drawn_and_goes_on_after_a_kill(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(film_folder, "SHARD_FILMS", 2)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    digests = run_shards(partial(write_shard, films(), whole), begin_folder(films(), whole, "c"))
    finish_folder(whole, digests)
    read = FilmFolder(whole)
    assert len(read) == 5 and read.damaged() == []
    for name in film_folder.ARRAYS:
        assert np.array_equal(np.asarray(getattr(read[1], name)), np.asarray(getattr(film(), name))), name
    assert torch.allclose(read[1].vertices_m, film().vertices_m, atol=1e-6)

    # Only the second shard was written before the kill.
    begin_folder(films(), broken, "c")
    write_shard(films(), broken, 1)
    with pytest.raises(BadInputError, match="unfinished"):
        FilmFolder(broken)
    written = shard_path(broken, 1).stat().st_mtime_ns
    finish_folder(broken, run_shards(partial(write_shard, films(), broken), begin_folder(films(), broken, "c")))
    assert shard_path(broken, 1).stat().st_mtime_ns == written
    assert (broken / MANIFEST).read_bytes() == (whole / MANIFEST).read_bytes()

    shard_path(broken, 0).write_bytes(b"x")
    assert FilmFolder(broken).damaged() == ["shard-00000.npz"]
    with pytest.raises(BadInputError, match="size"):
        begin_folder(films(size=3), broken, "c")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(BadInputError, match="other files"):
        begin_folder(films(), tmp_path / "other", "c")


def square(number: int) -> int:
    return number * number


def test_a_cluster_does_the_same_work(monkeypatch):
    class Client:
        def __init__(self, address: str) -> None:
            assert address == "tcp://head:8786"

        def map(self, work, numbers, pure):
            assert pure is False
            return [types.SimpleNamespace(result=partial(work, number)) for number in numbers]

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    distributed = types.ModuleType("dask.distributed")
    distributed.Client = Client
    monkeypatch.setitem(sys.modules, "dask", types.ModuleType("dask"))
    monkeypatch.setitem(sys.modules, "dask.distributed", distributed)
    expected = run_shards(square, range(4))
    assert run_shards(square, range(4), scheduler="tcp://head:8786") == expected == [0, 1, 4, 9]
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(MissingExtraError, match="pip install distributed"):
        run_shards(square, range(4), scheduler="tcp://head:8786")
