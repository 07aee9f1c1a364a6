"""The front door without keypoints: a network looks, twice, at whatever pictures it is given."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import handlib
from handlib import pretrained
from handlib.camera import PerspectiveCamera
from handlib.data.images import read_image
from handlib.data.photos import PACKAGED_PHOTOS, packaged_photos
from handlib.errors import BadInputError, MissingFileError
from handlib.fitting import FitSettings
from handlib.keypoints import HandDetection, read_detections
from handlib.models import S2HandConfig, S2HandNetwork, save_network
from handlib.pretrained import RELEASED, find_network, released_card, released_network
from handlib.reconstruction import detected
from handlib.reconstruction.looking import AROUND, boxes_around, disagreement, look_at, look_for_hands, whole_pictures

needs_released = pytest.mark.skipif(not RELEASED.is_file(), reason="the trained network is not in this checkout")


def untrained(path: Path, **choices) -> Path:
    """A network that has learnt nothing, but says something else of each picture."""
    torch.manual_seed(3)
    network = S2HandNetwork(S2HandConfig(texture=False, image_px=32, **choices), imagenet=False).train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        # The statistics of one batch keep the signal of the order of one through all the layers.
        network(torch.randn(16, 3, 32, 32))
        for name, parameter in network.named_parameters():
            if name.startswith(("geometry.heads", "readout.heatmaps")) and parameter.ndim > 1:
                parameter.normal_(std=0.4 * parameter[0].numel() ** -0.5)
    save_network(path, network, {})
    return path


look = partial(handlib.reconstruct, detector=False)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return untrained(tmp_path_factory.mktemp("network") / "untrained.safetensors", image_keypoints=True)


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    return np.stack([read_image(path)[::4, ::4] for path in packaged_photos()])


@pytest.fixture(scope="module")
def hands(checkpoint, photographs) -> handlib.HandReconstruction:
    return look(photographs, checkpoint=checkpoint)


def test_shapes_and_frames(hands):
    assert hands.joints.shape == (3, 21, 3) and hands.vertices.shape == (3, 778, 3)
    assert hands.texture.shape == (3, 778, 3) and 0 <= hands.texture.min() <= hands.texture.max() <= 1
    assert hands.confidence.shape == (3, 21) and 0 <= hands.confidence.min() <= hands.confidence.max() <= 1
    projected = PerspectiveCamera(torch.from_numpy(hands.intrinsics)).project(torch.from_numpy(hands.joints))
    assert np.allclose(projected, hands.joints_2d, atol=0.02)
    assert hands.sides == ("right",) * 3


def test_energy_is_the_disagreement_in_parts_of_the_hand(hands):
    size = np.ptp(hands.keypoints, axis=1).max(-1)
    distance = np.linalg.norm(hands.keypoints - hands.joints_2d, axis=-1)
    expected = distance.mean(-1) / size
    assert np.allclose(hands.energy, expected, rtol=1e-3)
    far = (distance > 0.5 * size[:, None]) & (hands.confidence > 0.1)
    assert not far.any(), "no confidence in keypoints that the 3D hand contradicts"
    behind = torch.full((1, 21, 2), torch.nan)
    assert (disagreement(torch.rand(1, 21, 2), behind) == 10).all()


def test_a_left_hand_is_the_mirror_image_of_the_right_one_in_the_mirrored_photograph(checkpoint, photographs):
    mirrored = np.ascontiguousarray(photographs[:, :, ::-1])
    # One look: the pixels of a second one may differ by rounding, of which an untrained network makes much.
    left = look(mirrored, checkpoint=checkpoint, side="left", looks=1)
    right = look(photographs, checkpoint=checkpoint, looks=1)
    assert left.sides == ("left",) * 3
    assert np.allclose(left.joints * [-1, 1, 1], right.joints, atol=1e-5)
    assert np.allclose(photographs.shape[2] - 1 - left.keypoints[..., 0], right.keypoints[..., 0], atol=1e-3)


def test_pictures_do_not_depend_on_their_company(checkpoint, photographs, hands):
    wide = np.zeros((60, 200, 3), np.uint8)
    several = look([photographs[2], wide, photographs[0]], checkpoint=checkpoint)
    assert np.allclose(several.joints[[2, 0]], hands.joints[[0, 2]], atol=1e-4)
    many = look(np.repeat(photographs[:1], 9, 0), checkpoint=checkpoint)
    assert np.allclose(many.joints, hands.joints[:1], atol=1e-4)


def test_known_cameras_are_used_and_given_back(checkpoint, photographs):
    middle = [(photographs.shape[2] - 1) / 2, (photographs.shape[1] - 1) / 2]
    near, far = (np.array([[[f, 0, middle[0]], [0, f, middle[1]], [0, 0, 1]]]).repeat(3, 0) for f in (150.0, 300.0))
    hands = [look(photographs, checkpoint=checkpoint, intrinsics=K, looks=1) for K in (near, far)]
    assert np.array_equal(hands[1].intrinsics, far.astype(np.float32))
    assert np.allclose(hands[1].joints[:, 9, 2] / hands[0].joints[:, 9, 2], 2, rtol=0.1)
    relative = [hand.joints - hand.joints[:, 9:10] for hand in hands]
    assert np.allclose(relative[0], relative[1], atol=1e-5)
    # The same crop from another place of a larger picture: the hand is turned by the angle between the two rays.
    aside = near.copy()
    aside[:, 0, 2] -= 60
    turned = look(photographs, checkpoint=checkpoint, intrinsics=aside, looks=1)
    moved = turned.joints[:, 9, 0] - hands[0].joints[:, 9, 0]
    assert (moved > 0.05).all(), "the hand is where the camera sees it, to the right"
    lengths = [np.linalg.norm(hand.joints[:, 1:] - hand.joints[:, :1], axis=-1) for hand in (turned, hands[0])]
    assert np.allclose(*lengths, rtol=1e-3) and not np.allclose(
        turned.joints[:, 5] - turned.joints[:, 0], relative[0][:, 5] - relative[0][:, 0]
    )


def test_auto_keeps_the_side_of_which_the_network_is_surer(checkpoint, photographs):
    left, right, auto, mixed = (
        look(photographs, checkpoint=checkpoint, side=side)
        for side in ("left", "right", "auto", ["auto", "left", "right"])
    )
    network, pictures = find_network(checkpoint), list(photographs)
    doubts = [look_for_hands(network, pictures, torch.full((3,), is_left)).doubt for is_left in (True, False)]
    surer = doubts[0] < doubts[1]
    assert auto.sides == tuple("left" if is_left else "right" for is_left in surer.tolist())
    expected = np.where(surer[:, None, None], left.joints, right.joints)
    assert np.array_equal(auto.joints, expected)
    assert mixed.sides == (auto.sides[0], "left", "right")


@torch.no_grad()
def test_the_second_look_is_at_what_the_first_one_saw(checkpoint, photographs):
    network, right = find_network(checkpoint), torch.zeros(1, dtype=torch.bool)
    picture = [photographs[0]]
    once = look_for_hands(network, picture, right, looks=1, views=AROUND)
    assert torch.equal(once.joints, look_at(network, picture, *whole_pictures(picture), right, views=AROUND).joints)
    first = look_at(network, picture, *whole_pictures(picture), right)
    again = look_at(network, picture, *boxes_around(first.keypoints_px, picture), right, views=AROUND)
    assert torch.equal(look_for_hands(network, picture, right, views=AROUND).joints, again.joints)


def test_boxes_neither_vanish_nor_outgrow_the_picture():
    picture = [np.zeros((100, 200, 3), np.uint8)]
    _, side = boxes_around(torch.full((1, 21, 2), 30.0), picture)
    assert side.item() > 2
    _, side = boxes_around(1e4 * torch.rand(1, 21, 2), picture)
    assert side.item() == 200


@pytest.mark.parametrize("kind", ["black", "white", "noise", "one pixel", "a strip"])
def test_pictures_without_a_hand_raise_nothing(checkpoint, kind):
    shape = {"one pixel": (1, 1, 3), "a strip": (2, 900, 3)}.get(kind, (50, 40, 3))
    noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    picture = {"black": np.zeros_like(noise), "white": np.full_like(noise, 255)}.get(kind, noise)
    hand = look(picture[None], checkpoint=checkpoint, side="auto")
    for name in ("joints", "vertices", "texture", "keypoints", "confidence", "energy", "intrinsics"):
        assert np.isfinite(getattr(hand, name)).all(), name


def test_networks_that_read_no_keypoints_say_where_their_joints_are(tmp_path, photographs):
    path = untrained(tmp_path / "paper.safetensors", rotation="axis_angle")
    hand = look(photographs[:1], checkpoint=path)
    assert np.allclose(hand.keypoints, hand.joints_2d, atol=1.0) and (hand.confidence > 0.99).all()


def test_another_file_of_the_same_name_is_another_network(tmp_path, photographs):
    path = untrained(tmp_path / "net.safetensors", image_keypoints=True)
    one = look(photographs[:1], checkpoint=path)
    assert find_network(path) is find_network(path)
    torch.manual_seed(8)
    save_network(
        path, S2HandNetwork(S2HandConfig(image_keypoints=True, texture=False, image_px=32), imagenet=False), {}
    )
    assert not np.allclose(look(photographs[:1], checkpoint=path).joints, one.joints)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"images": np.zeros((0, 8, 8, 3), np.uint8)}, "empty batch"),
        ({"images": np.full((1, 8, 8, 3), np.nan, np.float32)}, "finite values"),
        ({"side": "both"}, "'left', 'right' or 'auto'"),
        ({"looks": 0}, "at least once"),
        ({"settings": FitSettings()}, "give keypoints"),
        ({"intrinsics": np.zeros((2, 3, 3), np.float32)}, r"np.repeat\(K\[None\], 3, axis=0\)"),
        ({"intrinsics": np.full((3, 3, 3), np.nan)}, "must be positive"),
        ({"checkpoint": Path(__file__)}, "damaged, or not safetensors"),
        ({"checkpoint": "gone.safetensors"}, "gone.safetensors: no such file"),
    ],
)
def test_bad_input_is_named(checkpoint, photographs, arguments, reason):
    error = MissingFileError if "gone" in reason else BadInputError
    with pytest.raises(error, match=reason):
        look(**({"images": photographs, "checkpoint": checkpoint} | arguments))


def test_a_package_without_its_network_says_what_to_do(monkeypatch, tmp_path, photographs):
    monkeypatch.setattr(pretrained, "RELEASED", tmp_path / "s2hand.safetensors")
    released_network.cache_clear()
    for ask in (lambda: look(photographs), released_card):
        with pytest.raises(MissingFileError, match=r"s2hand\.\w+: .*install handlib again.*keypoints="):
            ask()
    released_network.cache_clear()


def photographed() -> tuple[list[np.ndarray], np.ndarray]:
    """The packaged photographs of left hands, and what a detector found in them."""
    stored = read_detections(PACKAGED_PHOTOS / "detections.json")
    paths = packaged_photos()
    return [read_image(path) for path in paths], np.stack([stored[path.name][0].keypoints_px for path in paths])


def distance_to(keypoints_px: np.ndarray, joints_2d: np.ndarray) -> np.ndarray:
    """Mean distance of each hand's joints, over the longer side of its box."""
    size = np.ptp(keypoints_px, axis=1).max(-1)
    return np.linalg.norm(joints_2d - keypoints_px, axis=-1).mean(-1) / size


@needs_released
def test_the_released_network_finds_the_photographed_hands():
    """Loosely: they are fists seen from the thumb's side, which its few photographs do not show, and it reads badly."""
    pictures, keypoints = photographed()
    hands = look(pictures, side="left")
    assert (distance_to(keypoints, hands.joints_2d) < 0.25).all()
    assert (hands.confidence.mean(1) > 0.3).all() and (hands.energy < 0.1).all()
    length = np.linalg.norm(hands.joints[:, 9] - hands.joints[:, 0], axis=-1)
    assert ((0.06 < length) & (length < 0.13)).all(), "wrist to middle knuckle, metres"


@needs_released
def test_the_released_network_lays_its_hand_on_detected_keypoints(monkeypatch):
    pictures, keypoints = photographed()
    found = [HandDetection(points, np.full(21, 0.9, np.float32), "left", 0.9) for points in keypoints]
    stored = iter(found)
    monkeypatch.setattr(detected, "find_hands", lambda picture, max_hands: [next(stored)])
    hands = handlib.reconstruct(pictures, side="left", detector=True)
    assert (distance_to(keypoints, hands.joints_2d) < 0.12).all()


@needs_released
def test_a_second_look_helps_where_the_hand_is_small():
    pictures, keypoints = photographed()
    # The hands fill about a half of the photographs: now a third.
    border = 160
    small = [np.pad(picture, ((border, border), (border, border), (0, 0)), mode="edge") for picture in pictures]
    once, twice = (look(small, side="left", looks=looks) for looks in (1, 2))
    errors = [distance_to(keypoints + border, hands.joints_2d).mean() for hands in (once, twice)]
    assert errors[1] < errors[0]


@needs_released
def test_the_released_network_is_not_sure_of_what_is_no_hand():
    black, noise = np.zeros((2, 200, 200, 3), np.uint8), np.random.default_rng(1).integers(0, 256, (2, 200, 200, 3))
    nothing = look(np.concatenate([black[:1], noise[:1].astype(np.uint8)]))
    pictures, _ = photographed()
    assert nothing.confidence.mean(1).max() < look(pictures, side="left").confidence.mean(1).min()


@needs_released
def test_the_card_names_what_matters():
    card = released_card().lower()
    assert all(word in card for word in ("licence", "data", "bad at"))
