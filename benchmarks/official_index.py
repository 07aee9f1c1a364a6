"""Time and memory of a FreiHAND-size index: 130,240 samples with joints, MANO's numbers and meshes, in format.

    python benchmarks/official_index.py [--unique 32560] [--folder DIR]

Writes label files of the official form (1.5 GB at full size, into a temporary folder by default; no pictures but one),
opens them for the first time (parsing), for the second (cache), and reads labels at random.
"""

import argparse
import json
import resource
import tempfile
import time
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
from PIL import Image

from handlib.data.freihand import FreiHand

BLOCK = 1000
READS = 2000


def write_labels(root: Path, unique: int) -> int:
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
    return sum(path.stat().st_size for path in root.glob("*.json"))


def timed(what: str, function: object) -> object:
    """Call, and print how long it took and how much memory the process has had at most."""
    start = time.perf_counter()
    result = function()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:48s} {seconds:8.3f} s   peak {peak:6.0f} MB")
    return result


def main() -> None:
    """Read the arguments, write, time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--unique", type=int, default=32_560)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        root = Path(folder)
        size = write_labels(root, arguments.unique)
        print(f"{arguments.unique:,} hands, {4 * arguments.unique:,} samples, {size / 2**20:.0f} MB of .json")
        # A label of random numbers has no picture; one serves all reads, by being the only one that is asked for.
        for part, channels in (("rgb", 3), ("mask", 3)):
            (root / "training" / part).mkdir(parents=True)
            Image.fromarray(np.zeros((224, 224, channels), np.uint8)).save(root / "training" / part / "00000000.jpg")
        timed("before (imports)", lambda: None)
        timed("open for the first time (parse)", lambda: FreiHand(root, version="all"))
        dataset = timed("open again (cache)", lambda: FreiHand(root, version="all"))
        size = len(ForkingPickler.dumps(dataset)) / 2**20
        timed(f"travel to a worker ({size:.2f} MB)", lambda: ForkingPickler.loads(bytes(ForkingPickler.dumps(dataset))))
        timed(f"{READS} samples with picture and mask", lambda: sum(dataset[0].image.size for _ in range(READS)))
        chosen = np.random.default_rng(1).integers(0, dataset.num_unique, READS)
        timed(f"{READS} meshes at random", lambda: [np.array(dataset.labels["verts"][k]) for k in chosen])


if __name__ == "__main__":
    main()
