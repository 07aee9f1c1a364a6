"""How fast films are made, and what the three walks through a pose database do: the row of the data in Table 1."""

import time

import numpy as np

from handlib.data.pose_database import PoseDatabase
from handlib.data.pose_flow import draw_flows
from handlib.data.seqhand_films import SeqHandFilms
from handlib.experiments.seqhand.effort import FilmsEffort, effort_of
from handlib.experiments.seqhand.films import film_labels, pose_database
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome

WALKS = ("snapped", "straight", "shown")
_TIMED_FILMS, _FLOWS = 12, 200


def measure_generation(context: RunContext) -> Outcome:
    """The work of a :class:`~handlib.experiments.seqhand.recipes.DataRecipe`."""
    effort = effort_of(context.profile, context.recipe.effort)
    outcome = measure_films(context, pose_database(effort), effort)
    known = film_labels(effort, "test")
    share = Metric(round(100 * float(known.masks(np.arange(len(known))).mean()), 2), "%")
    return Outcome({**outcome.metrics, "hand_share": share})


def measure_films(context: RunContext, database: PoseDatabase, effort: FilmsEffort) -> Outcome:
    """Speed of drawing films on a database, one after the other in this process, and how each walk moves on it."""
    films = SeqHandFilms(database, image_px=effort.image_px, num_frames=effort.frames)
    films[0]  # what is made once, the search tree and the skin's map, is not timed
    count = min(_TIMED_FILMS, effort.films)
    started, wall = time.process_time(), time.perf_counter()
    for number in context.progress(range(count), what="drawing films"):
        films[number]
    spent, wall = time.process_time() - started, time.perf_counter() - wall
    context.samples_seen = count * effort.frames
    metrics = {
        "poses": Metric(len(database), "1"),
        "frames": Metric(effort.frames * (effort.films + effort.test_films), "1"),
        "images_per_second": Metric(round(count * effort.frames / wall, 1), "1/s"),
        "images_per_cpu_second": Metric(round(count * effort.frames / spent, 1), "1/s"),
        "image_px": Metric(effort.image_px, "px"),
    }
    for walk in WALKS:
        streams = [np.random.default_rng((7, number)) for number in range(min(_FLOWS, effort.films))]
        flow = draw_flows(database, streams, effort.frames, walk=walk)
        step_mm = 1000 * np.linalg.norm(np.diff(flow.joints_m, axis=1), axis=-1).mean()
        metrics |= {
            f"stalled_steps_{walk}": Metric(round(100 * float(flow.stall_share.mean()), 2), "%"),
            f"off_database_{walk}": Metric(round(1000 * float(flow.distance_m[:, 1:].mean()), 3), "mm"),
            f"step_{walk}": Metric(round(float(step_mm), 3), "mm"),
        }
    return Outcome(metrics)
