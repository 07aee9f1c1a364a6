"""Run the detector on rendered hands whose joints are known, and store what it finds beside the truth.

Example:
    python data_scripts/detect_rendered.py --count 300
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from handlib.data.open_benchmark import OpenBenchmark
from handlib.data.sample import Sample
from handlib.keypoints import detect_hands
from handlib.keypoints.mediapipe_detector import detector_name
from handlib.keypoints.rendered import RENDERED_DETECTIONS

EXAMPLES = 6  # pictures a domain that are kept


def main(
    count: Annotated[int, typer.Option(help="pictures a domain")] = 300,
    out: Annotated[Path, typer.Option(help="the file to write")] = RENDERED_DETECTIONS,
    image_px: Annotated[int, typer.Option(help="side of the pictures")] = 224,
) -> None:
    """Detect the hand in the first COUNT test pictures of the source and of the target domain."""
    rows, images = [], []
    for domain in ("source", "target"):
        data = OpenBenchmark(domain, size=count, split="test", image_px=image_px)
        for index in tqdm(range(count), desc=domain, unit="picture"):
            sample = data[index]
            rows.append(_row(domain, sample))
            if index < EXAMPLES:
                images.append(sample.image)
    arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        out,
        **arrays,
        examples=np.concatenate([np.arange(EXAMPLES), count + np.arange(EXAMPLES)]),
        example_images=np.stack(images),
        detector=np.array(detector_name()),
    )
    typer.echo(f"{out}: {len(rows)} pictures, a hand found in {int(arrays['found'].sum())}")


def _row(domain: str, sample: Sample) -> dict[str, np.ndarray]:
    """The detector's surest answer to one picture, and the truth."""
    hands = detect_hands(sample.image, max_hands=1)
    nowhere = np.full((21, 2), np.nan, np.float32)
    return {
        "domain": np.array(domain),
        "found": np.array(bool(hands)),
        "side": np.array(hands[0].side if hands else ""),
        "score": np.float32(hands[0].side_score if hands else 0.0),
        "keypoints_px": hands[0].keypoints_px if hands else nowhere,
        "true_px": sample.joints_2d_px.astype(np.float32),
        "visible": np.asarray(sample.visible, bool),
    }


if __name__ == "__main__":
    typer.run(main)
