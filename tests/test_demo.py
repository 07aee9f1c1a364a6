"""``handlib demo --fit``: stored keypoints and photographs in, files out, which an interruption leaves whole."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import handlib
from handlib import files
from handlib.cli import app
from handlib.data.images import read_image
from handlib.data.photos import PACKAGED_PHOTOS, packaged_photos
from handlib.demo.hands import draw_hands
from handlib.fitting import FitSettings
from handlib.keypoints import HandDetection, read_detections, write_detections
from handlib.viz import overlay_mesh

STORED = PACKAGED_PHOTOS / "detections.json"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_demo_writes_mesh_overlay_and_numbers(tmp_path):
    result = CliRunner().invoke(
        app, ["demo", str(PACKAGED_PHOTOS), "--out", str(tmp_path / "out"), "--fit", "--keypoints", str(STORED)]
    )
    assert result.exit_code == 0, result.output
    for photo in packaged_photos():
        numbers = json.loads((tmp_path / "out" / f"{photo.stem}-hand1.json").read_text())
        assert numbers["side"] == "left" and np.shape(numbers["joints_m"]) == (21, 3)
        assert (tmp_path / "out" / f"{photo.stem}-hand1.obj").stat().st_size > 10_000
        overlay = read_image(tmp_path / "out" / f"{photo.stem}-overlay.png")
        assert overlay.shape == read_image(photo).shape
        assert not np.array_equal(overlay, read_image(photo))
    assert len(list((tmp_path / "out").iterdir())) == 3 * len(packaged_photos())


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """A caller of the demo on the packaged photographs with quick fits; counts the fits."""
    fits, real = [], handlib.reconstruct

    def quick(*arguments, **options):
        fits.append(1)
        return real(*arguments, **options, settings=FitSettings(starts=1, steps=2))

    monkeypatch.setattr("handlib.reconstruction.reconstruct", quick)

    def call(*more, out="out", photos=(PACKAGED_PHOTOS,)):
        fits.clear()
        arguments = [
            "demo",
            *map(str, photos),
            "--out",
            str(tmp_path / out),
            "--fit",
            "--keypoints",
            str(STORED),
            *more,
        ]
        return CliRunner().invoke(app, arguments), len(fits)

    return call


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_an_interrupted_demo_keeps_what_is_done_and_goes_on_to_the_same_files(demo, tmp_path, monkeypatch, end):
    demo(out="whole")
    real, calls = files.os.replace, []

    def stop_in_the_second_picture(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise end
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", stop_in_the_second_picture)
        done, _ = demo()
    assert done.exit_code == (130 if end is KeyboardInterrupt else 1)
    assert ("interrupted" if end is KeyboardInterrupt else "disk is full") in done.output
    whole, partly = contents(tmp_path / "whole"), contents(tmp_path / "out")
    assert len(partly) == 4 and partly == {name: whole[name] for name in partly}, "whole files only"
    done, fits = demo()
    assert (done.exit_code, fits) == (0, 2), "the first picture is not fitted again"
    assert contents(tmp_path / "out") == whole
    assert demo()[1] == 0
    assert demo("--side", "right")[1] == 3, "other options are another question"
    assert json.loads(next((tmp_path / "out").glob("*.json")).read_text())["side"] == "right"


def test_demo_does_a_changed_picture_again(demo, tmp_path):
    photo = tmp_path / packaged_photos()[0].name
    photo.write_bytes(packaged_photos()[0].read_bytes())
    assert [demo(photos=[photo])[1] for _ in range(2)] == [1, 0]
    Image.fromarray(read_image(photo)[::-1]).save(photo)
    assert demo(photos=[photo])[1] == 1


def test_demo_removes_hands_that_an_earlier_run_found_more(tmp_path):
    photo = packaged_photos()[0]
    hand = read_detections(STORED)[photo.name][0]
    write_detections(tmp_path / "two.json", {photo.name: [hand, hand]}, "by hand")
    for most in (2, 1):
        arguments = [
            "demo",
            str(photo),
            "--out",
            str(tmp_path / "out"),
            "--keypoints",
            str(tmp_path / "two.json"),
            "--fit",
        ]
        assert CliRunner().invoke(app, [*arguments, "--max-hands", str(most)]).exit_code == 0
        assert len(list((tmp_path / "out").iterdir())) == 2 * most + 1


def test_demo_refuses_two_pictures_that_would_write_the_same_files(demo, tmp_path):
    for name in ("a.png", "a.jpg"):
        Image.new("RGB", (32, 32)).save(tmp_path / name)
    done, fits = demo(photos=[tmp_path])
    assert (done.exit_code, fits) == (1, 0) and "would both write a-overlay.png" in done.output
    assert not (tmp_path / "out").exists()


def test_demo_takes_no_overlay_for_a_picture(demo, tmp_path):
    photo = tmp_path / packaged_photos()[0].name
    photo.write_bytes(packaged_photos()[0].read_bytes())
    for _ in range(2):
        done, _ = demo("--max-hands", "1", photos=[tmp_path], out=".")
        assert "1 hand from 1 of 1 pictures" in done.output


def test_demo_says_in_one_line_that_the_results_have_no_place(demo, tmp_path):
    (tmp_path / "out").write_text("in the way")
    done, fits = demo()
    assert (done.exit_code, fits) == (1, 0) and "out: File exists" in done.stderr


def test_demo_keeps_good_work_beside_a_bad_picture(demo, tmp_path):
    (tmp_path / "broken.jpg").write_text("no picture")
    done, _ = demo(photos=[tmp_path / "broken.jpg", tmp_path / "gone.jpg", packaged_photos()[0]])
    assert done.exit_code == 1 and "1 hand from 1 of 3 pictures" in done.stdout
    assert "broken.jpg is not a picture" in done.stderr and "no picture at" in done.stderr
    assert len(contents(tmp_path / "out")) == 3


def test_near_hands_are_drawn_over_far_ones():
    model = handlib.HandModel.load("open")
    mesh = model(torch.zeros(3, 45), None, None, torch.tensor([[0.0, 0.0, 0.5], [0.02, 0.0, 1.0], [0.05, 0.0, 1.5]]))
    K = np.array([[120.0, 0, 60], [0, 120, 40], [0, 0, 1]], np.float32)
    result = handlib.HandReconstruction(
        joints=mesh.joints.numpy(),
        vertices=mesh.vertices.numpy(),
        joints_2d=np.zeros((3, 21, 2), np.float32),
        texture=np.zeros((3, 778, 3), np.float32),
        faces=model.faces.numpy(),
        intrinsics=np.repeat(K[None], 3, 0),
        sides=("right",) * 3,
        keypoints=np.zeros((3, 21, 2), np.float32),
        confidence=np.ones((3, 21), np.float32),
        energy=np.zeros(3, np.float32),
    )
    black = np.zeros((80, 120, 3), np.uint8)
    drawn = black
    for index in (2, 1, 0):
        drawn = overlay_mesh(drawn, result.vertices[index], result.faces_of(index), result.intrinsics[index])
    assert np.array_equal(draw_hands(black, result, [0, 1, 2], 120), drawn)
    order = [2, 0, 1]
    shuffled = replace(result, vertices=result.vertices[order], joints=result.joints[order])
    assert np.array_equal(draw_hands(black, shuffled, [0, 1, 2], 120), drawn)
    assert draw_hands(black, result, [0], 60).shape == (40, 60, 3)


def test_demo_refuses_an_empty_folder(tmp_path):
    result = CliRunner().invoke(app, ["demo", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1 and "no pictures in" in result.output


def test_demo_works_on_large_pictures_and_answers_in_their_pixels(tmp_path):
    photo = packaged_photos()[-1]
    image, stored = read_image(photo), read_detections(STORED)[photo.name][0]
    large = np.repeat(np.repeat(image, 3, 0), 3, 1)
    Image.fromarray(large).save(tmp_path / "large.png")
    scaled = HandDetection((stored.keypoints_px + 0.5) * 3 - 0.5, stored.confidence, "left", 0.99)
    write_detections(tmp_path / "d.json", {"large.png": [scaled]}, "by hand")
    arguments = [
        "demo",
        str(tmp_path / "large.png"),
        "--out",
        str(tmp_path / "out"),
        "--keypoints",
        str(tmp_path / "d.json"),
        "--fit",
    ]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    numbers = json.loads((tmp_path / "out" / "large-hand1.json").read_text())
    projected = np.array(numbers["joints_m"]) @ np.array(numbers["intrinsics_px"]).T
    assert np.allclose(projected[:, :2] / projected[:, 2:], numbers["joints_2d_px"], atol=0.5)
    assert np.linalg.norm(np.array(numbers["joints_2d_px"]) - scaled.keypoints_px, axis=-1).mean() < 75
