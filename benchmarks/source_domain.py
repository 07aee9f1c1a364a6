"""Time the open benchmark: pictures a second of each domain, one thread, two threads, two processes.

    python benchmarks/source_domain.py [--samples 64] [--image-px 224] [--device cpu]

Target: 40 source pictures a second on two cores at 224 px.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from handlib.data.open_benchmark import OpenBenchmark

TARGET_PER_SECOND = 40.0
BATCH = 16


def draw(domain: str, first: int, count: int, image_px: int, device: str, threads: int) -> float:
    """Draw ``count`` samples in batches after one for warming up; seconds."""
    torch.set_num_threads(threads)
    benchmark = OpenBenchmark(domain, size=first + count, image_px=image_px)
    benchmark.render_batch(range(first, min(first + BATCH, first + count)), device)
    start = time.perf_counter()
    for index in range(first, first + count, BATCH):
        benchmark.render_batch(range(index, min(index + BATCH, first + count)), device)
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    """Read the arguments, time, and compare with the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--image-px", type=int, default=224)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    count, common = arguments.samples, (arguments.image_px, arguments.device)
    for domain in ("source", "target"):
        rates = {f"{n} thread{'s' * (n > 1)}": count / draw(domain, 0, count, *common, n) for n in (1, 2)}
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            jobs = [pool.submit(draw, domain, part * count, count, *common, 1) for part in (0, 1)]
            rates["2 processes"] = sum(count / job.result() for job in jobs)
        print(f"{domain:8s}" + "".join(f"{name:>14s} {rate:6.1f}/s" for name, rate in rates.items()))
        if domain == "source":
            verdict = "met" if max(rates.values()) >= TARGET_PER_SECOND else "missed"
            print(f"         target {TARGET_PER_SECOND:.0f}/s: {verdict}")


if __name__ == "__main__":
    main()
