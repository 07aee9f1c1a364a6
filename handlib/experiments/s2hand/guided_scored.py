"""The guided network on the pictures of the rows ``s2hand-released-*``, and with its eyes shut."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from handlib.errors import BadInputError, MissingExtraError, MissingFileError
from handlib.experiments.s2hand.guided import GuidedRecipe, train_guided
from handlib.experiments.s2hand.lifting import NETWORK
from handlib.experiments.s2hand.released import ReleasedRecipe, ScoredPictures, outcome_of, scored_pictures
from handlib.models.checkpoint_file import load_network
from handlib.models.guided import GuidedNetwork
from handlib.pretrained import RELEASED
from handlib.reconstruction.guided import look_guided
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import read_state

WAYS = ("guided", "blind")
_GREY, _BLOCK = 128, 32


@dataclass(frozen=True, kw_only=True)
class GuidedScoreRecipe(ReleasedRecipe):
    """The guided network, given a detector's keypoints.

    Attributes:
        way: "guided", or "blind": the same network with the same keypoints, but a grey picture, which it has
            never met: a check that it uses its eyes, not a measure of what they bring.
        guided: the network's training, of seed 0.
    """

    guided: GuidedRecipe


def score_guided(context: RunContext) -> Outcome:
    """The work of a :class:`GuidedScoreRecipe`: 3D as for the other rows, and how far the read keypoints are off."""
    recipe: GuidedScoreRecipe = context.recipe
    if recipe.way not in WAYS:
        raise BadInputError(f"way {recipe.way!r}: expected one of {WAYS}")
    try:
        pictures = scored_pictures(recipe.dataset, context)
        joints, read_px = look_at_pictures(context, recipe.guided, pictures, blind=recipe.way == "blind")
    except (MissingExtraError, MissingFileError) as error:
        return Outcome(not_obtained=str(error))
    outcome = outcome_of(joints, pictures, context)
    return Outcome({**outcome.metrics, **_flat_errors(read_px, pictures)})


def look_at_pictures(
    context: RunContext, recipe: GuidedRecipe, pictures: ScoredPictures, blind: bool = False
) -> tuple[Float[np.ndarray, "pictures 21 3"], Float[np.ndarray, "pictures 21 2"]]:
    """Joints (m, from the wrist) and keypoints (px) that the guided network says of pictures, or of grey ones.

    Raises:
        MissingFileError: the network was not trained, because no detector is installed.
    """
    guided = GuidedNetwork(load_network(RELEASED)[0])  # of the same layers; every weight is the file's
    guided.load_state_dict(read_state(context.left_by(recipe, train_guided, NETWORK, seed=0)))
    guided.eval()
    joints, read = [], []
    for rows in context.progress(range(0, len(pictures.rgb), _BLOCK), what="looking"):
        block = slice(rows, rows + _BLOCK)
        seen = [np.full_like(rgb, _GREY) if blind else rgb for rgb in pictures.rgb[block]]
        given = torch.from_numpy(pictures.keypoints[block]).float()
        K = None if pictures.K is None else torch.from_numpy(pictures.K[block]).float()
        found = look_guided(guided, seen, given[..., :2], given[..., 2], recipe.image_px, K)
        joints.append(found[0].double().numpy())
        read.append(found[1].numpy())
    return np.concatenate(joints), np.concatenate(read)


def _flat_errors(read_px: Float[np.ndarray, "pictures 21 2"], pictures: ScoredPictures) -> dict[str, Metric]:
    """How far (px of 224) the read and the detected keypoints are off, where the camera is known."""
    if pictures.K is None:
        return {}
    true_px = pictures.joints_m @ pictures.K.swapaxes(1, 2)
    true_px = true_px[..., :2] / true_px[..., 2:]
    to_224 = 224 / pictures.rgb.shape[2]
    return {
        name: Metric(to_224 * float(np.linalg.norm(points - true_px, axis=-1).mean()), "px")
        for name, points in (("read_2d", read_px), ("detected_2d", pictures.keypoints[..., :2]))
    }
