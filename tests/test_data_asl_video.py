"""The signing film: read from a small stand-in, and from the real one where the data folder has it."""

import json

import cv2
import numpy as np
import pytest

from handlib.data.asl_video import FILM, FOLDER, JOINTS, KEYPOINTS, read_signing_crops
from handlib.errors import BadInputError, MissingFileError

COUNT = 5


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Five frames of a bright spot on grey, with a square of keypoints around it that moves with it."""
    root = tmp_path / FOLDER
    root.mkdir()
    writer = cv2.VideoWriter(str(root / FILM), cv2.VideoWriter_fourcc(*"mp4v"), 25.0, (96, 128))
    points = np.zeros((COUNT, 21, 3))
    for frame in range(COUNT):
        picture = np.full((128, 96, 3), 60, np.uint8)
        middle = (40 + 3 * frame, 60)
        cv2.circle(picture, middle, 8, (0, 0, 255), -1)
        writer.write(picture)
        points[frame, :, :2] = middle
        points[frame, 1, :2] += [-12, -12]
        points[frame, 2, :2] += [12, 12]
    writer.release()
    (root / KEYPOINTS).write_text(json.dumps(points.tolist()))
    (root / JOINTS).write_text(json.dumps((points / 1000).tolist()))
    monkeypatch.setenv("HANDLIB_DATA", str(tmp_path))
    return root


def test_the_hand_is_cut_out_of_every_frame(folder):
    crops = read_signing_crops(32)
    assert len(crops) == COUNT and crops.rgb.shape == (COUNT, 32, 32, 3)
    assert np.allclose(crops.keypoints_px[:, 0], 15.5, atol=1e-3), "the box's middle is the crop's"
    assert (crops.rgb[:, 15, 15, 0] > 150).all() and (crops.rgb[:, 15, 15, 2] < 120).all(), "RGB, not BGR"
    assert crops.detector_joints_m.shape == (COUNT, 21, 3) and crops.frame.tolist() == [0, 1, 2, 3, 4]


def test_frames_can_be_left_out_and_the_window_held(folder):
    crops = read_signing_crops(32, every=2, steady=True)
    assert crops.frame.tolist() == [0, 2, 4]
    assert (crops.to_crop == crops.to_crop[0]).all()
    assert np.ptp(crops.keypoints_px[:, 0, 0]) > 2, "in a steady window the hand moves"


def test_what_is_damaged_is_named(folder):
    (folder / JOINTS).write_text("[[1, 2]]")
    with pytest.raises(BadInputError, match="expected \\(frames, 21, 3\\)"):
        read_signing_crops(32)
    (folder / JOINTS).write_text("no numbers")
    with pytest.raises(BadInputError, match="no list of numbers"):
        read_signing_crops(32)
    (folder / JOINTS).write_text(json.dumps(np.zeros((2, 21, 3)).tolist()))
    with pytest.raises(BadInputError, match="2 of joints"):
        read_signing_crops(32)
    (folder / JOINTS).unlink()
    with pytest.raises(MissingFileError):
        read_signing_crops(32)


def test_the_real_film():
    try:
        crops = read_signing_crops(32, every=80)
    except MissingFileError:
        pytest.skip("HANDLIB_DATA has no signing film")
    assert crops.frame.tolist() == [0, 80, 160, 240, 320]
    assert (crops.keypoints_px > 0).all() and (crops.keypoints_px < 31).all()
    assert 0.05 < np.linalg.norm(crops.detector_joints_m[:, 9] - crops.detector_joints_m[:, 0], axis=-1).mean() < 0.12
