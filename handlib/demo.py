"""``handlib demo``: photographs in, posed 3D hands out: a mesh, an overlay and the numbers of each hand."""

import hashlib
import io
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tqdm import tqdm

import handlib
from handlib.errors import BadInputError, MissingFileError
from handlib.files import atomic_write

if TYPE_CHECKING:
    import numpy as np

    from handlib.keypoints import HandDetection
    from handlib.reconstruction import HandReconstruction

# Pictures are worked on at this size: keypoints are no better for more pixels, and overlays are for looking.
LONGEST_SIDE_PX = 1024
# Below this, the detector's word for left or right is not taken: both hands are fitted.
SURE_OF_SIDE = 0.95
OVERLAY = "-overlay.png"


@dataclass(frozen=True)
class Request:
    """What is asked of every picture.

    Attributes:
        out: the folder for the results.
        side: auto, left or right.
        max_hands: at most so many a picture.
        stored: detections by the picture's name; None asks the detector.
        options: all of this and handlib's version as text, for the record that each result carries.
    """

    out: Path
    side: str
    max_hands: int
    stored: "dict[str, list[HandDetection]] | None"
    options: dict[str, Any] = field(default_factory=dict)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("demo")(demo)


def demo(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Pictures, or folders of pictures.")],
    out: Annotated[Path, typer.Option(help="The folder for the results; made if it is not there.")] = Path("hands"),
    side: Annotated[str, typer.Option(help="Which hand the pictures show: auto, left or right.")] = "auto",
    max_hands: Annotated[int, typer.Option(min=1, help="At most so many hands a picture.")] = 2,
    keypoints: Annotated[
        Path | None, typer.Option(help="Stored detections (data_scripts/detect_photos.py) instead of the detector.")
    ] = None,
) -> None:
    """Turn photographs of hands into posed 3D hands.

    For hand K of PHOTO the folder gets PHOTO-handK.obj (a coloured mesh), PHOTO-handK.json (joints, camera, side) and
    for the photograph PHOTO-overlay.png. A picture that cannot be used is named, the others go on, and the exit code
    is 1. A picture whose results are there already, from the same options, is left alone: an interrupted run goes on.

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
    source = "detector" if keypoints is None else _digest(keypoints)
    options = {"side": side, "max_hands": max_hands, "keypoints": source, "handlib": handlib.__version__}
    request = Request(out, side, max_hands, stored, options)
    out.mkdir(parents=True, exist_ok=True)
    hands = skipped = 0
    for picture in tqdm(pictures, desc="hands", unit="picture"):
        try:
            hands += count_finished(picture, request) or reconstruct_picture(picture, request)
        # Only what is wrong with this picture: a missing package or a full disk would stop the next one, too.
        except (BadInputError, MissingFileError) as error:
            skipped += 1
            which = "" if picture.name in str(error) else f"{picture}: "
            tqdm.write(f"skipped: {which}{error}", file=sys.stderr)
    if not hands:
        raise BadInputError(f"none of {len(pictures)} pictures gave a hand: the lines above say why")
    typer.echo(f"{hands} hand{'s' * (hands != 1)} from {len(pictures) - skipped} of {len(pictures)} pictures in {out}")
    if skipped:
        raise typer.Exit(1)


def find_pictures(paths: list[Path]) -> list[Path]:
    """The pictures among files and folders, folders in the order of their names, overlays of earlier runs left out.

    Raises:
        BadInputError: there is none, or two would write the same results. A name that is not there is left to the
            reader of pictures to report.
    """
    from handlib.data.images import IMAGE_SUFFIXES

    found: dict[str, Path] = {}
    for path in paths:
        inside = [path]
        if path.is_dir():
            entries = (entry for entry in path.iterdir() if not entry.name.endswith(OVERLAY))
            inside = sorted(entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES)
        for picture in inside:
            other = found.setdefault(picture.stem, picture)
            if other != picture:
                raise BadInputError(
                    f"{other} and {picture} would both write {picture.stem}{OVERLAY}: rename one, or run twice with "
                    "two --out folders"
                )
    if not found:
        raise BadInputError(
            f"no pictures in {', '.join(map(str, paths))}: expected {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return list(found.values())


def count_finished(picture: Path, request: Request) -> int:
    """How many hands of a picture an earlier run has written with the same options; 0 if it did not finish."""
    # The overlay is written last: where it is, the rest is.
    if not picture.is_file() or not (request.out / f"{picture.stem}{OVERLAY}").is_file():
        return 0
    count, asked = 0, _asked(picture, request)
    while (path := _hand_path(request.out, picture, count + 1, ".json")).is_file():
        try:
            same = json.loads(path.read_text(encoding="utf-8")).get("asked") == asked
        except (ValueError, AttributeError):
            same = False
        if not same:
            return 0
        count += 1
    return count


def reconstruct_picture(picture: Path, request: Request) -> int:
    """Reconstruct every hand of one picture and write its files; returns how many hands there are.

    Raises:
        BadInputError: the picture cannot be read, has no hand, or its detections are not among the stored ones.
        MissingFileError: it is not there.
        MissingExtraError: no detector is installed.
        DiskFullError: no room; files written before are whole.
    """
    import numpy as np

    from handlib.data.images import read_image
    from handlib.keypoints import find_hands
    from handlib.reconstruction import reconstruct

    original = read_image(picture)
    image, factor = shrink(original)
    if request.stored is None:
        found = find_hands(original, max_hands=request.max_hands)
    elif picture.name in request.stored:
        found = request.stored[picture.name][: request.max_hands]
    else:
        raise BadInputError(f"{picture.name} is not among the stored detections: detect it, or leave --keypoints out")
    if not found:
        raise BadInputError(f"no hand was found in {picture}: crop nearer to the hand, or give --keypoints")
    scaled = [(hand.keypoints_px + 0.5) * factor - 0.5 for hand in found]
    keypoints = np.stack([np.c_[points, hand.confidence] for points, hand in zip(scaled, found, strict=True)])
    sides = [hand.side if hand.side_score > SURE_OF_SIDE else "auto" for hand in found]
    side = sides if request.side == "auto" else request.side
    result = reconstruct(np.stack([image] * len(found)), keypoints, side=side)
    overlay = request.out / f"{picture.stem}{OVERLAY}"
    overlay.unlink(missing_ok=True)
    for index in range(len(found)):
        write_hand(result, index, picture, factor, request)
    number = len(found) + 1
    while (surplus := _hand_path(request.out, picture, number, ".json")).is_file():
        # Of an earlier run with other options, which found more.
        surplus.unlink()
        surplus.with_suffix(".obj").unlink(missing_ok=True)
        number += 1
    write_overlay(image, result, overlay)
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


def write_hand(result: "HandReconstruction", index: int, picture: Path, factor: float, request: Request) -> None:
    """Write one hand as ``.obj`` and ``.json``; pixels in the JSON are those of the original picture."""
    import numpy as np

    from handlib.hand.export import write_obj

    mesh = _hand_path(request.out, picture, index + 1, ".obj")
    write_obj(mesh, result.vertices[index], result.faces_of(index), result.texture[index])
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
        "asked": _asked(picture, request),
    }
    atomic_write(mesh.with_suffix(".json"), (json.dumps(numbers, indent=1) + "\n").encode())


def write_overlay(image: "np.ndarray", result: "HandReconstruction", path: Path) -> None:
    """Draw every hand's mesh over the picture, half transparent, and write it as PNG."""
    import numpy as np
    from PIL import Image

    from handlib.viz import overlay_mesh

    # Far hands first, so that near ones lie over them.
    for index in np.argsort(-result.joints[:, 0, 2]).tolist():
        image = overlay_mesh(image, result.vertices[index], result.faces_of(index), result.intrinsics[index])
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png")
    atomic_write(path, buffer.getvalue())


def _hand_path(out: Path, picture: Path, number: int, suffix: str) -> Path:
    return out / f"{picture.stem}-hand{number}{suffix}"


def _asked(picture: Path, request: Request) -> dict[str, Any]:
    """What a result depends on: the picture's content and the options."""
    return {"picture_sha256": _digest(picture), **request.options}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
