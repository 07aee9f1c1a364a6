"""SeqHAND on official data: every row runs on tiny sets in the official formats, and says what it forgives."""

import numpy as np
import pytest
import torch

from handlib.errors import BadInputError, MissingFileError
from handlib.experiments.seqhand import CONV_LSTM, DETACHED
from handlib.experiments.seqhand.batches import FilmDrawer
from handlib.experiments.seqhand.effort import SMOKE
from handlib.experiments.seqhand.films import HandLabels
from handlib.experiments.seqhand.networks import new_network
from handlib.experiments.seqhand.official import OFFICIAL
from handlib.experiments.seqhand.official_recipes import LEARNT_FROM, OfficialFilmRecipe, on_official
from handlib.experiments.seqhand.repositioning import RepositionedDrawer
from handlib.experiments.seqhand.videos import read_video
from handlib.reproduce.published import load_published

SETS = ("ego_dexter", "dexter_object", "stb", "freihand", "bighand")
BY_NAME = {experiment.recipe.name: experiment for experiment in OFFICIAL}


@pytest.fixture(scope="module")
def folders(format_fixture, tmp_path_factory):
    """Tiny sets in their formats, a store and a cache that all smoke runs of this file share."""
    folder = tmp_path_factory.mktemp("seqhand-official")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        for name in SETS:
            patch.setenv(f"HANDLIB_{name.upper()}", str(format_fixture(name)[0]))
        yield folder


@pytest.mark.parametrize("name", ["seqhand-convlstm-video-real-detached@ego_dexter", "seqhand-encoder-stills-real@stb"])
def test_rows_that_learn_from_real_pictures_run(folders, name):
    metrics = BY_NAME[name].run("smoke", 0).outcome.metrics
    assert metrics["frames"].value > 0 and metrics["training_images_per_second"].value > 0
    assert set(BY_NAME[name].recipe.columns.values()) <= metrics.keys()


@pytest.mark.parametrize("name", ["seqhand-convlstm-video@dexter_object", "seqhand-encoder-stills@stb"])
def test_rows_that_only_look_at_real_pictures_run(folders, name):
    recipe, metrics = BY_NAME[name].recipe, BY_NAME[name].run("smoke", 0).outcome.metrics
    assert set(recipe.columns.values()) <= metrics.keys()
    # No distance is predicted, so that nothing is measured that would need one.
    assert not {"mpjpe", "tip_error"} & metrics.keys()


def test_the_walks_on_bighand_are_measured(folders):
    metrics = BY_NAME["seqhand-data@bighand"].run("smoke", 0).outcome.metrics
    assert metrics["poses"].value > 1 and metrics["stalled_steps_snapped"].value >= metrics["stalled_steps_shown"].value


def test_every_column_of_tables_3_and_4_has_its_row_and_metric():
    for table in ("table-3", "table-4"):
        rows = {row.recipe for row in load_published()[f"seqhand/{table}"].rows if row.recipe}
        for data, ends in (("ego_dexter", "_ed"), ("dexter_object", "_do"), ("stb", "_stb")):
            assert all(any(c.endswith(ends) for c in BY_NAME[f"{row}@{data}"].recipe.columns) for row in rows)


def test_other_pictures_to_learn_from_are_another_run(folders, monkeypatch):
    recipe = BY_NAME["seqhand-convlstm-video-real-detached@ego_dexter"].recipe
    before = recipe.data_digest()
    assert recipe.learn_from == tuple(LEARNT_FROM)
    assert BY_NAME["seqhand-convlstm-video@ego_dexter"].recipe.data_digest() != before
    monkeypatch.delenv("HANDLIB_FREIHAND")
    with pytest.raises(MissingFileError, match="FREIHAND"):
        recipe.data_digest()


def test_learning_and_what_is_learnt_from_go_together():
    with pytest.raises(BadInputError, match="learn_from"):
        OfficialFilmRecipe(name="x@stb", data="stb", dataset="STB", of=CONV_LSTM, finetuning="attached")
    with pytest.raises(BadInputError, match="finetuning"):
        on_official(DETACHED, CONV_LSTM, "stb", "STB", finetuning="half")


def test_real_pictures_stand_at_another_place_each_time_with_their_joints():
    rng, px = np.random.default_rng(0), 48
    pictures = np.zeros((6, px, px, 3), np.uint8)
    joints = rng.uniform(16, 32, (6, 21, 2)).round().astype(np.float32)
    for picture, (x, y) in zip(pictures, joints[:, 0].astype(int), strict=True):
        picture[y - 1 : y + 2, x - 1 : x + 2] = 255
    labels = HandLabels(rng.normal(size=(6, 21, 3)).astype(np.float32), joints, np.ones((6, 21), np.float32))
    rows = np.arange(6).reshape(3, 2)
    still, moving = (kind(pictures, labels, rows, 3, px, 7) for kind in (FilmDrawer, RepositionedDrawer))
    here, there, again = still.draw(4), moving.draw(4), moving.draw(4)
    assert torch.equal(there.pictures, again.pictures) and there.pictures.dtype == torch.uint8
    assert torch.equal(here.joints_m, there.joints_m)
    shift = there.joints_2d_px - here.joints_2d_px
    assert shift.abs().max() > 2 and not torch.equal(moving.draw(5).joints_2d_px, there.joints_2d_px)
    # The white spot is where the joint is said to be.
    columns = torch.arange(px, dtype=torch.float32)
    light = there.pictures[..., 0].float()
    for axis, dim in ((0, 2), (1, 3)):
        middle = (light.sum(dim) * columns).sum(-1) / light.sum((2, 3))
        torch.testing.assert_close(middle, there.joints_2d_px[:, :, 0, axis], atol=0.3, rtol=0)


def test_a_video_in_pieces_is_the_whole_video(monkeypatch):
    network = new_network(CONV_LSTM, SMOKE, 0).eval()
    network.readout.last.weight.data.normal_(std=1.0)
    rgb = np.random.default_rng(0).integers(0, 255, (7, 32, 32, 3), np.uint8)
    whole = read_video(network, rgb, 32)
    monkeypatch.setattr("handlib.experiments.seqhand.videos.FRAMES_AT_ONCE", 3)
    assert np.allclose(read_video(network, rgb, 32), whole, atol=1e-5) and whole.shape == (7, 21, 3)
    assert np.abs(np.diff(whole, axis=0)).max() > 1e-4
