"""Kinds of damage that each official format may meet: every one is named with the file and what to do about it.

What a reader's own tests (``test_data_*.py``, ``test_depth_nyu.py``) have is not done again.
"""

import json
import pickle
import re
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from handlib.data.official_sets import open_official
from handlib.errors import BadInputError

Change = Callable[[np.ndarray], np.ndarray]


def edit_json(path: Path, change: Change) -> None:
    path.write_text(json.dumps(change(np.array(json.loads(path.read_text()))).tolist()))


def edit_youtube(path: Path, change: Change) -> None:
    content = json.loads(path.read_text())
    changed = change(np.array([entry["vertices"] for entry in content["annotations"]]))
    for entry, vertices in zip(content["annotations"], changed.tolist(), strict=True):
        entry["vertices"] = vertices
    path.write_text(json.dumps(content))


def edit_pickle(path: Path, change: Change) -> None:
    meta = ForkingPickler.loads(path.read_bytes())
    path.write_bytes(pickle.dumps(meta | {"handJoints3D": change(meta["handJoints3D"][None])[0]}, protocol=2))


def edit_mat(path: Path, change: Change) -> None:
    hands = scipy.io.loadmat(path)["handPara"].transpose(2, 1, 0)
    scipy.io.savemat(path, {"handPara": change(hands).transpose(2, 1, 0)})


def edit_uvd(path: Path, change: Change) -> None:
    uvd = scipy.io.loadmat(path)["joint_uvd"]
    scipy.io.savemat(path, {"joint_uvd": np.stack([change(view) for view in uvd])})


def edit_named_lines(path: Path, change: Change) -> None:
    lines = [line.split() for line in path.read_text().splitlines()]
    points = change(np.array([line[1:] for line in lines], float)[None])[0]
    path.write_text("".join(f"{name} {x} {y} {z}\n" for (name, *_), (x, y, z) in zip(lines, points, strict=True)))


def edit_tabs(path: Path, change: Change) -> None:
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    hands = change(np.array([line[1:] for line in lines], float).reshape(len(lines), -1, 3))
    rows = hands.reshape(len(lines), -1).astype(str).tolist()
    path.write_text("".join("\t".join([line[0], *row]) + "\n" for line, row in zip(lines, rows, strict=True)))


def edit_groups(path: Path, change: Change) -> None:
    rows = [[group.split(",") for group in line.split(";")[:5]] for line in path.read_text().splitlines()]
    hands = change(np.array(rows, float)).tolist()
    path.write_text("".join("; ".join(", ".join(map(str, tip)) for tip in hand) + ";\n" for hand in hands))


# Name: the labels of its first split, what edits them, and a picture.
SETS = {
    "freihand": ("training_xyz.json", edit_json, "training/rgb/00000001.jpg"),
    "ho3d_v2": ("train/ABF10/meta/0001.pkl", edit_pickle, "train/ABF10/rgb/0001.png"),
    "ho3d_v3": ("train/ABF10/meta/0001.pkl", edit_pickle, "train/ABF10/rgb/0001.jpg"),
    "stb": ("labels/B2Counting_BB.mat", edit_mat, "images/B2Counting/BB_left_1.png"),
    "mhp": ("annotated_frames/data_1/0_joints.txt", edit_named_lines, "annotated_frames/data_1/0_webcam_1.jpg"),
    "nyu": ("train/joint_data.mat", edit_uvd, "train/depth_1_0000002.png"),
    "bighand": (
        "full_annotation/Subject_1/1 75_loc_shift_made_by_qi_20180112_v2.txt",
        edit_tabs,
        "Subject_1/1 75/image_D00000001.png",
    ),
    "dexter_object": ("data/Grasp1/annotations/Grasp13D.txt", edit_groups, "data/Grasp1/color/image_00001_color.png"),
    "ego_dexter": ("data/Desk/annotation.txt_3D.txt", edit_groups, "data/Desk/color/image_00001_color.png"),
    "youtube_hands": ("youtube_train.json", edit_youtube, "youtube/Ab-c_1/video/frames/0.png"),
}
REMEDY = "(?i)(unpack|ask its authors|copy it again)"


def with_nan(hands: np.ndarray) -> np.ndarray:
    changed = np.array(hands, float)
    changed[0, 1, 0] = np.nan
    return changed


def turned(hands: np.ndarray) -> np.ndarray:
    """x and z exchanged."""
    return hands[..., [2, 1, 0]]


@pytest.fixture(params=SETS)
def damaged(request, format_fixture, copy_fixture):
    """A copy of each tiny set, with its name."""
    return request.param, copy_fixture(format_fixture(request.param))


def refusal(name: str, root: Path) -> str:
    """What is said when the first split is opened and read."""
    with pytest.raises(BadInputError) as caught:
        list(open_official(name, root))
    return str(caught.value)


def names_file_and_remedy(message: str, root: Path, reason: str) -> bool:
    """Whether a message gives the reason, a path of the data set, and what to do."""
    return bool(re.search(reason, message) and re.search(REMEDY, message)) and str(root) in message


def test_a_joint_that_is_nan_is_named_and_can_be_left_out(damaged, format_fixture):
    name, root = damaged
    whole = len(open_official(name, format_fixture(name)[0]))
    labels, edit, _ = SETS[name]
    edit(root / labels, with_nan)
    assert names_file_and_remedy(refusal(name, root), root, "NaN or infinite|is NaN|bad")
    skipping = open_official(name, root, on_bad="skip")
    # One label serves FreiHAND's four versions and MHP's two webcams; NYU's edit is of all three views.
    assert 1 <= len(skipping.skipped) <= 4 and len(skipping) == whole - len(skipping.skipped)
    assert all("NaN" in why for why in skipping.skipped.values())


def test_swapped_axes_are_found_out(damaged):
    name, root = damaged
    labels, edit, _ = SETS[name]
    edit(root / labels, turned)
    assert names_file_and_remedy(refusal(name, root), root, "axes|unit|picture|millimetres")


def test_a_picture_that_was_cut_off_is_named_and_can_be_left_out(damaged):
    name, root = damaged
    picture = root / SETS[name][2]
    picture.write_bytes(picture.read_bytes()[: picture.stat().st_size // 2])
    assert names_file_and_remedy(refusal(name, root), root, f"{picture.name} is damaged or cut off")
    skipping = open_official(name, root, on_bad="skip")
    left = sum(1 for _ in skipping)
    assert left == len(skipping) - 1 and "damaged or cut off" in next(iter(skipping.skipped.values()))


@pytest.mark.parametrize("name", ["nyu", "stb"])
def test_numbers_of_too_few_bits_are_refused(name, format_fixture, copy_fixture):
    root = copy_fixture(format_fixture(name))
    labels, _, _ = SETS[name]
    stored = {k: v for k, v in scipy.io.loadmat(root / labels).items() if not k.startswith("__")}
    scipy.io.savemat(root / labels, {key: np.array(["text"]) for key in stored})
    assert names_file_and_remedy(refusal(name, root), root, "holds <U4, expected numbers")


def test_a_label_file_that_was_replaced_is_read_again(format_fixture, copy_fixture):
    root = copy_fixture(format_fixture("ho3d_v2"))
    assert len(open_official("ho3d_v2", root)) == 5
    path = root / SETS["ho3d_v2"][0]
    edit_pickle(path, with_nan)
    # As unpacking does it: another file of that name.
    path.replace(path.with_suffix(".new"))
    path.with_suffix(".new").rename(path)
    assert names_file_and_remedy(refusal("ho3d_v2", root), root, "ABF10/0001: a joint is NaN")
