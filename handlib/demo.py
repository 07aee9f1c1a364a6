"""``handlib demo``: photographs in, posed 3D hands out: a mesh, an overlay and the numbers of each hand."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from handlib.errors import BadInputError, HandlibError

if TYPE_CHECKING:
    import numpy as np

    from handlib.keypoints import HandDetection
    from handlib.reconstruction import HandReconstruction

# Pictures are worked on at this size: keypoints are no better for more pixels, and overlays are for looking.
LONGEST_SIDE_PX = 1024
# Below this, the detector's word for left or right is not taken: both hands are fitted.
SURE_OF_SIDE = 0.95


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("demo")(demo)


def demo(
    photos: Annotated[list[Path], typer.Argument(help="pictures, or folders of pictures")],
    out: Annotated[Path, typer.Option(help="the folder for the results; made if it is not there")] = Path("hands"),
    side: Annotated[str, typer.Option(help="which hand the pictures show: auto, left or right")] = "auto",
    max_hands: Annotated[int, typer.Option(min=1, help="at most so many hands a picture")] = 2,
    keypoints: Annotated[
        Path | None, typer.Option(help="stored detections (data_scripts/detect_photos.py) instead of the detector")
    ] = None,
) -> None:
    """Turn photographs of hands into posed 3D hands.

    For hand K of PHOTO the folder gets PHOTO-handK.obj (a coloured mesh), PHOTO-handK.json (joints, camera, side) and
    for the photograph PHOTO-overlay.png. A picture that cannot be used is named and the others go on.

    \b
    Examples:
      handlib demo me.jpg
      handlib demo holiday/ --out hands --max-hands 4
      handlib demo me.jpg --side left --keypoints detections.json
    """
    from handlib.keypoints import read_detections

    if side not in ("auto", "left", "right"):
        raise BadInputError(f"--side is auto, left or right, not {side!r}")
    pictures = find_pictures(photos)
    stored = None if keypoints is None else read_detections(keypoints)
    out.mkdir(parents=True, exist_ok=True)
    hands = 0
    for picture in tqdm(pictures, desc="hands", unit="picture"):
        try:
            hands += reconstruct_picture(picture, out, side, max_hands, stored)
        except HandlibError as error:
            tqdm.write(f"skipped: {error}")
    if not hands:
        raise BadInputError(f"no hand was found in any of {len(pictures)} pictures: see the lines above")
    typer.echo(f"{hands} hands from {len(pictures)} pictures in {out}")


def find_pictures(paths: list[Path]) -> list[Path]:
    """The pictures among files and folders, folders in the order of their names.

    Raises:
        BadInputError: there is none; a name that is not there is left to the reader of pictures to report.
    """
    from handlib.data.images import IMAGE_SUFFIXES

    found: list[Path] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        found += [entry for entry in inside if not path.is_dir() or entry.suffix.lower() in IMAGE_SUFFIXES]
    if not found:
        raise BadInputError(
            f"no pictures in {', '.join(map(str, paths))}: expected {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return found


def reconstruct_picture(
    picture: Path, out: Path, side: str, max_hands: int, stored: "dict[str, list[HandDetection]] | None"
) -> int:
    """Reconstruct every hand of one picture and write its files; returns how many hands there are.

    Raises:
        HandlibError: the picture cannot be read, has no hand, or its detections are not among the stored ones.
    """
    import numpy as np

    from handlib.data.images import read_image
    from handlib.keypoints import detect_hands
    from handlib.reconstruction import reconstruct

    original = read_image(picture)
    image, factor = shrink(original)
    if stored is None:
        found = detect_hands(original, max_hands=max_hands)
    elif picture.name in stored:
        found = stored[picture.name][:max_hands]
    else:
        raise BadInputError(f"{picture.name} is not among the stored detections: detect it, or leave --keypoints out")
    if not found:
        raise BadInputError(f"no hand was found in {picture}: crop nearer to the hand, or give --keypoints")
    scaled = [(hand.keypoints_px + 0.5) * factor - 0.5 for hand in found]
    keypoints = np.stack([np.c_[points, hand.confidence] for points, hand in zip(scaled, found, strict=True)])
    sides = [hand.side if hand.side_score > SURE_OF_SIDE else "auto" for hand in found]
    result = reconstruct(np.stack([image] * len(found)), keypoints, side=sides if side == "auto" else side)
    for index in range(len(found)):
        write_hand(result, index, out / f"{picture.stem}-hand{index + 1}", picture, factor)
    write_overlay(image, result, out / f"{picture.stem}-overlay.png")
    return len(found)


def shrink(image: "np.ndarray") -> "tuple[np.ndarray, float]":
    """The picture with its longer side at most :data:`LONGEST_SIDE_PX`, and by what factor it was scaled."""
    import cv2

    height, width = image.shape[:2]
    factor = min(1.0, LONGEST_SIDE_PX / max(height, width))
    if factor == 1:
        return image, 1.0
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), factor


def write_hand(result: "HandReconstruction", index: int, stem: Path, picture: Path, factor: float) -> None:
    """Write one hand as ``STEM.obj`` and ``STEM.json``; pixels in the JSON are those of the original picture."""
    import numpy as np

    from handlib.hand.export import write_obj

    write_obj(stem.with_name(stem.name + ".obj"), result.vertices[index], result.faces_of(index), result.texture[index])
    # Pixel centres: (u + 0.5) / factor - 0.5, for the points and for the principal point of the camera alike.
    to_original = np.array([[1 / factor, 0, 0.5 / factor - 0.5], [0, 1 / factor, 0.5 / factor - 0.5], [0, 0, 1]])
    numbers = {
        "picture": picture.name,
        "side": result.sides[index],
        "joints_m": result.joints[index].round(6).tolist(),
        "joints_2d_px": ((result.joints_2d[index] + 0.5) / factor - 0.5).round(2).tolist(),
        "intrinsics_px": (to_original @ result.intrinsics[index]).round(3).tolist(),
        "intrinsics_are": "assumed: distance and size hang on them",
        "fit_energy": round(float(result.energy[index]), 4),
    }
    path = stem.with_name(stem.name + ".json")
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(numbers, indent=1) + "\n")
    os.replace(partial, path)


def write_overlay(image: "np.ndarray", result: "HandReconstruction", path: Path) -> None:
    """Draw every hand's mesh over the picture, half transparent, and write it as PNG."""
    import numpy as np
    from PIL import Image

    from handlib.viz import overlay_mesh

    # Far hands first, so that near ones lie over them.
    for index in np.argsort(-result.joints[:, 0, 2]).tolist():
        image = overlay_mesh(image, result.vertices[index], result.faces_of(index), result.intrinsics[index])
    Image.fromarray(image).save(path)
