"""Training by fitting on NYU, two steps: from one command, with NYU's protocol, and with damage said."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from handlib import cli
from handlib.data import official_index
from handlib.data.nyu import Nyu
from handlib.data.official_sets import OFFICIAL_SETS
from handlib.errors import BadInputError
from handlib.experiments.training_by_fitting import official, official_frames
from handlib.experiments.training_by_fitting.official import MULTI_VIEW, OFFICIAL
from handlib.experiments.training_by_fitting.official_frames import nyu_views, score_on_nyu, whole_frames
from handlib.experiments.training_by_fitting.official_recipes import SYNTHETIC_NOISE, beginning
from handlib.reproduce.recipe import run
from handlib.reproduce.results import Outcome


@pytest.fixture(scope="module")
def root(format_fixture, tmp_path_factory):
    """The tiny NYU, and a cache that all runs of this file share."""
    folder = tmp_path_factory.mktemp("nyu-official")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        patch.setenv("HANDLIB_NYU", str(format_fixture("nyu")[0]))
        yield format_fixture("nyu")[0]


def within(work):
    """What a function finds inside a smoke run."""
    found = []

    def look(context) -> Outcome:
        found.append(work(context))
        return Outcome(not_obtained="looked at only")

    run(replace(MULTI_VIEW, name="look@nyu"), "smoke", 0, look, force=True, device="cpu")
    return found[0]


def test_the_chapter_runs_on_nyu_from_one_command(root, monkeypatch):
    rows = ("fitting-multi-view@nyu", "fitting-multi-view-tips@nyu")
    monkeypatch.setattr(official, "OFFICIAL", tuple(e for e in OFFICIAL if e.recipe.name in rows))
    arguments = ["reproduce", "training_by_fitting", "--data", "nyu", "--root", str(root), "--profile", "smoke"]
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 0, done.output
    assert "2 of 2 runs are stored" in done.output and "never beside published numbers" in done.output
    outcome, tips = (experiment.run("smoke", 0).outcome for experiment in official.OFFICIAL)
    assert outcome.metrics["crops"].value == 2 and outcome.metrics["mean_error"].alignment == "none"
    assert len(outcome.curves["success"].y) == 81 and len(outcome.curves["training_loss"].y) == 2
    # The same weights in another memory layout: the same number but for its last digits.
    assert tips.metrics["tips_error"].value == pytest.approx(outcome.metrics["tips_error"].value, rel=1e-3)
    assert official.OFFICIAL[1].recipe.columns == {"mean_error": "tips_error"}


def test_a_network_that_is_right_scores_what_the_two_hands_differ_by(root, monkeypatch):
    dataset = Nyu(root, "test", view="all")
    views = official_frames.stored_views(dataset, whole_frames(dataset))
    frames = views.crops(slice(None)).frames
    joints = torch.from_numpy(dataset._joints_m(np.arange(2)))
    true = frames.from_world(joints[:, None])[:, 0]

    class Joints:
        """Takes the 21 joints for spheres, so that what is said are true joints."""

        to_joints = staticmethod(lambda centres: centres)

    monkeypatch.setattr(official_frames, "joint_maps", Joints)
    monkeypatch.setattr(official_frames, "predict_crops", lambda network, depth: true)
    right = within(lambda context: score_on_nyu(context, torch.nn.Identity()))
    # Wrist sides and palm of the fixture are no joints of ours; the fingers are.
    assert np.max(right.curves["by_joint"].y[:11]) < 0.1 and right.metrics["tips_error"].value < 0.1
    monkeypatch.setattr(official_frames, "predict_crops", lambda network, depth: true.flip(0))
    other = within(lambda context: score_on_nyu(context, torch.nn.Identity()))
    assert other.metrics["tips_error"].value > 5


def test_training_frames_are_cropped_once_and_hold_no_label(root, monkeypatch):
    views = within(lambda context: nyu_views(context, "train"))
    assert views.depth.shape == (2, 3, 64, 64) and views.usable.all()
    assert len(within(lambda context: nyu_views(context, "both"))) == 4
    monkeypatch.setattr(Nyu, "multi_view", None)
    again = within(lambda context: nyu_views(context, "train"))
    assert np.array_equal(again.depth, views.depth)


def test_damage_is_named_with_a_remedy_or_left_out_and_reported(root, tmp_path, monkeypatch):
    copy = shutil.copytree(root, tmp_path / "damaged", ignore=shutil.ignore_patterns(".handlib"))
    monkeypatch.setattr(official, "OFFICIAL", tuple(e for e in OFFICIAL if e.recipe is MULTI_VIEW))
    run_it = ["run", "training_by_fitting", "--data", "nyu", "--root", str(copy), "--profile", "smoke", "--force"]
    picture = copy / "train/depth_2_0000001.png"
    picture.write_bytes(picture.read_bytes()[:3000])
    answer = CliRunner().invoke(cli.app, run_it)
    assert answer.exit_code == 1 and "depth_2_0000001.png is damaged or cut off" in answer.output
    lenient = CliRunner().invoke(cli.app, [*run_it, "--skip-bad"])
    assert lenient.exit_code == 0, lenient.output
    assert "nyu train: 5 samples, 1 left out" in lenient.output
    assert "left out train/depth_2_0000001: " in lenient.output
    test_picture = copy / "test/depth_1_0000002.png"
    test_picture.unlink()
    official_index._read_index.cache_clear()
    shutil.rmtree(copy / ".handlib", ignore_errors=True)
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "another"))
    strict = CliRunner().invoke(cli.app, [*run_it, "--skip-bad"])
    assert strict.exit_code == 1 and "1 of 2 test frames are damaged, and the protocol scores all" in strict.output


def test_rows_share_the_synthetic_training(root):
    registered = {experiment.recipe.name: experiment.recipe for experiment in OFFICIAL}
    for recipe in registered.values():
        if hasattr(recipe, "together"):
            assert beginning(recipe) == registered[beginning(recipe).name]
    assert beginning(MULTI_VIEW) == SYNTHETIC_NOISE
    assert all(recipe.test_split == "test" and recipe.dataset == "NYU" for recipe in registered.values())
    assert registered["fitting-train-on-test@nyu"].train_split == "test"


def test_a_whole_nyu_is_what_its_authors_count(root, monkeypatch):
    assert MULTI_VIEW.shortfall() == "a fixture with drawn hands"
    monkeypatch.setattr(official_index, "FIXTURE_FILE", "no-such-mark")
    assert MULTI_VIEW.shortfall() == "6 of 218,271 train samples, 6 of 24,756 test samples"
    whole = replace(OFFICIAL_SETS["nyu"], published={"train": (6,), "test": (6,)})
    monkeypatch.setitem(OFFICIAL_SETS, "nyu", whole)
    assert MULTI_VIEW.shortfall() == ""
    with pytest.raises(BadInputError, match="no data set is called"):
        replace(MULTI_VIEW, data="nyu-2").shortfall()
