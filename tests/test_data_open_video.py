"""Films of the open benchmark: one hand in motion, the same for the same numbers, with labels that fit the pictures."""

import numpy as np
import pytest
import torch

from handlib.camera import project_perspective
from handlib.data.film_cache import FilmsName
from handlib.data.film_rendering import SteadyCamera, blur_along, blur_moving, frame_steps
from handlib.data.film_scenes import smooth_path
from handlib.data.open_video import OpenVideo
from handlib.data.sensor import take_picture
from handlib.data.stills_cache import draw_stills, read_labels, read_pictures
from handlib.errors import BadInputError
from handlib.metrics.temporal import sequence_std

PX, FRAMES = 48, 6


@pytest.fixture(scope="module")
def video() -> OpenVideo:
    return OpenVideo(size=3, num_frames=FRAMES, image_px=PX)


@pytest.fixture(scope="module")
def film(video):
    return video[1]


def test_a_film_has_labels_for_every_frame(film):
    frames = film.frames
    assert len(film) == FRAMES and film.name == "video/train/0001" and film.frames_per_second == 30.0
    assert frames.rgb.shape == (FRAMES, PX, PX, 3) and frames.vertices_m.shape == (FRAMES, 1159, 3)
    assert film.rotations.shape == (FRAMES, 16, 3, 3) and film.shape.shape == (10,)
    projected = project_perspective(frames.joints_m, frames.K)
    assert (projected - frames.joints_2d_px).abs().max() < 1e-3
    assert frames.mask.flatten(1).sum(1).min() > 0.03 * PX * PX


def test_bones_keep_their_lengths_and_the_lens_its_focal_length(film):
    joints = film.frames.joints_m
    bones = torch.linalg.vector_norm(joints[:, [6, 7, 10, 11, 18]] - joints[:, [5, 6, 9, 10, 17]], dim=-1)
    assert sequence_std(bones) < 1e-5
    assert (film.frames.K == film.frames.K[0]).all()


def test_the_hand_moves_smoothly(film):
    joints = film.frames.joints_m
    steps = torch.linalg.vector_norm(joints[1:] - joints[:-1], dim=-1)
    assert 1e-4 < steps.mean() < 0.03
    assert steps.max() < 0.05
    turns = film.rotations[1:] @ film.rotations[:-1].mT
    assert (torch.linalg.det(film.rotations) - 1).abs().max() < 1e-5
    assert ((turns.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).min() > 0.9


def test_a_film_is_a_function_of_seed_split_and_number(video, film):
    again = OpenVideo(size=2, num_frames=FRAMES, image_px=PX)[1]
    assert torch.equal(again.frames.rgb, film.frames.rgb)
    assert torch.equal(again.frames.joints_m, film.frames.joints_m)
    for other in (
        OpenVideo(size=2, num_frames=1, image_px=PX, seed=1)[1],
        OpenVideo(size=2, num_frames=1, image_px=PX, split="test")[1],
        OpenVideo(size=2, num_frames=1, image_px=PX)[0],
    ):
        assert (other.shape - film.shape).abs().max() > 0.1
        assert (other.frames.K[0] - film.frames.K[0]).abs().max() > 1e-3


def test_neighbouring_frames_look_alike_and_noise_is_new(film):
    rgb = film.frames.rgb.float()
    assert (rgb[1:] - rgb[:-1]).abs().mean() < 25
    assert (rgb[1:] != rgb[:-1]).float().mean() > 0.2


def test_settings_of_a_camera_stay_and_its_noise_does_not():
    flat, metered = np.full((32, 32, 3), 0.2, np.float32), np.ones((32, 32), np.float32)
    settings, noise = np.random.SeedSequence(5), np.random.default_rng(6)
    first, second = (take_picture(SteadyCamera(settings, noise), flat, metered).astype(float) for _ in range(2))
    other = take_picture(SteadyCamera(np.random.SeedSequence(7), noise), flat, metered).astype(float)
    assert abs(first.mean() - second.mean()) < 1 < abs(first.mean() - other.mean())
    assert not np.array_equal(first, second)


def test_blur_follows_the_motion():
    layer = np.zeros((21, 41, 4), np.float32)
    layer[8:13, 18:23] = 1
    motion = np.zeros((21, 41, 2), np.float32)
    motion[8:13, 18:23] = [8, 0]
    smeared = blur_moving(layer, motion)
    columns, rows = smeared[..., 3].sum(0) > 0.01, smeared[..., 3].sum(1) > 0.01
    assert columns.sum() >= 11 and rows.sum() == 5, "wider along the motion, as high as before"
    assert smeared[10, 20, 3] < 1.0 + 1e-6 and abs(smeared.sum() / layer.sum() - 1) < 0.3
    assert np.array_equal(blur_moving(layer, motion * 0.01), layer)


def test_blur_of_a_uniform_motion_is_a_moving_average():
    picture = np.zeros((5, 33, 3), np.float32)
    picture[:, 16] = 1
    blurred = blur_along(picture, np.broadcast_to(np.float32([8, 0]), (5, 33, 2)).copy())
    assert np.allclose(blurred[2, 12:21, 0], 1 / 9, atol=1e-6) and blurred[2, :12].max() == 0


def test_steps_between_frames():
    path = torch.tensor([[0.0], [1.0], [4.0], [9.0]])
    assert frame_steps(path)[:, 0].tolist() == [1.0, 2.0, 4.0, 5.0]
    assert frame_steps(path[:1]).tolist() == [[0.0]]


def test_paths_are_smooth_and_do_not_depend_on_their_length():
    streams = [np.random.default_rng(2) for _ in range(2)]
    short, long = (smooth_path(stream, np.arange(n) / 30, 3) for stream, n in zip(streams, (20, 600), strict=True))
    assert torch.equal(short, long[:20])
    assert long.abs().max() < 2.5 and 0.5 < long.std() < 1.5
    assert (long[2:] - 2 * long[1:-1] + long[:-2]).abs().max() < 0.2


@pytest.mark.parametrize(
    "bad", [{"split": "all"}, {"size": 0}, {"num_frames": 0}, {"image_px": 8}, {"seed": -1}, {"frames_per_second": 0.0}]
)
def test_bad_numbers_are_refused(bad):
    with pytest.raises(BadInputError):
        OpenVideo(**bad)


def test_films_beyond_the_last_are_not_there(video):
    assert len(video) == 3 and video.name(2) == "video/train/0002"
    with pytest.raises(IndexError):
        video[3]


def test_frames_by_their_number_and_films_in_the_cache(tmp_path):
    name = FilmsName.of(films=2, split="test", image_px=16, num_frames=2)
    folder = draw_stills(name, tmp_path, processes=1, progress=False)
    assert folder.name == "video-test-4-16px-seed0-2frames" and name.runs.tolist() == [[0, 1], [2, 3]]
    pictures, labels = read_pictures(folder), read_labels(folder)
    second = name.benchmark()[1]
    assert np.array_equal(pictures.rgb[2:], second.frames.rgb.numpy())
    assert np.array_equal(labels.joints_m[2:], second.frames.joints_m.numpy())
    assert torch.equal(name.benchmark().scenes(1).rotations, second.rotations)
    with pytest.raises(BadInputError, match="whole films"):
        FilmsName.of(films=2, split="test", image_px=16, num_frames=3)
    with pytest.raises(BadInputError, match="empty"):
        name.benchmark().render_batch([])
