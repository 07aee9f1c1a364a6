"""Detect the hands in a folder of pictures and store them as JSON, so that later steps need no detector.

Examples:
    python data_scripts/detect_photos.py handlib/data/assets/photos
    python data_scripts/detect_photos.py my_pictures --out my_pictures/detections.json --max-hands 4
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from handlib.data.images import IMAGE_SUFFIXES, read_image
from handlib.errors import BadInputError, HandlibError
from handlib.keypoints import HandDetection, detect_hands, write_detections
from handlib.keypoints.mediapipe_detector import detector_name


def main(
    folder: Annotated[Path, typer.Argument(help="the folder with the pictures", exists=True, file_okay=False)],
    out: Annotated[Path | None, typer.Option(help="the file to write [default: FOLDER/detections.json]")] = None,
    max_hands: Annotated[int, typer.Option(min=1, help="at most so many hands a picture")] = 2,
) -> None:
    """Detect the hands in every picture of FOLDER and store them as JSON.

    A picture that cannot be read is named and left out, the others are stored, and the exit code is 1.
    """
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not pictures:
        raise typer.BadParameter(f"no pictures ({', '.join(sorted(IMAGE_SUFFIXES))}) in {folder}")
    target = out or folder / "detections.json"
    try:
        found = detect_all(pictures, max_hands)
        write_detections(target, found, detector_name())
    except HandlibError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    empty = sum(not hands for hands in found.values())
    typer.echo(f"{target}: {len(found)} of {len(pictures)} pictures, {empty} without a hand")
    if len(found) < len(pictures):
        raise typer.Exit(1)


def detect_all(pictures: list[Path], max_hands: int) -> dict[str, list[HandDetection]]:
    """The hands of each picture that can be read, by file name; the others are named on standard error."""
    found = {}
    for path in tqdm(pictures, desc="detecting", unit="picture"):
        try:
            found[path.name] = detect_hands(read_image(path), max_hands=max_hands)
        except BadInputError as error:
            tqdm.write(f"left out: {path.name}: {error}", file=sys.stderr)
    return found


if __name__ == "__main__":
    typer.run(main)
