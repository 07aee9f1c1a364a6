"""Fitting recovers hands that it can know the answer for, from the right starts, and refuses nonsense."""

import pytest
import roma
import torch

from handlib.camera import PerspectiveCamera, WeakPerspectiveCamera
from handlib.errors import BadInputError
from handlib.fitting import FitSettings, PoseLibrary, fit_to_keypoints
from handlib.fitting.fit import assumed_camera, check_arguments
from handlib.fitting.pose_library import as_complex, fibonacci_sphere, look_from, signature
from handlib.fitting.problem import FitProblem
from handlib.hand import HandModel
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.pose_limits import angles_from_unconstrained, limit_violation
from handlib.metrics.alignment import procrustes_rigid


def small_library(model: HandModel, poses: int = 64, seed: int = 3) -> PoseLibrary:
    """Random poses within the limits: enough to start from, quick to build."""
    anatomy = AnatomicalPose(model)
    draw = torch.Generator().manual_seed(seed)
    angles = angles_from_unconstrained(0.6 * torch.randn(poses, 15, 3, generator=draw), anatomy.limits)
    return PoseLibrary.build(model, anatomy.to_axis_angle(angles), angles, num_views=64)


@pytest.fixture(scope="module")
def model() -> HandModel:
    return HandModel.load("open")


@pytest.fixture(scope="module")
def library(model) -> PoseLibrary:
    return small_library(model)


@pytest.fixture(scope="module")
def hands(model):
    """Six hands in known poses that are not in the library, before a known camera: joints (6, 21, 3) m and camera."""
    anatomy = AnatomicalPose(model)
    draw = torch.Generator().manual_seed(11)
    angles = angles_from_unconstrained(0.4 * torch.randn(6, 15, 3, generator=draw), anatomy.limits)
    mesh = model(anatomy.to_axis_angle(angles), None, 1.5 * torch.randn(6, 3, generator=draw))
    joints = mesh.joints + torch.tensor([0.02, -0.01, 0.5])
    camera = PerspectiveCamera(torch.tensor([[[600.0, 0, 112], [0, 600, 112], [0, 0, 1]]]))
    return joints, camera


def pa_mpjpe_mm(predicted: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    aligned = torch.as_tensor(procrustes_rigid(predicted.numpy(), true.numpy()))
    return (aligned - true).norm(dim=-1).mean(-1) * 1000


def test_perfect_keypoints_of_the_models_own_hand_are_explained(model, library, hands):
    joints, camera = hands
    fit = fit_to_keypoints(model, camera.project(joints), None, camera, library=library)
    error = pa_mpjpe_mm(fit.joints, joints)
    assert (fit.joints_2d_px - camera.project(joints)).norm(dim=-1).mean() < 1.5
    assert error.mean() < 10 and error.median() < 8
    rest = model(torch.zeros(6, 45)).joints
    assert error.mean() < 0.5 * pa_mpjpe_mm(rest, joints).mean()


def test_a_fit_stays_within_the_limits_of_a_living_hand(model, library, hands):
    joints, camera = hands
    noise = 15 * torch.randn(6, 21, 2, generator=torch.Generator().manual_seed(0))
    fit = fit_to_keypoints(model, camera.project(joints) + noise, None, camera, library=library)
    limits = AnatomicalPose(model).limits
    assert limit_violation(fit.angles, limits).max() < 1e-5


def test_the_returned_mesh_is_the_one_of_the_returned_parameters(model, library, hands):
    joints, camera = hands
    fit = fit_to_keypoints(model, camera.project(joints), None, camera, library=library, settings=FitSettings(steps=20))
    pose = AnatomicalPose(model).to_axis_angle(fit.angles)
    mesh = model(pose, fit.shape, fit.global_orient, fit.translation)
    assert torch.allclose(mesh.vertices, fit.vertices, atol=1e-5) and torch.allclose(mesh.joints, fit.joints, atol=1e-5)
    assert torch.equal(fit.energy, fit.start_energies.amin(1))
    kept = fit.start_joints[torch.arange(6), fit.start_energies.argmin(1)]
    assert torch.allclose(kept, fit.joints, atol=1e-5)


def test_hands_of_a_batch_do_not_touch_each_other(model, library, hands):
    joints, camera = hands
    keypoints, settings = camera.project(joints), FitSettings(steps=30, starts=2)
    together = fit_to_keypoints(model, keypoints, None, camera, library=library, settings=settings)
    alone = fit_to_keypoints(model, keypoints[2:3], None, camera, library=library, settings=settings)
    assert torch.allclose(together.joints[2:3], alone.joints, atol=2e-3)


def test_more_starts_never_leave_more_energy(model, library, hands):
    joints, camera = hands
    fits = [
        fit_to_keypoints(model, camera.project(joints), None, camera, library=library, settings=FitSettings(starts=n))
        for n in (2, 8)
    ]
    assert (fits[1].energy <= fits[0].energy + 1e-3).all()


def test_a_joint_without_confidence_may_be_anywhere(model, library, hands):
    joints, camera = hands
    keypoints = camera.project(joints)
    confidence = torch.ones(6, 21)
    confidence[:, 8] = 0
    wrong = keypoints.clone()
    wrong[:, 8] = 4000.0
    fits = [fit_to_keypoints(model, k, confidence, camera, library=library) for k in (keypoints, wrong)]
    assert torch.allclose(fits[0].energy, fits[1].energy, atol=0.05)


def test_scaling_the_picture_changes_nothing_in_three_dimensions(model, library, hands):
    joints, camera = hands
    keypoints = camera.project(joints)
    fits = [fit_to_keypoints(model, keypoints * s, None, library=library) for s in (1.0, 7.0)]
    assert torch.allclose(fits[0].joints, fits[1].joints, atol=2e-3)


def test_an_unknown_camera_is_assumed_at_arms_length(hands):
    joints, camera = hands
    keypoints = camera.project(joints)
    assumed = assumed_camera(keypoints, torch.ones(6, 21))
    size = (keypoints.amax(1) - keypoints.amin(1)).amax(-1)
    assert torch.allclose(assumed.K[:, 0, 0], 2.8 * size)


def test_the_library_finds_its_own_entries_and_their_turn(model, library):
    about_axis = roma.rotvec_to_rotmat(torch.tensor([[0.0, 0.0, 0.7]])).expand(5, 3, 3)
    rotation = about_axis @ library.views[[3, 9, 20, 41, 63]]
    joints = torch.einsum("bij,bkj->bki", rotation, library.joints_m[[0, 5, 9, 30, 63]])
    poses, found = library.nearest(joints[..., :2] * 900 + 50, torch.ones(5, 21), starts=4)
    exact = (poses == torch.tensor([0, 5, 9, 30, 63])[:, None]).any(1)
    turns = (found - rotation[:, None]).abs().amax((-1, -2)).amin(1)
    assert exact.all() and turns.max() < 1e-3


def test_likeness_is_the_naive_procrustes_residual(library):
    draw = torch.Generator().manual_seed(5)
    points = torch.randn(21, 2, generator=draw)
    wanted, entry = as_complex(points - points.mean(0)), library.signatures[17]
    best = (entry.conj() * wanted).sum()  # the turn and size that bring the entry onto the points
    residual = (wanted - best * entry).abs().square().sum() / wanted.abs().square().sum()
    likeness = (signature(points[None])[0].conj() * entry).sum().abs()
    assert torch.isclose(residual, 1 - likeness.square(), atol=1e-5)


def test_views_are_rotations_spread_over_the_sphere():
    directions = fibonacci_sphere(200)
    views = look_from(directions)
    assert torch.allclose(views @ views.mT, torch.eye(3).double().expand(200, 3, 3))
    assert torch.allclose(torch.linalg.det(views), torch.ones(200).double())
    assert torch.allclose((views @ directions[..., None])[..., 0], torch.tensor([0.0, 0, 1]).double().expand(200, 3))
    nearest = (directions @ directions.T - 2 * torch.eye(200)).amax(1).arccos()
    assert nearest.min() > 0.12 and nearest.max() < 0.3


def test_bad_input_is_named(model, library):
    keypoints = torch.rand(2, 21, 2)
    with pytest.raises(BadInputError, match="empty batch"):
        fit_to_keypoints(model, keypoints[:0], library=library)
    broken = keypoints.clone()
    broken[1, 3, 0] = torch.nan
    with pytest.raises(BadInputError, match=r"hands \[1\]"):
        fit_to_keypoints(model, broken, library=library)
    with pytest.raises(BadInputError, match="fewer than 4 joints"):
        fit_to_keypoints(model, keypoints, torch.zeros(2, 21), library=library)
    with pytest.raises(BadInputError, match="starts and steps"):
        fit_to_keypoints(model, keypoints, library=library, settings=FitSettings(starts=0))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"keypoints_px": torch.zeros(2, 20, 2)}, r"shape \(2, 20, 2\) and confidence \(2, 21\)"),
        ({"confidence": torch.ones(3, 21)}, r"confidence \(3, 21\)"),
        ({"keypoints_px": torch.zeros(2, 21, 2, dtype=torch.float64)}, "float64.*one float type"),
        ({"confidence": torch.full((2, 21), 80.0)}, "runs from 80 to 80: expected 0..1"),
        ({"confidence": -torch.ones(2, 21)}, "runs from -1 to -1"),
        ({"confidence": torch.tensor([1.0, torch.nan])[:, None].expand(2, 21)}, r"not finite \(hands \[1\]\)"),
        ({"camera": PerspectiveCamera(torch.eye(3).expand(3, 3, 3))}, "batch of 3 PerspectiveCamera.*2 hands"),
        ({"camera": WeakPerspectiveCamera(torch.ones(1), torch.zeros(1, 2))}, "WeakPerspectiveCamera"),
        ({"settings": FitSettings(steps=0)}, "at least 1"),
    ],
)
def test_what_cannot_be_fitted_is_refused_before_it_is_tried(model, change, reason):
    good = {
        "model": model,
        "keypoints_px": torch.arange(84.0).reshape(2, 21, 2),
        "confidence": torch.ones(2, 21),
        "camera": PerspectiveCamera(torch.eye(3)[None]),
        "settings": FitSettings(),
    }
    check_arguments(**good)
    with pytest.raises(BadInputError, match=reason):
        check_arguments(**(good | change))


def test_more_starts_than_entries_are_refused(library, hands):
    joints, camera = hands
    with pytest.raises(BadInputError, match="1 to 4096"):
        library.nearest(camera.project(joints), torch.ones(len(joints), 21), 4097)


def test_the_shape_prior_keeps_hands_ordinary(model, library, hands):
    joints, camera = hands
    # A hand of other proportions than the model's: the middle finger drawn out.
    keypoints = camera.project(joints)
    keypoints[:, 10:13] += 0.6 * (keypoints[:, 10:13] - keypoints[:, 9:10])
    size = []
    for weight in (0.2, 20.0):
        settings = FitSettings(starts=2, steps=40, shape_weight=weight)
        size.append(fit_to_keypoints(model, keypoints, None, camera, library=library, settings=settings).shape.norm())
    assert size[1] < 0.5 * size[0]


def test_a_hand_that_comes_too_near_is_held_before_the_camera(model, library, hands):
    joints, camera = hands
    settings = FitSettings(starts=2)
    keypoints = camera.project(joints)
    problem = FitProblem.start(model, keypoints, torch.ones(len(joints), 21), camera, library, settings)
    with torch.no_grad():
        problem.first_depth.fill_(0.01)
    assert problem.joints()[..., 2].min().item() == pytest.approx(0.01)
    energy = problem.energy(settings).sum()
    gradients = torch.autograd.grad(energy, [problem.unconstrained, problem.turn, problem.place])
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_without_limits_fingers_bend_as_no_hand_does(model, library, hands):
    joints, camera = hands
    noisy = camera.project(joints) + 10 * torch.randn(6, 21, 2, generator=torch.Generator().manual_seed(1))
    limits = AnatomicalPose(model).limits
    free, held = (
        fit_to_keypoints(
            model, noisy, None, camera, library=library, settings=FitSettings(within_limits=within, coupling_weight=0.0)
        )
        for within in (False, True)
    )
    assert limit_violation(free.angles, limits).amax() > 0.2 > limit_violation(held.angles, limits).amax()
    assert (free.joints_2d_px - noisy).norm(dim=-1).mean() < (held.joints_2d_px - noisy).norm(dim=-1).mean()
