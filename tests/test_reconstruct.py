"""The front door with keypoints: real photographs in, fitted 3D hands out."""

import numpy as np
import pytest
import torch

import handlib
from handlib.camera import PerspectiveCamera
from handlib.data.images import read_image
from handlib.data.photos import PACKAGED_PHOTOS, packaged_photos
from handlib.errors import BadInputError
from handlib.fitting import FitSettings
from handlib.fitting.vertex_colours import sample_vertex_colours
from handlib.hand.export import write_obj
from handlib.keypoints import read_detections
from handlib.render import render_mesh

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
        ({"checkpoint": "weights.safetensors"}, "fitted without a network"),
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
        ({"intrinsics": np.zeros((3, 3, 3), np.float32)}, "must be positive"),
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


def test_pictures_of_several_sizes_in_one_call(photographs, hands):
    images, keypoints = photographs
    wider = np.pad(images[1], ((0, 0), (0, 100), (0, 0)))
    several = handlib.reconstruct([images[0], wider, images[2]], keypoints, side="auto", settings=QUICK)
    assert np.array_equal(several.joints, hands.joints) and several.sides == hands.sides


def test_obj_holds_the_mesh(tmp_path, hands):
    write_obj(tmp_path / "hand.obj", hands.vertices[0], hands.faces_of(0), hands.texture[0])
    rows = [line.split() for line in (tmp_path / "hand.obj").read_text().splitlines()]
    vertices = np.array([[float(x) for x in row[1:4]] for row in rows if row[0] == "v"])
    faces = np.array([[int(x) - 1 for x in row[1:]] for row in rows if row[0] == "f"])
    assert np.allclose(vertices * [1, -1, -1], hands.vertices[0], atol=1e-6)
    assert np.array_equal(faces, hands.faces_of(0))
