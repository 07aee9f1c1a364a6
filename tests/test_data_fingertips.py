"""Dexter+Object and EgoDexter: five fingertips, labelled in the depth camera's frame, some of them missing."""

import numpy as np
import pytest
from worker_copies import sent_to_worker

from handlib.data.clips import clips
from handlib.data.dexter_object import DexterObject
from handlib.data.ego_dexter import EgoDexter
from handlib.errors import BadInputError, MissingFileError
from handlib.skeleton import TIPS

SETS = {
    "dexter_object": (DexterObject, "Grasp1", "annotations/Grasp13D.txt"),
    "ego_dexter": (EgoDexter, "Desk", "annotation.txt_3D.txt"),
}


@pytest.fixture(params=SETS)
def name(request):
    return request.param


@pytest.fixture
def written(name, format_fixture):
    return format_fixture(name)


@pytest.fixture
def copy(written, copy_fixture):
    return copy_fixture(written)


def open_set(name, root, **options):
    reader, sequence, _ = SETS[name]
    return reader(root, sequences=(sequence,), **options)


def labels(name, root):
    _, sequence, file = SETS[name]
    return root / "data" / sequence / file


def test_labelled_tips_are_what_was_drawn(name, written):
    root, drawn = written
    dataset, truth = open_set(name, root), drawn[SETS[name][1]]
    assert len(dataset) == 2
    for frame, sample in enumerate(dataset):
        known = list(TIPS)[1:] if frame else list(TIPS)
        assert np.flatnonzero(sample.confidence).tolist() == known and sample.side == "left"
        assert np.array_equal(np.isfinite(sample.joints_m).all(-1), sample.confidence > 0)
        assert np.allclose(sample.joints_m[known], truth.joints_m[frame, known], atol=1e-6)
        assert np.allclose(sample.joints_2d_px[known], truth.joints_2d_px[frame, known], atol=1e-3)
        assert np.isfinite(sample.joints_2d_px).all() and np.array_equal(sample.image, truth.rgb[frame])
    assert [clip.tolist() for clip in clips(dataset, 2)] == [[0, 1]]
    assert np.array_equal(sent_to_worker(dataset)[1].confidence, dataset[1].confidence)


def test_flipped_axes_are_found_out_where_both_labels_are_in_one_picture(format_fixture, copy_fixture):
    root = copy_fixture(format_fixture("dexter_object"))
    path = labels("dexter_object", root)
    rows = [[group.split(",") for group in line.split(";")[:-1]] for line in path.read_text().splitlines()]
    path.write_text("".join("".join(f"{-float(x)},{y},{z};" for x, y, z in row) + "\n" for row in rows))
    with pytest.raises(BadInputError, match=r"Grasp13D\.txt: its tips fall \d+ px .* the axes, the unit or the camera"):
        open_set("dexter_object", root)


BAD = [
    (lambda t: t.replace(t.split(",")[0], "oops", 1), "line 1: no numbers"),
    (lambda t: t.split(";", 3)[-1], "line 1: shape .* expected five tips of 3|line 1: no numbers"),
    (lambda t: t.splitlines(True)[0], "2 pictures in color/, 2 lines in .* and 1 in"),
    (lambda t: t + t, "2 pictures in color/, 2 lines in .* and 4 in"),
]


@pytest.mark.parametrize(("change", "reason"), BAD, ids=["text", "tips", "fewer lines", "more lines"])
def test_bad_labels_are_named_with_a_remedy(name, copy, change, reason):
    path = labels(name, copy)
    path.write_text(change(path.read_text()))
    with pytest.raises(BadInputError, match=f"({reason}).*unpack"):
        open_set(name, copy)


def test_another_unit_is_found_out(name, copy):
    path = labels(name, copy)
    metres = [
        [[float(v) / 1e3 for v in g.split(",")] for g in line.split(";")[:5]] for line in path.read_text().splitlines()
    ]
    far = "".join("; ".join(", ".join(str(v * 1e6) for v in g) for g in row) + ";\n" for row in metres)
    path.write_text(far)
    with pytest.raises(BadInputError, match="unit is another"):
        open_set(name, copy)


def test_missing_and_damaged_files_are_named(name, copy):
    picture = copy / "data" / SETS[name][1] / "color" / "image_00001_color.png"
    picture.write_bytes(picture.read_bytes()[:2000])
    with pytest.raises(BadInputError, match=r"image_00001_color\.png is damaged or cut off"):
        open_set(name, copy)[1]
    assert len(list(open_set(name, copy, on_bad="skip"))) == 1
    labels(name, copy).unlink()
    with pytest.raises(MissingFileError, match="unpack"):
        open_set(name, copy)
    with pytest.raises(BadInputError, match="sequences is 'Nowhere', expected one of"):
        SETS[name][0](copy, sequences=("Nowhere",))
