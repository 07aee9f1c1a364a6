"""What S2HAND(V)'s terms add to a training step: the step with each of them against the step without.

    python benchmarks/motion_terms.py [--image-px 112] [--clips 8] [--frames 3] [--rounds 12] [--kept-encodings]

Whole steps of the chapter's training: network with its encoder (or, with --kept-encodings, without), rendering of four
frames, all losses, gradients and Adam. Steps with and without a term take turns, and medians are compared, so that
whatever else the machine does meets both. Target: the quaternion loss adds under 3 %.
"""

import argparse
import time
from dataclasses import replace
from functools import partial
from statistics import median

import numpy as np
import torch
from alternating import take_turns

from handlib.experiments.s2hand_v import FULL, QUATERNION, S2HAND, SMOOTH, TEMPORAL
from handlib.experiments.s2hand_v.effort import Effort
from handlib.experiments.s2hand_v.network import starting_network
from handlib.experiments.s2hand_v.objective import EncodedClips, VideoTask
from handlib.experiments.s2hand_v.training import build_task
from handlib.models.images import normalise_images
from handlib.models.placement import assumed_intrinsics
from handlib.pretrained import RELEASED, find_network
from handlib.training.augmentation import NO_AUGMENTATION
from handlib.training.batches import HandPictures
from handlib.training.clips import ClipDrawer, FilmPictures

TARGET_PERCENT = 3.0


def random_clips(image_px: int, clips: int, frames: int) -> EncodedClips:
    """Clips of noise: what a step costs does not depend on what the pictures show."""
    rng, count = np.random.default_rng(0), 40
    K = assumed_intrinsics(torch.zeros(count), image_px).numpy()
    keypoints = rng.uniform(0, image_px, (count, 21, 2)).astype(np.float32)
    rgb = rng.integers(0, 256, (count, image_px, image_px, 3), np.uint8)
    pictures = HandPictures(rgb, K, keypoints, np.ones((count, 21), np.float32))
    drawer = ClipDrawer(FilmPictures(pictures, [np.arange(count)]), clips, frames, 3, image_px, NO_AUGMENTATION, 0)
    batch = drawer.draw(0)
    with torch.no_grad():
        return EncodedClips(batch, find_network(RELEASED).encoder(normalise_images(batch.pictures.images)))


def step_seconds(task: VideoTask, batch: EncodedClips, optimiser: torch.optim.Optimizer, step: int) -> float:
    """The time of one step."""
    start = time.perf_counter()
    optimiser.zero_grad(set_to_none=True)
    task(batch, step)["loss"].backward()
    optimiser.step()
    return time.perf_counter() - start


def main() -> None:
    """Read the arguments, time, and compare with the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-px", type=int, default=112)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--kept-encodings", action="store_true")
    arguments = parser.parse_args()

    batch = random_clips(arguments.image_px, arguments.clips, arguments.frames)
    effort = replace(Effort(), image_px=arguments.image_px, clips=arguments.clips, stock=1000)
    rows = {"no term": S2HAND, "temporal": TEMPORAL, "smooth": SMOOTH, "quaternion": QUATERNION, "and T&S": FULL}
    steps = {}
    for name, recipe in rows.items():
        network = starting_network("perspective", seed=0)
        if not arguments.kept_encodings:
            kept, network.encoder = network.encoder, find_network(RELEASED).encoder.requires_grad_(True)
            network.encoder.features = kept.features
        task = build_task(recipe, effort, network, seed=0)
        steps[name] = partial(step_seconds, task, batch, torch.optim.Adam(task.parameters(), lr=1e-6))
    seconds = take_turns(steps, arguments.rounds)
    plain = median(seconds["no term"])
    for name, taken in seconds.items():
        added = median(b - a for a, b in zip(seconds["no term"], taken, strict=True))
        print(f"{name:12s} {1000 * median(taken):8.1f} ms a step, adds {100 * added / plain:+6.2f} %")
    print(f"target: the quaternion loss adds under {TARGET_PERCENT:.0f} %")


if __name__ == "__main__":
    main()
