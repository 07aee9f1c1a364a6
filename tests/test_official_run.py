"""Runs on official data: what is registered, which folders count as the published set, and what damage is said."""

import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from reproduce_factory import freeze_code
from typer.testing import CliRunner

from handlib import cli
from handlib.data import official_crops, official_index
from handlib.data.official_sets import OFFICIAL_SETS, open_official
from handlib.errors import BadInputError, MissingFileError
from handlib.experiments.official_run import OfficialRecipe, crops_of, open_split, spread
from handlib.reproduce import experiment as registry
from handlib.reproduce.experiment import Experiment
from handlib.reproduce.ledger import load_comparable, make_ledger
from handlib.reproduce.official import official_chapters, official_experiments, official_place
from handlib.reproduce.places import cache_folder, results_folder
from handlib.reproduce.published import load_published
from handlib.reproduce.results import Metric, Outcome, load_results

FREIHAND = {"data": "freihand", "train_split": "training", "test_split": "evaluation"}
WITHOUT_TABLE = {"HO-3D v3"}


@dataclass(frozen=True, kw_only=True)
class LookRecipe(OfficialRecipe):
    """Looks at every evaluation sample once."""

    chapter: str = "toy"
    dataset: str = "FreiHAND"


def look(context) -> Outcome:
    samples = list(open_split(context.recipe.data, context.recipe.test_split))
    return Outcome({"mpjpe": Metric(float(len(samples)), "mm", "none")})


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HANDLIB_FREIHAND", raising=False)
    freeze_code(monkeypatch.setattr)
    official_index._read_index.cache_clear()
    return tmp_path


@pytest.fixture
def toy(store, monkeypatch):
    """A chapter ``toy`` with one run, that of a published row, on FreiHAND."""
    package, official = ModuleType(f"{registry.PACKAGE}.toy"), ModuleType(f"{registry.PACKAGE}.toy.official")
    package.__path__, official.__spec__ = [], registry.importlib.machinery.ModuleSpec(official.__name__, None)
    package.EXPERIMENTS = ()
    official.OFFICIAL = (Experiment(recipe=LookRecipe(name="s2hand-full@freihand", **FREIHAND), work=look),)
    for module in (package, official):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(registry, "_modules", lambda: ["toy", "s2hand"])
    return official


@pytest.fixture
def copy(format_fixture, copy_fixture):
    return copy_fixture(format_fixture("freihand"))


def call(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def as_published(monkeypatch, root: Path, training: int = 12, evaluation: int = 2) -> Path:
    """Take a fixture for the data set itself, with so many samples."""
    whole = replace(OFFICIAL_SETS["freihand"], published={"training": (training,), "evaluation": (evaluation,)})
    monkeypatch.setitem(OFFICIAL_SETS, "freihand", whole)
    (root / official_index.FIXTURE_FILE).unlink(missing_ok=True)
    return root


def test_registered_runs_bear_published_names_and_stand_beside_published_numbers():
    tables = load_published().values()
    rows = {row.recipe for table in tables for row in table.rows if row.recipe}
    datasets = {name for table in tables for name in table.datasets} | WITHOUT_TABLE
    chapters = official_chapters()
    assert {"s2hand", "training_by_fitting"} <= chapters.keys()
    for chapter, experiments in chapters.items():
        names = [experiment.recipe.name for experiment in experiments]
        assert len(set(names)) == len(names)
        for recipe in (experiment.recipe for experiment in experiments):
            assert set(recipe.splits) <= set(OFFICIAL_SETS[recipe.data].splits), recipe.name
        if chapter in ("s2hand", "training_by_fitting"):
            assert {experiment.recipe.dataset for experiment in experiments} <= datasets
            # What stages share has a name of its own; all the rest is a row.
            named = {name.partition("@")[0] for name in names}
            assert {name for name in named - rows if "first-stage" not in name and "branch" not in name} <= {
                "s2hand-ho3d-detector",
                "fitting-synthetic-noise-stack-2",
            }


def test_rows_of_the_tables_have_their_run():
    names = {experiment.recipe.name for runs in official_chapters().values() for experiment in runs}
    wanted = {("s2hand", "FreiHAND"): "freihand", ("s2hand", "HO-3D v2"): "ho3d_v2", ("fitting", "NYU"): "nyu"}
    for table in load_published().values():
        for row in table.rows:
            data = wanted.get((table.paper, row.dataset or table.datasets[0]))
            if row.recipe and data and table.kind == "table":
                assert f"{row.recipe}@{data}" in names, (table.key, row.key)


def test_what_cannot_be_run_is_said_with_what_can(toy, copy):
    assert "no data set is called 'imagenet'; there are freihand" in call("run", "toy", "--data", "imagenet", code=1)
    answer = call("run", "toy", "--data", "nyu", "--root", copy, code=1)
    assert "chapter toy has no runs on nyu: it has runs on freihand; nyu is used by no chapter" in answer
    assert "choose one of" in call("run", "nobody", "--data", "freihand", "--root", copy, code=1)
    assert "give --root DIR (root=...) or set HANDLIB_FREIHAND" in call("run", "toy", "--data", "freihand", code=1)
    nowhere = call("run", "toy", "--data", "freihand", "--root", copy / "nowhere", code=1)
    assert "no folder" in nowhere and "unpacked into" in nowhere
    assert "--root and --skip-bad need --data" in call("run", "toy", "--root", copy, code=1)
    assert "--root and --skip-bad need --data" in call("reproduce", "--skip-bad", code=1)
    unknown = call("run", "toy", "--data", "freihand", "--root", copy, "--recipe", "x", code=1)
    assert "choose of s2hand-full@freihand" in unknown
    toy.OFFICIAL = (Experiment(recipe=LookRecipe(name="full", **FREIHAND), work=look),)
    with pytest.raises(BadInputError, match="full is no run on official data: expected an OfficialRecipe named ROW@"):
        official_experiments("toy", "freihand")


def test_a_fixture_never_stands_beside_published_numbers(toy, copy):
    answer = call("run", "toy", "--data", "freihand", "--root", copy, "--profile", "full", "--seed", "0")
    assert "not the published freihand (a fixture with drawn hands): results go to the cache" in answer
    assert load_results(results_folder()) == []
    (result,) = load_results(cache_folder() / "results")
    assert result.dataset == "FreiHAND (a fixture with drawn hands)"
    assert "stored" in call("run", "--list", "--data", "freihand", "--root", copy, "--profile", "full")


def test_nor_does_a_part_of_the_data_set(toy, copy, monkeypatch):
    as_published(monkeypatch, copy, evaluation=3960)
    answer = call("run", "toy", "--data", "freihand", "--root", copy, "--profile", "full", "--seed", "0")
    assert "2 of 3,960 evaluation samples" in answer and load_results(results_folder()) == []


def test_the_whole_data_set_gets_its_column_in_the_ledger(toy, copy, monkeypatch):
    as_published(monkeypatch, copy)
    answer = call("reproduce", "toy", "--data", "freihand", "--root", copy, "--profile", "full")
    assert "3 of 3 runs are stored" in answer and "results go to the cache" not in answer
    (table,) = make_ledger(load_comparable(results_folder()), [load_published()["s2hand/table-2"]])
    assert [source.dataset for source in table.sources] == ["FreiHAND"]
    assert table.cells["s2hand", "mpjpe", table.sources[0]].values == pytest.approx((0.2, 0.2, 0.2))


def test_the_folder_is_no_part_of_a_result_and_its_labels_are(toy, copy, monkeypatch, tmp_path):
    recipe = toy.OFFICIAL[0].recipe
    other = shutil.copytree(copy, tmp_path / "moved")
    with official_place("freihand", copy):
        first = recipe.data_digest()
    with official_place("freihand", other):
        assert recipe.data_digest() == first
    changed = shutil.copytree(copy, tmp_path / "changed")
    (changed / "training_xyz.json").write_text((copy / "training_xyz.json").read_text().replace("0.", "0.0", 1))
    with official_place("freihand", changed):
        assert recipe.data_digest() != first
    with pytest.raises(MissingFileError, match="HANDLIB_FREIHAND"):
        recipe.data_digest()


def test_damage_is_named_with_a_remedy_or_left_out_and_reported(toy, copy):
    picture = copy / "evaluation/rgb/00000001.jpg"
    picture.write_bytes(picture.read_bytes()[:2000])
    run = ("run", "toy", "--data", "freihand", "--root", copy, "--profile", "smoke")
    answer = call(*run, code=1)
    assert "00000001.jpg is damaged or cut off" in answer and "copy it again" in answer
    lenient = call(*run, "--skip-bad")
    assert "freihand evaluation: 1 samples, 1 left out" in lenient
    assert "left out evaluation/rgb/00000001: " in lenient and "1 of 1 runs are stored" in lenient
    (copy / "evaluation_K.json").write_text("[[[1, 2")
    assert "evaluation_K.json ends in the middle" in call(*run, "--skip-bad", "--force", code=1)
    (copy / "evaluation_K.json").unlink()
    gone = call(*run, code=1)
    assert "evaluation_K.json: unpack FreiHAND_pub_v2.zip again" in gone


def test_a_whole_set_with_a_damaged_test_picture_is_not_whole(toy, copy, monkeypatch):
    as_published(monkeypatch, copy)
    for split, lacks in (("training", False), ("evaluation", True)):
        picture = copy / split / "rgb/00000001.jpg"
        picture.write_bytes(picture.read_bytes()[:2000])
        answer = call("run", "toy", "--data", "freihand", "--root", copy, "--profile", "smoke", "--skip-bad")
        assert ("not the published freihand (1 of 2 evaluation samples)" in answer) is lacks
        shutil.rmtree(cache_folder() / "data")
        official_index._read_index.cache_clear()


def test_crops_are_right_hands_with_their_cameras_and_are_made_once(store, format_fixture, monkeypatch):
    monkeypatch.setenv("HANDLIB_STB", str(format_fixture("stb")[0]))
    dataset = open_split("stb", "test")
    assert dataset[0].side == "left"
    crops = crops_of(dataset, 48, chosen=spread(len(dataset), 3))
    assert crops.rgb.shape == (3, 48, 48, 3) and crops.index.tolist() == [0, 2, 3]
    assert crops.sequence.tolist() == ["B1Counting", "B1Random", "B1Random"] and crops.frame.tolist() == [0, 0, 1]
    pixels = np.einsum("nij,nkj->nki", crops.K, crops.joints_m)
    assert np.allclose(pixels[..., :2] / pixels[..., 2:], crops.keypoints_px, atol=0.02)
    assert crops.keypoints_px.min() > 0 and crops.keypoints_px.max() < 47 and crops.vertices_m is None
    monkeypatch.setattr(official_crops, "crop_sample", None)
    assert np.array_equal(crops_of(open_split("stb", "test"), 48, chosen=[0, 2, 3]).rgb, crops.rgb)
    with pytest.raises(TypeError):
        crops_of(open_split("stb", "test", camera="SK"), 48, chosen=[0, 2, 3])


def test_a_whole_picture_is_a_crop_too(store, format_fixture):
    dataset = open_official("freihand", format_fixture("freihand")[0], "evaluation")
    crops = crops_of(dataset, 56, enlarge=None, meshes=True)
    assert np.allclose(crops.K[0, :2, :2], dataset[0].K[:2, :2] / 4)
    assert np.allclose(crops.keypoints_px[1], (dataset[1].joints_2d_px + 0.5) / 4 - 0.5, atol=1e-3)
    assert crops.vertices_m.shape == (2, 778, 3) and np.array_equal(crops.joints_m[1], dataset[1].joints_m)
    assert spread(5, None).tolist() == [0, 1, 2, 3, 4] and spread(5, 2).tolist() == [0, 4]
