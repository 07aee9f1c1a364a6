"""What trained networks are measured against, and further looks at trained ones."""

import numpy as np
from jaxtyping import Float

from handlib.errors import BadInputError
from handlib.experiments.seqhand.effort import Effort, effort_of
from handlib.experiments.seqhand.evaluation import Respond, network_responds, score_all, set_rows
from handlib.experiments.seqhand.films import film_labels
from handlib.experiments.seqhand.networks import new_network
from handlib.experiments.seqhand.recipes import BaselineRecipe, DerivedRecipe, FilmRecipe
from handlib.experiments.seqhand.scoring import Answers
from handlib.experiments.seqhand.training import load_network, shared_encoder
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Outcome

LOOKS = ("again", "shuffled", "held", "forgetful", "pieces")


def score_baseline(context: RunContext) -> Outcome:
    """The work of a :class:`BaselineRecipe`.

    Raises:
        BadInputError: a method of unknown name.
    """
    recipe: BaselineRecipe = context.recipe
    effort = effort_of(context.profile, recipe.effort)
    if recipe.method == "untrained":
        network = new_network(FilmRecipe(name=recipe.name), effort, context.seed, shared_encoder(context, effort))
        return Outcome(*score_all(network_responds(network.to(context.device), effort), effort))
    known = film_labels(effort, "train")
    every = (known.joints_m, known.joints_2d_px, known.code)
    if recipe.method == "mean":
        hand = tuple(part.mean(0) for part in every)
    elif recipe.method == "constant":
        hand = tuple(part[0] for part in every)
    else:
        raise BadInputError(f"method {recipe.method!r}: expected 'mean', 'constant' or 'untrained'")
    return Outcome(*score_all(one_hand_responds(hand, effort), effort))


def one_hand_responds(hand: tuple[Float[np.ndarray, "..."], ...], effort: Effort) -> Respond:
    """One hand (joints in m and px, code) for every frame."""

    def respond(name: str, hidden: float) -> Answers:
        count = set_rows(effort, name).size
        return Answers(*(np.repeat(part[None], count, axis=0) for part in hand))

    return respond


def score_derived(context: RunContext) -> Outcome:
    """The work of a :class:`DerivedRecipe`: load what ``of`` has trained, and look again.

    Raises:
        BadInputError: a look of unknown name.
    """
    recipe: DerivedRecipe = context.recipe
    if recipe.look not in LOOKS:
        raise BadInputError(f"look {recipe.look!r}: expected one of {', '.join(LOOKS)}")
    effort = effort_of(context.profile, recipe.effort)
    network = load_network(context, recipe.of, effort)
    plain = network_responds(network, effort, {"forgetful": 1, "pieces": effort.frames}.get(recipe.look))

    def respond(name: str, hidden: float) -> Answers:
        rows = set_rows(effort, name)
        return plain(name, hidden).take(changed_rows(rows, recipe.look).ravel())

    return Outcome(*score_all(respond, effort))


def changed_rows(rows: np.ndarray, look: str) -> np.ndarray:
    """Whose answer each frame is given: that of another film, of its film's first frame, or its own."""
    if look == "shuffled":
        return np.roll(rows, 1, axis=0)
    return np.repeat(rows[:, :1], rows.shape[1], axis=1) if look == "held" else rows
