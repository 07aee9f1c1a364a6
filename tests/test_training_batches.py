"""Batches are functions of the step, and everything that follows a picture follows it through the augmentation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handlib.camera import project_perspective
from handlib.crops import warp_image
from handlib.errors import BadInputError
from handlib.training.augmentation import NO_AUGMENTATION, Augmentation, clutter, draw_affines, tint, warp_batch
from handlib.training.batches import BatchDrawer, HandPictures, augment, rows_of_step

PX = 32


def some_pictures(count: int, seed: int = 0, labelled: bool = True) -> HandPictures:
    """Random pictures whose keypoints are the true projections of their joints."""
    rng = np.random.default_rng(seed)
    K = np.tile(np.array([[60.0, 0, 15.5], [0, 60.0, 15.5], [0, 0, 1]], np.float32), (count, 1, 1))
    joints = (rng.normal(0, 0.04, (count, 21, 3)) + [0, 0, 0.5]).astype(np.float32)
    pixels = project_perspective(torch.from_numpy(joints), torch.from_numpy(K)).numpy()
    rgb = rng.integers(0, 256, (count, PX, PX, 3), np.uint8)
    return HandPictures(rgb, K, pixels, np.ones((count, 21), np.float32), joints if labelled else None)


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 20), count=st.integers(1, 25), seed=st.integers(0, 5))
def test_every_picture_is_seen_once_before_any_is_seen_again(size, count, seed):
    steps = -(-3 * size // count)
    rows = np.concatenate([rows_of_step(size, count, step, (seed,)) for step in range(steps)])
    for epoch in range(len(rows) // size):
        assert sorted(rows[epoch * size : (epoch + 1) * size]) == list(range(size))


def test_epochs_and_seeds_have_orders_of_their_own():
    first, second = (rows_of_step(50, 50, step, (0,)) for step in (0, 1))
    assert not np.array_equal(first, second) and not np.array_equal(first, rows_of_step(50, 50, 0, (1,)))


def test_a_batch_depends_on_its_step_alone():
    drawer = BatchDrawer([some_pictures(9)], [4], PX, Augmentation(clutter=1.0, cover=0.1), seed=3)
    drawer.draw(0)
    torch.manual_seed(99)
    alone, again = (BatchDrawer(drawer.sources, [4], PX, drawer.augmentation, 3).draw(5), drawer.draw(5))
    assert all(torch.equal(value, getattr(again, name)) for name, value in vars(alone).items())
    assert not torch.equal(alone.images, drawer.draw(6).images)


def test_processes_share_a_batch_without_overlap():
    drawer = BatchDrawer([some_pictures(12)], [6], PX, NO_AUGMENTATION, seed=0)
    whole = set(drawer.draw(1).index.tolist())
    parts = [drawer.draw(1, rank, 3).index.tolist() for rank in range(3)]
    assert [len(part) for part in parts] == [2, 2, 2] and set().union(*parts) == whole


def test_sources_mix_and_only_labelled_ones_have_joints():
    drawer = BatchDrawer([some_pictures(5, labelled=False), some_pictures(5, 1)], [3, 2], PX, Augmentation(), 0)
    batch = drawer.draw(0)
    assert batch.source.tolist() == [0, 0, 0, 1, 1] and batch.has_joints.tolist() == [False] * 3 + [True] * 2
    assert not batch.joints_m[:3].any() and (batch.joints_m[3:, :, 2] > 0.2).all()
    with pytest.raises(BadInputError, match="shares"):
        BatchDrawer([some_pictures(5)], [3, 2], PX, Augmentation(), 0)


def test_no_augmentation_changes_nothing():
    source = some_pictures(4)
    batch = BatchDrawer([source], [4], PX, NO_AUGMENTATION, 0).draw(0)
    rows = batch.index.numpy()
    assert np.allclose(batch.images.numpy() * 255, source.rgb[rows], atol=1e-3)
    assert np.allclose(batch.K.numpy(), source.K[rows], atol=1e-4)
    assert np.allclose(batch.joints_m.numpy(), source.joints_m[rows], atol=1e-6)


@pytest.mark.parametrize("output_px", [PX, 48])
def test_joints_project_onto_keypoints_in_the_turned_picture(output_px):
    drawer = BatchDrawer([some_pictures(8)], [8], output_px, Augmentation(turn_deg=180.0, zoom=0.4, shift=0.2), 1)
    batch = drawer.draw(0)
    projected = project_perspective(batch.joints_m, batch.K)
    assert torch.allclose(projected, batch.keypoints_px, atol=1e-3)
    assert not torch.allclose(batch.joints_m, torch.from_numpy(drawer.sources[0].joints_m[batch.index.numpy()]))
    # Turned about the optical axis: depths stay, and so do distances between joints.
    assert torch.allclose(batch.joints_m[..., 2], torch.from_numpy(drawer.sources[0].joints_m[..., 2])[batch.index])
    assert float(batch.K[:, 1, 0].abs().max()) < 1e-3


def test_a_batch_is_warped_as_a_picture_is():
    generator = torch.Generator().manual_seed(0)
    affine = draw_affines(Augmentation(turn_deg=20.0, zoom=0.0, shift=0.0), 2, PX, 24, generator)
    smooth = torch.nn.functional.interpolate(torch.rand(2, 3, 6, 6), size=(PX, PX), mode="bicubic")
    warped = warp_batch(smooth, affine, 24)
    for row in range(2):
        one = warp_image(smooth[row].movedim(0, -1).contiguous().numpy(), affine[row], 24, antialias=False)
        assert np.allclose(one[5:-5, 5:-5], warped[row].movedim(0, -1).numpy()[5:-5, 5:-5], atol=1e-4)


def test_clutter_leaves_the_hand_and_pictures_without_a_mask():
    images, masks = torch.full((3, 3, PX, PX), 0.5), torch.zeros(3, 1, PX, PX)
    masks[:2, :, 8:24, 8:24], masks[2] = 1.0, 1.0
    changed = clutter(images, masks, Augmentation(clutter=1.0), torch.Generator().manual_seed(0))
    background = (changed - images).abs().mean(1)[:, :4]
    assert (background[:2].mean((1, 2)) > 0.05).all() and torch.equal(changed[2], images[2])
    assert (changed[:2, :, 8:24, 8:24] - 0.5).abs().max() <= 0.126


def test_tints_stay_in_range_and_zero_is_none():
    images, generator = torch.rand(2, 3, 8, 8), torch.Generator().manual_seed(0)
    strong = tint(images, Augmentation(gain=0.9, noise=0.3), generator)
    assert 0 <= strong.min() and strong.max() <= 1 and not torch.equal(strong, images)
    assert torch.equal(tint(images, NO_AUGMENTATION, generator), images)


def test_augment_keeps_confidences_and_indices():
    drawer = BatchDrawer([some_pictures(4)], [4], PX, NO_AUGMENTATION, 0)
    before = drawer.draw(0)
    after = augment(before, Augmentation(), PX, torch.Generator().manual_seed(1))
    assert torch.equal(before.confidence, after.confidence) and torch.equal(before.index, after.index)
