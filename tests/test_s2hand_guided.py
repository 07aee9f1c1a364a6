"""The guided network's school: what the detector finds in rendered pictures, and the squares that are cut from them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from smoke_runs import put_a_photograph, within

from handlib.data.stills_cache import read_labels, read_pictures
from handlib.errors import BadInputError, MissingExtraError
from handlib.experiments.s2hand import GUIDED_SCORES, RENDERINGS, found_in_renderings
from handlib.experiments.s2hand import found as found_on_target
from handlib.experiments.s2hand.found_in_renderings import FOUND, find_in_renderings, renderings_of
from handlib.experiments.s2hand.guided import HELD_OUT, GuidedRecipe, first_network, train_guided
from handlib.experiments.s2hand.guided_data import cut_squares, join, read_found
from handlib.experiments.s2hand.guided_scored import score_guided
from handlib.experiments.s2hand.lifting import NETWORK
from handlib.experiments.stills import drawn
from handlib.keypoints import HandDetection
from handlib.reconstruction.lifter import released_lifter
from handlib.reproduce.recipe import run
from handlib.reproduce.state import read_state

DRAWINGS, PHOTOGRAPHS = RENDERINGS
GUIDED = GuidedRecipe(pictures=RENDERINGS)
LEFT_ROW, EMPTY_ROW = 3, 5


def detector(labels, off_px: float = 3.0):
    """A detector that is a little off, takes one hand for a left one, and misses one; asked picture by picture."""
    random = np.random.default_rng(0)
    rows = iter(range(len(labels.joints_2d_px)))

    def find(picture, max_hands):
        row = next(rows)
        points = (labels.joints_2d_px[row] + random.normal(0, off_px, (21, 2))).astype(np.float32)
        sure = np.full(21, 0.5 + 0.01 * row, np.float32)
        hands = [HandDetection(points, sure, "left" if row == LEFT_ROW else "right", 0.9)]
        return [] if row == EMPTY_ROW else hands

    return find


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A cache that all smoke runs of this file share, a photograph to stand behind hands, and a detector."""
    folder = tmp_path_factory.mktemp("guided")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        patch.setenv("HANDLIB_DATA", str(folder))
        put_a_photograph(folder)
        for recipe in RENDERINGS:
            patch.setattr(found_in_renderings, "find_hands", detector(labels_of(recipe)))
            run(recipe, "smoke", 0, find_in_renderings, device="cpu")
        points, sure = np.linspace(40, 180, 42, dtype=np.float32).reshape(21, 2), np.full(21, 0.9, np.float32)
        hand = HandDetection(points, sure, "right", 0.9)
        patch.setattr(found_on_target, "find_hands", lambda picture, max_hands: [hand])
        yield folder


def folder_of(recipe):
    return within(replace(recipe, name="looking"), lambda context: drawn(renderings_of(context, recipe)))


def labels_of(recipe):
    return read_labels(folder_of(recipe))


def found_of(recipe):
    return within(replace(recipe, name="looking"), lambda context: read_found(context, recipe))


def test_pictures_without_a_right_hand_are_left_out_and_the_others_keep_their_labels(store):
    source, labels, pictures = found_of(DRAWINGS), labels_of(DRAWINGS), read_pictures(folder_of(DRAWINGS))
    assert source.rows.tolist() == [row for row in range(12) if row not in (LEFT_ROW, EMPTY_ROW)]
    np.testing.assert_array_equal(source.joints_m.numpy(), labels.joints_m[source.rows])
    np.testing.assert_array_equal(source.joints_2d_px.numpy(), labels.joints_2d_px[source.rows])
    np.testing.assert_array_equal(source.K.numpy(), pictures.K[source.rows])
    np.testing.assert_allclose(source.confidence[:, 0], 0.5 + 0.01 * source.rows, atol=1e-6)
    off = (source.detected_px - source.joints_2d_px).norm(dim=-1)
    assert 2 < off.mean() < 6


def test_held_out_rows_show_hands_that_no_row_for_learning_shows(store):
    drawings, photographs = labels_of(DRAWINGS), labels_of(PHOTOGRAPHS)
    both = min(len(drawings.joints_m), len(photographs.joints_m))
    # The same hands in the same order, posed and seen alike: held out by row, they are held out in both.
    seen = (labels.joints_m[:both] for labels in (drawings, photographs))
    bones = [np.linalg.norm(joints_m[:, 8] - joints_m[:, 0], axis=-1) for joints_m in seen]
    np.testing.assert_allclose(*bones, rtol=1e-4)


def test_squares_show_the_hand_upright_with_labels_that_fit(store):
    source = found_of(DRAWINGS)
    rows = np.arange(len(source))
    batch = cut_squares(source, rows, 64)
    assert batch.images.shape == (len(source), 64, 64, 3) and 0 <= batch.images.min() and batch.images.max() <= 1
    up = batch.detected_px[:, 9] - batch.detected_px[:, 0]
    torch.testing.assert_close(up[:, 0], torch.zeros(len(source)), atol=1e-3, rtol=0)
    assert (up[:, 1] < 0).all()
    projected = batch.joints_m @ batch.K.mT
    projected = projected[..., :2] / projected[..., 2:]
    assert (projected - batch.keypoints_px).norm(dim=-1).mean() < 1
    # A square keeps distances but for its one scale, in what was detected as in what is true.
    scale = (batch.keypoints_px[:, 5] - batch.keypoints_px[:, 17]).norm(dim=-1)
    scale = scale / (source.joints_2d_px[:, 5] - source.joints_2d_px[:, 17]).norm(dim=-1)
    off = (batch.detected_px - batch.keypoints_px).norm(dim=-1) / scale[:, None]
    torch.testing.assert_close(off, (source.detected_px - source.joints_2d_px).norm(dim=-1), atol=1e-2, rtol=1e-3)


def test_squares_for_learning_are_moved_and_tinted_and_drawn_again_from_the_same_numbers(store):
    source = found_of(DRAWINGS)
    rows = np.arange(6)
    first, again, other = (cut_squares(source, rows, 64, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    straight = cut_squares(source, rows, 64)
    for name, value in vars(first).items():
        assert torch.equal(value, getattr(again, name))
    assert not torch.equal(first.images, other.images)
    angle = [torch.atan2(*(b.detected_px[:, 9] - b.detected_px[:, 0]).unbind(-1)) for b in (first, straight)]
    turned = ((angle[0] - angle[1] + np.pi).remainder(2 * np.pi) - np.pi).abs().max()
    assert 0.01 < turned < np.radians(26)
    # Joints turn with the picture, and keep their distance from the camera.
    torch.testing.assert_close(first.joints_m.norm(dim=-1), source.joints_m[:6].norm(dim=-1))
    assert len(join([first, other])) == 12


def test_it_begins_with_the_adapted_eyes_and_the_packages_lifting_head(store):
    guided = within(replace(GUIDED, name="looking"), first_network)
    own, lifter = guided.network.geometry.state_dict(), released_lifter().geometry.state_dict()
    assert all(torch.equal(own[name], lifter[name]) for name in own if not name.startswith("glance"))
    assert guided.network.config.image_px == GUIDED.image_px
    assert not any(weight.requires_grad for weight in guided.network.encoder.stem.parameters())
    assert guided.spots.weight.abs().max() == 0


def test_training_leaves_a_network_that_has_learnt_and_a_score_of_hands_it_has_not_seen(store):
    outcome = run(GUIDED, "smoke", 0, train_guided, device="cpu").outcome
    assert outcome.not_obtained is None
    assert all(value.value > 0 for value in outcome.metrics.values())
    left = within(
        replace(GUIDED, name="looking"),
        lambda context: read_state(context.left_by(GUIDED, train_guided, NETWORK, seed=0)),
    )
    assert left["spots.weight"].abs().max() > 0 and left["read.weight"].abs().max() > 0
    assert HELD_OUT > 1


def test_without_a_detector_it_is_said_that_nothing_was_obtained(store, monkeypatch, tmp_path):
    def absent(picture, max_hands):
        raise MissingExtraError("mediapipe is not installed: pip install 'handlib[detect]'")

    monkeypatch.setattr(found_in_renderings, "find_hands", absent)
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path))
    assert "mediapipe" in run(DRAWINGS, "smoke", 0, find_in_renderings, device="cpu").outcome.not_obtained
    outcome = run(GUIDED, "smoke", 0, train_guided, device="cpu").outcome
    assert FOUND in outcome.not_obtained and not outcome.metrics


def test_with_its_eyes_shut_it_answers_something_else_from_the_same_keypoints(store):
    seen, blind = (run(recipe, "smoke", 0, score_guided, device="cpu").outcome for recipe in GUIDED_SCORES)
    assert seen.metrics["pa_mpjpe"].value != blind.metrics["pa_mpjpe"].value
    assert seen.metrics["detected_2d"].value == blind.metrics["detected_2d"].value
    assert seen.metrics["read_2d"].value != blind.metrics["read_2d"].value
    with pytest.raises(BadInputError, match="asleep"):
        run(replace(GUIDED_SCORES[0], name="s2hand-asleep", way="asleep"), "smoke", 0, score_guided, device="cpu")
