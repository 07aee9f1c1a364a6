"""Silhouettes and pictures of a posed hand: the torch renderer against deodr, forward and backward, in one process.

    python benchmarks/render_silhouette.py --threads 2 --json results.json

A batch of hands in random poses, the largest as large as the picture allows; the loss is the sum of squares of the
picture, with gradients for the vertices and, where there are any, the colours. deodr draws one mesh after the other on
one thread. Runs alternate, so that a busy machine slows all. Target of the torch silhouette, forward and backward at
224 px, 1,538 faces and batch 16: 40 ms an image on two cores.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import torch
from alternating import arguments, race, setting_of, write_rows
from torch import Tensor

from handlib import HandModel
from handlib.camera import PerspectiveCamera
from handlib.render import Light, render_mesh, render_silhouette

TARGET_MS = 40.0


def make_hands(batch: int, image_px: int) -> tuple[Tensor, Tensor, PerspectiveCamera]:
    """Vertices (batch, V, 3) half a metre away, faces, and a camera in whose picture the largest hand just fits."""
    generator = torch.Generator().manual_seed(0)
    model = HandModel.load("open")
    pose = 0.3 * torch.randn(batch, 45, generator=generator)
    turn = torch.randn(batch, 3, generator=generator)
    vertices = model(pose, torch.zeros(batch, model.num_shape), turn).vertices
    middle = (vertices.amin(1) + vertices.amax(1))[:, None] / 2
    vertices = vertices - middle + torch.tensor([0.0, 0.0, 0.5])
    reach = float((vertices[..., :2].abs() / vertices[..., 2:]).max())
    focal = torch.full((1, 2), 0.48 * image_px / reach)
    camera = PerspectiveCamera.from_focal(focal, torch.full((1, 2), (image_px - 1) / 2))
    return vertices.requires_grad_(), model.faces, camera


def make_tasks(batch: int, image_px: int) -> dict[str, Callable[[], Tensor]]:
    """What is timed, by name: each draws the same hands."""
    vertices, faces, camera = make_hands(batch, image_px)
    colours = torch.full(vertices.shape, 0.7, requires_grad=True)
    silhouette = partial(render_silhouette, vertices, faces, camera, image_px)

    def lit(backend: str) -> Tensor:
        light = Light.headlight()
        return render_mesh(vertices, faces, camera, image_px, colours=colours, light=light, backend=backend).rgb

    tasks = {
        "silhouette, torch": silhouette,
        "silhouette, torch, soft 1 px": partial(silhouette, soft=True, sigma_px=1.0),
        "silhouette, torch, soft 3 px": partial(silhouette, soft=True, sigma_px=3.0),
        "lit colours, torch": partial(lit, "torch"),
    }
    if find_spec("deodr"):
        tasks |= {
            "silhouette, deodr": partial(silhouette, backend="deodr"),
            "lit colours, deodr": partial(lit, "deodr"),
        }
    if find_spec("pytorch3d"):
        tasks["silhouette, pytorch3d"] = partial(silhouette, backend="pytorch3d")
    return tasks


def compare(batch: int, image_px: int, repeats: int) -> list[dict[str, float | str]]:
    """Median milliseconds an image of every task."""
    return [
        {"task": name, "forward_ms": ms["forward"] / batch, "forward_backward_ms": ms["both"] / batch}
        for name, ms in race(make_tasks(batch, image_px), repeats).items()
    ]


def main() -> None:
    """Print the table, and write it as JSON if asked."""
    args = arguments(__doc__, repeats=9, batch=16, image_px=224)
    rows = compare(args.batch, args.image_px, args.repeats)
    setting = setting_of(args, f"{args.image_px} px, batch {args.batch}, 1,538 faces")
    print(f"ms an image; {setting}")
    print(f"{'task':<30} {'forward':>8} {'+ backward':>11}")
    for row in rows:
        print(f"{row['task']:<30} {row['forward_ms']:>8.2f} {row['forward_backward_ms']:>11.2f}")
    print(f"target for 'silhouette, torch': {TARGET_MS:.0f} ms")
    write_rows(args, setting, rows)


if __name__ == "__main__":
    main()
