"""Hand layer against smplx.MANO: forward and backward, the same random MANO-format file, the same process.

    python benchmarks/hand_layer.py --threads 2 --json results.json

Both layers turn 30 PCA coefficients, 10 shape coefficients, a global rotation and a translation into vertices and
joints in float32, and take gradients of the sum of squares of both. Runs alternate, so that a busy machine slows both.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

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


def time_once(layer: Callable, inputs: dict[str, torch.Tensor]) -> tuple[float, float]:
    """Seconds of one forward, and of forward and backward together."""
    for tensor in inputs.values():
        tensor.grad = None
    start = time.perf_counter()
    vertices, joints = layer(inputs)
    forward = time.perf_counter() - start
    (vertices.square().sum() + joints.square().sum()).backward()
    return forward, time.perf_counter() - start


def compare(batch: int, repeats: int, path: Path) -> dict[str, float]:
    """Median milliseconds of both layers at one batch size."""
    layers = {"handlib": handlib_layer(path), "smplx": smplx_layer(path)}
    inputs = make_inputs(batch)
    for layer in layers.values():
        for _ in range(3):
            time_once(layer, inputs)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in layers}
    for _ in range(repeats):
        for name, layer in layers.items():
            times[name].append(time_once(layer, inputs))
    row: dict[str, float] = {"batch": batch}
    for name, samples in times.items():
        row[f"{name}_forward_ms"] = 1000 * statistics.median(t for t, _ in samples)
        row[f"{name}_ms"] = 1000 * statistics.median(t for _, t in samples)
    row["speedup"] = row["smplx_ms"] / row["handlib_ms"]
    return row


def main() -> None:
    """Print the table, and write it as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 1024])
    parser.add_argument("--repeats", type=int, default=31)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = write_mano_npz(random_hand_file(), Path(folder) / "MANO_RIGHT.npz")
        rows = [compare(batch, args.repeats, path) for batch in args.batches]
    setting = f"CPU, {args.threads} threads, median of {args.repeats}, torch {torch.__version__}"
    print(f"forward + backward, float32, {setting}")
    print(f"{'batch':>6} {'handlib ms':>11} {'smplx ms':>9} {'times as fast':>14}")
    for row in rows:
        print(f"{row['batch']:>6} {row['handlib_ms']:>11.2f} {row['smplx_ms']:>9.2f} {row['speedup']:>14.2f}")
    if args.json:
        args.json.write_text(json.dumps({"setting": setting, "machine": platform.machine(), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
