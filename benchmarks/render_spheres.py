"""Depth maps of hands made of 41 spheres: the renderer beside Eq. 8 written out as dense maps, forward and backward.

    python benchmarks/render_spheres.py --threads 2 --json results.json

A batch of random hands that fill a good part of the 300 mm cube; the loss is the sum of squares of the depth map, with
gradients for centres and radii. Runs alternate, so that a busy machine slows both. Target of the renderer, forward and
backward at 64 px, 41 spheres and batch 64: 30 ms on two cores.
"""

from collections.abc import Callable

import torch
from alternating import arguments, race, setting_of, write_rows
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


def compare(batch: int, image_px: int, repeats: int) -> list[dict[str, float | str]]:
    """Median milliseconds of a batch for every task, and the least, which a busy machine leaves alone."""
    return [
        {"task": name, "forward_ms": ms["forward"], "forward_backward_ms": ms["both"], "least_ms": ms["least"]}
        for name, ms in race(make_tasks(batch, image_px), repeats).items()
    ]


def main() -> None:
    """Print the table, and write it as JSON if asked."""
    args = arguments(__doc__, repeats=9, batch=64, image_px=64)
    rows = compare(args.batch, args.image_px, args.repeats)
    setting = setting_of(args, f"{args.image_px} px, 41 spheres, batch {args.batch}")
    print(f"ms a batch; {setting}")
    print(f"{'task':<16} {'forward':>8} {'+ backward':>11} {'least':>8}")
    for row in rows:
        forward, both, least = (row[name] for name in ("forward_ms", "forward_backward_ms", "least_ms"))
        print(f"{row['task']:<16} {forward:>8.1f} {both:>11.1f} {least:>8.1f}")
    print(f"target for 'render_spheres': {TARGET_MS:.0f} ms")
    write_rows(args, setting, rows)


if __name__ == "__main__":
    main()
