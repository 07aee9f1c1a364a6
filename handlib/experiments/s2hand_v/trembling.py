"""Where a network's hands tremble: in how they turn as a whole, or in how they bend.

ACC is one number for both. The quaternion loss averages over sixteen rotations of which one turns the whole hand, and
PA-MPJPE does not see that one at all: what a loss does to either part shows only when they are taken apart.
"""

from dataclasses import dataclass, field

import numpy as np
import roma
import torch
from jaxtyping import Float

from handlib.experiments.s2hand_v.effort import effort_of
from handlib.experiments.s2hand_v.films import film_of_rows, labels
from handlib.experiments.s2hand_v.longer import LongerRecipe, train_longer
from handlib.experiments.s2hand_v.network import NETWORK, starting_network
from handlib.experiments.s2hand_v.recipes import FilmRecipe, VideoRecipe
from handlib.experiments.s2hand_v.scoring import FilmAnswers, Films, accelerations
from handlib.experiments.s2hand_v.training import film_answers, train_and_score
from handlib.metrics.temporal import mean_acceleration
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.reproduce.state import read_state


@dataclass(frozen=True, kw_only=True)
class TremblingRecipe(FilmRecipe):
    """Another look at a trained row's answers to the test films.

    Attributes:
        of: the row.
    """

    of: VideoRecipe
    columns: dict[str, str] = field(default_factory=dict)


def take_apart(row: VideoRecipe) -> TremblingRecipe:
    """The look at a row, by the row's name."""
    return TremblingRecipe(name=f"{row.name}-trembling", of=row, effort=row.effort)


def score_trembling(context: RunContext) -> Outcome:
    """The work of a :class:`TremblingRecipe`; the row is trained first if its weights are not here."""
    recipe: TremblingRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    work = train_longer if isinstance(recipe.of, LongerRecipe) else train_and_score
    network = starting_network(recipe.of.camera, context.seed)
    network.load_state_dict(read_state(context.left_by(recipe.of, work, NETWORK)))
    answers = film_answers(network.to(context.device).eval(), effort, "test")
    films, true_m = film_of_rows(effort, len(answers)), labels(effort, "test").joints_m
    error = Metric(orientation_error_deg(answers.joints_m, true_m), "deg")
    return Outcome({**trembling(answers, films), "orientation_error": error})


def trembling(answers: FilmAnswers, films: Films) -> dict[str, Metric]:
    """ACC of the answers, and of their two parts.

    ``turning``: each film's mean hand, turned as each frame's hand is. ``bending``: each frame's hand as its wrist sees
    it. As accelerations are lengths, the parts do not add up to the whole: two that have nothing to do with each other
    make the root of the sum of their squares.

    Args:
        answers: of whole films, in order, with rotations.
        films: which film each frame belongs to.
    """
    wrist = answers.rotations[:, 0]
    hands = answers.joints_m - answers.joints_m[:, :1]
    bent = np.einsum("fji,fkj->fki", wrist, hands)
    mean = np.stack([bent[films == film].mean(0) for film in np.unique(films)])
    turned = np.einsum("fij,fkj->fki", wrist, mean[np.unique(films, return_inverse=True)[1]])
    parts = {"acc": hands, "turning": turned, "bending": bent}
    return {
        name: metric
        for part, joints in parts.items()
        for name, metric in accelerations(part, mean_acceleration, joints, films=films).items()
    }


def orientation_error_deg(said_m: Float[np.ndarray, "frames 21 3"], true_m: Float[np.ndarray, "frames 21 3"]) -> float:
    """Median angle (degrees) by which the hands have to be turned to lie on the true ones as well as they can."""
    said, true = (torch.from_numpy(np.asarray(x - x[:, :1], np.float64)) for x in (said_m, true_m))
    rotation = roma.rigid_vectors_registration(said, true)
    return float(torch.rad2deg(roma.rotmat_to_rotvec(rotation).norm(dim=-1)).median())
