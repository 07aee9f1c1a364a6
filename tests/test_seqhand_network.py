"""SeqHAND-Net and the encoders and memories of its ablation: equations, sizes, memory, and what is frozen."""

from functools import cache

import numpy as np
import pytest
import roma
import torch
from torch import nn

from handlib.errors import BadInputError
from handlib.hand import HandModel
from handlib.hand.hand_code import HandCode, posed_joints, posed_mesh, project_weak_perspective, see_hand
from handlib.models.conv_lstm import FIRST_FORGET_BIAS, ConvLSTM, ConvLSTMState, update_cell
from handlib.models.film_encoders import make_encoder, normalise_films
from handlib.models.film_readouts import make_readout
from handlib.models.motion_filters import MotionBlock, shifted_differences
from handlib.models.resnet import I3D_FRAMES, I3D_STEM_FRAMES, ResNet, inflate_weights
from handlib.models.seqhand import FIRST_SCALE, SeqHandConfig, SeqHandNetwork
from handlib.skeleton import JOINT_NAMES, MODEL_JOINT_NAMES

# Table 2 of the paper, millions of parameters: encoder, memory, printed number, how near ours comes to it.
TABLE_2 = [
    ("resnet50", "none", 28.8, 0.002),
    ("resnet101", "none", 47.8, 0.002),
    ("i3d", "none", 31.5, 0.04),
    ("mfnet", "none", 41.7, 0.03),
    ("resnet50", "lstm", 39.3, 0.002),
    ("resnet50", "conv_lstm", 43.2, 0.007),
]


@cache
def hand() -> HandModel:
    return HandModel.load("open", pose_space="pca", num_pca=10, flat_hand_mean=False, dtype=torch.float64)


@cache
def network(memory: str = "conv_lstm") -> SeqHandNetwork:
    torch.manual_seed(0)
    built = SeqHandNetwork(SeqHandConfig.small(memory), imagenet=False)
    # Statistics of one batch, without which features vanish on their way through random filters.
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        built.encoder(torch.randn(4, 2, 3, 32, 32))
    built.eval()
    # The last layer begins almost at zero, which would hide what the layers before it do.
    nn.init.normal_(built.readout.last.weight, std=0.05)
    return built


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rodrigues(rotvec: np.ndarray) -> np.ndarray:
    angle = np.linalg.norm(rotvec)
    x, y, z = rotvec / angle
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def world_rotations(pose: torch.Tensor) -> list[np.ndarray]:
    """Of the 16 model joints, by following the chain."""
    local = [np.eye(3), *(rodrigues(r.numpy()) for r in hand().pose_to_axis_angle(pose)[0].reshape(15, 3))]
    world: list[np.ndarray] = []
    for joint, parent in enumerate(hand().parents):
        world.append(local[joint] if parent < 0 else world[parent] @ local[joint])
    return world


def rest(shape: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and model joints of a shape, unposed."""
    vertices = (hand().v_template + hand().shapedirs @ shape[0]).numpy()
    return vertices, hand().J_regressor.numpy() @ vertices


def chain(pose: torch.Tensor, shape: torch.Tensor) -> np.ndarray:
    """The model's 16 joints, posed, the wrist at the origin."""
    world, joints = world_rotations(pose), rest(shape)[1]
    placed: list[np.ndarray] = []
    for joint, parent in enumerate(hand().parents):
        placed.append(np.zeros(3) if parent < 0 else placed[parent] + world[parent] @ (joints[joint] - joints[parent]))
    return np.stack(placed)


def test_seqhand_equation_1_skinned_mesh():
    pose, shape = rand(1, 10), rand(1, 10, seed=1)
    world, placed = world_rotations(pose), chain(pose, shape)
    vertices, joints = rest(shape)
    local = roma.rotvec_to_rotmat(hand().pose_to_axis_angle(pose).reshape(15, 3)).numpy()
    vertices = vertices + hand().posedirs.numpy() @ (local - np.eye(3)).ravel()
    weights = hand().weights.numpy()
    expected = sum(weights[:, j, None] * ((vertices - joints[j]) @ turn.T + placed[j]) for j, turn in enumerate(world))
    mesh = posed_mesh(hand(), pose, shape)
    assert np.allclose(mesh.vertices[0].numpy(), expected, atol=1e-9)
    assert torch.allclose(mesh.joints, posed_joints(hand(), pose, shape), atol=1e-9)


def test_seqhand_equation_2_posed_joints():
    pose, shape = rand(1, 10, seed=2), rand(1, 10, seed=3)
    joints = posed_joints(hand(), pose, shape)[0].numpy()
    expected = chain(pose, shape)
    for row, name in enumerate(MODEL_JOINT_NAMES):
        assert np.allclose(joints[JOINT_NAMES.index(name)], expected[row], atol=1e-9), name


def test_seqhand_equation_3_projection_of_the_mesh():
    mesh = posed_mesh(hand(), rand(2, 10), rand(2, 10, seed=1))
    rotation, scale, translation = rand(2, 3, seed=4), torch.tensor([300.0, 500.0]).double(), 10 * rand(2, 2, seed=5)
    pixels = project_weak_perspective(mesh.vertices, rotation, scale, translation)
    for b in range(2):
        turned = mesh.vertices[b].numpy() @ rodrigues(rotation[b].numpy()).T
        assert np.allclose(pixels[b].numpy(), scale[b].item() * turned[:, :2] + translation[b].numpy(), atol=1e-9)


def test_seqhand_equation_4_projection_of_the_joints():
    code = HandCode(
        rand(2, 10), rand(2, 10, seed=1), torch.tensor([2.0, 3.0]).double(), rand(2, 2, seed=2), rand(2, 3, seed=3)
    )
    seen = see_hand(hand(), code, image_px=64)
    joints = posed_joints(hand(), code.pose, code.shape)
    pixels = project_weak_perspective(joints, code.rotation, 64 * code.scale, 31.5 + 64 * code.translation)
    assert torch.allclose(seen.joints_2d_px, pixels)
    # R turns the whole hand about its wrist, as the model's own global rotation does.
    turned = hand()(code.pose, code.shape, code.rotation).joints
    turned = turned - turned[:, :1]
    assert torch.allclose(seen.joints_m, turned, atol=1e-9)
    # The wrist is where the translation says, in widths from the middle of the picture.
    assert torch.allclose(seen.joints_2d_px[:, 0], 31.5 + 64 * code.translation, atol=1e-9)


def test_a_code_splits_into_what_it_was_made_of():
    numbers = rand(2, 3, 26)
    code = HandCode.split(numbers)
    assert torch.equal(code.numbers, numbers) and code.scale.shape == (2, 3) and code.shape.shape == (2, 3, 10)
    with pytest.raises(BadInputError, match="at least 16"):
        HandCode.split(numbers[..., :12])


def test_the_cell_does_what_its_gates_say():
    cell, low, high = (
        rand(1, 2, 3, 3),
        torch.full((1, 2, 3, 3), -50.0).double(),
        torch.full((1, 2, 3, 3), 50.0).double(),
    )
    candidate = rand(1, 2, 3, 3, seed=1)

    def step(write: torch.Tensor, forget: torch.Tensor, show: torch.Tensor) -> ConvLSTMState:
        return update_cell(torch.cat([write, forget, show, candidate], dim=1), cell)

    # Closed to what comes, open to what was: the cell stays; the other way round: it is replaced.
    assert torch.allclose(step(low, high, high).cell, cell)
    assert torch.allclose(step(high, low, high).cell, candidate.tanh())
    assert torch.allclose(step(high, high, high).hidden, (cell + candidate.tanh()).tanh())
    assert step(high, high, low).hidden.abs().max() < 1e-12


def test_on_maps_of_one_cell_a_conv_lstm_is_torchs_lstm():
    layer, reference = ConvLSTM(5, 4).double(), nn.LSTM(5, 4, batch_first=True).double()
    # Torch orders its gates input, forget, candidate, output.
    order = [*range(0, 8), *range(12, 16), *range(8, 12)]
    with torch.no_grad():
        reference.weight_ih_l0.copy_(layer.from_input.weight[order, :, 1, 1])
        reference.weight_hh_l0.copy_(layer.from_hidden.weight[order, :, 1, 1])
        reference.bias_ih_l0.copy_(layer.from_input.bias[order])
        reference.bias_hh_l0.zero_()
    film = rand(2, 6, 5, 1, 1)
    shown, state = layer(film)
    expected, (hidden, cell) = reference(film[..., 0, 0])
    assert torch.allclose(shown[..., 0, 0], expected)
    assert torch.allclose(state.hidden[..., 0, 0], hidden[0]) and torch.allclose(state.cell[..., 0, 0], cell[0])


def test_a_memory_moves_with_what_it_remembers():
    """Shift all frames, and the memory shifts: the one thing that an LSTM cannot do."""
    layer, film = ConvLSTM(3, 4).double(), torch.zeros(1, 3, 3, 9, 9).double()
    film[..., 3:6, 3:6] = rand(1, 3, 3, 3, 3)
    one, other = layer(film)[0], layer(film.roll(1, dims=-1))[0]
    assert torch.allclose(one[..., 2:7, 2:6], other[..., 2:7, 3:7], atol=1e-6)
    assert (layer.from_input.bias[4:8] == FIRST_FORGET_BIAS).all() and layer.from_input.bias[:4].abs().max() == 0


def test_a_conv_lstm_has_right_gradients_and_refuses_an_even_kernel():
    layer = ConvLSTM(2, 2).double()
    film = rand(1, 2, 2, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: layer(x)[0], (film,))
    with pytest.raises(BadInputError, match="odd"):
        ConvLSTM(2, 2, kernel=4)


@pytest.mark.parametrize(("encoder", "memory", "printed", "tolerance"), TABLE_2)
def test_parameters_beside_table_2(encoder: str, memory: str, printed: float, tolerance: float):
    # On the meta device networks have shapes and no numbers.
    with torch.device("meta"):
        built = make_encoder(encoder)
        parts = nn.ModuleList([built, make_readout(memory, built.channels, 512, 26)])
    millions = sum(parameter.numel() for parameter in parts.parameters()) / 1e6
    assert millions == pytest.approx(printed, rel=tolerance)


def test_resnet_has_torchvisions_names_and_numbers():
    with torch.device("meta"):
        weights = ResNet().state_dict()
    # https://github.com/pytorch/vision: 25,557,032 parameters, of which the classifier has 2,049,000.
    learnt = sum(w.numel() for name, w in weights.items() if "running" not in name and "num_batches" not in name)
    assert learnt == 25_557_032 - 2_049_000
    assert {"conv1.weight", "layer1.0.downsample.0.weight", "layer4.2.bn3.running_var"} <= weights.keys()
    assert weights["layer3.5.conv2.weight"].shape == (256, 256, 3, 3)


def test_on_a_film_that_stands_still_the_inflated_network_is_the_picture_network():
    torch.manual_seed(0)
    blocks, frames = (1, 2, 1, 1), ((3,), (3, 1), (3,), (1,))
    picture, film = ResNet(blocks), ResNet(blocks, frames, I3D_STEM_FRAMES)
    for name, weight in picture.state_dict().items():
        if name.endswith(("bn3.weight", "running_mean")):
            nn.init.normal_(weight)
    inflate_weights(film, picture)
    picture.eval(), film.eval()
    still = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected, found = picture(still), film(still[:, :, None].expand(-1, -1, 4, -1, -1))
        moving = film(torch.randn(1, 3, 4, 32, 32))
    assert found.shape == (1, 2048, 4, 1, 1) and torch.isfinite(expected).all() and expected.std() > 0
    assert torch.allclose(found, expected[:, :, None].expand_as(found), rtol=1e-3, atol=1e-3 * float(expected.max()))
    assert (moving[:, :, 0] - moving[:, :, 3]).abs().max() > 1e-3 * expected.abs().max()
    assert [len(stage) for stage in I3D_FRAMES] == [3, 4, 6, 3]


def test_motion_leaves_nothing_in_the_map_of_its_own_shift():
    features = rand(1, 2, 3, 6, 6)
    features[:, 1] = features[:, 0].roll((1, -1), dims=(-2, -1))  # down by one, left by one
    by_shift = shifted_differences(features).unflatten(2, (9, 3))
    greatest = by_shift[0, 1, ..., 1:-1, 1:-1].abs().amax((1, 2, 3))
    # It came from above and from the right: row 0, column 2 of the nine.
    assert greatest[2] < 1e-12 and greatest.sort().values[1] > 0.1
    # The first frame has none before it.
    assert by_shift[0, 0, 4].abs().max() == 0


def test_motion_changes_what_a_block_says():
    block = MotionBlock(8).double().eval()
    film = rand(1, 3, 8, 4, 4)
    still = film[:, :1].expand(-1, 3, -1, -1, -1)
    assert torch.allclose(block(still)[:, 0], block(still)[:, 2])
    assert not torch.allclose(block(film)[:, 1], block(film[:, 1:2])[:, 0])


@pytest.mark.parametrize("memory", ["none", "lstm", "conv_lstm"])
def test_a_film_in_two_parts_is_the_whole_film(memory: str):
    film = torch.randn(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole, _ = network(memory)(film)
        first, state = network(memory)(film[:, :2])
        second, _ = network(memory)(film[:, 2:], state)
        forgotten, _ = network(memory)(film[:, 2:])
    joined = torch.cat([first.code.numbers, second.code.numbers], dim=1)
    assert torch.allclose(joined, whole.code.numbers, atol=1e-5)
    remembers = not torch.allclose(forgotten.code.numbers, second.code.numbers, atol=1e-5)
    assert remembers == (memory != "none")


def test_what_the_network_gives():
    film = torch.randn(2, 3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        prediction, _ = network()(film)
        still, _ = network()(film[:, :1])
    assert prediction.code.numbers.shape == (2, 3, 26) and (prediction.code.scale > 0).all()
    assert prediction.seen.vertices_m.shape == (2, 3, 778, 3) and prediction.seen.joints_2d_px.shape == (2, 3, 21, 2)
    assert len(prediction.seen.camera) == 6
    # A still is a film of one frame: the first frame knows nothing of those after it.
    assert torch.allclose(still.code.numbers, prediction.code.numbers[:, :1], atol=1e-5)
    zeros = network().code_of(torch.zeros(1, 1, 26))
    assert zeros.scale.item() == pytest.approx(FIRST_SCALE) and zeros.pose.abs().max() == 0


def test_a_frozen_memory_stays_while_the_rest_learns():
    torch.manual_seed(0)
    learner = SeqHandNetwork(SeqHandConfig(encoder="efficientnet_lite0", hidden=8), imagenet=False)
    learner.freeze_memory()
    before = {name: value.clone() for name, value in learner.named_parameters()}
    optimizer = torch.optim.SGD([p for p in learner.parameters() if p.requires_grad], lr=0.1)
    learner(torch.randn(2, 1, 3, 32, 32))[0].code.numbers.square().sum().backward()
    optimizer.step()
    changed = {name.rpartition(".")[0] for name, value in learner.named_parameters() if not value.equal(before[name])}
    assert not any(name.startswith("readout.memory") for name in changed)
    assert {"encoder.network.stem.0", "readout.layers.0", "readout.last"} <= changed
    learner.freeze_memory(False)
    assert all(parameter.requires_grad for parameter in learner.parameters())
    with pytest.raises(BadInputError, match="no memory"):
        network("none").freeze_memory()


def test_a_checkpoint_holds_no_hand():
    names = network().state_dict().keys()
    assert names and not any(name.startswith("hand.") for name in names)


def test_unknown_parts_and_wrong_pictures_are_refused():
    for config in (SeqHandConfig(encoder="vgg"), SeqHandConfig.small("gru"), SeqHandConfig(num_shape=3)):
        with pytest.raises(BadInputError):
            SeqHandNetwork(config, imagenet=False)
    for size in ((16, 16), (32, 64)):
        with pytest.raises(BadInputError, match="square"):
            network()(torch.zeros(1, 1, 3, *size))


def test_films_are_normalised_like_pictures():
    films = torch.randint(0, 256, (2, 3, 4, 4, 3), dtype=torch.uint8)
    normal = normalise_films(films)
    assert normal.shape == (2, 3, 3, 4, 4)
    assert torch.equal(normal[1, 2, 0], (films[1, 2, ..., 0].float() - 127) / 128)
