"""The front door and ``handlib demo``: real photographs in, 3D hands out, with or without a detector."""

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
from handlib.camera import PerspectiveCamera
from handlib.cli import app
from handlib.data.images import read_image
from handlib.data.photos import PACKAGED_PHOTOS, packaged_photos
from handlib.demo import write_overlay
from handlib.errors import BadInputError
from handlib.fitting import FitSettings
from handlib.fitting.vertex_colours import sample_vertex_colours
from handlib.hand.export import write_obj
from handlib.keypoints import HandDetection, mediapipe_detector, read_detections, write_detections
from handlib.render import render_mesh
from handlib.viz import overlay_mesh

QUICK = FitSettings(starts=4, steps=60)
STORED = PACKAGED_PHOTOS / "detections.json"


@pytest.fixture(scope="module")
def photographs() -> tuple[np.ndarray, np.ndarray]:
    """The three packaged photographs and their stored keypoints with confidence."""
    stored = read_detections(STORED)
    hands = [stored[path.name][0] for path in packaged_photos()]
    keypoints = np.stack([np.c_[hand.keypoints_px, hand.confidence] for hand in hands])
    return np.stack([read_image(path) for path in packaged_photos()]), keypoints


@pytest.fixture(scope="module")
def hands(photographs) -> handlib.HandReconstruction:
    images, keypoints = photographs
    return handlib.reconstruct(images, keypoints, side="auto", settings=QUICK)


def test_shapes_and_frames(hands, photographs):
    assert hands.joints.shape == (3, 21, 3) and hands.vertices.shape == (3, 778, 3)
    assert hands.joints_2d.shape == (3, 21, 2) and hands.texture.shape == (3, 778, 3)
    assert (hands.joints[..., 2] > 0.1).all(), "hands are in front of the camera"
    length = np.linalg.norm(hands.joints[:, 9] - hands.joints[:, 0], axis=-1)
    assert ((0.07 < length) & (length < 0.13)).all(), "wrist to middle knuckle, metres"
    projected = PerspectiveCamera(torch.from_numpy(hands.intrinsics)).project(torch.from_numpy(hands.joints))
    assert np.allclose(projected, hands.joints_2d, atol=0.05)


def test_the_hand_lies_on_the_photographed_hand(hands, photographs):
    _, keypoints = photographs
    size = np.ptp(keypoints[..., :2], axis=1).max(-1)
    error = np.linalg.norm(hands.joints_2d - keypoints[..., :2], axis=-1).mean(-1)
    assert (error < 0.05 * size).all()


def test_left_hands_are_recognised_though_the_detector_errs(hands):
    assert hands.sides == ("left", "left", "left")
    assert {hand.side for (hand,) in read_detections(STORED).values()} == {"left", "right"}


def test_a_left_hand_is_the_mirror_image_of_the_right_one_in_the_mirrored_photograph(photographs):
    images, keypoints = photographs[0][:1], photographs[1][:1]
    mirrored = keypoints.copy()
    mirrored[..., 0] = images.shape[2] - 1 - mirrored[..., 0]
    left = handlib.reconstruct(images, keypoints, side="left", settings=QUICK)
    right = handlib.reconstruct(np.ascontiguousarray(images[:, :, ::-1]), mirrored, side="right", settings=QUICK)
    assert np.allclose(left.joints * [-1, 1, 1], right.joints, atol=1e-4)
    assert np.allclose(left.texture, right.texture, atol=2e-2)


def test_faces_look_outward_on_both_sides(hands, photographs):
    right = handlib.reconstruct(photographs[0][:1], photographs[1][:1], side="right", settings=QUICK)
    for reconstruction in (hands, right):
        corners = reconstruction.vertices[0][reconstruction.faces_of(0)] - reconstruction.vertices[0].mean(0)
        volume = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
        assert volume > 1e-5


def test_known_cameras_put_the_hand_where_it_is(photographs):
    images, keypoints = photographs
    near, far = (
        np.array([[[f, 0, 239.5], [0, f, 319.5], [0, 0, 1]]], np.float32).repeat(3, 0) for f in (600.0, 1200.0)
    )
    depth = [
        handlib.reconstruct(images, keypoints, side="left", intrinsics=K, settings=QUICK).joints[:, 0, 2]
        for K in (near, far)
    ]
    assert np.allclose(depth[1] / depth[0], 2, rtol=0.15)


def test_texture_is_read_off_the_picture():
    model = handlib.HandModel.load("open")
    mesh = model(torch.zeros(1, 45), None, torch.tensor([[0.3, 0.2, 0.1]]), torch.tensor([[0.0, 0.0, 0.5]]))
    camera = PerspectiveCamera(torch.tensor([[[400.0, 0, 112], [0, 400, 112], [0, 0, 1]]]))
    across = (mesh.vertices[..., 2:] - mesh.vertices[..., 2:].min()) * 3
    colours = across * torch.tensor([0.6, 0.4, 0.3]) + 0.2
    picture = render_mesh(mesh.vertices, model.faces, camera, 224, colours=colours, background=torch.zeros(3)).rgb
    sampled, seen = sample_vertex_colours(picture, mesh.vertices, model.faces, camera)
    assert 0.2 < seen.float().mean() < 0.8, "one side of the hand is seen"
    error = (sampled - colours).abs().amax(-1)[0]
    assert error[seen[0]].median() < 0.02 and error.median() < 0.05


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"images": np.zeros((0, 8, 8, 3), np.uint8)}, "empty batch"),
        ({"checkpoint": "weights.safetensors"}, "weights.safetensors"),
        ({"side": "both"}, "'left', 'right' or 'auto'"),
        ({"side": ["left"]}, "each of the 3 pictures"),
        ({"keypoints": np.zeros((3, 16, 2), np.float32)}, r"\(3, 21, 2\)"),
        ({"intrinsics": np.zeros((1, 3, 3), np.float32)}, "one a picture"),
        ({"keypoints": np.zeros((21, 2), np.float32)}, r"\(21, 2\): expected \(3, 21, 2\)"),
        ({"keypoints": np.full((3, 21, 2), np.nan, np.float32)}, "not finite"),
        ({"keypoints": np.zeros((3, 21, 3), np.float32)}, "fewer than 4 joints with confidence"),
        ({"images": np.zeros((40, 50, 3), np.uint8)}, r"one picture is image\[None\]"),
        ({"images": np.zeros((3, 3, 40, 50), np.uint8)}, "channels last"),
        ({"images": np.full((3, 40, 50, 3), 200.0, np.float32)}, "divide 0..255 values by 255"),
        ({"images": [np.zeros((40, 50, 3), np.uint8), np.zeros((50, 40, 3), np.uint8)]}, "of 2 sizes"),
    ],
)
def test_bad_input_is_named(photographs, arguments, reason):
    images, keypoints = photographs
    with pytest.raises(BadInputError, match=reason):
        handlib.reconstruct(**({"images": images, "keypoints": keypoints} | arguments))


@pytest.mark.parametrize(
    "convert",
    [
        lambda images: images / np.float32(255),
        lambda images: images.astype(np.uint16) * 257,
        lambda images: list(images),
        lambda images: np.concatenate([images, np.full_like(images[..., :1], 255)], -1),
        lambda images: np.ascontiguousarray(images[:, :, ::-1])[:, :, ::-1],
    ],
    ids=["float 0..1", "16 bit", "list", "opaque RGBA", "a view with negative strides"],
)
def test_pictures_of_every_kind_give_the_same_hand(photographs, hands, convert):
    images, keypoints = photographs
    same = handlib.reconstruct(convert(images), keypoints, side="auto", settings=QUICK)
    assert np.array_equal(same.joints, hands.joints) and np.array_equal(same.texture, hands.texture)


def test_grey_pictures_have_a_grey_texture(photographs):
    images, keypoints = photographs
    grey = handlib.reconstruct(images[:1, ..., 1], keypoints[:1], side="left", settings=QUICK)
    assert grey.texture.std() > 0.05 and np.ptp(grey.texture, axis=-1).max() < 1e-6


def test_pictures_without_a_hand_are_named_by_index(photographs, monkeypatch):
    monkeypatch.setattr(mediapipe_detector, "detect_hands", lambda image, **_: [])
    with pytest.raises(BadInputError, match=r"no hand was found in 3 of 3 pictures \(index 0, 1, 2\)"):
        handlib.reconstruct(photographs[0])


def test_detector_and_fit_together(photographs):
    pytest.importorskip("mediapipe", reason="extra 'detect' is not installed")
    hand = handlib.reconstruct(photographs[0][-1:], side="left", settings=QUICK)
    assert np.linalg.norm(hand.keypoints - photographs[1][-1:, :, :2], axis=-1).mean() < 3


def test_obj_holds_the_mesh(tmp_path, hands):
    write_obj(tmp_path / "hand.obj", hands.vertices[0], hands.faces_of(0), hands.texture[0])
    rows = [line.split() for line in (tmp_path / "hand.obj").read_text().splitlines()]
    vertices = np.array([[float(x) for x in row[1:4]] for row in rows if row[0] == "v"])
    faces = np.array([[int(x) - 1 for x in row[1:]] for row in rows if row[0] == "f"])
    assert np.allclose(vertices * [1, -1, -1], hands.vertices[0], atol=1e-6)
    assert np.array_equal(faces, hands.faces_of(0))


def test_demo_writes_mesh_overlay_and_numbers(tmp_path):
    result = CliRunner().invoke(
        app, ["demo", str(PACKAGED_PHOTOS), "--out", str(tmp_path / "out"), "--keypoints", str(STORED)]
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


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


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
        arguments = ["demo", *map(str, photos), "--out", str(tmp_path / out), "--keypoints", str(STORED), *more]
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
        arguments = ["demo", str(photo), "--out", str(tmp_path / "out"), "--keypoints", str(tmp_path / "two.json")]
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


def test_demo_asks_for_a_missing_package_once(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(mediapipe_detector.importlib, "import_module", missing)
    mediapipe_detector._hands_graph.cache_clear()
    done = CliRunner().invoke(app, ["demo", str(PACKAGED_PHOTOS), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1 and done.output.count(".[detect]") == 1


def test_demo_says_in_one_line_that_the_results_have_no_place(demo, tmp_path):
    (tmp_path / "out").write_text("in the way")
    done, fits = demo()
    assert (done.exit_code, fits) == (1, 0) and "out: File exists" in done.stderr


def test_demo_names_the_picture_that_is_too_small(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "dot.png")
    done = CliRunner().invoke(app, ["demo", str(tmp_path / "dot.png"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1 and "dot.png: a picture of 8 x 8 px is too small" in done.stderr


def test_demo_keeps_good_work_beside_a_bad_picture(demo, tmp_path):
    (tmp_path / "broken.jpg").write_text("no picture")
    done, _ = demo(photos=[tmp_path / "broken.jpg", tmp_path / "gone.jpg", packaged_photos()[0]])
    assert done.exit_code == 1 and "1 hand from 1 of 3 pictures" in done.stdout
    assert "broken.jpg is not a picture" in done.stderr and "no picture at" in done.stderr
    assert len(contents(tmp_path / "out")) == 3


def test_near_hands_are_drawn_over_far_ones(tmp_path, hands):
    # Times as far away, a hand times as large has the same picture.
    size = np.array([1, 2, 3], np.float32)[:, None, None]
    for order in ([0, 1, 2], [2, 0, 1]):
        vertices, joints = (hands.vertices * size)[order], (hands.joints * size)[order]
        shuffled = replace(hands, vertices=vertices, joints=joints, intrinsics=hands.intrinsics[order])
        write_overlay(np.zeros((640, 480, 3), np.uint8), shuffled, tmp_path / f"{order[0]}.png")
    drawn = np.zeros((640, 480, 3), np.uint8)
    for index in (2, 1, 0):
        drawn = overlay_mesh(drawn, hands.vertices[index], hands.faces_of(index), hands.intrinsics[index])
    for path in tmp_path.iterdir():
        assert np.abs(read_image(path).astype(int) - drawn).max() <= 1


def test_demo_fails_if_no_picture_has_a_hand(tmp_path, monkeypatch):
    (tmp_path / "broken.jpg").write_text("no picture")
    Image.new("L", (200, 160), 128).save(tmp_path / "grey.png")
    monkeypatch.setattr(mediapipe_detector, "detect_hands", lambda image, **_: [])
    result = CliRunner().invoke(app, ["demo", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    for part in ("broken.jpg is not a picture", "no hand was found in", "grey.png", "none of 2 pictures"):
        assert part in result.output


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
    ]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    numbers = json.loads((tmp_path / "out" / "large-hand1.json").read_text())
    projected = np.array(numbers["joints_m"]) @ np.array(numbers["intrinsics_px"]).T
    assert np.allclose(projected[:, :2] / projected[:, 2:], numbers["joints_2d_px"], atol=0.5)
    assert np.linalg.norm(np.array(numbers["joints_2d_px"]) - scaled.keypoints_px, axis=-1).mean() < 75
