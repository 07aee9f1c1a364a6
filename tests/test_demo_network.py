"""``handlib demo``: photographs and films in, files out; what is bad is named and stops nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from handlib.cli import app
from handlib.data.images import read_image
from handlib.data.photos import PACKAGED_PHOTOS, packaged_photos
from handlib.demo import films, hands, pictures
from handlib.keypoints import HandDetection, mediapipe_detector, read_detections, write_detections
from handlib.models import S2HandConfig, S2HandNetwork, save_network

STORED = PACKAGED_PHOTOS / "detections.json"
PHOTO = packaged_photos()[0]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """An untrained network: quick, sure of everything, and always wrong."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("network") / "untrained.safetensors"
    config = S2HandConfig(image_keypoints=True, texture=False, image_px=32)
    save_network(path, S2HandNetwork(config, imagenet=False), {})
    return path


@pytest.fixture
def small(tmp_path) -> Path:
    """A packaged photograph, scaled down."""
    path = tmp_path / "small.png"
    Image.fromarray(read_image(PHOTO)[::6, ::6]).save(path)
    return path


@pytest.fixture
def look(tmp_path, checkpoint, monkeypatch):
    """A caller of the demo with that network and without a detector; whatever it sees is taken for a hand."""
    monkeypatch.setattr(hands, "SURE_OF_HAND", 0.0)

    def call(*photos, more=(), detector="--no-detector"):
        options = ["--out", str(tmp_path / "out"), "--checkpoint", str(checkpoint), detector, *more]
        return CliRunner().invoke(app, ["demo", *map(str, photos), *options])

    return call


def test_the_network_looks_where_hands_were_detected(tmp_path, look):
    image, hand = read_image(PHOTO), read_detections(STORED)[PHOTO.name][0]
    both = np.concatenate([image, image], axis=1)
    Image.fromarray(both).save(tmp_path / "both.png")
    other = replace(hand, keypoints_px=hand.keypoints_px + np.float32([image.shape[1], 0]))
    write_detections(tmp_path / "two.json", {"both.png": [hand, other]}, "by hand")
    done = look(tmp_path / "both.png", more=["--keypoints", str(tmp_path / "two.json"), "--side", "left"])
    assert done.exit_code == 0, done.output
    one, two = (json.loads((tmp_path / "out" / f"both-hand{number}.json").read_text()) for number in (1, 2))
    aside = np.array(two["joints_2d_px"]) - np.array(one["joints_2d_px"])
    # The parts are cut at whole pixels, and may reach into the other photograph.
    assert np.allclose(aside, [image.shape[1], 0], atol=0.1 * image.shape[1])
    for numbers in (one, two):
        projected = np.array(numbers["joints_m"]) @ np.array(numbers["intrinsics_px"]).T
        assert np.allclose(projected[:, :2] / projected[:, 2:], numbers["joints_2d_px"], atol=0.5)
        assert len(numbers["confidence"]) == 21


def test_without_a_detector_the_whole_picture_is_a_hand_and_a_note_says_so(look, small, monkeypatch, tmp_path):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(mediapipe_detector.importlib, "import_module", missing)
    done = look(small, detector="--detector")
    assert done.exit_code == 0 and done.stderr.count("no hand detector is installed") == 1
    assert len(list((tmp_path / "out").iterdir())) == 3
    fit = CliRunner().invoke(app, ["demo", str(small), "--out", str(tmp_path / "fit"), "--fit"])
    assert fit.exit_code == 1 and fit.output.count(".[detect]") == 1


def test_another_network_is_another_question(look, small, tmp_path, checkpoint, monkeypatch):
    calls, real = [], pictures.reconstruct_parts
    monkeypatch.setattr(pictures, "reconstruct_parts", lambda *a: calls.append(1) or real(*a))
    for _ in range(2):
        assert look(small).exit_code == 0
    assert len(calls) == 1
    network = S2HandNetwork(S2HandConfig(image_keypoints=True, texture=False, image_px=32), imagenet=False)
    save_network(checkpoint.with_name("other.safetensors"), network, {})
    look(small, more=["--checkpoint", str(checkpoint.with_name("other.safetensors"))])
    assert len(calls) == 2


def test_a_picture_in_which_the_network_sees_no_hand_is_named(look, small, tmp_path, monkeypatch):
    Image.new("RGB", (40, 40)).save(tmp_path / "black.png")
    real = pictures.reconstruct_parts

    def unsure(parts, request):
        result = real(parts, request)
        sure = [0.9 if part.pixels.max() else 0.01 for part in parts]
        return replace(result, confidence=np.float32(sure)[:, None].repeat(21, 1))

    monkeypatch.setattr(pictures, "reconstruct_parts", unsure)
    monkeypatch.setattr(hands, "SURE_OF_HAND", 0.15)
    done = look(tmp_path / "black.png", small)
    assert done.exit_code == 1 and "1 hand from 1 of 2 pictures" in done.stdout
    assert "no hand was found in black.png: the network is 1 % sure" in done.stderr


def test_bad_files_are_named_and_odd_ones_are_read(look, small, tmp_path):
    picture = Image.open(small)
    picture.convert("CMYK").save(tmp_path / "print.jpg")
    picture.convert("L").save(tmp_path / "grey.png")
    picture.save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-300])
    names = ("print.jpg", "grey.png", "cut.jpg")
    done = look(*(tmp_path / name for name in names))
    assert done.exit_code == 1 and "2 hands from 2 of 3 pictures" in done.stdout
    assert "cut.jpg is damaged or cut off" in done.stderr


def test_the_detector_sees_a_reduced_copy_of_a_panorama(look, tmp_path, monkeypatch):
    Image.new("RGB", (10_000, 300), "white").save(tmp_path / "panorama.png")
    seen = []

    def find(image, max_hands):
        seen.append(image.shape)
        points = np.float32([1024, 30]) + np.random.default_rng(0).uniform(-8, 8, (21, 2)).astype(np.float32)
        return [HandDetection(points, np.ones(21, np.float32), "right", 1.0)]

    monkeypatch.setattr(hands, "find_hands", find)
    done = look(tmp_path / "panorama.png", detector="--detector")
    assert done.exit_code == 0, done.output
    assert seen == [(61, 2048, 3)]
    numbers = json.loads((tmp_path / "out" / "panorama-hand1.json").read_text())
    assert np.allclose(np.mean(numbers["joints_2d_px"], 0)[0], 5000, atol=120), "pixels of the panorama itself"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--side", "both"], "--side is auto, left or right"),
        (["--fit"], "leave out --checkpoint"),
        (["--checkpoint", "gone.safetensors"], "gone.safetensors: no such file"),
    ],
)
def test_options_that_stop_every_picture_stop_before_the_first(look, small, tmp_path, more, reason):
    done = look(small, more=more)
    assert done.exit_code == 1 and reason in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def film(tmp_path, small) -> Path:
    """Seven frames, ten a second."""
    path, frame = tmp_path / "film.mp4", cv2.imread(str(small))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, frame.shape[1::-1])
    for number in range(7):
        writer.write(np.roll(frame, number, axis=1))
    writer.release()
    return path


def film_results(out: Path) -> tuple[list[dict], int]:
    """The lines of numbers, and how many frames the overlay has."""
    lines = [json.loads(line) for line in (out / "film-hands.jsonl").read_text().splitlines()]
    capture = cv2.VideoCapture(str(out / "film-overlay.mp4"))
    count = 0
    while capture.grab():
        count += 1
    return lines, count


def test_a_film_gives_an_overlay_and_a_line_a_frame(look, film, tmp_path):
    done = look(film, more=["--every", "3"])
    assert done.exit_code == 0, done.output
    assert "3 hands from 1 of 1 pictures" in done.stdout
    (head, *lines, end), frames = film_results(tmp_path / "out")
    assert head["film"] == "film.mp4" and end["hands_in_all"] == 3 and frames == 3
    assert [line["frame"] for line in lines] == [0, 3, 6]
    assert [line["time_s"] for line in lines] == [0.0, 0.3, 0.6]
    assert np.shape(lines[1]["hands"][0]["joints_m"]) == (21, 3)
    # A folder with results in it: the overlay is no film to be done.
    assert "3 hands from 1 of 1 pictures" in look(film, more=["--every", "3"]).stdout


def test_an_interrupted_film_keeps_its_frames(look, film, tmp_path, monkeypatch):
    real, calls = films.reconstruct_frames, []

    def stop_in_the_second_block(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(films, "reconstruct_frames", stop_in_the_second_block)
        assert look(film).exit_code == 130
    lines, frames = film_results(tmp_path / "out")
    assert len(lines) == 1 + films.BLOCK and frames == films.BLOCK
    assert look(film).exit_code == 0
    assert film_results(tmp_path / "out")[1] == 7


def test_frames_without_a_hand_are_kept_as_they_are(look, film, tmp_path, monkeypatch):
    monkeypatch.setattr(hands, "find_hands", lambda image, max_hands: [])
    done = look(film, detector="--detector")
    assert done.exit_code == 1 and "no hand was found in any frame of film.mp4" in done.stderr
    lines, frames = film_results(tmp_path / "out")
    assert frames == 7 and all(line["hands"] == [] for line in lines[1:-1])


def test_what_is_no_film_is_named(look, small, tmp_path):
    (tmp_path / "text.mp4").write_text("no film")
    done = look(tmp_path / "text.mp4", tmp_path / "gone.mov", small)
    assert done.exit_code == 1 and "1 hand from 1 of 3 pictures" in done.stdout
    assert "text.mp4 is not a film that can be read" in done.stderr and "no film at" in done.stderr
    assert not (tmp_path / "out" / "text-hands.jsonl").exists()


def test_demo_names_the_picture_that_is_too_small(look, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "dot.png")
    done = look(tmp_path / "dot.png")
    assert done.exit_code == 1 and "dot.png: a picture of 8 x 8 px is too small" in done.stderr


def test_demo_fails_if_no_picture_has_a_hand(look, tmp_path, monkeypatch):
    (tmp_path / "broken.jpg").write_text("no picture")
    Image.new("L", (200, 160), 128).save(tmp_path / "grey.png")
    monkeypatch.setattr(mediapipe_detector, "detect_hands", lambda image, **_: [])
    done = look(tmp_path / "broken.jpg", tmp_path / "grey.png", detector="--detector")
    assert done.exit_code == 1
    for part in ("broken.jpg is not a picture", "no hand was found in grey.png", "none of 2 pictures"):
        assert part in done.output
