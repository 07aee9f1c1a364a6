"""Model files: every good one is read, every bad one is told what is wrong with it."""

import os
from dataclasses import fields
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import scipy.sparse
import torch

from handlib import HandModel
from handlib.errors import BadInputError, DiskFullError, MissingFileError, UnsafeFileError
from handlib.hand import safe_pickle
from handlib.hand.files import HandFile, read_hand_file, write_mano_npz
from handlib.hand.mirror import mirror_hand_file
from handlib.hand.synthetic import random_hand_file


def rewritten(mano_npz: Path, path: Path, drop: tuple[str, ...] = (), **replaced: np.ndarray) -> Path:
    """A copy of an .npz with some keys replaced or dropped."""
    with np.load(mano_npz) as archive:
        arrays = {key: archive[key] for key in archive.files if key not in drop}
    np.savez(path, **{**arrays, **replaced})
    return path


def test_written_file_reads_back(random_hand: HandFile, mano_npz: Path):
    back = read_hand_file(mano_npz)
    for field in fields(HandFile):
        if field.name != "extras":
            assert np.array_equal(getattr(back, field.name), getattr(random_hand, field.name)), field.name


def test_left_hand_keeps_its_side(random_hand: HandFile, tmp_path: Path):
    path = write_mano_npz(mirror_hand_file(random_hand), tmp_path / "hand.npz")
    assert read_hand_file(path).side == "left"
    assert HandModel.load(path, side="left").v_template[0, 0] == pytest.approx(-random_hand.v_template[0, 0])
    assert HandModel.load(path, side="right").v_template[0, 0] == pytest.approx(random_hand.v_template[0, 0])


def test_side_of_a_mano_pickle_is_in_its_name(write_mano_pickle, tmp_path: Path):
    assert read_hand_file(write_mano_pickle("MANO_LEFT.pkl")).side == "left"
    assert read_hand_file(write_mano_pickle("MANO_RIGHT.pkl")).side == "right"
    assert read_hand_file(write_mano_pickle("mine.pkl"), file_side="left").side == "left"
    folder = tmp_path / "left over"
    folder.mkdir()
    moved = write_mano_pickle("MANO_RIGHT.pkl").rename(folder / "MANO_RIGHT.pkl")
    assert read_hand_file(moved).side == "right"  # a folder's name says nothing about the hand


def test_pickle_and_npz_hold_the_same(write_mano_pickle, random_hand: HandFile):
    for protocol in (0, 2, 5):
        file = read_hand_file(write_mano_pickle(protocol=protocol))
        for name in ("v_template", "faces", "weights", "J_regressor", "shapedirs", "posedirs", "parents", "hands_mean"):
            assert np.array_equal(getattr(file, name), getattr(random_hand, name)), name
        assert file.topology == "mano"


@pytest.mark.parametrize("name", ["open", "generic"])
def test_packaged_hands_are_sound(name: str):
    file = read_hand_file(name)
    assert file.topology == "own" and file.side == "right" and file.license != "unknown"
    np.testing.assert_allclose(file.weights.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(file.J_regressor.sum(1), 1, atol=1e-6)
    assert file.weights.min() >= 0


def test_missing_file_names_the_choices(tmp_path: Path):
    with pytest.raises(MissingFileError, match="MANO_RIGHT.pkl is not there; give 'open' or 'generic'"):
        read_hand_file(tmp_path / "MANO_RIGHT.pkl")
    with pytest.raises(MissingFileError, match="is a folder"):
        read_hand_file(tmp_path)


@pytest.mark.parametrize("suffix", ["pkl", "npz"])
@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.999])
def test_truncated_file(suffix: str, keep: float, write_mano_pickle, mano_npz: Path, tmp_path: Path):
    whole = (write_mano_pickle("whole.pkl") if suffix == "pkl" else mano_npz).read_bytes()
    path = tmp_path / f"MANO_RIGHT.{suffix}"
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    with pytest.raises(BadInputError, match=r"MANO_RIGHT\.\w+: cannot be read .* truncated"):
        read_hand_file(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("v_template", np.zeros((778, 2)), r"'v_template' has shape \(778, 2\), expected \(any, 3\)"),
        ("weights", np.zeros((777, 16)), r"'weights' has shape \(777, 16\), expected \(778, 16\)"),
        ("weights", np.zeros((778, 24)), r"'weights' has shape \(778, 24\), expected \(778, 16\)"),
        ("J_regressor", np.zeros((24, 778)), r"'J_regressor' has shape \(24, 778\), expected \(16, 778\)"),
        ("shapedirs", np.zeros((778, 3)), r"'shapedirs' has shape \(778, 3\), expected \(778, 3, any\)"),
        ("posedirs", np.zeros((778, 3, 207)), r"'posedirs' has shape \(778, 3, 207\), expected \(778, 3, 135\)"),
        ("hands_components", np.zeros((45, 44)), r"expected \(any, 45\)"),
        ("hands_mean", np.full(45, np.nan), "'hands_mean' holds NaN"),
        ("f", np.array([[0, 1, 778]]), "vertex numbers from 0 to 778, but there are vertices 0 to 777"),
        ("f", np.array([[0, 1, 2.5]]), "vertex numbers from 0.0 to 2.5"),
        ("tip_vertices", np.array([0, 1, 2, 3, -1]), "vertex numbers from -1 to 3"),
        ("kintree_table", np.zeros((2, 16)), "holds the tree .* expected MANO's"),
        ("side", np.array("up"), "'side' is 'up'"),
    ],
)
def test_wrong_array_is_named(key: str, value: np.ndarray, message: str, mano_npz: Path, tmp_path: Path):
    path = rewritten(mano_npz, tmp_path / "MANO_RIGHT.npz", **{key: value})
    with pytest.raises(BadInputError, match=message) as caught:
        read_hand_file(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("key", ["v_template", "f", "weights", "J_regressor", "shapedirs", "kintree_table"])
def test_missing_array_is_named(key: str, mano_npz: Path, tmp_path: Path):
    path = rewritten(mano_npz, tmp_path / "MANO_RIGHT.npz", drop=(key,))
    with pytest.raises(BadInputError, match=f"key '{key}' is missing"):
        read_hand_file(path)


@pytest.mark.parametrize("key", ["posedirs", "hands_mean", "hands_components"])
def test_a_mano_file_may_not_lack_what_a_hand_of_ones_own_may(key: str, mano_npz: Path, tmp_path: Path):
    own = rewritten(mano_npz, tmp_path / "own.npz", drop=(key,))
    assert HandModel.load(own)(torch.zeros(1, 45)).joints.shape == (1, 21, 3)
    mano = rewritten(mano_npz, tmp_path / "MANO_RIGHT.npz", drop=(key, "tip_vertices", "topology"))
    with pytest.raises(BadInputError, match=f"key '{key}' is missing"):
        read_hand_file(mano)


def test_fingertips_of_another_mesh_must_be_given(tmp_path: Path):
    whole = write_mano_npz(random_hand_file(num_vertices=50, num_faces=9), tmp_path / "whole.npz")
    with pytest.raises(BadInputError, match="has 50 vertices and no key 'tip_vertices'"):
        read_hand_file(rewritten(whole, tmp_path / "MANO_RIGHT.npz", drop=("tip_vertices",)))


def test_npz_with_pickled_objects_is_refused(mano_npz: Path, tmp_path: Path):
    path = rewritten(mano_npz, tmp_path / "MANO_RIGHT.npz", comment=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UnsafeFileError, match="key 'comment' holds pickled objects"):
        read_hand_file(path)


def test_wrong_kind_of_file(tmp_path: Path):
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_text("<html>please log in</html>")
    with pytest.raises(BadInputError, match="cannot be read as a pickle"):
        read_hand_file(path)


def test_wrong_array_in_a_pickle_is_named(write_mano_pickle):
    with pytest.raises(BadInputError, match=r"'weights' has shape \(778, 15\)"):
        read_hand_file(write_mano_pickle(weights=np.zeros((778, 15))))
    with pytest.raises(BadInputError, match="key 'weights' expected numbers, met str"):
        read_hand_file(write_mano_pickle(weights="none"))


def test_a_failed_write_leaves_nothing_behind(random_hand: HandFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_mano_npz(random_hand, tmp_path / "MANO_RIGHT.npz")
    before = path.read_bytes()

    def disk_full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(DiskFullError, match="MANO_RIGHT.npz: the disk is full"):
        write_mano_npz(random_hand, path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["MANO_RIGHT.npz"]


def test_a_written_file_is_as_public_as_any_other(random_hand: HandFile, tmp_path: Path):
    (tmp_path / "any").touch()
    path = write_mano_npz(random_hand, tmp_path / "new folder" / "Hand, größer RIGHT.npz")
    assert path.stat().st_mode == (tmp_path / "any").stat().st_mode
    assert read_hand_file(path).side == "right"


@pytest.mark.parametrize(("option", "value"), [("file_side", "up"), ("tips", "nails")])
def test_an_option_without_such_a_value_is_named(option: str, value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users have no type checker either
    with pytest.raises(BadInputError, match=f"{option} is '{value}', expected one of"):
        read_hand_file("open", **{option: value})


@pytest.mark.parametrize(
    ("key", "value", "met"), [("side", b"left", "no text"), ("side", None, "no text"), ("topology", "smpl", "'smpl'")]
)
def test_a_word_in_a_pickle_is_one_of_its_choices(key: str, value: object, met: str, write_mano_pickle):
    with pytest.raises(BadInputError, match=f"key '{key}' is {met}, expected one of"):
        read_hand_file(write_mano_pickle(**{key: value}))
    assert read_hand_file(write_mano_pickle(license=value)).license in ("unknown", "smpl")


def test_odd_but_honest_dtypes(write_mano_pickle, random_hand: HandFile):
    path = write_mano_pickle(
        f=random_hand.faces.astype(float),
        weights=random_hand.weights.astype(">f4"),
        kintree_table=np.stack([random_hand.parents, np.arange(16)]),
        hands_mean=random_hand.hands_mean.tolist(),
        J_regressor=scipy.sparse.csr_array(random_hand.J_regressor),
    )
    file = read_hand_file(path)
    assert np.array_equal(file.faces, random_hand.faces) and file.faces.dtype == np.int64
    assert np.array_equal(file.weights, random_hand.weights.astype(np.float32))
    assert np.array_equal(file.parents, random_hand.parents)
    assert np.array_equal(file.hands_mean, random_hand.hands_mean)
    assert np.array_equal(file.J_regressor, random_hand.J_regressor)
    with pytest.raises(BadInputError, match="key 'weights' expected an array of plain numbers, met dtype c16"):
        read_hand_file(write_mano_pickle(weights=random_hand.weights.astype(complex)))


def test_a_file_that_unpacks_to_more_than_any_hand_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    np.savez_compressed(tmp_path / "bomb.npz", v_template=np.zeros((500_000, 3)))
    monkeypatch.setattr(safe_pickle, "MAX_BYTES", 2**20)
    assert (tmp_path / "bomb.npz").stat().st_size < 2**20
    with pytest.raises(BadInputError, match=r"bomb.npz: holds 11 MB, expected at most 1"):
        read_hand_file(tmp_path / "bomb.npz")
    (tmp_path / "large.pkl").write_bytes(bytes(2**21))
    with pytest.raises(BadInputError, match=r"large.pkl: holds 2 MB, expected at most 1"):
        read_hand_file(tmp_path / "large.pkl")
