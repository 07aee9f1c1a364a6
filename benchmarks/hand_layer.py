"""Hand layer against smplx.MANO: forward and backward, the same random MANO-format file, the same process.

    python benchmarks/hand_layer.py --threads 2 --json results.json

Both layers turn 30 PCA coefficients, 10 shape coefficients, a global rotation and a translation into vertices and
joints in float32, and take gradients of the sum of squares of both. Runs alternate, so that a busy machine slows both.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from alternating import arguments, race, setting_of, write_rows

from handlib import HandModel
from handlib.hand.files import write_mano_npz
from handlib.hand.synthetic import random_hand_file

NUM_PCA = 30


def make_inputs(batch: int) -> dict[str, torch.Tensor]:
    """Random pose (batch, 30), shape (batch, 10), global rotation and translation (batch, 3), all with gradients."""
    generator = torch.Generator().manual_seed(0)
    widths = {"pose": NUM_PCA, "shape": 10, "orient": 3, "translation": 3}
    return {k: torch.randn(batch, w, generator=generator).requires_grad_() for k, w in widths.items()}


def handlib_layer(path: Path) -> Callable[[dict[str, torch.Tensor]], tuple[torch.Tensor, torch.Tensor]]:
    """handlib's layer on that file."""
    model = HandModel.load(path, pose_space="pca", num_pca=NUM_PCA, flat_hand_mean=False)
    return lambda x: model(x["pose"], x["shape"], x["orient"], x["translation"])


def smplx_layer(path: Path) -> Callable[[dict[str, torch.Tensor]], tuple[torch.Tensor, torch.Tensor]]:
    """smplx.MANO on that file; it returns 16 joints and no fingertips, so it does slightly less."""
    import smplx

    model = smplx.MANO(str(path), ext="npz", use_pca=True, num_pca_comps=NUM_PCA, flat_hand_mean=False)

    def run(x: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        out = model(betas=x["shape"], global_orient=x["orient"], hand_pose=x["pose"], transl=x["translation"])
        return out.vertices, out.joints

    return run


def compare(batch: int, repeats: int, path: Path) -> dict[str, float]:
    """Median milliseconds of both layers at one batch size."""
    inputs = make_inputs(batch)
    layers = {"handlib": handlib_layer(path), "smplx": smplx_layer(path)}
    times = race({name: partial(layer, inputs) for name, layer in layers.items()}, repeats, warm_up=3)
    row: dict[str, float] = {"batch": batch}
    for name, ms in times.items():
        row |= {f"{name}_forward_ms": ms["forward"], f"{name}_ms": ms["both"]}
    row["speedup"] = row["smplx_ms"] / row["handlib_ms"]
    return row


def main() -> None:
    """Print the table, and write it as JSON if asked."""
    args = arguments(__doc__, repeats=31, batches=(64, 1024))
    with tempfile.TemporaryDirectory() as folder:
        path = write_mano_npz(random_hand_file(), Path(folder) / "MANO_RIGHT.npz")
        rows = [compare(batch, args.repeats, path) for batch in args.batches]
    setting = setting_of(args)
    print(f"forward + backward, float32, {setting}")
    print(f"{'batch':>6} {'handlib ms':>11} {'smplx ms':>9} {'times as fast':>14}")
    for row in rows:
        print(f"{row['batch']:>6} {row['handlib_ms']:>11.2f} {row['smplx_ms']:>9.2f} {row['speedup']:>14.2f}")
    write_rows(args, setting, rows)


if __name__ == "__main__":
    main()
