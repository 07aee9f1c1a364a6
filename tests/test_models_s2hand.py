"""S2HAND's network: shapes, first values, geometry of the placement, independence of the batch, gradients."""

from dataclasses import fields, replace

import pytest
import roma
import torch
from torch import Tensor

from handlib.camera import PerspectiveCamera, WeakPerspectiveCamera
from handlib.errors import BadInputError
from handlib.models import GeometryCode, HandPrediction, S2HandConfig, S2HandNetwork, TextureHead
from handlib.models.heads import FIRST_DEPTH_M, FIRST_SCALE, rotation_from_code
from handlib.models.placement import ANCHOR, REFERENCE_LENGTH_M, anchor_from_apparent, assumed_intrinsics

SIZE = 64
CONFIGS = {
    "paper": S2HandConfig.paper(),
    "ours": S2HandConfig(),
    "keypoints": S2HandConfig(image_keypoints=True),
    "weak": S2HandConfig(camera="weak_perspective", texture=False),
}


@pytest.fixture(scope="module")
def networks(images: Tensor) -> dict[str, S2HandNetwork]:
    """One network a configuration, as if trained: last layers and statistics for which pictures make a difference."""
    torch.manual_seed(0)
    made = {name: S2HandNetwork(config, imagenet=False) for name, config in CONFIGS.items()}
    for network in made.values():
        for head in (network.geometry.heads.pose, network.geometry.heads.shape, network.geometry.heads.rotation):
            torch.nn.init.normal_(head[-1].weight, std=0.1)
        for module in network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = 1.0
        with torch.no_grad():
            network(images)
    return {name: network.eval() for name, network in made.items()}


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def random_code(placement: Tensor | None = None, batch: int = 3, dtype: torch.dtype = torch.float32) -> GeometryCode:
    generator = torch.Generator().manual_seed(2)
    normal = lambda *shape: torch.randn(*shape, generator=generator, dtype=dtype)  # noqa: E731
    apparent = normal(batch, 3) * 0.1 + torch.tensor([0.0, 0.0, -1.2], dtype=dtype)
    return GeometryCode(
        pose=0.3 * normal(batch, 30),
        shape=normal(batch, 10),
        scale=1 + 0.1 * normal(batch),
        rotation=roma.rotvec_to_rotmat(normal(batch, 3)),
        placement=apparent if placement is None else placement,
    )


def tensors(prediction: HandPrediction) -> dict[str, Tensor]:
    values = {f.name: getattr(prediction, f.name) for f in fields(prediction)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}


@pytest.mark.parametrize("name", CONFIGS)
def test_prediction_has_the_promised_shapes(networks: dict[str, S2HandNetwork], images: Tensor, name: str) -> None:
    with torch.no_grad():
        prediction = networks[name](images)
    vertices = networks[name].hand.num_vertices
    assert prediction.vertices.shape == (3, vertices, 3)
    assert prediction.joints.shape == (3, 21, 3) and prediction.joints_2d_px.shape == (3, 21, 2)
    assert prediction.rotations.shape == (3, 16, 3, 3)
    torch.testing.assert_close(prediction.rotations[:, 0], prediction.rotation)
    torch.testing.assert_close(prediction.joints[:, 0], prediction.translation)
    torch.testing.assert_close(prediction.camera.project(prediction.joints), prediction.joints_2d_px)
    assert (prediction.colours is not None) == (prediction.light is not None) == CONFIGS[name].texture
    assert (prediction.keypoints is not None) == CONFIGS[name].image_keypoints
    assert all(bool(torch.isfinite(value).all()) for value in tensors(prediction).values())


def test_papers_network_begins_where_the_released_one_does(images: Tensor) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        prediction = S2HandNetwork(S2HandConfig.paper(), imagenet=False).eval()(images)
    torch.testing.assert_close(prediction.scale, torch.full((3,), FIRST_SCALE), atol=0.05, rtol=0)
    start = torch.tensor([0.0, 0.0, FIRST_DEPTH_M]).expand(3, 3)
    torch.testing.assert_close(prediction.translation, start, atol=0.05, rtol=0)
    assert float(prediction.pose.abs().max()) < 0.1
    # MANO's root at axis-angle (pi, 0, 0), as in the released code.
    turned = torch.tensor([1.0, -1.0, -1.0]).diag().expand(3, 3, 3)
    torch.testing.assert_close(prediction.rotation, turned, atol=0.1, rtol=0)
    assert bool(((prediction.colours > 0) & (prediction.colours < 1)).all())


@pytest.mark.parametrize("name", ["ours", "keypoints"])
def test_no_hand_depends_on_the_others_of_its_batch(
    networks: dict[str, S2HandNetwork], images: Tensor, name: str
) -> None:
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        first, second = (tensors(networks[name](batch)) for batch in (images, images[order]))
    assert not torch.allclose(first["joints"][0], first["joints"][1], atol=1e-3)
    for key, value in first.items():
        torch.testing.assert_close(second[key], value[order], rtol=1e-3, atol=1e-4, msg=key)


@pytest.mark.parametrize("name", CONFIGS)
def test_gradient_reaches_every_parameter(images: Tensor, name: str) -> None:
    torch.manual_seed(0)
    network = S2HandNetwork(CONFIGS[name], imagenet=False).train()
    prediction = network(images)
    loss = prediction.joints_2d_px.square().mean() + prediction.vertices.square().sum()
    loss = loss + sum((prediction.__dict__[key].square().sum() for key in ("pose", "shape")), torch.zeros(()))
    if prediction.colours is not None:
        loss = loss + prediction.colours.sum() + (prediction.light * torch.arange(11.0)).sum()
    loss.backward()
    dead = [n for n, p in network.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert dead == []


def test_twice_the_focal_length_is_twice_the_distance_in_the_same_place(networks: dict[str, S2HandNetwork]) -> None:
    code, network = random_code(), networks["ours"]
    K = assumed_intrinsics(code.scale, SIZE)
    doubled = K * torch.tensor([[2.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 1.0, 1.0]])
    near, far = network.decode(code, SIZE, K), network.decode(code, SIZE, doubled)
    torch.testing.assert_close(far.joints[:, ANCHOR, 2], 2 * near.joints[:, ANCHOR, 2])
    torch.testing.assert_close(far.joints_2d_px[:, ANCHOR], near.joints_2d_px[:, ANCHOR])
    # The other joints differ by perspective only, which distance makes weaker.
    assert float((far.joints_2d_px - near.joints_2d_px).norm(dim=-1).max()) < 0.12 * SIZE
    torch.testing.assert_close(far.joints - far.joints[:, :1], near.joints - near.joints[:, :1], atol=1e-6, rtol=0)


def test_apparent_size_is_the_projected_reference_length() -> None:
    torch.manual_seed(0)
    centre, log_size, scale = 0.2 * torch.randn(4, 2), torch.randn(4) * 0.3 - 1, torch.rand(4) + 0.5
    K = assumed_intrinsics(scale, 100) + torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, -2.0], [0.0, 0.0, 0.0]])
    anchor = anchor_from_apparent(centre, log_size, scale, K, 100)
    across = anchor + scale[:, None] * torch.tensor([REFERENCE_LENGTH_M, 0.0, 0.0])
    seen = PerspectiveCamera(K).project(torch.stack([anchor, across], dim=1))
    torch.testing.assert_close(seen[:, 0], 49.5 + 100 * centre)
    torch.testing.assert_close((seen[:, 1] - seen[:, 0]).norm(dim=-1), 100 * log_size.exp())


def test_rotation_turns_about_the_wrist(networks: dict[str, S2HandNetwork]) -> None:
    metres = torch.tensor([0.1, -0.05, 0.6]).expand(3, 3)
    code, network = random_code(metres), networks["paper"]
    turn = roma.rotvec_to_rotmat(torch.tensor([0.3, -1.2, 2.0]))
    before, after = (network.decode(c, SIZE) for c in (code, replace(code, rotation=turn @ code.rotation)))
    torch.testing.assert_close(after.translation, metres)
    torch.testing.assert_close(after.joints - metres[:, None], (before.joints - metres[:, None]) @ turn.T)
    torch.testing.assert_close(after.vertices - metres[:, None], (before.vertices - metres[:, None]) @ turn.T)


def test_scale_is_of_the_whole_hand(networks: dict[str, S2HandNetwork]) -> None:
    metres = torch.tensor([0.0, 0.0, 0.6]).expand(3, 3)
    code, network = random_code(metres), networks["paper"]
    small, large = (network.decode(c, SIZE) for c in (code, replace(code, scale=1.5 * code.scale)))
    torch.testing.assert_close(large.vertices - metres[:, None], 1.5 * (small.vertices - metres[:, None]))


def test_weak_perspective_agrees_with_perspective_at_the_anchor(networks: dict[str, S2HandNetwork]) -> None:
    code = random_code()
    weak, perspective = networks["weak"].decode(code, SIZE), networks["ours"].decode(code, SIZE)
    assert isinstance(weak.camera, WeakPerspectiveCamera)
    torch.testing.assert_close(weak.joints, perspective.joints)
    torch.testing.assert_close(weak.joints_2d_px[:, ANCHOR], perspective.joints_2d_px[:, ANCHOR])
    px_per_m = code.placement[:, 2].exp() * SIZE / (code.scale * REFERENCE_LENGTH_M)
    torch.testing.assert_close(weak.camera.scale, px_per_m)
    assert not torch.allclose(weak.joints_2d_px, perspective.joints_2d_px, atol=0.1)


@pytest.mark.parametrize("width", [3, 6])
def test_rotation_codes_are_rotations_and_have_gradients(width: int) -> None:
    torch.manual_seed(0)
    code = torch.randn(2, width, dtype=torch.float64, requires_grad=True)
    matrices = rotation_from_code(code)
    torch.testing.assert_close(matrices @ matrices.mT, torch.eye(3, dtype=torch.float64).expand(2, 3, 3))
    torch.testing.assert_close(torch.linalg.det(matrices), torch.ones(2, dtype=torch.float64))
    assert torch.autograd.gradcheck(rotation_from_code, code)


def test_texture_head_pools_like_the_released_code_at_224_px() -> None:
    pools = [m for m in TextureHead(10).convolutions if isinstance(m, torch.nn.AdaptiveMaxPool2d)]
    cells = torch.randn(1, 2, 13, 13), torch.randn(1, 2, 4, 4)
    released = torch.nn.MaxPool2d(3, 2), torch.nn.MaxPool2d(2, 2)
    for ours, theirs, values in zip(pools, released, cells, strict=True):
        torch.testing.assert_close(ours(values), theirs(values))


def test_light_points_somewhere_and_the_smallest_picture_works(networks: dict[str, S2HandNetwork]) -> None:
    with torch.no_grad():
        prediction = networks["ours"](torch.randn(2, 3, 32, 32))
    torch.testing.assert_close(prediction.light[:, 8:].norm(dim=1), torch.ones(2))


def test_render_shows_the_hand_in_its_colours(networks: dict[str, S2HandNetwork], images: Tensor) -> None:
    network = networks["ours"]
    with torch.no_grad():
        prediction = network(images)
        picture = network.render(prediction, SIZE)
        dark = network.render(replace(prediction, light=0 * prediction.light), SIZE)
    assert picture.rgb.shape == (3, SIZE, SIZE, 3)
    assert float(picture.silhouette.sum()) > 50
    assert float(picture.rgb.max()) > 0.2 and float(dark.rgb.max()) == 0


def test_half_precision_decodes_in_full(networks: dict[str, S2HandNetwork], images: Tensor) -> None:
    network = networks["keypoints"]
    with torch.no_grad():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = network(images)
        code = GeometryCode(half.pose, half.shape, half.scale, half.rotation, torch.zeros(3, 3))
        full = network.decode(code, SIZE)
    values = tensors(half) | vars(half.keypoints)
    assert [name for name, value in values.items() if value.dtype != torch.float32] == []
    # The code is what half precision made of the picture; the hand is exactly the code's.
    relative = (hands.joints - hands.joints[:, :1] for hands in (half, full))
    torch.testing.assert_close(*relative, rtol=0, atol=1e-6)
    torch.testing.assert_close(half.rotation @ half.rotation.mT, torch.eye(3).expand(3, 3, 3), rtol=0, atol=1e-5)


def test_hand_is_no_part_of_the_weights(networks: dict[str, S2HandNetwork]) -> None:
    assert not [name for name in networks["ours"].state_dict() if name.startswith("hand")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rotation": "quaternion"}, "rotation is 'quaternion'"),
        ({"placement": "pixels"}, "placement is 'pixels'"),
        ({"num_shape": 9}, "num_shape is 9, but the hand 'open' has 10"),
        ({"hand": "generic"}, "no pose space"),
        ({"num_pose": 99}, "num_pca is 99"),
    ],
)
def test_impossible_configurations_are_named(change: dict[str, str | int], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        S2HandNetwork(replace(S2HandConfig(), **change), imagenet=False)


@pytest.mark.parametrize("shape", [(1, 3, 64, 32), (1, 3, 16, 16)])
def test_pictures_that_are_not_square_or_too_small_are_refused(
    networks: dict[str, S2HandNetwork], shape: tuple[int, ...]
) -> None:
    with pytest.raises(BadInputError, match="square pictures"):
        networks["ours"](torch.zeros(shape))


def test_one_camera_for_many_pictures_is_refused(networks: dict[str, S2HandNetwork], images: Tensor) -> None:
    with pytest.raises(BadInputError, match="1 cameras for 3 pictures; use K.expand"):
        networks["ours"](images, assumed_intrinsics(images[:1], SIZE))


def test_given_intrinsics_are_used(networks: dict[str, S2HandNetwork], images: Tensor) -> None:
    K = 1.5 * assumed_intrinsics(images, SIZE)
    K[:, 2, 2] = 1.0
    with torch.no_grad():
        given, assumed = networks["ours"](images, K), networks["ours"](images)
    torch.testing.assert_close(given.joints[:, ANCHOR, 2], 1.5 * assumed.joints[:, ANCHOR, 2])
    torch.testing.assert_close(given.camera.project(given.joints), given.joints_2d_px)


def test_keypoints_alone_are_lifted_and_a_network_without_readout_says_that_it_cannot(
    networks: dict[str, S2HandNetwork],
) -> None:
    from handlib.models.keypoint_readout import ReadKeypoints

    points = torch.rand(3, 21, 2) * 64
    lifted = networks["keypoints"].lift(ReadKeypoints(points, torch.full((3, 21), 0.9)), 64)
    assert lifted.joints.shape == (3, 21, 3) and lifted.joints_2d_px.isfinite().all()
    # What is lifted follows the keypoints through the frame: shifted keypoints are the same hand elsewhere.
    shifted = networks["keypoints"].lift(ReadKeypoints(points + 4.0, torch.full((3, 21), 0.9)), 64)
    assert not torch.allclose(shifted.translation, lifted.translation)
    with pytest.raises(BadInputError, match="image_keypoints"):
        networks["ours"].lift(ReadKeypoints(points, torch.ones(3, 21)), 64)
