"""MHP's format: four webcams, a palm, finger names that two loaders read differently."""

import pickle

import numpy as np
import pytest
from worker_copies import sent_to_worker

from handlib.data.clips import clips
from handlib.data.images import read_image
from handlib.data.mhp import MHP
from handlib.errors import BadInputError, MissingFileError, UnsafeFileError


@pytest.fixture(scope="module")
def written(format_fixture):
    return format_fixture("mhp")


@pytest.fixture
def copy(written, copy_fixture):
    return copy_fixture(written)


def test_a_sample_is_what_was_drawn_with_the_lens_taken_out(written):
    root, drawn = written
    dataset = MHP(root)
    assert len(dataset) == 8 and dataset[3].name == "data_1/1_webcam_2"
    sample, truth = dataset[3], drawn[1, 2]
    assert np.allclose(sample.joints_m, truth.joints_m[1], atol=1e-6)
    assert np.allclose(sample.joints_2d_px, truth.joints_2d_px[1], atol=1e-3)
    assert sample.side == "right" and sample.sequence == "data_1/webcam_2" and sample.frame == 1
    bent = read_image(root / "annotated_frames" / f"{sample.name}.jpg")
    # Around the hand only: where the straight picture shows what the lens did not, it is black.
    off = [np.abs(picture.astype(int) - truth.rgb[1])[truth.mask[1]].mean() for picture in (sample.image, bent)]
    assert off[0] < 4 and off[0] < 0.7 * off[1]


def test_labels_may_lie_in_a_folder_of_their_own(written, copy):
    for path in (copy / "annotated_frames").glob("data_*/*_joints.txt"):
        target = copy / "annotations" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    assert np.array_equal(MHP(copy)[0].joints_m, MHP(written[0])[0].joints_m)


def test_the_wrong_finger_order_is_found_out(written, copy):
    with pytest.raises(BadInputError, match="ring .* mm, little .* mm, expected to grow.*little='F2' or little='F1'"):
        MHP(written[0], little="F2")
    for path in (copy / "annotated_frames").glob("data_*/*_joints.txt"):
        text = path.read_text().replace("F1_", "X_").replace("F2_", "F1_").replace("X_", "F2_")
        path.write_text(text)
    with pytest.raises(BadInputError, match="expected to grow"):
        MHP(copy)
    assert np.allclose(MHP(copy, little="F2")[0].joints_m, MHP(written[0])[0].joints_m)


def test_a_video_is_one_webcams_view(written):
    dataset = MHP(written[0], sequences=(2,))
    assert [clip.tolist() for clip in clips(dataset, 2)] == [[0, 2], [1, 3]]
    assert np.array_equal(sent_to_worker(dataset)[3].joints_m, dataset[3].joints_m)


def test_mirrored_labels_are_of_a_left_hand(copy):
    for path in (copy / "annotated_frames").glob("data_*/*_joints.txt"):
        rows = [line.split() for line in path.read_text().splitlines()]
        path.write_text("".join(f"{name} {200 - float(x)} {y} {z}\n" for name, x, y, z in rows))
    assert set(MHP(copy).sides.values()) == {"left"}


JOINTS = "annotated_frames/data_1/0_joints.txt"


def first_x(text, value):
    name, _, rest = text.split(" ", 2)
    return f"{name} {value} {rest}"


BAD = [
    (lambda t: first_x(t, "nan"), "2 of 8 labels are bad.*data_1/0_webcam_1: a joint is NaN"),
    (lambda t: first_x(t, "oops"), r"0_joints\.txt is damaged"),
    (lambda t: first_x(t, "9000"), "the unit is another"),
    (lambda t: "".join(t.splitlines(True)[1:]), "has no joint F4_KNU1_A"),
    (lambda t: t.replace("\n", " 5\n"), r"0_joints\.txt has shape \(21, 4\), expected \(21, 3\)"),
    (lambda t: "", "has no joint F4_KNU1_A but nothing"),
]


@pytest.mark.parametrize(("change", "reason"), BAD, ids=["NaN", "text", "far", "count", "columns", "empty"])
def test_bad_labels_are_named_with_a_remedy(copy, change, reason):
    path = copy / JOINTS
    path.write_text(change(path.read_text()))
    with pytest.raises(BadInputError, match=f"{reason}.*unpack the data set again"):
        MHP(copy)


def test_missing_and_damaged_files_are_named(copy):
    cut = copy / "annotated_frames/data_1/0_webcam_1.jpg"
    cut.write_bytes(cut.read_bytes()[:2000])
    with pytest.raises(BadInputError, match=r"0_webcam_1\.jpg is damaged or cut off"):
        MHP(copy)[0]
    assert len(list(MHP(copy, on_bad="skip"))) == 7
    (copy / JOINTS).unlink()
    with pytest.raises(MissingFileError, match=r"0_joints\.txt, the labels of a picture that is there: unpack"):
        MHP(copy)
    with pytest.raises(MissingFileError, match="no .*data_3: unpack"):
        MHP(copy, sequences=(3,))


def test_calibrations_are_read_without_running_them(copy):
    path = copy / "calibrations/data_1/webcam_1/rvec.pkl"
    path.write_bytes(pickle.dumps(np.zeros(2)))
    with pytest.raises(BadInputError, match=r"rvec\.pkl holds an array \(2,\), expected three numbers: unpack"):
        MHP(copy)

    class Payload:
        def __reduce__(self):
            return (exit, ("the payload ran",))

    path.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(UnsafeFileError, match=r"rvec\.pkl"):
        MHP(copy)
    path.unlink()
    with pytest.raises(MissingFileError, match=r"rvec\.pkl: unpack"):
        MHP(copy)
