"""TASSN's estimator: sizes, what it depends on, and what reading backwards means."""

import pytest
import torch
from torch import nn

from handlib.camera import PerspectiveCamera
from handlib.errors import BadInputError
from handlib.hand import HandModel
from handlib.losses.tassn import gaussian_heatmaps, mesh_consistency_loss, pose_consistency_loss
from handlib.models.flow_net import FlowNetS, estimate_flow
from handlib.models.hourglass import StackedHourglass
from handlib.models.keypoint_placement import NEAREST_M, translation_from_keypoints
from handlib.models.mesh_gcn import MeshDecoder, PoseFromMesh
from handlib.models.mesh_hierarchy import mesh_hierarchy
from handlib.models.tassn import FeatureHead, TassnConfig, TassnEstimator, read_keypoints, stack_outputs

TINY = TassnConfig(image_px=32, channels=16, num_modules=1, depth=2)


@pytest.fixture(scope="module")
def hand() -> HandModel:
    return HandModel.load("open")


@pytest.fixture(scope="module")
def estimator(hand: HandModel) -> TassnEstimator:
    torch.manual_seed(0)
    return TassnEstimator(hand.faces, hand.num_vertices, TINY).eval()


def film(*order: int) -> torch.Tensor:
    """A clip (1, time, 32, 32, 3) of pictures of noise, the numbers of which are given."""
    pictures = torch.rand(1 + max(order), 32, 32, 3, generator=torch.Generator().manual_seed(1))
    return pictures[list(order)][None]


def test_papers_features_and_widths(hand: HandModel) -> None:
    assert FeatureHead(256, TassnConfig().map_px).num_features == 4096
    hierarchy = mesh_hierarchy(hand.faces, hand.num_vertices)
    mesh, pose = MeshDecoder(hierarchy, 4096), PoseFromMesh(hierarchy)
    assert [tuple(layer.weight.shape) for block in (mesh.middle, mesh.fine) for layer in block.layers] == [
        (3, 64, 64), (3, 64, 32), (3, 32, 32), (3, 32, 3)
    ]  # fmt: skip
    assert [tuple(layer.weight.shape) for block in (pose.fine, pose.middle) for layer in block.layers] == [
        (3, 3, 32), (3, 32, 32), (3, 32, 64), (3, 64, 64)
    ]  # fmt: skip
    assert (mesh.dense[0].in_features, mesh.dense[0].out_features) == (4096, 512)
    assert mesh.dense[2].out_features == 64 * hierarchy.num_nodes(4)
    # What follows from the mesh is not saved.
    assert all("layers" in name or "norms" in name or "dense" in name for name in mesh.state_dict())


def test_graph_block_keeps_fake_nodes_at_zero_and_deaf(hand: HandModel) -> None:
    torch.manual_seed(0)
    block = PoseFromMesh(mesh_hierarchy(hand.faces, hand.num_vertices)).fine
    nodes = torch.randn(2, len(block.real), 3) * block.real[:, None]
    out = block(nodes)
    assert not out[:, ~block.real].any()
    noisy = nodes.masked_fill(~block.real[:, None], 50.0)
    torch.testing.assert_close(block(noisy), out)


def test_estimate_has_the_shapes_that_it_says(estimator: TassnEstimator, hand: HandModel) -> None:
    forwards, backwards = estimator.read_both_ways(film(0, 1, 2))
    for estimate in (forwards, backwards):
        assert estimate.heatmaps.shape == (1, 3, 2, 21, 8, 8)
        assert estimate.flow.shape == (1, 3, 32, 32, 2)
        assert estimate.vertices.shape == (1, 3, hand.num_vertices, 3)
        assert estimate.joints.shape == (1, 3, 21, 3) and not estimate.joints[..., 0, :].any()
    assert not forwards.flow[:, 0].any() and not backwards.flow[:, -1].any()
    eight_bit = (255 * film(0, 1)).round().byte()
    assert estimator.read_clip(eight_bit).joints.shape == (1, 2, 21, 3)


def test_reading_backwards_is_the_same_module_on_the_reversed_pairs(estimator: TassnEstimator) -> None:
    clip = film(0, 1, 2)
    _, backwards = estimator.read_both_ways(clip)
    last = estimator(clip[:, 2], clip[:, 2], flow=torch.zeros(1, 32, 32, 2))
    middle = estimator(clip[:, 2], clip[:, 1], last.heatmaps[:, -1])
    torch.testing.assert_close(backwards.vertices[:, 2], last.vertices)
    torch.testing.assert_close(backwards.vertices[:, 1], middle.vertices)
    torch.testing.assert_close(backwards.flow[:, 1], middle.flow)


def test_known_flow_is_taken_as_it_is(estimator: TassnEstimator) -> None:
    clip = film(0, 1)
    there, back = estimate_flow(clip[:, 0], clip[:, 1]), estimate_flow(clip[:, 1], clip[:, 0])
    found = estimator.read_both_ways(clip, there[:, None], back[:, None])
    for known, estimated in zip(found, estimator.read_both_ways(clip), strict=True):
        torch.testing.assert_close(known.vertices, estimated.vertices)
    with pytest.raises(BadInputError, match="reversed_flow"):
        estimator.read_both_ways(clip, there[:, None])


def test_a_film_that_is_its_own_reverse_reads_the_same(estimator: TassnEstimator) -> None:
    forwards, backwards = estimator.read_both_ways(film(0, 1, 0))
    torch.testing.assert_close(backwards.vertices.flip(1), forwards.vertices)
    # In its middle frame both readings have seen the same, so that they agree; at its ends they have not.
    torch.testing.assert_close(backwards.joints[:, 1], forwards.joints[:, 1])
    assert float((backwards.joints[:, 0] - forwards.joints[:, 0]).abs().max()) > 1e-6


def test_an_estimator_that_sees_nothing_agrees_with_itself(hand: HandModel) -> None:
    torch.manual_seed(0)
    blind = TassnEstimator(hand.faces, hand.num_vertices, TINY)
    for layer in (blind.mesh.fine.layers[-1].weight, blind.pose.dense[-2].weight):
        nn.init.zeros_(layer)
    forwards, backwards = blind.read_both_ways(film(0, 1, 2))
    assert not pose_consistency_loss(forwards.joints, backwards.joints).any()
    assert not mesh_consistency_loss(forwards.vertices, backwards.vertices).any()


def test_all_three_inputs_count(estimator: TassnEstimator) -> None:
    before, frame = film(0, 1)[0].split(1)
    flow = torch.zeros(1, 32, 32, 2)
    plain = estimator(before, frame, flow=flow).joints
    heatmaps = gaussian_heatmaps(torch.full((1, 21, 2), 12.0), 8, 32)
    for other in (
        estimator(before, before, flow=flow),
        estimator(before, frame, flow=flow + 5),
        estimator(before, frame, heatmaps, flow=flow),
    ):
        assert float((other.joints - plain).abs().max()) > 1e-6
    # The flow is all that is taken from the frame before.
    assert torch.equal(estimator(frame, frame, flow=flow).joints, plain)


def test_gradient_reaches_every_matrix(hand: HandModel) -> None:
    torch.manual_seed(0)
    network = TassnEstimator(hand.faces, hand.num_vertices, TINY, flow=FlowNetS((4, 8, 8)))
    for to_heatmaps in network.hourglass.heatmaps:
        # They begin empty: what multiplies them has no gradient before the first step.
        nn.init.normal_(to_heatmaps.weight, std=0.1)
    forwards, backwards = network.read_both_ways(film(0, 1))
    loss = pose_consistency_loss(forwards.joints, backwards.joints)
    loss = loss + mesh_consistency_loss(forwards.vertices, backwards.vertices)
    (loss.sum() + sum(estimate.heatmaps.square().mean() for estimate in (forwards, backwards))).backward()
    # A coarse prediction of flow reaches the finest one through the features: all are used.
    dead = [n for n, p in network.named_parameters() if p.grad is None or (p.ndim > 1 and not p.grad.any())]
    assert dead == []


def test_stack_outputs_are_the_hourglass_own_heatmaps() -> None:
    torch.manual_seed(0)
    hourglass = StackedHourglass(num_keypoints=3, num_modules=1, channels=16, depth=2).eval()
    pictures = torch.randn(1, 3, 32, 32)
    heatmaps, features = stack_outputs(hourglass, pictures)
    for found, expected in zip(heatmaps, hourglass(pictures), strict=True):
        torch.testing.assert_close(found, expected)
    assert [tuple(f.shape) for f in features] == [(1, 16, 8, 8)] * 2


def test_keypoints_are_read_from_heatmaps() -> None:
    keypoints = torch.tensor([[[20.0, 41.5], [33.3, 12.0]]])
    maps = gaussian_heatmaps(keypoints, 16, 64)
    noise = 0.05 * torch.randn(maps.shape, generator=torch.Generator().manual_seed(0))
    assert float((read_keypoints(maps, 64) - keypoints).abs().max()) < 0.1
    assert float((read_keypoints(maps + noise, 64) - keypoints).abs().max()) < 1  # a quarter of a cell
    torch.testing.assert_close(read_keypoints(torch.zeros(1, 1, 16, 16), 64), torch.full((1, 1, 2), 31.5))


def test_sizes_are_checked(estimator: TassnEstimator) -> None:
    with pytest.raises(BadInputError, match="image_px"):
        TassnConfig(image_px=48)
    with pytest.raises(BadInputError, match="16 x 16|32 x 32"):
        estimator(torch.zeros(1, 16, 16, 3), torch.zeros(1, 16, 16, 3))


def test_placement_finds_the_translation_of_a_projected_hand(hand: HandModel) -> None:
    joints = hand(torch.zeros(2, 45), torch.zeros(2, hand.num_shape)).joints.double()
    where = torch.tensor([[0.05, -0.02, 0.6], [-0.1, 0.0, 0.4]], dtype=torch.float64)
    K = torch.tensor([[[300.0, 0, 60], [0, 320.0, 70], [0, 0, 1]]], dtype=torch.float64).expand(2, 3, 3)
    pixels = PerspectiveCamera(K).project(joints + where[:, None])
    torch.testing.assert_close(translation_from_keypoints(joints, pixels, K), where)
    # A keypoint that is not trusted does not pull.
    pixels[:, 8] += 100
    confidence = torch.ones(2, 21, dtype=torch.float64)
    confidence[:, 8] = 0
    torch.testing.assert_close(translation_from_keypoints(joints, pixels, K, confidence), where)
    assert torch.autograd.gradcheck(lambda j: translation_from_keypoints(j, pixels, K), joints.requires_grad_())


def test_placement_keeps_a_collapsed_hand_before_the_camera() -> None:
    K = torch.tensor([[[300.0, 0, 60], [0, 300.0, 60], [0, 0, 1]]])
    pixels = torch.rand(1, 21, 2) * 100
    found = translation_from_keypoints(torch.zeros(1, 21, 3), pixels, K)
    assert float(found[0, 2]) == pytest.approx(NEAREST_M)
    with pytest.raises(BadInputError, match="fewer than two"):
        translation_from_keypoints(torch.zeros(1, 21, 3), pixels, K, torch.zeros(1, 21))
