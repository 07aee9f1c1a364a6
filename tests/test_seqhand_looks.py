"""What the pages of SeqHAND show: walks, maps, toy memories, and what is said of films."""

import numpy as np
import pytest
import torch
from reproduce_factory import make_result

from handlib.data.pose_database import PoseDatabase, sampled_poses
from handlib.data.pose_flow import draw_flows
from handlib.data.seqhand_films import SeqHandFilms
from handlib.errors import BadInputError
from handlib.experiments.seqhand import looks_films, looks_flows, looks_memory
from handlib.hand.hand_code import HandCode, see_hand
from handlib.hand.model import HandModel
from handlib.reproduce.results import Metric


@pytest.fixture(scope="module")
def database() -> PoseDatabase:
    return sampled_poses(300)


@pytest.fixture(scope="module")
def hand() -> HandModel:
    return HandModel.load("open", pose_space="pca", num_pca=10, flat_hand_mean=False)


def test_the_walks_have_the_qualities_that_define_them(database):
    quality = {
        walk: looks_flows.walk_quality(
            draw_flows(database, [np.random.default_rng(k) for k in range(12)], walk=walk), database
        )
        for walk in ("snapped", "straight", "shown")
    }
    for walk in ("snapped", "shown"):
        assert quality[walk]["from a real pose [mm]"] < 1e-6 and abs(quality[walk]["bones shrink by [%]"]) < 1
    straight = quality["straight"]
    assert straight["steps that stay [%]"] == 0 and straight["from a real pose [mm]"] > 2
    # Nine steps of a share of 12 % each leave 0.88^9 of the way.
    assert straight["of the way [%]"] == pytest.approx(100 * (1 - 0.88**9), abs=0.1)
    assert straight["bones shrink by [%]"] > 5


def test_a_flat_map_places_its_own_poses_where_they_are_and_open_hands_to_the_right(database):
    flat = looks_flows.FlatMap.of(database)
    assert np.allclose(flat.place(database.joints_m), flat.places, atol=1e-3)
    openness = looks_flows.openness_mm(database.joints_m)
    assert np.corrcoef(flat.places[:, 0], openness)[0, 1] > 0.5
    stops = flat.stroll(5)
    assert (np.diff(flat.places[stops, 0]) > 0).all()
    for dimensions in (2, 3):
        path = np.zeros((2, dimensions), np.float32)
        figure = looks_flows.map_figure(np.zeros((4, dimensions), np.float32), np.arange(4.0), {"path": path})
        assert [trace.type for trace in figure.data] == [("scatter", "scatter3d")[dimensions - 2]] * 2


def test_weak_perspective_is_exact_for_a_flat_hand_and_worse_near_by(hand):
    joints = hand.joints(torch.zeros(1, 10), torch.zeros(1, 10))[0].numpy()
    near, far = looks_flows.weak_perspective_error_px(joints, [0.25, 2.5])
    assert near > 5 * far > 0
    flat = joints.copy()
    flat[:, 2] = 0
    assert looks_flows.weak_perspective_error_px(flat, [0.25])[0] < 1e-4


def test_hand_axes_are_those_of_the_rest_pose(hand, database):
    joints = looks_flows.to_hand_axes(database.joints_m[:5], hand)
    middle = joints[:, 9] / np.linalg.norm(joints[:, 9], axis=-1, keepdims=True)
    rest = hand.joints(torch.zeros(1, 10), torch.zeros(1, 10))[0].numpy()
    wanted = (rest[9] - rest[0]) / np.linalg.norm(rest[9] - rest[0])
    assert np.allclose(middle, wanted, atol=1e-4)
    assert np.allclose(looks_flows.bone_lengths_m(joints), looks_flows.bone_lengths_m(database.joints_m[:5]), atol=1e-6)


def test_what_drifts_in_a_film_and_what_does_not(database):
    drift = looks_flows.camera_drift(SeqHandFilms(database, size=3, image_px=16, num_frames=4), 2)
    assert (drift["shape"] == 0).all() and (drift["joints [mm]"] > 0).all() and (drift["turn [deg]"] > 0).all()


def test_the_living_table_holds_the_printed_rows_and_ours():
    columns = looks_flows.data_set_table({"mine": ("RGB", "Synth", "Static", "Ego", "7")})
    assert columns["data set"][-2:] == ["SeqHAND", "mine"] and {len(column) for column in columns.values()} == {11}
    assert looks_flows.default_frames() == 410_000


def test_a_dot_is_where_it_is_drawn_and_gone_while_hidden():
    films = looks_memory.draw_dots(6, 0)
    pictures = films.pictures[:, :, 0]
    assert bool(((films.places >= 0) & (films.places <= looks_memory.CELLS - 1)).all())
    steps = films.places.diff(dim=1).norm(dim=-1)
    assert bool((steps < 1.01).all())
    brightest = pictures[:, 0].flatten(1).argmax(1)
    found = torch.stack([brightest % looks_memory.CELLS, brightest // looks_memory.CELLS], -1)
    assert bool(((found - films.places[:, 0]).abs() < 1.01).all())
    assert pictures[:, films.hidden].abs().max() < 0.4 and films.hidden.sum() == 4
    stills = looks_memory.draw_dots(400, 1, "real", frames=1, empty=0.5)
    seen = (stills.pictures.flatten(1).amax(1) > 0.75).float().mean()
    assert stills.pictures.shape == (400, 1, 1, 10, 10) and 0.3 < seen < 0.7
    with pytest.raises(BadInputError, match="expected a look"):
        looks_memory.draw_dots(1, 0, "unseen")


@pytest.mark.parametrize("kernel", [None, 3])
def test_a_tracker_learns_from_films_and_its_errors_are_those_of_its_belief(kernel):
    torch.manual_seed(0)
    tracker = looks_memory.DotTracker(kernel, hidden=4)
    losses = looks_memory.train_tracker(tracker, 25, learning_rate=0.01)
    films = looks_memory.draw_dots(16, 99)
    errors = looks_memory.tracking_errors(tracker, films)
    split = looks_memory.hidden_and_seen(errors)
    assert losses[-1] < 0.85 * losses[0] and errors.shape == (looks_memory.FRAMES,)
    assert split["hidden"] == pytest.approx(errors[5:9].mean())
    panels = looks_memory.dot_panels({"it": tracker}, films, 0, [0, 6])
    assert ("memory" in panels) == (kernel is not None) and len(panels["it"]) == 2
    assert panels["picture"][1].max() < 0.4 < looks_memory.as_picture(films.pictures[0, 0, 0]).max()


def test_what_is_frozen_stays():
    tracker = looks_memory.DotTracker(3, hidden=4)
    tracker.memory.requires_grad_(False)
    before = [weight.clone() for weight in tracker.memory.parameters()]
    looks_memory.train_tracker(tracker, 2, "real", stills=True)
    assert all(torch.equal(a, b) for a, b in zip(before, tracker.memory.parameters(), strict=True))


def test_codes_explain_keypoints_and_a_weight_on_time_steadies_their_shape(database, hand):
    film = SeqHandFilms(database, size=1, image_px=32, num_frames=4)[0]
    start = film.code[None] + 0.05 * torch.randn(1, 4, 26, generator=torch.Generator().manual_seed(0))
    asked = film.joints_2d_px[None]
    loose, tied = (looks_films.explain_film(hand, asked, start, 32, 12, weight, 0.01) for weight in (0.0, 10.0))
    begun, found = (see_hand(hand, HandCode.split(code), 32).joints_2d_px for code in (start, loose))
    assert (found - asked).abs().mean() < (begun - asked).abs().mean()
    assert tied[0, :, 10:20].diff(dim=0).square().mean() < 0.5 * loose[0, :, 10:20].diff(dim=0).square().mean()


def test_a_film_of_the_truth_is_steady_and_drawn_where_it_is(database, hand):
    film = SeqHandFilms(database, size=1, image_px=48, num_frames=5)[0]
    code = HandCode.split(film.code)
    seen = see_hand(hand, code, 48)
    report = looks_films.steadiness(code, seen, 48, 30, film.joints_2d_px.numpy(), film.joints_m.numpy())
    assert report["2D [px of 224]"] < 0.1 and report["3D, aligned [mm]"] < 0.1 and report["shape changes"] == 0
    drawn = looks_films.hands_over(film.rgb.numpy(), seen, hand.faces)
    changed = (drawn != film.rgb.numpy()).any(-1)
    assert drawn.shape == film.rgb.shape and (changed == film.mask.numpy()).mean() > 0.95


def test_rows_that_nobody_has_run_have_no_mean_and_no_curve():
    assert looks_films.mean_of([], "seqhand-mean-hand", "error_3d") is None
    assert looks_films.mean_curves([], {"row": "seqhand-mean-hand"}, "pck_3d") == {}


def test_two_looks_at_a_training_are_compared_seed_by_seed():
    def runs(recipe: str, errors: dict[int, float]) -> list:
        return [make_result(recipe, seed=seed, metrics={"e": Metric(error, "mm")}) for seed, error in errors.items()]

    stored = runs("whole", {0: 1.0, 1: 2.0, 2: 90.0}) + runs("emptied", {0: 4.0, 1: 3.0, 3: 0.0})
    assert looks_films.common_seeds(stored, "whole", "emptied") == [0, 1]
    assert looks_films.mean_difference(stored, "emptied", "whole", "e") == 2.0
    assert looks_films.mean_difference(stored, "emptied", "nobody", "e") is None


def test_a_walk_stays_while_a_step_is_shorter_than_the_way_to_a_neighbour(database):
    step, neighbour = looks_flows.step_and_neighbour_mm(database, 20, 0)
    apart = np.linalg.norm(database.joints_m.reshape(300, 1, -1) - database.joints_m.reshape(1, 300, -1), axis=-1)
    assert 0 < step < 0.2 * 1000 * apart.max()
    assert neighbour > 1000 * np.sort(apart, axis=1)[:, 1].min() and step < neighbour
    assert looks_flows.stall_share(database, 20, 0) > 0.9


def test_speeds_are_those_of_fingers_and_not_of_the_hand(database):
    joints = torch.from_numpy(database.joints_m[:1]).repeat(3, 1, 1)
    joints[:, 8, 0] += torch.tensor([0.0, 0.021, 0.042])
    moved = joints + torch.arange(3.0)[:, None, None]
    places = torch.arange(3.0)[:, None, None].expand(3, 21, 2) * torch.tensor([0.03, 0.04])
    fingers, shifts = looks_flows.frame_speeds([(moved, places)])
    assert fingers == pytest.approx(1.0, abs=0.02) and shifts == pytest.approx(5.0, abs=1e-3)
