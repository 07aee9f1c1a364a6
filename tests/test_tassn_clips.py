"""What TASSN's trainings are fed and held to: source films, clips with exact flow, objectives, scores."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from handlib.errors import BadInputError
from handlib.experiments.tassn.clips import Clips, SourceDrawer, TargetDrawer, TwoDomains
from handlib.experiments.tassn.effort import SMOKE
from handlib.experiments.tassn.flow import FARTHEST_PUSH_PX, FlowPairs, compare_methods, exact_pairs, pushed_apart
from handlib.experiments.tassn.objective import (
    ClipReader,
    TassnObjective,
    heatmap_term,
    pretraining_objective,
    reversed_clips,
)
from handlib.experiments.tassn.scoring import FilmAnswers, read_films, score_joints
from handlib.experiments.tassn.source_films import SourceFilms, draw_source_films
from handlib.experiments.tassn.supervision import Supervision, intersection_over_union
from handlib.experiments.tassn.training import build_network
from handlib.hand.model import HandModel
from handlib.losses.tassn import TASSN_WEIGHTS, WITHOUT_CONSISTENCY, gaussian_heatmaps
from handlib.models.flow_net import FlowNetS
from handlib.models.tassn import TassnEstimate

FACES = HandModel.load("open").faces


@pytest.fixture(scope="module")
def films() -> SourceFilms:
    return draw_source_films(3, 3, 10.0, 48)


@pytest.fixture(scope="module")
def source(films) -> Clips:
    return SourceDrawer(films, clips=2, image_px=32, seed=0).draw(0)


def target_drawer(films: SourceFilms, **changed) -> TargetDrawer:
    """The source's films as if they were the target's, with their true silhouettes."""
    count = len(films.rgb)
    known = Supervision(films.joints_2d_px, np.ones((count, 21), np.float32), films.mask, np.arange(count) % 2 == 0)
    sizes = {"clips": 2, "frames": 2, "interval": 1, "image_px": 32, "seed": 0} | changed
    return TargetDrawer(films.rgb, films.K, known, list(films.runs), **sizes)


def test_a_source_film_depends_on_its_number_alone_and_keeps_its_looks(films):
    again = draw_source_films(1, 3, 10.0, 48)
    assert np.array_equal(again.rgb, films.rgb[:3]) and np.array_equal(again.vertices_m, films.vertices_m[:3])
    other = draw_source_films(1, 3, 10.0, 48, "test")
    assert np.abs(other.joints_m - again.joints_m).max() > 1e-3
    # Where no frame shows the hand, next to nothing changes (its outline is blended); the hand moves.
    quiet = ~films.mask[:3].any(0)
    assert np.abs(films.rgb[0][quiet].astype(int) - films.rgb[1][quiet]).mean() < 1
    assert np.abs(films.joints_m[0] - films.joints_m[2]).max() > 1e-3
    with pytest.raises(BadInputError, match="split"):
        draw_source_films(1, 3, 10.0, 48, "all")


def test_clips_are_a_function_of_the_step_with_labels_that_project_onto_them(films, source):
    drawer = SourceDrawer(films, clips=2, image_px=32, seed=0)
    assert torch.equal(drawer.draw(0).frames, source.frames)
    assert not torch.equal(drawer.draw(1).frames, source.frames)
    projected = source.camera.project(source.joints_m.flatten(0, 1)).unflatten(0, (2, 3))
    torch.testing.assert_close(projected, source.keypoints_px, atol=2e-2, rtol=0)
    assert source.flow.shape == source.reversed_flow.shape == (2, 2, 32, 32, 2)


def test_target_clips_bring_silhouettes_and_which_of_them_count(films):
    clips = target_drawer(films).draw(0)
    assert clips.joints_m is None and clips.vertices_m is None
    assert clips.usable.sum() == 2 and 0.02 < float(clips.silhouettes.mean()) < 0.6
    single = target_drawer(films, frames=1).draw(0)
    assert single.flow is None and single.frames.shape == (2, 1, 32, 32, 3)
    with pytest.raises(BadInputError, match="successive frames"):
        target_drawer(films, frames=4)


def test_reversed_clips_run_backwards_and_back_again(source):
    turned = reversed_clips(source)
    assert torch.equal(turned.frames[:, 0], source.frames[:, -1])
    assert torch.equal(turned.flow[:, 0], source.reversed_flow[:, -1])
    again = reversed_clips(turned)
    assert all(torch.equal(value, getattr(source, name)) for name, value in vars(again).items())


def differences(pairs: FlowPairs) -> tuple[float, float]:
    """How much the counted pixels differ between the pictures: where the flow leads, and in the same place."""
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    there = torch.stack([columns, rows], -1) + pairs.true_flow
    grid = (2 * there + 1) / 32 - 1
    seen = torch.nn.functional.grid_sample(pairs.after.movedim(-1, 1), grid, align_corners=False).movedim(1, -1)
    return tuple(float((picture - pairs.before).abs()[pairs.counted].mean()) for picture in (seen, pairs.after))


def test_exact_flow_leads_from_one_frame_to_the_next(films):
    pairs = exact_pairs(SourceDrawer(films, clips=3, frames=2, image_px=32, seed=0).draw(0, flow=None))
    led, still = differences(pairs)
    assert pairs.counted.any() and led < still
    errors = compare_methods(pairs, FlowNetS((4, 4, 4)))
    assert errors["dis"] < errors["no_flow"]


def test_flow_still_leads_there_when_the_second_picture_is_pushed(films):
    pairs = exact_pairs(SourceDrawer(films, clips=3, frames=2, image_px=32, seed=0).draw(0, flow=None))
    pushed = pushed_apart(pairs, np.random.default_rng(0))
    push = pushed.true_flow - pairs.true_flow
    assert push.abs().max() <= FARTHEST_PUSH_PX and push.flatten(1, 2).std(1).max() < 1e-5
    assert len(push[:, 0, 0].unique(dim=0)) == 3
    led, still = differences(pushed)
    assert led < 0.5 * still and differences(pairs)[1] < still


def said_of(clips: Clips) -> TassnEstimate:
    """The truth, in the form of an estimate."""
    maps = gaussian_heatmaps(clips.keypoints_px.flatten(0, 1), 8, 32).unflatten(0, clips.usable.shape)
    wrist = clips.joints_m[:, :, :1]
    return TassnEstimate(
        maps[:, :, None].expand(-1, -1, 2, -1, -1, -1), None, clips.vertices_m - wrist, clips.joints_m - wrist
    )


def test_the_truth_costs_nothing_but_its_soft_outline(source):
    said = said_of(source)
    objective = TassnObjective(FACES, TASSN_WEIGHTS, 0.1)
    assert float(heatmap_term(said, source).max()) < 1e-9
    assert not any(term.any() for term in objective.consistency(said, said))
    right = objective.silhouette_term(said, source)
    flat = said._replace(vertices=0.3 * said.vertices)
    assert bool((right < 0.5 * objective.silhouette_term(flat, source)).all())
    nobody = replace(source, usable=torch.zeros_like(source.usable))
    assert not objective.silhouette_term(said, nobody).any()


def test_the_unit_of_length_is_what_consistency_is_measured_in(source):
    said = said_of(source)
    off = said._replace(joints=said.joints + 0.01, vertices=said.vertices + 0.01)
    metres, tenths = (TassnObjective(FACES, TASSN_WEIGHTS, unit).consistency(said, off) for unit in (1.0, 0.1))
    for a, b in zip(metres, tenths, strict=True):
        torch.testing.assert_close(100 * a, b)
    # Three frames, two steps: 3/2 x 778 vertices x 3 x (1 cm)^2.
    torch.testing.assert_close(metres[1], torch.full((2,), 1.5 * 778 * 3e-4), rtol=1e-3, atol=0)


def test_objectives_reach_every_matrix_they_should(films, source):
    network = ClipReader(build_network(SMOKE, 0).train())
    for to_heatmaps in network.network.hourglass.heatmaps:
        # They begin empty: what multiplies them has no gradient before the first step.
        torch.nn.init.normal_(to_heatmaps.weight, std=0.1)
    both = TwoDomains(target_drawer(films, frames=3).draw(0), source)
    for step in (0, 1):
        output = pretraining_objective(network, both, step)
        assert torch.isfinite(output.loss) and len(both) == 12
    output.loss.backward()
    missed = [name for name, p in network.named_parameters() if p.dim() > 1 and (p.grad is None or not p.grad.any())]
    assert missed == []
    network.zero_grad()
    TassnObjective(FACES, WITHOUT_CONSISTENCY, 0.1)(network, both.target, 0).loss.backward()
    # Without consistency the joints are taught by the place of the mesh alone: without a silhouette, by nothing.
    assert all(p.grad.any() for p in network.network.mesh.parameters() if p.dim() > 1)
    assert network.network.pose.dense[-2].bias.grad.any()
    network.zero_grad()
    unseen = replace(both.target, usable=torch.zeros_like(both.target.usable))
    TassnObjective(FACES, WITHOUT_CONSISTENCY, 0.1)(network, unseen, 0).loss.backward()
    assert not network.network.pose.dense[-2].bias.grad.any()


def test_truth_scores_best_and_a_constant_has_no_spread(films):
    true = films.joints_m
    wrist = true[:, :1]
    metrics, curves = score_joints(true - wrist, true)
    assert metrics["root_mpjpe"].value < 1e-3 and metrics["spread"].value == pytest.approx(1)
    assert metrics["root_auc_j_0_50mm"].value > 0.99 and curves["pck"].y[-1] == 1
    constant = np.broadcast_to((true - wrist).mean(0), true.shape)
    metrics, _ = score_joints(constant, true)
    assert metrics["spread"].value < 1e-6 and metrics["root_mpjpe"].value > 5
    answers = FilmAnswers.alike(true, films.vertices_m)
    assert not answers.joints_m[:, 0].any() and np.array_equal(answers.rolled(1).joints_m[1], answers.joints_m[0])


def test_single_frames_have_no_direction():
    network = build_network(SMOKE, 0).eval()
    said = read_films(network, torch.rand(2, 1, 32, 32, 3))
    assert np.array_equal(said.joints_m, said.joints_back_m)


def test_overlap_of_masks():
    masks = np.zeros((3, 4, 4), bool)
    masks[0, :2], masks[1, 0] = True, True
    true = np.zeros((3, 4, 4), bool)
    true[0, 1:3] = True
    assert intersection_over_union(masks, true).tolist() == pytest.approx([1 / 3, 0, 1])
