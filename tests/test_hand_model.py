"""What the hand layer promises: invariances, derivatives, a naive reference, and errors that name what is wrong."""

import copy
from multiprocessing.reduction import ForkingPickler

import jaxtyping
import numpy as np
import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handlib import HandModel
from handlib.errors import BadInputError
from handlib.hand.files import HandFile
from handlib.hand.lbs import chain_transforms
from handlib.hand.skinning import blend_and_move, skin_points
from handlib.hand.synthetic import random_hand_file
from handlib.skeleton import MODEL_PARENTS, MODEL_TO_21, TIPS

SMALL = random_hand_file(seed=5, num_vertices=40, num_faces=20, num_shape=3)


def small_model(**options) -> HandModel:
    """A model of 40 vertices in float64: enough for exact comparisons, quick enough for gradcheck."""
    return HandModel(SMALL, dtype=torch.float64, **options)


def random_inputs(model: HandModel, batch: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random arguments for one forward call."""
    generator = torch.Generator().manual_seed(seed)
    widths = {"pose": model.pose_width, "shape": model.num_shape, "global_orient": 3, "translation": 3}
    dtype = model.v_template.dtype
    return {k: torch.randn(batch, w, generator=generator, dtype=dtype) for k, w in widths.items()}


def naive_vertices(file: HandFile, rotvec: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SMPL Eqs. 2-10 one joint and one vertex at a time, with 4x4 matrices, for one hand: vertices and 16 joints."""
    rotations = roma.rotvec_to_rotmat(torch.tensor(rotvec)).numpy()
    shaped = file.v_template + file.shapedirs @ beta
    joints = file.J_regressor @ shaped
    corrected = shaped + file.posedirs @ (rotations[1:] - np.eye(3)).reshape(-1)
    world = []
    for j, parent in enumerate(MODEL_PARENTS):
        local = np.eye(4)
        local[:3, :3] = rotations[j]
        local[:3, 3] = joints[j] - (joints[parent] if parent >= 0 else 0)
        world.append(local if parent < 0 else world[parent] @ local)
    vertices = np.zeros_like(corrected)
    for v, point in enumerate(corrected):
        for j in range(16):
            moved = world[j] @ np.append(point - joints[j], 1)
            vertices[v] += file.weights[v, j] * moved[:3]
    return vertices, np.stack([g[:3, 3] for g in world])


def test_equals_a_naive_loop_over_joints_and_vertices():
    model = small_model()
    x = random_inputs(model)
    mesh = model(**x)
    for b in range(3):
        rotvec = torch.cat([x["global_orient"][b], x["pose"][b]]).reshape(16, 3).numpy()
        vertices, joints = naive_vertices(SMALL, rotvec, x["shape"][b].numpy())
        shift = x["translation"][b].numpy()
        np.testing.assert_allclose(mesh.vertices[b], vertices + shift, atol=1e-12)
        np.testing.assert_allclose(mesh.joints[b, list(MODEL_TO_21)], joints + shift, atol=1e-12)


@pytest.mark.parametrize("name", ["open", "generic"])
def test_packaged_hands(name: str):
    model = HandModel.load(name)
    mesh = model(torch.zeros(2, 45))
    assert mesh.vertices.shape == (2, model.num_vertices, 3) and mesh.joints.shape == (2, 21, 3)
    assert torch.equal(mesh.joints[:, list(TIPS)], mesh.vertices[:, model.tip_vertices])
    torch.testing.assert_close(mesh.vertices[0], model.v_template, atol=1e-6, rtol=0)
    # The rest frame that every other part of the project relies on: fingers along -x, thumb on the +z side.
    wrist, middle_tip, thumb_tip, little_tip = mesh.joints[0, [0, 12, 4, 20]]
    assert middle_tip[0] < wrist[0] - 0.1 and thumb_tip[2] > little_tip[2] + 0.05


def test_flexion_of_a_finger_is_a_positive_rotation_about_z():
    model = HandModel.load("open")
    pose = torch.zeros(1, 15, 3)
    pose[0, [0, 1, 2], 2] = 0.5
    bent = model(pose.flatten(1)).joints - model(torch.zeros(1, 45)).joints
    assert bent[0, 8, 1] < -0.02  # the index tip moves toward the palm, which faces -y
    assert bent[0, [4, 12, 16, 20]].abs().max() < 1e-6


def test_global_orient_turns_the_hand_about_its_wrist():
    model = small_model()
    x = random_inputs(model)
    turned, still = model(**x), model(x["pose"], x["shape"])
    rotation = roma.rotvec_to_rotmat(x["global_orient"])
    wrist = still.joints[:, :1]
    expected = (still.vertices - wrist) @ rotation.mT + wrist + x["translation"][:, None]
    torch.testing.assert_close(turned.vertices, expected)
    torch.testing.assert_close(turned.joints[:, :1], wrist + x["translation"][:, None])


@given(st.permutations(range(5)), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_each_hand_of_a_batch_is_on_its_own(order: list[int], seed: int):
    model = small_model()
    x = random_inputs(model, batch=5, seed=seed)
    mesh, shuffled = model(**x), model(**{k: v[order] for k, v in x.items()})
    torch.testing.assert_close(shuffled.vertices, mesh.vertices[order])
    alone = model(**{k: v[:1] for k, v in x.items()})
    torch.testing.assert_close(alone.joints, mesh.joints[:1])


@given(st.lists(st.floats(-3, 3), min_size=48, max_size=48))
@settings(max_examples=30, deadline=None)
def test_bones_keep_their_length_in_any_pose(numbers: list[float]):
    model = small_model()
    pose = torch.tensor([numbers], dtype=torch.float64)
    bones = [(MODEL_TO_21[p], MODEL_TO_21[j]) for j, p in enumerate(MODEL_PARENTS) if p >= 0]
    posed = model(pose[:, 3:], global_orient=pose[:, :3]).joints[0]
    rest = model(torch.zeros_like(pose[:, 3:])).joints[0]
    for a, b in bones:
        torch.testing.assert_close((posed[a] - posed[b]).norm(), (rest[a] - rest[b]).norm())


def test_pose_spaces_agree():
    pca = small_model(pose_space="pca", num_pca=9, flat_hand_mean=False)
    x = random_inputs(pca)
    axis_angle = pca.pose_to_axis_angle(x["pose"])
    expected = x["pose"].numpy() @ SMALL.hands_components[:9] + SMALL.hands_mean
    np.testing.assert_allclose(axis_angle, expected, atol=1e-12)
    flat = small_model(flat_hand_mean=True)
    mean = small_model(flat_hand_mean=False)
    torch.testing.assert_close(flat(axis_angle, x["shape"]).vertices, pca(x["pose"], x["shape"]).vertices)
    torch.testing.assert_close(mean(axis_angle - mean.pose_mean).vertices, flat(axis_angle).vertices)


@pytest.mark.parametrize("angle", [0.0, 1e-7, 0.5, float(np.pi)])
def test_gradcheck_at_every_kind_of_angle(angle: float):
    model = small_model()
    x = random_inputs(model, batch=1)
    axis = torch.nn.functional.normalize(x["pose"].view(15, 3), dim=1)
    x["pose"] = (axis * angle).view(1, 45)
    x["global_orient"] = torch.tensor([[0.0, angle, 0.0]], dtype=torch.float64)
    arguments = tuple(v.requires_grad_() for v in x.values())
    some = torch.randn(40 * 3 + 63, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def project(*a: torch.Tensor) -> torch.Tensor:
        mesh = model(*a)
        return torch.cat([mesh.vertices.flatten(1), mesh.joints.flatten(1)], dim=1) @ some

    assert torch.autograd.gradcheck(project, arguments)


def skinning_arguments(batch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points, motions and weights for five vertices and three joints."""
    generator = torch.Generator().manual_seed(0)
    shapes = (batch, 3, 5), (batch, 4, 3, 3), (3, 5)
    return tuple(torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)


@pytest.mark.parametrize("batch", [1, 63, 64, 65, 200])
def test_fast_skinning_equals_the_formula(batch: int):
    points, motions, weights = skinning_arguments(batch)
    points.requires_grad_()
    motions.requires_grad_()
    fast, plain = skin_points(points, motions, weights), blend_and_move(points, motions, weights).mT
    torch.testing.assert_close(fast, plain)
    pull = torch.randn_like(fast)
    for a, b in zip(*(torch.autograd.grad(o, (points, motions), pull) for o in (fast, plain)), strict=True):
        torch.testing.assert_close(a, b)


def test_fast_skinning_has_every_kind_of_derivative():
    points, motions, weights = skinning_arguments(2)
    inputs = (points.requires_grad_(), motions.requires_grad_())
    skin = lambda p, m: skin_points(p, m, weights)  # noqa: E731
    assert torch.autograd.gradcheck(skin, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(skin, inputs)
    backward, forward = (f(skin, argnums=1)(points, motions) for f in (torch.func.jacrev, torch.func.jacfwd))
    torch.testing.assert_close(backward, forward)


def test_jacobian_of_the_whole_layer_in_both_modes():
    model = small_model()
    x = random_inputs(model, batch=2)
    joints = lambda pose: model(pose, x["shape"]).joints  # noqa: E731
    model.validate = False  # a check that looks at numbers cannot run while torch.func only traces them
    torch.testing.assert_close(torch.func.jacrev(joints)(x["pose"]), torch.func.jacfwd(joints)(x["pose"]))


def test_vmap_needs_the_checks_of_numbers_off():
    model = small_model()
    x = random_inputs(model)
    one = lambda pose, shape: model(pose[None], shape[None]).vertices[0]  # noqa: E731
    with pytest.raises(RuntimeError, match="vmap"):
        torch.vmap(one)(x["pose"], x["shape"])
    model.validate = False
    torch.testing.assert_close(torch.vmap(one)(x["pose"], x["shape"]), model(x["pose"], x["shape"]).vertices)


def test_fixed_wrist_and_straight_chain():
    rotations = torch.eye(3).expand(2, 16, 3, 3)
    rest = torch.randn(2, 16, 3)
    world, posed = chain_transforms(rotations, rest)
    torch.testing.assert_close(posed, rest)
    torch.testing.assert_close(world, rotations)


def test_moves_to_another_dtype_and_stays_out_of_checkpoints():
    model = HandModel.load("open")
    assert not model.state_dict()  # nobody may pass on MANO's arrays inside a checkpoint
    double = model.double()(torch.zeros(1, 45, dtype=torch.float64))
    assert double.vertices.dtype == torch.float64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pose": torch.zeros(3, 44)}, r"pose has shape \(3, 44\), expected \(batch, 45\)"),
        ({"pose": torch.zeros(0, 45)}, "pose is an empty batch"),
        ({"pose": torch.full((3, 45), float("nan"))}, "pose holds NaN or infinity in 3 of 3 rows"),
        ({"shape": torch.zeros(2, 10)}, "shape has batch size 2, but pose has 3"),
        ({"shape": torch.zeros(3, 11)}, r"shape has shape \(3, 11\), expected \(batch, 10\)"),
        ({"shape": torch.full((3, 10), float("inf"))}, "shape holds NaN or infinity"),
        ({"global_orient": torch.zeros(1, 3)}, "global_orient has batch size 1"),
        ({"global_orient": torch.full((3, 3), float("nan"))}, "global_orient holds NaN"),
        ({"translation": torch.full((3, 3), float("nan"))}, "translation holds NaN"),
    ],
)
def test_bad_input_is_named(change: dict[str, torch.Tensor], message: str):
    model = HandModel.load("open")
    x = {"pose": torch.zeros(3, 45), "shape": torch.zeros(3, 10)} | change
    with pytest.raises(BadInputError, match=message):
        model(**x)


def test_another_dtype_is_named_and_half_precision_is_widened():
    model = HandModel.load("open")
    with pytest.raises(BadInputError, match=r"pose is torch.float64, but the model is torch.float32"):
        model(torch.zeros(1, 45, dtype=torch.float64))
    pose = torch.randn(2, 45).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mesh = model(pose, torch.randn(2, 10))
    assert mesh.vertices.dtype == torch.float32
    torch.testing.assert_close(model(pose).joints, model(pose.float()).joints)


def test_matrices_are_checked_like_vectors():
    model = HandModel.load("open")
    good = torch.eye(3).expand(2, 16, 3, 3)
    torch.testing.assert_close(model.from_rotations(good.half()).joints, model(torch.zeros(2, 45)).joints)
    for bad, message in (
        (good * torch.nan, "rotations holds NaN or infinity in 2 of 2 rows"),
        (good[:0], "rotations is an empty batch"),
        (good.double(), "rotations is torch.float64"),
    ):
        with pytest.raises(BadInputError, match=message):
            model.from_rotations(bad)


@pytest.mark.parametrize("value", [np.zeros((1, 45)), [[0.0] * 45]])
def test_what_is_no_tensor_is_named(value: object, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users have no type checker either
    with pytest.raises(BadInputError, match=f"pose is a {type(value).__name__}, expected a tensor"):
        HandModel.load("open")(value)


def test_copies_pickles_and_odd_memory_give_the_same_hand():
    model = HandModel.load("open", side="left", pose_space="pca", num_pca=6)
    pose = torch.randn(3, 6)
    expected = model(pose)
    # A data loader's worker processes get their model this way.
    sent = ForkingPickler.loads(ForkingPickler.dumps(model))
    for other in (copy.deepcopy(model), sent):
        assert other.side == "left" and torch.equal(other(pose).vertices, expected.vertices)
    assert torch.equal(model(pose.T.contiguous().T).joints, expected.joints)


def test_bad_row_is_counted():
    pose = torch.zeros(9, 45)
    pose[4, 7] = float("nan")
    with pytest.raises(BadInputError, match=r"in 1 of 9 rows \(first: 4\)"):
        HandModel.load("open")(pose)


def test_huge_but_finite_numbers_are_not_called_nan():
    model = HandModel.load("open")
    huge = torch.full((2, 3), 3e38)
    model.check_input("translation", huge, 3, 2)
    assert torch.isfinite(huge).all() and not torch.isfinite(huge.sum())


def test_bad_options_are_named(random_hand):
    with pytest.raises(BadInputError, match="num_pca is 46, expected 1 to 45"):
        HandModel(random_hand, pose_space="pca", num_pca=46)
    from dataclasses import replace

    with pytest.raises(BadInputError, match="no pose space"):
        HandModel(replace(random_hand, hands_components=None), pose_space="pca")


def test_a_hand_without_shape_space():
    file = random_hand_file(seed=2, num_vertices=30, num_faces=5, num_shape=0)
    model = HandModel(file)
    assert model.num_shape == 0
    mesh = model(torch.zeros(2, 45), torch.zeros(2, 0))
    torch.testing.assert_close(mesh.vertices[1], model.v_template, atol=1e-6, rtol=0)


@pytest.mark.parametrize("source", ["open", "generic"])
def test_joints_alone_are_those_of_the_mesh(source):
    model = HandModel.load(source, dtype=torch.float64)
    draw = torch.Generator().manual_seed(4)
    pose, shape, orient = (
        torch.randn(5, width, generator=draw, dtype=torch.float64) for width in (45, model.num_shape, 3)
    )
    assert torch.allclose(model.joints(pose, shape, orient), model(pose, shape, orient).joints, atol=1e-12)
    assert torch.allclose(model.joints(pose), model(pose).joints, atol=1e-12)
