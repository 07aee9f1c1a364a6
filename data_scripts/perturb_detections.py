"""Detect the hand in the three packaged photographs after each of a set of small changes, and store what is found.

The book's page on keypoints reads the file, so that it needs no detector.

Example:
    python data_scripts/perturb_detections.py
"""

from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from handlib.data.images import read_image
from handlib.data.photos import PACKAGED_PHOTOS, packaged_photos
from handlib.keypoints import detect_hands, read_detections, write_detections
from handlib.keypoints.mediapipe_detector import detector_name
from handlib.keypoints.perturbations import standard_perturbations


def main(
    out: Annotated[Path, typer.Option(help="the file to write")] = PACKAGED_PHOTOS / "perturbed_detections.json",
) -> None:
    """Detect the hand in every photograph under every change; keep the surest hand of each."""
    known = read_detections(PACKAGED_PHOTOS / "detections.json")
    jobs = [
        (path, change)
        for path in packaged_photos()
        for change in standard_perturbations(known[path.name][0].keypoints_px)
    ]
    found = {
        f"{path.name} | {change.name}": detect_hands(change.apply(read_image(path)), max_hands=1)
        for path, change in tqdm(jobs, desc="detecting", unit="picture")
    }
    write_detections(out, found, detector_name())
    typer.echo(f"{out}: {len(found)} pictures, {sum(not hands for hands in found.values())} without a hand")


if __name__ == "__main__":
    typer.run(main)
