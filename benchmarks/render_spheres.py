"""Depth maps of hands made of 41 spheres: the renderer beside Eq. 8 written out as dense maps, forward and backward.

    python benchmarks/render_spheres.py --threads 2 --json results.json

A batch of random hands that fill a good part of the 300 mm cube; the loss is the sum of squares of the depth map, with
gradients for centres and radii. Runs alternate, so that a busy machine slows both. Target of the renderer, forward and
backward at 64 px, 41 spheres and batch 64: 30 ms on two cores.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from handlib.hand import HandModel, SphereHand
from handlib.render import render_spheres
from handlib.render.spheres import crop_camera, pixel_rays_m, sphere_depth_m

TARGET_MS = 30.0


def make_hands(batch: int) -> tuple[Tensor, Tensor]:
    """Centres (batch, 41, 3) in random poses around the cube's middle, and radii (batch, 41)."""
    generator = torch.Generator().manual_seed(0)
    pose = 0.3 * torch.randn(batch, 45, generator=generator)
    turn = torch.randn(batch, 3, generator=generator)
    centres, radii = SphereHand(HandModel.load("open"))(pose, None, turn)
    centres = centres - centres.mean(1, keepdim=True)
    return centres.requires_grad_(), radii.clone().requires_grad_()


def render_dense(centres: Tensor, radii: Tensor, image_px: int) -> Tensor:
    """Eq. 8 as printed: a map of every sphere, then the least depth."""
    rays = pixel_rays_m(crop_camera(image_px, centres), image_px)[:, None]
    return sphere_depth_m(centres[:, :, None, None], radii[:, :, None, None], rays).amin(1)


def make_tasks(batch: int, image_px: int) -> dict[str, Callable[[], Tensor]]:
    """What is timed, by name: each draws the same hands."""
    centres, radii = make_hands(batch)
    camera = crop_camera(image_px, centres)
    return {
        "render_spheres": lambda: render_spheres(centres, radii, camera, image_px),
        "dense maps": lambda: render_dense(centres, radii, image_px),
    }


def time_once(task: Callable[[], Tensor]) -> tuple[float, float]:
    """Seconds of one forward, and of forward and backward together."""
    start = time.perf_counter()
    picture = task()
    forward = time.perf_counter() - start
    picture.square().sum().backward()
    return forward, time.perf_counter() - start


def compare(batch: int, image_px: int, repeats: int) -> list[dict[str, float | str]]:
    """Median milliseconds of a batch for every task, and the least, which a busy machine leaves alone."""
    tasks = make_tasks(batch, image_px)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in tasks}
    for number in range(repeats + 1):
        for name, task in tasks.items():
            sample = time_once(task)
            if number:  # the first round warms up
                times[name].append(sample)
    return [
        {
            "task": name,
            "forward_ms": 1e3 * statistics.median(forward for forward, _ in samples),
            "forward_backward_ms": 1e3 * statistics.median(both for _, both in samples),
            "least_ms": 1e3 * min(both for _, both in samples),
        }
        for name, samples in times.items()
    ]


def main() -> None:
    """Print the table, and write it as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--image-px", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = compare(args.batch, args.image_px, args.repeats)
    setting = (
        f"{args.image_px} px, 41 spheres, batch {args.batch}, CPU, {args.threads} threads, median of {args.repeats}, "
        f"torch {torch.__version__}"
    )
    print(f"ms a batch; {setting}")
    print(f"{'task':<16} {'forward':>8} {'+ backward':>11} {'least':>8}")
    for row in rows:
        forward, both, least = (row[name] for name in ("forward_ms", "forward_backward_ms", "least_ms"))
        print(f"{row['task']:<16} {forward:>8.1f} {both:>11.1f} {least:>8.1f}")
    print(f"target for 'render_spheres': {TARGET_MS:.0f} ms")
    if args.json:
        args.json.write_text(json.dumps({"setting": setting, "machine": platform.machine(), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
