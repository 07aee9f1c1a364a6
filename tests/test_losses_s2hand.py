"""S2HAND's terms by name: which are active, what they ignore, that nothing turns into NaN, both sets of weights."""

import math
from dataclasses import fields, replace

import pytest
import torch
from pose_hands import anatomy, model

from handlib.camera import PerspectiveCamera
from handlib.errors import BadInputError
from handlib.losses.keypoints import joint_location_loss
from handlib.losses.photometric import pixel_loss, released_pixel_loss
from handlib.losses.regularisation import (
    axis_angle_limit_loss,
    euler_limit_loss,
    laplacian_matrix,
    scale_loss,
    shape_prior,
    squared_shape_prior,
    template_scale_m,
)
from handlib.losses.s2hand import (
    PAPER_IMAGE_PX,
    S2HAND_WEIGHTS,
    TERM_NAMES,
    branch_3d_loss,
    consistency_loss,
    effective_weights,
    keypoint_branch_loss,
    released_joint_weights,
    s2hand_terms,
    total_loss,
)
from handlib.render import render_mesh

PAPER, RELEASED = S2HAND_WEIGHTS["paper"], S2HAND_WEIGHTS["released"]
SIDE_PX = 32


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def all_inputs(batch: int = 2, seed: int = 0) -> dict:
    """Everything that the terms ask for, of random hands before a camera; ``pose_axis_angle`` is a leaf."""
    hand = model(dtype=torch.float32)
    pose = (0.4 * rand(batch, 45, seed=seed) - 0.2).requires_grad_()
    mesh = hand(pose, rand(batch, 10, seed=seed + 1) - 0.5, translation=torch.tensor([[0.08, 0.0, 0.6]] * batch))
    K = torch.tensor([[90.0, 0, 15.5], [0, 90.0, 15.5], [0, 0, 1]]).repeat(batch, 1, 1)
    camera = PerspectiveCamera(K)
    colours = rand(batch, hand.num_vertices, 3, seed=seed + 2) ** 4
    output = render_mesh(mesh.vertices, hand.faces, camera, SIDE_PX, colours=colours)
    return {
        "confidence": rand(batch, 21, seed=seed + 3),
        "keypoints_px": SIDE_PX * rand(batch, 21, 2, seed=seed + 4),
        "joints_2d_px": camera.project(mesh.joints),
        "estimated_px": SIDE_PX * rand(batch, 2, 21, 2, seed=seed + 5),
        "pixel_scale": PAPER_IMAGE_PX / SIDE_PX,
        "image": rand(batch, SIDE_PX, SIDE_PX, 3, seed=seed + 6),
        "rendered": output.rgb,
        "silhouette": output.silhouette,
        "colours": colours,
        "shape": rand(batch, 10, seed=seed + 7),
        "joints": mesh.joints,
        "scale_target_m": template_scale_m(hand),
        "pose_axis_angle": pose,
        "anatomy": anatomy(dtype=torch.float32),
        "vertices": mesh.vertices,
        "laplacian": laplacian_matrix(hand.faces, hand.num_vertices),
    }


def test_the_weights_are_the_published_ones():
    # S2HAND(V), Sec. 4.3, multiplied out; the released configuration's own numbers.
    expected = {
        "location": (0.001, 1e-3),
        "orientation": (0.1, 0.1),
        "pixel": (0.005, 5e-3),
        "ssim": (0.001, 0.0),
        "mean_colour": (0.0, 1e-3),
        "shape": (0.01, 1e-2),
        "texture": (0.005, 5e-3),
        "scale": (100.0, 0.1),
        "joint_limits": (0.1, 0.1),
        "laplacian": (0.0, 0.1),
        "keypoints_2d": (0.001, 1e-3),
        "consistency": (0.0002, 2e-4),
    }
    assert tuple(expected) == TERM_NAMES
    for name, (paper, released) in expected.items():
        assert effective_weights(PAPER)[name] == pytest.approx(paper)
        assert effective_weights(RELEASED)[name] == pytest.approx(released)


def test_every_term_has_a_weight_of_its_name():
    groups = {"form", "branch_3d", "geometric", "photometric", "regularisation"}
    assert {field.name for field in fields(PAPER)} - groups == set(TERM_NAMES)


@pytest.mark.parametrize("name", S2HAND_WEIGHTS)
def test_all_terms_with_a_weight_are_there_and_reach_the_pose(name):
    weights, inputs = S2HAND_WEIGHTS[name], all_inputs()
    terms = s2hand_terms(weights, **inputs)
    assert set(terms) == {term for term, weight in effective_weights(weights).items() if weight}
    assert all(term.shape == (2,) and torch.isfinite(term).all() and (term >= 0).all() for term in terms.values())
    (gradient,) = torch.autograd.grad(total_loss(terms, weights).mean(), inputs["pose_axis_angle"])
    assert torch.isfinite(gradient).all() and gradient.abs().max() > 0


def test_terms_are_what_their_form_says():
    inputs = all_inputs()
    inputs["scale_target_m"] += 0.01
    paper, released = (s2hand_terms(weights, **inputs) for weights in (PAPER, RELEASED))
    confidence, pose, target_m = inputs["confidence"], inputs["pose_axis_angle"], inputs["scale_target_m"]
    projected, detected = (7 * inputs[key] for key in ("joints_2d_px", "keypoints_px"))
    last = 7 * inputs["estimated_px"][:, -1]
    assert inputs["pixel_scale"] == 7
    picture = [inputs[key] for key in ("image", "rendered", "silhouette")]
    hand = inputs["anatomy"]
    play = math.radians(5)
    for term, expected in {
        "location": joint_location_loss(projected, detected, confidence),
        "pixel": pixel_loss(*picture, confidence),
        "shape": shape_prior(inputs["shape"]),
        "scale": scale_loss(inputs["joints"], target_m, squared=True),
        "joint_limits": euler_limit_loss(hand.from_axis_angle(pose), hand.limits, play),
        "consistency": consistency_loss(projected, last),
    }.items():
        assert torch.allclose(paper[term], expected), term
    for term, expected in {
        "location": joint_location_loss(projected, detected, released_joint_weights(confidence)),
        "pixel": released_pixel_loss(*picture, confidence),
        "shape": squared_shape_prior(inputs["shape"]),
        "scale": scale_loss(inputs["joints"], target_m),
        "joint_limits": axis_angle_limit_loss(pose),
        "keypoints_2d": keypoint_branch_loss(
            7 * inputs["estimated_px"], detected, released_joint_weights(confidence, emphasis=False)
        ),
        "consistency": consistency_loss(projected, last),
    }.items():
        assert torch.allclose(released[term], expected), term


@pytest.mark.parametrize("name", TERM_NAMES)
@pytest.mark.parametrize("kind", S2HAND_WEIGHTS)
def test_a_weight_of_zero_leaves_its_term_out_and_no_other(name, kind):
    inputs, weights = all_inputs(), S2HAND_WEIGHTS[kind]
    full, without = (s2hand_terms(w, **inputs) for w in (weights, replace(weights, **{name: 0.0})))
    assert set(full) - {name} == set(without)
    gone = effective_weights(weights)[name] * full[name] if name in full else 0.0
    total = total_loss(full, weights)
    assert torch.allclose(total - gone, total_loss(without, replace(weights, **{name: 0.0})), rtol=1e-4)


def test_a_group_of_weight_zero_is_left_out_whole():
    terms = s2hand_terms(replace(PAPER, regularisation=0.0, photometric=0.0), **all_inputs())
    assert set(terms) == {"location", "orientation", "keypoints_2d", "consistency"}


def test_what_is_not_given_is_not_active():
    inputs = all_inputs()
    both = {"confidence", "keypoints_px", "pixel_scale"}
    branch_2d = {key: inputs[key] for key in both | {"estimated_px"}}
    assert set(s2hand_terms(PAPER, **branch_2d)) == {"keypoints_2d"}
    branch_3d = {key: inputs[key] for key in both | {"joints_2d_px"}}
    assert set(s2hand_terms(PAPER, **branch_3d)) == {"location", "orientation"}
    terms = s2hand_terms(PAPER, **branch_3d, image=inputs["image"])
    assert torch.allclose(total_loss(terms, PAPER), branch_3d_loss(terms, PAPER))


def test_the_same_hand_on_a_larger_picture_costs_the_same():
    inputs = all_inputs()
    px = ("keypoints_px", "joints_2d_px", "estimated_px")
    geometry = {key: inputs[key] for key in ("confidence", "pixel_scale", *px)}
    larger = {**geometry, "pixel_scale": geometry["pixel_scale"] / 3, **{key: 3 * geometry[key] for key in px}}
    for weights in S2HAND_WEIGHTS.values():
        small, large = (total_loss(s2hand_terms(weights, **kw), weights) for kw in (geometry, larger))
        assert torch.allclose(small, large, rtol=1e-5)


@pytest.mark.parametrize("name", S2HAND_WEIGHTS)
def test_missing_keypoints_at_the_origin_count_for_nothing(name):
    weights, inputs = S2HAND_WEIGHTS[name], all_inputs()
    inputs["estimated_px"] = None
    inputs["confidence"][:, [4, 3, 20]] = 0.0
    inputs["keypoints_px"][:, [4, 3, 20]] = 0.0
    cost = total_loss(s2hand_terms(weights, **inputs), weights)
    inputs["keypoints_px"][:, [4, 3, 20]] = 25.0
    assert torch.allclose(cost, total_loss(s2hand_terms(weights, **inputs), weights))
    (gradient,) = torch.autograd.grad(cost.sum(), inputs["pose_axis_angle"])
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", S2HAND_WEIGHTS)
def test_nothing_detected_and_nothing_rendered_stays_finite(name):
    weights, inputs = S2HAND_WEIGHTS[name], all_inputs()
    inputs["confidence"] = torch.zeros(2, 21)
    inputs["keypoints_px"] = torch.zeros(2, 21, 2)
    for key in ("rendered", "silhouette"):
        inputs[key] = torch.zeros_like(inputs[key])
    terms = s2hand_terms(weights, **inputs)
    for term in ("location", "orientation", "pixel", "keypoints_2d"):
        assert torch.equal(terms[term], torch.zeros(2)), term
    (gradient,) = torch.autograd.grad(total_loss(terms, weights).sum(), inputs["pose_axis_angle"])
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", S2HAND_WEIGHTS)
def test_each_hand_is_by_itself(name):
    weights, inputs = S2HAND_WEIGHTS[name], all_inputs(batch=3)
    order = torch.tensor([2, 0, 1])
    shuffled = {
        key: value[order] if isinstance(value, torch.Tensor) and key != "laplacian" else value
        for key, value in inputs.items()
    }
    terms, moved = s2hand_terms(weights, **inputs), s2hand_terms(weights, **shuffled)
    for key in terms:
        assert torch.allclose(terms[key][order], moved[key], rtol=1e-4, atol=1e-7), key


def test_released_joint_weights_by_hand():
    confidence = torch.zeros(2, 21)
    confidence[0, [0, 4, 5]] = torch.tensor([1.0, 1.0, 0.5])
    # (2 * 1)^2, (1.5 * 1)^2 and 0.5^2 out of 6.5; without emphasis 1, 1 and 0.25 out of 2.25.
    assert released_joint_weights(confidence)[0, [0, 4, 5]].tolist() == pytest.approx(
        [21 * 4 / 6.5, 21 * 2.25 / 6.5, 21 * 0.25 / 6.5]
    )
    assert released_joint_weights(confidence, emphasis=False)[0, 5].item() == pytest.approx(21 * 0.25 / 2.25)
    assert released_joint_weights(confidence)[1].abs().sum() == 0


def test_released_location_does_not_shrink_with_the_confidence_and_the_papers_does():
    a, b, confidence = 30 * rand(2, 21, 2), 30 * rand(2, 21, 2, seed=1), rand(2, 21, seed=2)
    released = [joint_location_loss(a, b, released_joint_weights(c)) for c in (confidence, confidence / 2)]
    assert torch.allclose(*released)
    paper = [joint_location_loss(a, b, c) for c in (confidence, confidence / 2)]
    assert torch.allclose(paper[0], 2 * paper[1])


def test_both_branches_learn_from_their_disagreement():
    projected, estimated = (30 * rand(2, 21, 2, seed=s).double() for s in (0, 1))
    assert torch.autograd.gradcheck(consistency_loss, (projected.requires_grad_(), estimated.requires_grad_()))
    first, second = torch.autograd.grad(consistency_loss(projected, estimated).sum(), (projected, estimated))
    assert torch.allclose(first, -second) and first.abs().min() > 0
    assert consistency_loss(projected, projected).max() < 1e-12


def test_keypoint_branch_gradient():
    estimated = (30 * rand(2, 3, 21, 2).double()).requires_grad_()
    detected, confidence = 30 * rand(2, 21, 2, seed=1).double(), rand(2, 21, seed=2).double()
    assert torch.autograd.gradcheck(lambda e: keypoint_branch_loss(e, detected, confidence), estimated)


def test_bad_input_is_refused():
    inputs = all_inputs()
    with pytest.raises(BadInputError, match="photometric terms need all three"):
        s2hand_terms(PAPER, **{**inputs, "silhouette": None})
    with pytest.raises(BadInputError, match="anatomy"):
        s2hand_terms(PAPER, **{**inputs, "anatomy": None})
    with pytest.raises(BadInputError, match="nothing would be learnt"):
        total_loss({}, PAPER)
    with pytest.raises(BadInputError, match="locaton"):
        total_loss({"locaton": torch.ones(1)}, PAPER)


def test_the_released_form_needs_no_anatomy():
    terms = s2hand_terms(RELEASED, **{**all_inputs(), "anatomy": None})
    assert "joint_limits" in terms
