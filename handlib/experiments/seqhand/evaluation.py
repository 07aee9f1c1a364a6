"""Everything that a row is scored on, and the scores: generated films, the target's films and stills, hidden hands."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int, Num

from handlib.experiments.seqhand.effort import Effort
from handlib.experiments.seqhand.encodings import (
    PictureSet,
    encoded,
    generated_pictures,
    target_film_pictures,
    target_still_pictures,
)
from handlib.experiments.seqhand.films import film_labels, film_rows
from handlib.experiments.seqhand.occlusion import COVERED, FRACTIONS, hidden_frames
from handlib.experiments.seqhand.scoring import (
    Answers,
    by_frame,
    predict,
    score_2d,
    score_3d,
    score_change,
    score_motion,
)
from handlib.experiments.seqhand.target import scoring_labels
from handlib.metrics.alignment import align_root
from handlib.metrics.errors import point_errors
from handlib.models.seqhand import SeqHandNetwork
from handlib.reproduce.results import Curve, Metric

TARGET_FRAMES_PER_SECOND = 30.0
SETS = ("films", "target_films", "target_stills")

Respond = Callable[[str, float], Answers]
"""From the name of a set and the fraction of the hand that is hidden in it to answers."""


def set_pictures(effort: Effort, name: str, hidden: float) -> PictureSet:
    """The frames of one of :data:`SETS`; in stills nothing is hidden."""
    if name == "films":
        return generated_pictures(effort, "test", hidden)
    return target_film_pictures(effort, hidden) if name == "target_films" else target_still_pictures(effort, "test")


@cache
def set_rows(effort: Effort, name: str) -> Int[np.ndarray, "films frames"]:
    """The rows of each film of one of :data:`SETS`."""
    sizes = {
        "films": (effort.test_films, effort.frames),
        "target_films": (effort.target_films, effort.target_frames),
        "target_stills": (effort.test_stills, 1),
    }
    return film_rows(*sizes[name])


@cache
def set_answers(effort: Effort, name: str) -> tuple[Float[np.ndarray, "rows 21 3"], Float[np.ndarray, "rows 21 2"]]:
    """The true joints of one of :data:`SETS`: from the wrist (m), and in the picture (px)."""
    if name == "films":
        known = film_labels(effort, "test")
        return known.joints_m, known.joints_2d_px
    known = scoring_labels(effort, name.removeprefix("target_"))
    return known.joints_m - known.joints_m[:, :1], np.array(known.joints_2d_px)


def network_responds(network: SeqHandNetwork, effort: Effort, piece: int | None = None) -> Respond:
    """A network, asked for its answers to a set; ``piece`` as :func:`~handlib.experiments.seqhand.scoring.predict`."""
    network, stages = network.eval(), effort.finetune_kept_stages
    device: torch.device = next(network.parameters()).device

    def respond(name: str, hidden: float) -> Answers:
        shown: Num[np.ndarray, rows * size] = encoded(
            set_pictures(effort, name, hidden), network.encoder if stages else None, stages, device
        )
        return predict(network, shown, set_rows(effort, name), effort.image_px, stages, piece)

    return respond


def score_all(respond: Respond, effort: Effort) -> tuple[dict[str, Metric], dict[str, Curve]]:
    """The scores of answers on every set, and the error of hidden hands against how much of them is hidden."""
    metrics: dict[str, Metric] = {}
    curves: dict[str, Curve] = {}
    for name in SETS:
        answers, (true_m, true_px) = respond(name, 0.0), set_answers(effort, name)
        films = len(set_rows(effort, name))
        _add(metrics, curves, score_3d(answers, true_m, "3d" if name == "films" else name))
        metrics |= score_2d(answers, true_px, effort.image_px, "2d" if name == "films" else f"2d_{name}")
        if name != "target_stills":
            curves[f"by_frame_{name}"] = by_frame(answers, true_m, films)
            hidden, covered = hidden_errors(respond, answers, effort, name)
            curves[f"by_hidden_{name}"] = hidden
            prefix = "" if name == "target_films" else "generated_"
            metrics |= {f"{prefix}{key}": value for key, value in score_change(answers, films).items()}
        if name == "target_films":
            metrics |= score_motion(answers, true_m, films, TARGET_FRAMES_PER_SECOND)
            _add(metrics, curves, score_3d(covered, true_m, "covered_films"))
    return metrics | _datasets(metrics), curves


def hidden_errors(respond: Respond, seen: Answers, effort: Effort, name: str) -> tuple[Curve, Answers]:
    """Error (mm, from the wrist) in the frames where something is in the way, by the fraction that it hides.

    Where it hides none, the answers are ``seen``.

    Also the answers where that fraction is :data:`~handlib.experiments.seqhand.occlusion.COVERED`.
    """
    true_m, rows = set_answers(effort, name)[0], set_rows(effort, name)
    hidden = np.tile(hidden_frames(rows.shape[1]), len(rows))
    answers = {fraction: respond(name, fraction) if fraction else seen for fraction in FRACTIONS}
    errors = [
        1000 * point_errors(align_root(found.joints_m[hidden], true_m[hidden]), true_m[hidden]).mean()
        for found in answers.values()
    ]
    curve = Curve(FRACTIONS, tuple(round(float(error), 3) for error in errors), "hidden part of the hand", "error [mm]")
    return curve, answers[COVERED]


def _add(metrics: dict, curves: dict, found: tuple[dict[str, Metric], dict[str, Curve]]) -> None:
    metrics.update(found[0])
    curves.update(found[1])


def _datasets(metrics: dict[str, Metric]) -> dict[str, Metric]:
    """The same numbers, each with the words for what it was measured on."""
    words = {
        "covered_films": "open target domain, test films behind an edge",
        "target_films": "open target domain, test films",
        "target_stills": "open target domain, test stills",
    }
    on_target = ("shape_change", "pose_change", "acceleration", "true_acceleration")
    found = {}
    for name, metric in metrics.items():
        ends = [text for end, text in words.items() if name.endswith(end)]
        default = words["target_films"] if name.startswith(on_target) else "generated films, test split"
        found[name] = Metric(metric.value, metric.unit, metric.alignment, ends[0] if ends else default)
    return found
