"""``s2hand-own-hand-lifting``: a head that lifts to the very hand model whose joints the labels are.

The papers predict MANO, and what they are scored against are MANO's joints. Our other rows have it harder: they predict
the open hand, and the target domain shows another one, whose joints lie elsewhere (the root of the thumb by more than
two centimetres). Here the head is given the target's hand model, as the papers are given theirs: its skeleton and
shapes, none of its pictures, poses or labels. It learns as the package's head does, from hands without a picture and
from a real detector's mistakes, which were made on the open hand (:mod:`~handlib.experiments.s2hand.carried`).
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from handlib.data.target_domain import TARGET_HAND
from handlib.errors import MissingFileError
from handlib.experiments.s2hand.carried import carried_pairs
from handlib.experiments.s2hand.detected_lifting import Pairs, PairsTask, aligned_mm, pairs_objective
from handlib.experiments.s2hand.found_in_renderings import RenderingsRecipe
from handlib.experiments.s2hand.guided import HELD_OUT
from handlib.experiments.s2hand.lifting import CHAPTER, NETWORK
from handlib.experiments.training_report import log_curves, speed_of
from handlib.hand import HandModel
from handlib.hand.files import read_hand_file, write_mano_npz
from handlib.hand.pose_pca import fit_pose_pca
from handlib.hand.sampler import PoseSampler
from handlib.models.checkpoint_file import load_network, save_network
from handlib.models.s2hand import S2HandNetwork
from handlib.pretrained import RELEASED
from handlib.reconstruction.lifter import LIFTING_HEAD, released_lifter
from handlib.reproduce.digest import digest_files
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import Recipe, RunContext
from handlib.reproduce.results import Metric, Outcome
from handlib.training.lifting import step_generator
from handlib.training.loop import TrainSettings, fit_network

HAND = "hand_RIGHT.npz"


@dataclass(frozen=True, kw_only=True)
class OwnHandRecipe(Recipe):
    """The training of the head: the package's lifting head goes on with the target's hand model.

    Attributes:
        hand: the model that the head lifts to: the target's, or another one as a control.
        pictures: of the open hand, in which the detector has looked for hands.
        steps, learning_rate: of the training.
        pairs_per_step, hands_per_step: detected hands, and hands without a picture, in a step.
        hands: stock of hands without a picture.
        poses: of the hand's sampler, whose principal components the head predicts.
    """

    chapter: str = CHAPTER
    name: str = "s2hand-own-hand-lifting"
    dataset: str = "hands of the target's model, no pictures"
    hand: str = TARGET_HAND
    pictures: tuple[RenderingsRecipe, ...]
    steps: int = 3000
    pairs_per_step: int = 256
    hands_per_step: int = 256
    learning_rate: float = 1e-3
    hands: int = 400_000
    poses: int = 20_000

    def data_digest(self) -> str:
        """Digest of the package's network and lifting head, with which the training begins."""
        return digest_files(RELEASED.parent, [RELEASED, LIFTING_HEAD])


def train_own_hand(context: RunContext) -> Outcome:
    """The work of an :class:`OwnHandRecipe`: leaves the network, and the hand model with a pose space beside it."""
    recipe: OwnHandRecipe = context.recipe
    hand_file = context.artifact_path(HAND)
    write_hand(hand_file, recipe.hand, by_profile(context.profile, smoke=64, laptop=2000, full=recipe.poses))
    lifter = released_lifter()
    network = S2HandNetwork(replace(lifter.config, hand=str(hand_file)), imagenet=False)
    network.load_state_dict(lifter.state_dict())
    try:
        carried = [carried_pairs(context, pictures, recipe.hand) for pictures in recipe.pictures]
    except MissingFileError as error:
        return Outcome(not_obtained=str(error))
    known, new = (
        join([pairs[torch.from_numpy((rows % HELD_OUT == 0) == held_out)] for pairs, rows in carried])
        for held_out in (False, True)
    )
    if not len(known) or not len(new):
        return Outcome(not_obtained="the detector found too few hands in the rendered pictures; let it look at more")
    task = PairsTask(
        network,
        hands=by_profile(context.profile, smoke=64, laptop=20_000, full=recipe.hands),
        hands_per_step=by_profile(context.profile, smoke=8, laptop=128, full=recipe.hands_per_step),
        seed=context.seed,
    )
    settings = TrainSettings(
        by_profile(context.profile, smoke=2, laptop=200, full=recipe.steps),
        recipe.learning_rate,
        optimiser="adamw",
        weight_decay=1e-3,
        schedule="cosine",
        clip_norm=5.0,
    )

    def draw(step: int, rank: int, ranks: int) -> Pairs:
        rows = torch.randint(len(known), (recipe.pairs_per_step,), generator=step_generator(context.seed + 2, step))
        return known[rows[rank::ranks]]

    before = aligned_mm(network, new)
    log = fit_network(context, task, pairs_objective, draw, settings)
    save_network(context.artifact_path(NETWORK), network.eval(), {"recipe": recipe.name, "seed": context.seed})
    metrics = {
        "paired_before": Metric(before, "mm", "procrustes"),
        "paired_after": Metric(aligned_mm(network, new), "mm", "procrustes"),
        "hands": Metric(len(known), "1"),
        "hands_held_out": Metric(len(new), "1"),
    }
    return Outcome({**metrics, **speed_of(log)}, log_curves(log))


def join(parts: list[Pairs]) -> Pairs:
    """Pairs of several sources."""
    return Pairs(*(torch.cat(values) for values in zip(*(vars(part).values() for part in parts), strict=True)))


def own_hand_lifter(context: RunContext, recipe: OwnHandRecipe) -> S2HandNetwork:
    """What the training left, with the hand model that it left."""
    network, hand = (context.left_by(recipe, train_own_hand, name, seed=0) for name in (NETWORK, HAND))
    return load_network(network, hand)[0]


def write_hand(path: Path, source: str, poses: int) -> None:
    """Write a packaged hand with a pose space: all principal components of ``poses`` poses of its sampler.

    Raises:
        DiskFullError: no room.
    """
    sampler = PoseSampler(HandModel.load(source), seed=0)
    found = fit_pose_pca(sampler.anatomy.to_axis_angle(sampler.sample(poses)).double().numpy())
    hand = replace(read_hand_file(source), hands_mean=found.mean, hands_components=found.components)
    write_mano_npz(hand, path)
