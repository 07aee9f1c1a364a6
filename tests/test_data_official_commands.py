"""Looking after official data sets: list, prepare, check; samples seen otherwise; fixtures from the command line."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from handlib import cli
from handlib.camera import PerspectiveCamera
from handlib.data import prepare as prepare_module
from handlib.data.contact_sheet import contact_sheet, describe_labels
from handlib.data.freihand import FreiHand
from handlib.data.ho3d import HO3D
from handlib.data.label_cache import cache_folder
from handlib.data.label_checks import bone_lengths_mm, handedness_mm
from handlib.data.official_sets import OFFICIAL_SETS, official_set, open_official
from handlib.data.prepare import prepare_split
from handlib.data.sample_views import as_right_hand, crop_sample
from handlib.data.stb import STB
from handlib.errors import BadInputError, MissingFileError

SCRIPT = Path(__file__).parent.parent / "data_scripts" / "make_format_fixtures.py"
SMALL = ("freihand", "ho3d_v2", "mhp", "bighand", "youtube_hands", "ego_dexter")


@pytest.fixture(scope="module")
def freihand(format_fixture):
    return format_fixture("freihand")


@pytest.fixture
def copy(freihand, copy_fixture):
    return copy_fixture(freihand)


def run(*arguments):
    return CliRunner().invoke(cli.app, ["data", *map(str, arguments)])


def test_every_official_set_is_listed_and_has_its_reader():
    answer = run("list")
    assert answer.exit_code == 0
    for name, source in OFFICIAL_SETS.items():
        assert f"HANDLIB_{name.upper()}" in answer.output and set(source.published) == set(source.splits)
    assert "130,240 training, 3,960 evaluation" in " ".join(run("list", "FreiHAND").output.split())
    assert official_set("HO3D-v2").options == {"version": "v2"}
    with pytest.raises(BadInputError, match="no data set is called 'imagenet'; there are freihand"):
        official_set("imagenet")


@pytest.mark.parametrize("name", SMALL)
def test_a_set_opens_by_name_and_its_labels_look_right(format_fixture, name):
    root, _ = format_fixture(name)
    dataset = open_official(name, root)
    samples = list(dataset)
    told = describe_labels(samples)
    if name not in ("youtube_hands", "ego_dexter"):
        assert any("palm of a right hand" in line and "as they should" in line for line in told)
        assert not any(line.startswith("LOOK") for line in told)
    sheet = contact_sheet(samples)
    assert sheet.shape[1] == 4 * 240 and sheet.shape[0] % 240 == 0 and sheet.std() > 10


def test_prepare_reads_everything_and_says_what_is_there(freihand, copy):
    answer = run("prepare", "freihand", "--root", copy)
    assert answer.exit_code == 0, answer.output
    assert "training: 12 samples, of 130,240 that are published" in answer.output
    assert "evaluation: 2 samples, of 3,960 that are published" in answer.output


def test_prepare_leaves_bad_samples_out_for_good_and_takes_repaired_ones_back(copy):
    picture = copy / "training/rgb/00000004.jpg"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:2000])
    strict = run("prepare", "freihand", "--root", copy, "--split", "training")
    assert strict.exit_code == 1 and "00000004.jpg is damaged or cut off" in strict.output
    lenient = run("prepare", "freihand", "--root", copy, "--split", "training", "--skip-bad")
    assert lenient.exit_code == 0 and "training: 11 samples" in lenient.output and "1 left out" in lenient.output
    assert "left out training/rgb/00000004: " in lenient.output
    kept = FreiHand(copy, version="all", on_bad="skip")
    assert len(kept) == 11 and [s.name[-8:] for s in kept][3:5] == ["00000003", "00000005"]
    picture.write_bytes(whole)
    again = run("prepare", "freihand", "--root", copy, "--split", "training", "--skip-bad")
    assert "training: 12 samples" in again.output and len(FreiHand(copy, version="all", on_bad="skip")) == 12


def test_an_interrupted_reading_goes_on_where_it_stopped(copy, monkeypatch):
    monkeypatch.setattr(prepare_module, "SAVE_EVERY", 2)
    read, source = [], official_set("freihand")

    def stop_after_five(indices, _):
        for index in indices:
            if index == 5:
                raise KeyboardInterrupt
            yield index

    def note(indices, _):
        read.extend(indices)
        return read

    with pytest.raises(KeyboardInterrupt):
        prepare_split(source, copy, "training", progress=stop_after_five)
    state = json.loads((cache_folder(copy) / "freihand-training-read.json").read_text())
    assert state["next"] == 4
    assert prepare_split(source, copy, "training", progress=note).samples == 12 and read == list(range(4, 12))
    assert not (prepare_split(source, copy, "training", pictures=False).skipped)


def test_a_split_that_is_not_there_is_said_unless_it_was_asked_for(copy):
    (copy / "evaluation_K.json").unlink()
    answer = run("prepare", "freihand", "--root", copy, "--no-pictures")
    assert answer.exit_code == 0 and "evaluation: not there (no " in answer.output
    assert run("prepare", "freihand", "--root", copy, "--split", "evaluation").exit_code == 1
    empty = copy / "empty"
    empty.mkdir()
    assert run("prepare", "freihand", "--root", empty).exit_code == 1
    with pytest.raises(MissingFileError, match="no folder is known.*HANDLIB_MHP"):
        open_official("mhp")


def test_check_draws_a_sheet(copy, tmp_path):
    answer = run("check", "freihand", "--root", copy, "--out", tmp_path / "new" / "sheet.png")
    assert answer.exit_code == 0, answer.output
    assert "index   bones" in answer.output and "palm of a right hand" in answer.output
    assert "% of the joints lie on the hand's mask" in answer.output
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.size == (960, 720)
    assert run("check", "freihand", "--root", copy, "--out", tmp_path / "new").exit_code == 0
    assert (tmp_path / "new" / "freihand-training.png").is_file()
    refused = run("check", "freihand", "--root", copy, "--out", tmp_path / "sheet.txt")
    assert refused.exit_code == 1 and "sheet.txt: expected a picture's name (.bmp" in refused.output


def test_mirrored_labels_and_swapped_joints_are_seen(freihand):
    from dataclasses import replace

    samples = list(FreiHand(freihand[0]))
    mirrored = [replace(s, joints_m=s.joints_m * np.float32([-1, 1, 1])) for s in samples]
    assert any(
        line.startswith("LOOK: the fingers bend to the palm of a left hand") for line in describe_labels(mirrored)
    )
    millimetres = [replace(s, joints_m=s.joints_m * 1000) for s in samples]
    assert any(line.startswith("LOOK: bones of") for line in describe_labels(millimetres))
    wrong_mask = [replace(s, mask=1 - s.mask) for s in samples]
    assert any(line.startswith("LOOK: ") and "mask" in line for line in describe_labels(wrong_mask))
    assert "cannot be told" in describe_labels([replace(samples[0], joints_m=None)])[0]


def test_handedness_is_that_of_the_drawn_hand(freihand, format_fixture):
    right = freihand[1]["training"].joints_m
    left = format_fixture("stb")[1]["B1Counting-BB"].joints_m
    assert handedness_mm(right).min() > 5 and handedness_mm(left).max() < -5
    assert np.allclose(handedness_mm(right), -handedness_mm(right * [-1, 1, 1]))
    assert np.allclose(bone_lengths_mm(right), bone_lengths_mm(right * [-1, 1, 1]))


def projected(sample):
    import torch

    camera = PerspectiveCamera(torch.as_tensor(sample.K)[None])
    return camera.project(torch.as_tensor(sample.joints_m)[None])[0].numpy()


def test_a_crop_carries_everything_along(format_fixture):
    sample = HO3D(format_fixture("ho3d_v2")[0])[0]
    small = crop_sample(sample, 96, enlarge=1.4)
    assert small.image.shape == (96, 96, 3) and small.mask.shape == small.depth_m.shape == (96, 96)
    assert np.allclose(small.joints_2d_px, projected(small), atol=1e-2)
    assert small.joints_2d_px.min() > 0 and small.joints_2d_px.max() < 95
    inside = small.mask > 0
    assert 0.15 < inside.mean() < 0.7 and np.median(small.depth_m[inside]) == pytest.approx(
        np.median(sample.depth_m[sample.mask > 0]), abs=0.01
    )
    evaluation = HO3D(format_fixture("ho3d_v2")[0], "evaluation")[0]
    by_box = crop_sample(evaluation, 96)
    assert by_box.box_px.min() > 0 and by_box.box_px.max() < 95 and by_box.joints_2d_px[1:].max() == 0
    from dataclasses import replace

    with pytest.raises(BadInputError, match="no 2D joints and no box"):
        crop_sample(replace(evaluation, box_px=None), 96)


def test_a_left_hand_becomes_a_right_one(format_fixture):
    left = STB(format_fixture("stb")[0], "test")[0]
    right = as_right_hand(left)
    assert right.side == "right" and as_right_hand(right) is right
    assert np.allclose(right.joints_2d_px, projected(right), atol=1e-2)
    assert np.array_equal(right.image[:, ::-1], left.image)
    assert handedness_mm(right.joints_m[None])[0] > 5


def test_fixtures_are_written_from_the_command_line_and_are_the_same_each_time(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    script = importlib.import_module(SCRIPT.stem)
    contents = []
    for name in ("a", "b"):
        script.make_fixtures(tmp_path / name, ["youtube_hands"])
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file() and path.suffix != ".npz")
        contents.append([path.read_bytes() for path in files])
    assert contents[0] == contents[1] and (tmp_path / "a" / "MANO_RIGHT.npz").is_file()
    with pytest.raises(BadInputError, match="is not empty"):
        script.make_fixtures(tmp_path / "a", ["youtube_hands"])
    with pytest.raises(BadInputError, match="--only imagenet: there are freihand"):
        script.make_fixtures(tmp_path / "c", ["youtube_hands", "imagenet"])
    assert not (tmp_path / "c").exists(), "nothing is written if one name is wrong"
    app = typer.Typer()
    app.command()(script.main)
    refused = CliRunner().invoke(app, [str(tmp_path / "a"), "--only", "youtube_hands"])
    assert refused.exit_code == 1 and refused.stderr.startswith(
        f"error: {tmp_path / 'a' / 'youtube_hands'} is not empty"
    )
    assert set(script.WRITERS) == set(OFFICIAL_SETS)
