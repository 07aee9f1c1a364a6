"""Detect the hands in a folder of pictures and store them as JSON, so that later steps need no detector.

Examples:
    python data_scripts/detect_photos.py handlib/data/assets/photos
    python data_scripts/detect_photos.py my_pictures --out my_pictures/detections.json --max-hands 4
"""

from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from handlib.data.images import IMAGE_SUFFIXES, read_image
from handlib.keypoints import detect_hands, write_detections
from handlib.keypoints.mediapipe_detector import detector_name


def main(
    folder: Annotated[Path, typer.Argument(help="the folder with the pictures", exists=True, file_okay=False)],
    out: Annotated[Path | None, typer.Option(help="the file to write [default: FOLDER/detections.json]")] = None,
    max_hands: Annotated[int, typer.Option(help="at most so many hands a picture")] = 2,
) -> None:
    """Detect the hands in every picture of FOLDER and store them as JSON."""
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not pictures:
        raise typer.BadParameter(f"no pictures ({', '.join(sorted(IMAGE_SUFFIXES))}) in {folder}")
    found = {
        path.name: detect_hands(read_image(path), max_hands=max_hands)
        for path in tqdm(pictures, desc="detecting", unit="picture")
    }
    target = out or folder / "detections.json"
    write_detections(target, found, detector_name())
    empty = sum(not hands for hands in found.values())
    typer.echo(f"{target}: {len(found)} pictures, {empty} without a hand")


if __name__ == "__main__":
    typer.run(main)
