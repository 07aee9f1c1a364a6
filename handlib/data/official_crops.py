"""Crops of an official data set, made once and kept as arrays: what a training reads thousands of times.

Everything is a right hand here: pictures of left hands are mirrored, with their cameras and labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from tqdm import tqdm

from handlib.data.label_cache import ArrayWriter, LabelArrays
from handlib.data.official import OfficialDataset
from handlib.data.sample import Sample
from handlib.data.sample_views import as_right_hand, crop_sample

_BLOCK = 256


@dataclass(frozen=True, eq=False)
class OfficialCrops:
    """N square crops; pixels, metres, camera frame, OpenCV axes. What a sample lacks is NaN, or as said.

    Attributes:
        rgb: mapped from a file.
        K: of the crops.
        keypoints_px: the *labels'* 2D joints.
        confidence: 0 for joints without a label.
        joints_m: NaN for joints without a label.
        vertices_m: where meshes were asked for and every sample has one; else None.
        index: number of each sample in the reader.
        sequence: name of each sample's video, "" for none.
        frame: its number there, -1 for none.
    """

    rgb: UInt8[np.ndarray, "crops px px 3"]
    K: Float[np.ndarray, "crops 3 3"]
    keypoints_px: Float[np.ndarray, "crops 21 2"]
    confidence: Float[np.ndarray, "crops 21"]
    joints_m: Float[np.ndarray, "crops 21 3"]
    vertices_m: Float[np.ndarray, "crops vertices 3"] | None
    index: Int[np.ndarray, "crops"]
    sequence: np.ndarray
    frame: Int[np.ndarray, "crops"]

    def __len__(self) -> int:
        return len(self.rgb)


def write_crops(
    out: ArrayWriter,
    dataset: OfficialDataset,
    chosen: Sequence[int],
    image_px: int,
    *,
    enlarge: float | int | None = 1.5,
    meshes: bool = False,
) -> None:
    """Cut chosen samples out of their pictures.

    Args:
        out: where to.
        dataset: an open reader.
        chosen: numbers of samples.
        image_px: side of the crops.
        enlarge: see :func:`~handlib.data.sample_views.crop_sample`; None for the whole picture.
        meshes: keep the vertices of those that have them.

    Raises:
        BadInputError, MissingFileError: a picture is missing or damaged, whatever the reader's ``on_bad`` says;
            ``handlib data prepare NAME --skip-bad`` takes such samples out.
    """
    title = f"cropping {dataset.name} {dataset.split}"
    for start in tqdm(range(0, len(chosen), _BLOCK), desc=title, unit=f"{_BLOCK} pictures"):
        numbers = [int(number) for number in chosen[start : start + _BLOCK]]
        samples = [crop_sample(as_right_hand(dataset[number]), image_px, enlarge=enlarge) for number in numbers]
        out.append("rgb", np.stack([sample.image for sample in samples]))
        out.append("K", np.stack([_known(sample.K, (3, 3)) for sample in samples]))
        out.append("confidence", np.stack([_confidence(sample) for sample in samples]))
        out.append("keypoints_px", np.stack([_known(sample.joints_2d_px, (21, 2), 0.0) for sample in samples]))
        out.append("joints_m", np.stack([_known(sample.joints_m, (21, 3)) for sample in samples]))
        out.append("index", np.array(numbers, np.int64))
        out.append("sequence", np.array([(sample.sequence or "").encode() for sample in samples], "S64"))
        out.append("frame", np.array([-1 if s.frame is None else s.frame for s in samples], np.int64))
        if meshes and all(sample.vertices_m is not None for sample in samples):
            out.append("vertices_m", np.stack([sample.vertices_m for sample in samples]).astype(np.float32))


def read_crops(arrays: LabelArrays) -> OfficialCrops:
    """The crops of a folder that :func:`write_crops` has filled; the pictures stay in their file."""
    names = ("K", "keypoints_px", "confidence", "joints_m", "index", "frame")
    meshes = arrays.get("vertices_m")
    return OfficialCrops(
        rgb=arrays["rgb"],
        # A block without meshes leaves rows out, so that none can be told to whom it belongs.
        vertices_m=meshes if meshes is not None and len(meshes) == len(arrays["rgb"]) else None,
        sequence=np.asarray(arrays["sequence"]).astype(str),
        **{name: np.array(arrays[name]) for name in names},
    )


def _known(values: np.ndarray | None, shape: tuple[int, ...], missing: float = np.nan) -> np.ndarray:
    return np.full(shape, missing, np.float32) if values is None else np.asarray(values, np.float32)


def _confidence(sample: Sample) -> np.ndarray:
    if sample.joints_2d_px is None:
        return np.zeros(21, np.float32)
    return np.ones(21, np.float32) if sample.confidence is None else np.asarray(sample.confidence, np.float32)
