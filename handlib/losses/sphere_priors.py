"""What a hand of spheres may look like: bone lengths and collisions (Wan et al., CVPR 2019, Eq. 14-16), and the sum.

The pose prior of Eq. 13 is a network of its own, ``handlib.models.pose_vae``. All losses are one number a hand;
``form`` as in ``handlib.losses.depth_fitting``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from handlib.data.depth_views import CubeFrames
from handlib.hand.sphere_hand import BONE_PAIRS, COLLISION_PAIRS, SphereHand
from handlib.losses.depth_fitting import MM_PER_M, Form, data_terms, multi_view_loss

BONE_RANGE = (0.80, 1.05)
"""How far a bone may be from its usual length (released code)."""

COLLISION_DISTANCE_M = 6e-3
"""How near two centres may come in the released code, whatever their radii."""


def bone_lengths_m(
    centres_m: Float[Tensor, "*batch 41 3"], pairs: tuple[tuple[int, int], ...] = BONE_PAIRS
) -> Float[Tensor, "*batch bones"]:
    """Distances of the pairs of centres that a bone ties together (Eq. 15)."""
    first, second = (list(ends) for ends in zip(*pairs, strict=True))
    return torch.linalg.vector_norm(centres_m[..., first, :] - centres_m[..., second, :], dim=-1)


def bone_length_loss(
    centres_m: Float[Tensor, "*batch 41 3"],
    usual_m: Float[Tensor, "bones"],
    allowed: tuple[float, float] = BONE_RANGE,
    form: Form = "paper",
) -> Float[Tensor, "*batch"]:
    """L_bone length (Eq. 14): how far bones are too short or too long, mm^2, the mean over the 35 pairs.

    Args:
        centres_m: any frame, since only distances count.
        usual_m: the lengths that are usual, :attr:`handlib.hand.SphereHand.bone_lengths_m` for a sphere hand's own.
        allowed: shortest and longest, as shares of them.
        form: "paper": the squared excess of the length; "released": the excess of the squared length.
    """
    lengths = MM_PER_M * bone_lengths_m(centres_m)
    shortest, longest = (MM_PER_M * share * usual_m for share in allowed)
    if form == "released":
        excess = (lengths.square() - longest.square()).relu() + (shortest.square() - lengths.square()).relu()
    else:
        excess = (lengths - longest).relu().square() + (shortest - lengths).relu().square()
    return excess.mean(-1)


def collision_loss(
    centres_m: Float[Tensor, "*batch spheres 3"],
    radii_m: Float[Tensor, "spheres"],
    pairs: Int[Tensor, "pairs 2"] | None = None,
    form: Form = "paper",
) -> Float[Tensor, "*batch"]:
    """L_collision (Eq. 16): how deep spheres of different parts of the hand lie in one another, summed over pairs.

    Args:
        centres_m: any frame.
        radii_m: of the spheres; the released form does without.
        pairs: which spheres must not meet; None takes the released 690.
            :func:`handlib.hand.sphere_hand.collision_pairs` leaves out those that always do.
        form: "paper": ``max(r_j + r_k - d, 0)``, mm. (As printed the distance d is squared, which its unit forbids.)
            "released": ``max(6^2 - d^2, 0)``, mm^2, so that fingers may sink into each other almost to their axes.
    """
    if pairs is None:
        pairs = torch.tensor(COLLISION_PAIRS, device=centres_m.device)
    first, second = pairs.unbind(1)
    squares = (centres_m[..., first, :] - centres_m[..., second, :]).square().sum(-1)
    if form == "released":
        return MM_PER_M**2 * (COLLISION_DISTANCE_M**2 - squares).relu().sum(-1)
    # Two centres in one place have no direction in which to part: the floor keeps the gradient finite.
    distance = squares.clamp(min=1e-16).sqrt()
    return MM_PER_M * (radii_m[first] + radii_m[second] - distance).relu().sum(-1)


class FittingTerms(NamedTuple):
    """The six terms of Eq. 4, each (batch,)."""

    model_to_data: Float[Tensor, "batch"]
    data_to_model: Float[Tensor, "batch"]
    multi_view: Float[Tensor, "batch"]
    vae: Float[Tensor, "batch"]
    bone_length: Float[Tensor, "batch"]
    collision: Float[Tensor, "batch"]


@dataclass(frozen=True)
class FittingWeights:
    """The weights of Eq. 4, named as the terms, and the form of the terms that they belong to. The paper prints none.

    The defaults are those of the released code (https://github.com/melonwan/sphereHand, MIT) for terms as they are
    here: means over pixels, pairs of views and coordinates.
    """

    model_to_data: float = 9.0
    data_to_model: float = 4500.0
    multi_view: float = 1e-3
    vae: float = 1e-2
    bone_length: float = 1.0
    collision: float = 1.0
    form: Form = "released"


RELEASED_WEIGHTS = FittingWeights()
AUTHORS_LOG_WEIGHTS = replace(RELEASED_WEIGHTS, multi_view=1e-4)
"""As the log of the authors' own training says."""

RELEASED_WEIGHTS_PER_FRAME = replace(RELEASED_WEIGHTS, vae=0.75, collision=25.0)
"""What the released weights amount to for the mean over frames: there, collisions are summed over the 25 frames of a
batch and the prior's divergence over its 75 views, while all else is averaged. (Collisions and bone lengths are also
computed for the first of the three views only.)"""

BALANCED_WEIGHTS = FittingWeights(
    model_to_data=0.09, data_to_model=45.0, multi_view=0.05, vae=0.4, bone_length=0.01, collision=0.25
)
"""Ours, for terms that are means over frames: a hundredth of the released ones, so that synthetic crops beside the
frames keep their say (at the released size the data terms are, in the first steps of the chapter's stored runs, 420 to
510 times their loss, and the network forgets which finger is which), and in it some 50 times the prior and 5,000 times
the agreement of views, which otherwise weigh nothing. Chosen by the error on 300 training frames after 150 steps, among
seven sets of weights."""


def fitting_terms(
    centres_m: Float[Tensor, "batch views 41 3"],
    depth_m: Float[Tensor, "batch views size size"],
    spheres: SphereHand,
    frames: CubeFrames | None = None,
    *,
    pose_energy: Callable[[Tensor], Tensor] | None = None,
    usable: Bool[Tensor, "batch views"] | None = None,
    form: Form = "released",
) -> FittingTerms:
    """All six terms of what a network says of frames of several views.

    Args:
        centres_m: what it says of each view, in that view's cube.
        depth_m: the views' crops, metres.
        spheres: the hand whose radii and bone lengths are meant.
        frames: where the cubes are; None treats every view by itself (the paper's single view).
        pose_energy: (hands, 41, 3) to (hands,), such as ``partial(handlib.models.pose_vae.pose_energy, vae)`` of a
            frozen network; None goes without.
        usable: views to count (:func:`handlib.losses.depth_fitting.usable_crops`, and calibrated); None takes all. A
            frame without any costs nothing.
        form: of the terms.

    Returns:
        The terms of each frame: the data terms are means over pairs of views, the priors over views.
    """
    if usable is None:
        usable = torch.ones(centres_m.shape[:2], dtype=torch.bool, device=centres_m.device)
    radii, usual = spheres.radii_m.to(centres_m), spheres.bone_lengths_m.to(centres_m)
    model_to_data, data_to_model = data_terms(centres_m, radii, depth_m, frames, usable, form)
    nothing = torch.zeros_like(model_to_data)
    rows = usable.nonzero()[:, 0]
    said = centres_m[usable]

    def over_views(term: Tensor) -> Tensor:
        return nothing.index_add(0, rows, term) / usable.sum(1).clamp(min=1)

    return FittingTerms(
        model_to_data=model_to_data,
        data_to_model=data_to_model,
        multi_view=nothing if frames is None else multi_view_loss(centres_m, frames, usable),
        vae=nothing if pose_energy is None else over_views(pose_energy(said)),
        bone_length=over_views(bone_length_loss(said, usual, form=form)),
        collision=over_views(collision_loss(said, radii, form=form)),
    )


def fitting_objective(terms: FittingTerms, weights: FittingWeights = BALANCED_WEIGHTS) -> Float[Tensor, "batch"]:
    """The self-supervised loss of every frame (Eq. 4): the weighted sum of the six terms."""
    total = torch.zeros_like(terms.model_to_data)
    for name, term in terms._asdict().items():
        total = total + getattr(weights, name) * term
    return total
