"""The command ``handlib demo``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

import handlib
from handlib.errors import BadInputError, MissingFileError

if TYPE_CHECKING:
    from handlib.demo.request import Request

WITHOUT_DETECTOR = (
    "note: no hand detector is installed (pip install -e '.[detect]'): each picture is taken for the crop of one hand, "
    "which should fill about half of it or more"
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("demo")(demo)


def demo(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Pictures, films, or folders of them.")],
    out: Annotated[Path, typer.Option(help="The folder for the results; made if it is not there.")] = Path("hands"),
    side: Annotated[str, typer.Option(help="Which hand the pictures show: auto, left or right.")] = "auto",
    max_hands: Annotated[int, typer.Option(min=1, help="At most so many hands a picture.")] = 2,
    checkpoint: Annotated[Path | None, typer.Option(help="A network of yours instead of the packaged one.")] = None,
    fit: Annotated[
        bool, typer.Option("--fit", help="Fit the hand to the detected keypoints, without a network.")
    ] = False,
    detector: Annotated[
        bool, typer.Option(help="Search for hands; --no-detector takes each picture for the crop of one hand.")
    ] = True,
    keypoints: Annotated[
        Path | None, typer.Option(help="Stored detections (data_scripts/detect_photos.py) instead of the detector.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Of films, take every so many frames.")] = 1,
    smooth: Annotated[
        str, typer.Option(help="Of films: none, or one-euro, a filter after the network that sees the past alone.")
    ] = "none",
) -> None:
    """Turn photographs and films of hands into posed 3D hands.

    For hand K of PHOTO the folder gets PHOTO-handK.obj (a coloured mesh), PHOTO-handK.json (joints, camera, side,
    confidence) and for the photograph PHOTO-overlay.png; for a film FILM-overlay.mp4 and FILM-hands.jsonl, a line a
    frame, and how much the hands tremble is measured. What cannot be used, or shows no hand, is named, the others go
    on, and the exit code is 1. What is there already, from the same options, is left alone: an interrupted run goes on.

    \b
    Examples:
      handlib demo me.jpg
      handlib demo holiday/ --out hands --max-hands 4
      handlib demo me.mp4 --every 5
      handlib demo me.mp4 --smooth one-euro
      handlib demo crop.png --no-detector --side left
    """
    from handlib.demo import films, pictures
    from handlib.demo.request import find_inputs, is_film

    inputs = find_inputs(photos)
    request = make_request(out, side, max_hands, checkpoint, fit, detector, keypoints, every, smooth)
    out.mkdir(parents=True, exist_ok=True)
    hands = skipped = 0
    for path in tqdm(inputs, desc="hands", unit="picture"):
        try:
            if is_film(path):
                hands += films.count_finished(path, request) or films.reconstruct_film(path, request)
            else:
                hands += pictures.count_finished(path, request) or pictures.reconstruct_picture(path, request)
        # Only what is wrong with this picture: a missing package or a full disk would stop the next one, too.
        except (BadInputError, MissingFileError) as error:
            skipped += 1
            which = "" if path.name in str(error) else f"{path}: "
            tqdm.write(f"skipped: {which}{error}", file=sys.stderr)
    if not hands:
        raise BadInputError(f"none of {len(inputs)} pictures gave a hand: the lines above say why")
    typer.echo(f"{hands} hand{'s' * (hands != 1)} from {len(inputs) - skipped} of {len(inputs)} pictures in {out}")
    if skipped:
        raise typer.Exit(1)


def make_request(
    out: Path,
    side: str,
    max_hands: int,
    checkpoint: Path | None,
    fit: bool,
    detector: bool,
    keypoints: Path | None,
    every: int,
    smooth: str,
) -> "Request":
    """The options, checked, before any picture is read: what stops every picture stops here.

    Raises:
        BadInputError: options that exclude each other, or an unknown side or filter.
        MissingFileError: there is no such network or lifting head, or no such file of detections.
        MissingExtraError: a fit needs keypoints, and no detector is installed.
    """
    from handlib.demo.request import Request, digest
    from handlib.demo.tracks import SMOOTHINGS
    from handlib.keypoints import detector_is_installed, detector_name, read_detections
    from handlib.pretrained import RELEASED, find_network
    from handlib.reconstruction.lifter import LIFTING_HEAD, released_lifter

    if side not in ("auto", "left", "right"):
        raise BadInputError(f"--side is auto, left or right, not {side!r}")
    if smooth not in SMOOTHINGS:
        raise BadInputError(f"--smooth is {' or '.join(SMOOTHINGS)}, not {smooth!r}")
    if fit and checkpoint is not None:
        raise BadInputError("--fit uses no network: leave out --checkpoint, or --fit")
    if fit and keypoints is None:
        if not detector:
            raise BadInputError("--fit needs keypoints: leave out --no-detector, or give --keypoints")
        detector_name()
    if not fit:
        find_network(checkpoint)
    if keypoints is None and detector and not detector_is_installed():
        typer.echo(WITHOUT_DETECTOR, err=True)
        detector = False
    lifts = bool(detector or keypoints) and not (fit or checkpoint)
    if lifts:
        released_lifter()
    stored = None if keypoints is None else read_detections(keypoints)
    source = digest(keypoints) if keypoints else detector_name() if detector else "whole pictures"
    options = {
        "side": side,
        "max_hands": max_hands,
        "keypoints": source,
        "network": None if fit else digest(checkpoint or RELEASED),
        "lifting_head": digest(LIFTING_HEAD) if lifts else None,
        "every": every,
        "smooth": smooth,
        "handlib": handlib.__version__,
    }
    return Request(out, side, max_hands, stored, detector, fit, checkpoint, every, smooth, options)
