"""BigHand2.2M's format: label files with names of two kinds, 16-bit depth."""

import numpy as np
import pytest
from PIL import Image
from worker_copies import sent_to_worker

from handlib.data.bighand import BigHand
from handlib.data.clips import clips
from handlib.errors import BadInputError, MissingFileError

FILE = "full_annotation/Subject_1/1 75_loc_shift_made_by_qi_20180112_v2.txt"


@pytest.fixture(scope="module")
def written(format_fixture):
    return format_fixture("bighand")


@pytest.fixture
def copy(written, copy_fixture):
    return copy_fixture(written)


@pytest.mark.parametrize("row", [0, 1, 2, 3])
def test_a_sample_is_what_was_drawn(written, row):
    root, drawn = written
    dataset = BigHand(root)
    sample, truth, frame = dataset[row], drawn[row // 2 + 1], row % 2
    assert sample.name == f"Subject_{row // 2 + 1}/1 75/image_D{frame + 1:08d}" and sample.frame == frame
    assert sample.subject == f"Subject_{row // 2 + 1}" and len(dataset) == 4
    assert np.allclose(sample.joints_m, truth.joints_m[frame], atol=1e-6)
    assert np.allclose(sample.joints_2d_px, truth.joints_2d_px[frame], atol=1e-2)
    assert np.abs(sample.depth_m - truth.depth_m[frame]).max() < 0.00051
    assert np.array_equal(sample.image[..., 0] > 0, truth.mask[frame])


def test_labels_need_no_pictures(written, copy):
    for path in copy.rglob("*.png"):
        path.unlink()
    truth = np.concatenate([hands.joints_m for hands in written[1].values()])
    dataset = BigHand(copy)
    assert np.allclose(dataset.joints_m, truth, atol=1e-6)
    assert [clip.tolist() for clip in clips(dataset, 2)] == [[0, 1], [2, 3]]
    assert len(BigHand(copy, subjects=(2,))) == 2
    assert np.array_equal(sent_to_worker(dataset).joints_m, dataset.joints_m)
    with pytest.raises(MissingFileError, match=r"no picture at .*image_D00000001\.png"):
        dataset[0]


def column(text, value):
    name, _, rest = text.split("\t", 2)
    return f"{name}\t{value}\t{rest}"


def behind(line):
    name, *numbers = line.split("\t")
    return "\t".join([name, *(f"-{x}" if k % 3 == 2 else x for k, x in enumerate(numbers))])


BAD = [
    (lambda t: column(t, "nan"), "1 of 4 labels are bad.*image_D00000001: a joint is NaN"),
    (lambda t: column(t, "oops"), "lines from 1 on: no numbers"),
    (lambda t: t.rsplit("\t", 1)[0], "line 2: 62 numbers after the name, expected 63"),
    (lambda t: "\n".join(map(behind, t.splitlines())), "behind the camera"),
]


@pytest.mark.parametrize(("change", "reason"), BAD, ids=["NaN", "text", "count", "axes"])
def test_bad_labels_are_named_with_a_remedy(copy, change, reason):
    path = copy / FILE
    path.write_text(change(path.read_text()))
    with pytest.raises(BadInputError, match=f"{reason}.*unpack full_annotation.zip"):
        BigHand(copy)


def test_missing_and_damaged_files_are_named(copy):
    path = copy / "Subject_1/1 75/image_D00000002.png"
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
    with pytest.raises(BadInputError, match=r"image_D00000002\.png has shape \(4, 4\) of uint8, expected 16-bit"):
        BigHand(copy)[1]
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(BadInputError, match=r"image_D00000002\.png (is damaged|is not a picture)"):
        BigHand(copy)[1]
    assert len(list(BigHand(copy, on_bad="skip"))) == 3
    (copy / FILE).unlink()
    with pytest.raises(MissingFileError, match=r"no \.txt file in .*Subject_1: unpack"):
        BigHand(copy)
    with pytest.raises(MissingFileError, match="no .*Subject_9"):
        BigHand(copy, subjects=(9,))
