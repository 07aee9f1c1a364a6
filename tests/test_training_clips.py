"""Clips: which frames a step sees, and that a clip's frames are changed alike."""

import numpy as np
import pytest
import torch

from handlib.data.clips import continuous_runs
from handlib.errors import BadInputError
from handlib.training.augmentation import NO_AUGMENTATION, Augmentation
from handlib.training.batches import HandPictures
from handlib.training.clips import ClipDrawer, FilmPictures

PX = 24
SOME = Augmentation(noise=0.0)


def pictures(count: int, seed: int = 0, labelled: bool = False) -> HandPictures:
    random = np.random.default_rng(seed)
    return HandPictures(
        rgb=random.integers(0, 256, (count, PX, PX, 3), dtype=np.uint8),
        K=np.tile(np.array([[50.0, 0, 11.5], [0, 50.0, 11.5], [0, 0, 1]], np.float32), (count, 1, 1)),
        keypoints_px=random.uniform(0, PX, (count, 21, 2)).astype(np.float32),
        confidence=np.ones((count, 21), np.float32),
        joints_m=random.normal(0, 0.1, (count, 21, 3)).astype(np.float32) if labelled else None,
    )


def films(*lengths: int, frozen: bool = False) -> FilmPictures:
    shown = pictures(sum(lengths))
    if frozen:
        shown.rgb[:], shown.keypoints_px[:] = shown.rgb[0], shown.keypoints_px[0]
    names = np.repeat([f"film {k}" for k in range(len(lengths))], lengths)
    return FilmPictures(shown, continuous_runs(names, np.concatenate([np.arange(n) for n in lengths])))


def drawer(source: FilmPictures, **settings: object) -> ClipDrawer:
    usual = dict(clips=4, frames=3, interval=2, image_px=16, augmentation=NO_AUGMENTATION, seed=0)
    return ClipDrawer(source, **{**usual, **settings})


def test_clips_are_successive_frames_of_one_film():
    source = films(9, 5, 30)
    film_of = np.repeat([0, 1, 2], [9, 5, 30])
    seen = np.concatenate([drawer(source).rows(step) for step in range(200)])
    assert (np.diff(seen, axis=1) == 2).all()
    assert (film_of[seen] == film_of[seen[:, :1]]).all()
    # Every film as often as any other, and every place in it is reached.
    counts = np.bincount(film_of[seen[:, 0]])
    assert np.ptp(counts) <= 1
    assert set(seen[:, 0]) == {*range(5), 9, *range(14, 40)}


def test_films_that_are_too_short_are_left_out():
    assert set(np.concatenate([drawer(films(4, 5)).rows(step) for step in range(20)]).flatten()) == {4, 6, 8}
    with pytest.raises(BadInputError, match="5 successive"):
        drawer(films(4, 4))
    for bad in ({"clips": 0}, {"frames": 0}, {"interval": 0}, {"num_stills": 2}, {"stills": pictures(2)}):
        with pytest.raises(BadInputError, match="at least 1"):
            drawer(films(9), **bad)


def test_a_batch_is_a_function_of_the_step():
    source = films(9, 12)
    first, again = (drawer(source, augmentation=SOME).draw(7).pictures for _ in range(2))
    assert torch.equal(first.images, again.images) and torch.equal(first.keypoints_px, again.keypoints_px)
    assert not torch.equal(first.images, drawer(source, augmentation=SOME).draw(8).pictures.images)
    assert not np.array_equal(drawer(source).rows(7), drawer(source, seed=1).rows(7))


def test_frames_of_a_clip_are_changed_alike():
    """The same picture in every frame is the same picture after turning, zooming and tinting; clips differ."""
    changes = Augmentation(noise=0.0, contrast=0.2)
    batch = drawer(films(9, 12, frozen=True), augmentation=changes).draw(0)
    images, keypoints = batch.by_clip(batch.pictures.images), batch.by_clip(batch.pictures.keypoints_px)
    assert images.shape == (4, 3, 16, 16, 3) and keypoints.shape == (4, 3, 21, 2)
    assert (images - images[:, :1]).abs().max() < 1e-5 and (keypoints - keypoints[:, :1]).abs().max() < 1e-4
    assert (images[1:] - images[:1]).flatten(1).abs().max(1).values.min() > 0.05
    assert (keypoints[1:] - keypoints[:1]).flatten(1).abs().max(1).values.min() > 0.5


def test_nothing_is_changed_without_augmentation():
    source = films(9)
    batch = drawer(source, image_px=PX, clips=1).draw(3)
    rows = drawer(source, image_px=PX, clips=1).rows(3)[0]
    assert (batch.pictures.images - torch.from_numpy(source.pictures.rgb[rows]) / 255).abs().max() < 1e-4
    assert torch.allclose(batch.pictures.keypoints_px, torch.from_numpy(source.pictures.keypoints_px[rows]), atol=1e-4)
    assert batch.pictures.index.tolist() == rows.tolist()


def test_stills_are_mixed_in():
    batch = drawer(films(9), stills=pictures(5, 1, labelled=True), num_stills=2).draw(0)
    assert (len(batch), batch.clips, batch.frames) == (14, 4, 3)
    assert batch.pictures.source.tolist() == [0] * 12 + [1] * 2
    assert batch.pictures.has_joints.tolist() == [False] * 12 + [True] * 2
    assert batch.by_clip(batch.pictures.confidence).shape == (4, 3, 21)


def test_processes_share_the_clips_of_a_step():
    whole = drawer(films(9, 12)).draw(2)
    parts = [drawer(films(9, 12)).draw(2, rank, 2) for rank in range(2)]
    for rank, part in enumerate(parts):
        assert torch.equal(part.by_clip(part.pictures.images), whole.by_clip(whole.pictures.images)[rank::2])
    assert parts[0].to("cpu").clips == 2
