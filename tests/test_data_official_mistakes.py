"""Mistakes that somebody makes who brings a data set for the first time: each is told, with file and remedy."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from handlib import cli
from handlib.data.official_sets import open_official
from handlib.data.prepare import Prepared
from handlib.errors import BadInputError, MissingFileError


@pytest.fixture
def copy(format_fixture, copy_fixture):
    """A function that copies a tiny data set to a folder that a test may damage."""
    return lambda name: copy_fixture(format_fixture(name))


def prepare(name: str, root: Path, *more: str):
    return CliRunner().invoke(cli.app, ["data", "prepare", name, "--root", str(root), *more])


def exchange(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def test_the_folder_above_is_refused_and_the_right_one_is_named(copy):
    root = copy("freihand")
    answer = prepare("freihand", root.parent)
    assert answer.exit_code == 1
    assert f"{root.parent} has no training_K.json and no evaluation_K.json" in answer.output
    assert f"it seems {root}, or unpack FreiHAND_pub_v2.zip" in answer.output


def test_an_archive_that_was_not_unpacked_is_told_from_a_folder_that_is_not_there(tmp_path):
    (tmp_path / "HO3D_v2.zip").write_bytes(b"PK")
    answer = prepare("ho3d_v2", tmp_path / "HO3D_v2.zip")
    assert answer.exit_code == 1 and "HO3D_v2.zip is a file: give the folder" in answer.output
    assert "no folder" in prepare("ho3d_v2", tmp_path / "HO3D_v4").output


def test_a_missing_picture_is_no_missing_split(copy):
    root = copy("freihand")
    (root / "training/rgb/00000004.jpg").unlink()
    answer = prepare("freihand", root)
    assert answer.exit_code == 1 and "not there" not in answer.output
    assert "no picture at" in answer.output and "00000004.jpg" in answer.output
    assert "unpack FreiHAND_pub_v2.zip" in answer.output and "--skip-bad" in answer.output
    assert "training: 11 samples" in prepare("freihand", root, "--skip-bad").output


def test_labels_of_the_other_split_are_found_out(copy):
    root = copy("freihand")
    for kind in ("K", "xyz", "mano", "verts", "scale"):
        exchange(root / f"training_{kind}.json", root / f"evaluation_{kind}.json")
    with pytest.raises(BadInputError, match=r"training_K\.json has 2 entries, too few.*00000008\.jpg: unpack"):
        open_official("freihand", root)


def test_fewer_labels_than_pictures_of_nyu_are_found_out(copy):
    root = copy("nyu")
    shutil.copyfile(root / "train/depth_1_0000001.png", root / "train/depth_1_0000003.png")
    with pytest.raises(BadInputError, match=r"labels of 2 frames, but there is a picture .*_0000003\.png: unpack"):
        open_official("nyu", root)


def test_one_version_of_ho3d_is_not_taken_for_the_other(copy):
    root = copy("ho3d_v3")
    with pytest.raises(BadInputError, match=r"\.jpg: a picture of ho3d_v3, but the folder was given as ho3d_v2"):
        open_official("ho3d_v2", root)
    assert len(open_official("ho3d_v3", root)) > 0


TEXTS = {
    "ho3d_v2": "train.txt",
    "mhp": "annotated_frames/data_1/0_joints.txt",
    "ego_dexter": "data/Desk/annotation.txt_3D.txt",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_label_file_that_is_no_text_is_named(copy, name):
    root = copy(name)
    (root / TEXTS[name]).write_bytes(bytes(range(128, 256)))
    with pytest.raises(BadInputError, match=f"{Path(TEXTS[name]).name} is damaged, or no text file.*unpack"):
        open_official(name, root)


def test_a_label_file_without_a_line_is_named(copy):
    root = copy("bighand")
    next((root / "full_annotation/Subject_1").glob("*.txt")).write_text("")
    with pytest.raises(BadInputError, match=r"\.txt is empty: unpack .* or remove it"):
        open_official("bighand", root)


def test_a_damaged_calibration_is_named_once(copy):
    root = copy("mhp")
    path = root / "calibrations/data_1/webcam_1/rvec.pkl"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadInputError, match="cannot be read as a pickle") as caught:
        open_official("mhp", root)
    assert str(caught.value).count("rvec.pkl") == 1


@pytest.mark.parametrize("spoil", [lambda entry: entry.pop("image_id"), lambda entry: entry.update(vertices=None)])
def test_an_entry_of_another_form_is_no_traceback(copy, spoil):
    root = copy("youtube_hands")
    path = root / "youtube_train.json"
    content = json.loads(path.read_text())
    spoil(content["annotations"][0])
    path.write_text(json.dumps(content))
    with pytest.raises(BadInputError, match=r"youtube_train\.json.*ask its authors"):
        open_official("youtube_hands", root)


def test_more_samples_than_published_are_pointed_out():
    text = Prepared("train", 83_325, 83_325, (66_034,), {}).describe()
    assert "more than the 66,034 that are published: another version, or another split?" in text
    assert Prepared("train", 5, 5, (66_034,), {}).describe() == "train: 5 samples, of 66,034 that are published"


def test_an_empty_folder_has_no_hint(tmp_path):
    with pytest.raises(MissingFileError, match="has no labels and no images: give the folder that has them or unpack"):
        open_official("stb", tmp_path)
