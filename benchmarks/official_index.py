"""Time and memory of indices of full size, in format: FreiHAND's 130,240 samples, NYU's 72,757 frames of three views.

    python benchmarks/official_index.py [--set freihand|nyu] [--share 1.0] [--folder DIR]

Writes label files of the official form (of FreiHAND 1.5 GB, with joints, MANO's numbers and meshes; of NYU 190 MB) into
a temporary folder, opens them for the first time (parsing), for the second (cache), and reads samples. One picture
serves all reads, as labels of random numbers have none. Each set is measured in a process of its own, so that the peak
of memory is its own.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from handlib.data.freihand import FreiHand
from handlib.data.nyu import NYU_HW, NYU_VIEWS, Nyu, encode_nyu_depth

BLOCK = 1000
READS = {"freihand": 400, "nyu": 100}
LABELS = 2000
FREIHAND_UNIQUE, NYU_FRAMES = 32_560, 72_757


def write_freihand_labels(root: Path, unique: int) -> int:
    """Label files of FreiHAND's form with ``unique`` entries, a block at a time; their size in bytes."""
    generator = np.random.default_rng(0)
    shapes = {"K": (3, 3), "scale": (), "xyz": (21, 3), "mano": (1, 61), "verts": (778, 3)}
    for kind, shape in shapes.items():
        with (root / f"training_{kind}.json").open("w") as stream:
            stream.write("[")
            for start in range(0, unique, BLOCK):
                count = min(BLOCK, unique - start)
                values = generator.normal(0, 0.03, (count, *shape)) + ([0, 0, 0.7] if shape[-1:] == (3,) else 0.0)
                if kind == "K":
                    values = np.broadcast_to([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]], (count, 3, 3))
                stream.write((", " if start else "") + json.dumps(np.round(values, 8).tolist())[1:-1])
            stream.write("]")
    for part in ("rgb", "mask"):
        (root / "training" / part).mkdir(parents=True)
        Image.fromarray(np.zeros((224, 224, 3), np.uint8)).save(root / "training" / part / "00000000.jpg")
    return sum(path.stat().st_size for path in root.glob("*.json"))


def write_nyu_labels(root: Path, frames: int) -> int:
    """``joint_data.mat`` of NYU's form with ``frames`` frames of three views, and one depth picture; bytes."""
    folder = root / "train"
    folder.mkdir()
    generator = np.random.default_rng(0)
    uvd = generator.normal(0, 30, (NYU_VIEWS, frames, 36, 3)) + [320, 240, 700]
    scipy.io.savemat(folder / "joint_data.mat", {"joint_uvd": uvd})
    depth = np.where(np.hypot(*np.indices(NYU_HW) - np.array(NYU_HW)[:, None, None] / 2) < 60, 0.7, 1.5)
    Image.fromarray(encode_nyu_depth(depth)).save(folder / "depth_1_0000001.png")
    return (folder / "joint_data.mat").stat().st_size


def timed(what: str, function: Callable[[], object]) -> object:
    """Call, and print how long it took, how much of that the processor worked, and the process's peak of memory."""
    start, worked = time.perf_counter(), time.process_time()
    result = function()
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  {what:46s} {seconds:8.3f} s   {worked:8.3f} s of processor   peak {peak:6.0f} MB", flush=True)
    return result


def measure(name: str, root: Path) -> None:
    """Open and read the index of a folder."""
    timed("before (imports)", lambda: None)

    def open_it() -> FreiHand | Nyu:
        return FreiHand(root, version="all") if name == "freihand" else Nyu(root, "train", view="all")

    timed("open for the first time (parse)", open_it)
    dataset = timed("open again (cache)", open_it)
    print(f"  {len(dataset):,} samples")
    size = len(ForkingPickler.dumps(dataset)) / 2**20
    timed(f"travel to a worker ({size:.2f} MB)", lambda: ForkingPickler.loads(bytes(ForkingPickler.dumps(dataset))))
    reads = READS[name]
    timed(f"{reads} samples with their pictures", lambda: sum(dataset[0].image.size for _ in range(reads)))
    labels = dataset.labels["verts" if name == "freihand" else "uvd"]
    chosen = np.random.default_rng(1).integers(0, len(labels), LABELS)
    timed(f"{LABELS} labels at random", lambda: [np.array(labels[k]) for k in chosen])


def main() -> None:
    """Read the arguments, write, time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=("freihand", "nyu"), help="one of the two; both by default")
    parser.add_argument("--share", type=float, default=1.0, help="of the full size")
    parser.add_argument("--folder", type=Path, help="where to write; it needs 4 GB")
    arguments = parser.parse_args()
    writers = {"freihand": (write_freihand_labels, FREIHAND_UNIQUE), "nyu": (write_nyu_labels, NYU_FRAMES)}
    for name in [arguments.set] if arguments.set else writers:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            write, full = writers[name]
            size = write(Path(folder), round(arguments.share * full))
            print(f"{name}: {size / 2**20:.0f} MB of labels", flush=True)
            process = multiprocessing.get_context("spawn").Process(target=measure, args=(name, Path(folder)))
            process.start()
            process.join()
            if process.exitcode:
                raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
