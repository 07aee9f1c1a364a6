"""The front door: pictures of hands in, 3D hands out."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Num, Shaped

from handlib.errors import BadInputError
from handlib.fitting import FitSettings
from handlib.keypoints import detector_is_installed
from handlib.pretrained import find_network
from handlib.reconstruction.arguments import check_intrinsics, check_pictures, check_sides, split_confidence
from handlib.reconstruction.assemble import assemble
from handlib.reconstruction.detected import detect
from handlib.reconstruction.estimate import estimate_sides
from handlib.reconstruction.from_keypoints import default_model, fit_hands
from handlib.reconstruction.lifter import released_lifter
from handlib.reconstruction.looking import look_for_hands
from handlib.reconstruction.result import HandReconstruction


def reconstruct(
    images: Shaped[np.ndarray, "batch *picture"] | Sequence[np.ndarray],
    keypoints: Num[np.ndarray, "*keypoint_batch points coordinates"] | None = None,
    checkpoint: str | Path | None = None,
    side: str | Sequence[str] = "right",
    *,
    intrinsics: Num[np.ndarray, "camera_batch 3 3"] | None = None,
    looks: int = 2,
    detector: bool | None = None,
    settings: FitSettings | None = None,
    progress: bool = False,
) -> HandReconstruction:
    """Reconstruct the hand in each picture.

    With nothing but pictures, a trained network looks at each, twice: at the whole picture, then at where it saw the
    hand. Nothing else is needed, and nothing is downloaded. Where the extra ``detect`` is installed, its detector says
    where the hand's 2D keypoints are, and a head that knows its mistakes lifts them (a network of ``checkpoint`` lifts
    them itself): more accurate, and slower. With keypoints, the hand is fitted to them, one optimisation a picture: see
    :func:`handlib.fitting.fit_to_keypoints`.

    Args:
        images: (N, H, W, 3) RGB, uint8, or a list of pictures of several sizes; one hand each, which fills a good part
            of the picture. Floats in 0..1, 16-bit, grey and transparent pictures are converted. That a picture is BGR,
            as ``cv2.imread`` gives it, cannot be seen from its numbers: the hand is then seen less surely and has a
            blue texture; turn the channels round with ``image[..., ::-1]``.
        keypoints: (N, 21, 2) pixels, or (N, 21, 3) with a confidence in 0..1 as third number, 0 for a joint that was
            not found. The hand is fitted to them, and the picture only gives the colours.
        checkpoint: a network of :func:`handlib.models.save_network`; by default the one that comes with the package.
        side: which hand the pictures show, one for all or one for each. "auto" tries both. A network keeps the side
            of which it is surer; a fit the one that explains the keypoints with less energy (a flat hand does not tell,
            a bent finger does).
        intrinsics: (N, 3, 3) the cameras, pixels. If not given, a camera is assumed, and the distance to the hand is
            only as good as that guess.
        looks: how often the network looks; 1 is quicker, and enough where all crops are like those of its training.
        detector: True to have 2D keypoints detected, False to let the network read them; None detects them where a
            detector is installed. A hand that it does not find is the network's alone. A hand that it finds where the
            network of the package sees none has a low ``confidence``.
        settings: weights and effort of the fit to ``keypoints``.
        progress: show a progress bar.

    Returns:
        one hand a picture, in the pictures' order. A picture without a hand gets one, too: its ``confidence`` is low.

    Raises:
        BadInputError: empty batch, wrong shapes, types or ranges, NaN, fewer than 4 joints with confidence, arguments
            that exclude each other, a file that is no network.
        MissingFileError: there is no such checkpoint, or the package came without its own.
        MissingExtraError: ``detector=True``, and none is installed.

    Example:
        >>> hands = handlib.reconstruct(image[None], side="left")
        >>> hands.joints.shape
        (1, 21, 3)
    """
    pictures = check_pictures(images)
    sides = check_sides(side, len(pictures))
    K = None if intrinsics is None else check_intrinsics(intrinsics, len(pictures))
    if keypoints is None:
        if settings is not None:
            raise BadInputError("settings are those of the fit to keypoints: give keypoints, or leave settings out")
        if looks < 1:
            raise BadInputError(f"looks is {looks}: a network has to look at least once")
        network = find_network(checkpoint)
        faces = network.hand.faces
        use_detector = detector_is_installed() if detector is None else detector
        detected = detect(pictures) if use_detector else None
        lifter = released_lifter() if use_detector and checkpoint is None else None
        how = {"looks": looks, "judges": checkpoint is None, "progress": progress}
        how |= {"detected": detected, "lifter": lifter}
        estimate = partial(look_for_hands, network, pictures, K=K, **how)
    else:
        if checkpoint is not None:
            raise BadInputError(
                "keypoints are fitted without a network: leave out checkpoint to fit them, or keypoints to let the "
                "network look"
            )
        points, confidence = split_confidence(keypoints, len(pictures))
        faces = default_model().faces
        estimate = partial(fit_hands, points, confidence, K=K, settings=settings, progress=progress)
    hands, left = estimate_sides(estimate, sides)
    return assemble(pictures, hands, left, faces)
