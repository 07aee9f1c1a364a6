"""YouTube-3D-Hands: meshes fitted to hands in 116 videos, and those videos without labels (Kulon et al., CVPR 2020).

Layout (https://github.com/arielai/youtube_3d_hands)::

    youtube_{train,val,test}.json                        at the root or in data/
    youtube/VIDEO_ID/video/frames/123.png                every frame of a video, numbered; below the .json files

A file has ``images`` (name, width, height, id) and ``annotations`` (vertices 778 x 3, is_left, image_id, id). The
vertices are in pixels, all three coordinates: orthographic, with an unknown camera and size. So samples have no metres
and no K. Papers on video use the films alone: :class:`YouTubeVideos`.
"""

import re
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float

from handlib.data.archives import read_arrays
from handlib.data.clips import continuous_runs, discontinuities
from handlib.data.images import read_image
from handlib.data.json_stream import stream_json_array
from handlib.data.label_cache import ArrayWriter, cached_labels
from handlib.data.mano_labels import regress_joints, require_mano
from handlib.data.official import OfficialDataset, OnBad, numbers
from handlib.data.sample import Sample
from handlib.errors import BadInputError, MissingFileError
from handlib.hand import HandModel

_NAME_BYTES = 96
_FRAME = re.compile(r"youtube/([^/]+)/video/frames/(\d+)\.png")


class YouTubeHands(OfficialDataset):
    """The annotated pictures: a sample a hand, with ``side``; with ``hand`` also ``joints_2d_px``."""

    name = "youtube_hands"
    splits = ("train", "val", "test")
    landmarks = ("youtube_train.json", "youtube_val.json", "youtube_test.json", "data")
    remedy = "ask its authors for the .json files again, and download the films with their download_images.py"

    def __init__(
        self,
        root: str | Path | None = None,
        split: str = "train",
        *,
        hand: HandModel | None = None,
        on_bad: OnBad = "raise",
    ) -> None:
        """Open a split.

        Args:
            root: the folder with the .json files; by default HANDLIB_YOUTUBE_HANDS.
            split: "train", "val" or "test".
            hand: MANO's right hand: its regressor finds the joints in the meshes (left ones have the same topology).
            on_bad: see :mod:`handlib.data.official`.

        Raises:
            MissingFileError: no such folder or .json file.
            BadInputError: a damaged file, or annotations of pictures that it does not list.
        """
        super().__init__(root, split, on_bad)
        self.hand = None if hand is None else require_mano(hand)
        self.path = find_labels(self.root, split, self.remedy)
        self.labels = cached_labels(self.root, f"{self.name}-{split}", [self.path], self._write, remedy=self.remedy)
        self.offer(range(len(self.labels["vertices_px"])), self._faults(), self.path)

    def _faults(self) -> dict[int, str]:
        """What is wrong with meshes: NaN, or all beside their picture. In blocks, as all together are 440 MB."""
        faults: dict[int, str] = {}
        for start in range(0, len(self.labels["vertices_px"]), 4096):
            vertices = np.asarray(self.labels["vertices_px"][start : start + 4096])
            width_height = np.asarray(self.labels["size"])[self.labels["image"][start : start + 4096]][:, None]
            inside = ((vertices[..., :2] > -0.5) & (vertices[..., :2] < width_height - 0.5)).all(-1).any(1)
            for row in np.flatnonzero(~inside).tolist():
                faults[start + row] = "no vertex falls into the picture: the axes are swapped, or its size is another"
            for row in np.flatnonzero(~np.isfinite(vertices).all((1, 2))).tolist():
                faults[start + row] = "a vertex is NaN or infinite"
        return faults

    def _write(self, out: ArrayWriter) -> None:
        try:
            self._write_entries(out)
        except (KeyError, TypeError) as error:
            met = f"{type(error).__name__}: {error}"
            raise BadInputError(f"{self.path}: an entry is not as it should be ({met}): {self.remedy}") from error

    def _write_entries(self, out: ArrayWriter) -> None:
        rows: dict[int, int] = {}
        for block in stream_json_array(self.path, "images", remedy=self.remedy):
            names = [image["name"].encode() for image in block]
            rows |= {image["id"]: out.rows("name") + k for k, image in enumerate(block)}
            out.append("name", np.array(names, f"S{_NAME_BYTES}"))
            out.append("size", np.array([[image["width"], image["height"]] for image in block], np.int32))
        for block in stream_json_array(self.path, "annotations", remedy=self.remedy):
            what = f"{self.path}, annotations from {out.rows('is_left')} on,"
            values = [entry["vertices"] for entry in block]
            out.append("vertices_px", numbers(values, (-1, 778, 3), what, self.remedy))
            out.append("is_left", np.array([bool(entry["is_left"]) for entry in block]))
            if unknown := [entry["image_id"] for entry in block if entry["image_id"] not in rows]:
                raise BadInputError(f"{what} belong to a picture {unknown[0]} that it does not list: {self.remedy}")
            out.append("image", np.array([rows[entry["image_id"]] for entry in block], np.int64))
        if not out.rows("is_left"):
            raise BadInputError(f"{self.path} has no annotation: {self.remedy}")

    def picture(self, row: int) -> str:
        """The picture's path below the root, as the file lists it."""
        return self.labels["name"][self.labels["image"][row]].decode()

    def sample_name(self, row: int) -> str:
        """The picture's path, and the number of the annotation: a picture may show several hands."""
        return f"{self.picture(row)}#{row}"

    def vertices_px(self, index: int) -> Float[np.ndarray, "778 3"]:
        """The mesh of a sample, x and y in its picture's pixels, z in pixels too, away from the camera."""
        return np.array(self.labels["vertices_px"][self.rows[index]])

    def sequence_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Video and number of the frame, for each annotated hand."""
        places = [_place(self.picture(row)) for row in self.rows]
        return np.array([video for video, _ in places]), np.array([frame for _, frame in places], np.int64)

    def read_row(self, row: int) -> Sample:
        """Read the picture of an annotation."""
        path, known = self.picture(row), {}
        if self.hand is not None:
            vertices = torch.as_tensor(np.array(self.labels["vertices_px"][row])).to(self.hand.J_regressor)
            joints = regress_joints(self.hand, vertices)[:, :2].float().numpy()
            known = {"joints_2d_px": joints, "confidence": np.ones(21, np.float32)}
        video, frame = _place(path)
        return Sample(
            image=read_image(self.path.parent / path),
            name=self.sample_name(row),
            side="left" if self.labels["is_left"][row] else "right",
            sequence=video,
            frame=frame,
            **known,
        )


class YouTubeVideos(OfficialDataset):
    """The films of a split without labels: every frame in which a detector found a hand, with what it found.

    Runs of :func:`handlib.data.clips.videos` end at cuts and where the hand is lost
    (:func:`handlib.data.clips.discontinuities`). S2HAND(V) keeps 34 films and 21,628 frames of the training split.
    """

    name = "youtube_hands"
    splits = YouTubeHands.splits
    landmarks = YouTubeHands.landmarks
    remedy = "run the detector over the films again: see handlib.keypoints.detect_hands"

    def __init__(
        self, root: str | Path | None = None, split: str = "train", *, detections: str | Path, on_bad: OnBad = "raise"
    ) -> None:
        """Open the films.

        Args:
            root: the folder with the .json files and ``youtube/``; by default HANDLIB_YOUTUBE_HANDS.
            split: "train", "val" or "test": its films are those that the .json file lists pictures of.
            detections: an ``.npz`` with ``name`` (N,) paths like ``youtube/ID/video/frames/12.png``, ``uv`` (N, 21, 2)
                px, ``score`` (N,) or (N, 21) in 0..1, 0 where there is no hand, and ``side`` (N,).
            on_bad: see :mod:`handlib.data.official`.

        Raises:
            MissingFileError: a file is not there.
            BadInputError: it is damaged, lacks an array, or has none of the split's films.
        """
        super().__init__(root, split, on_bad)
        path = find_labels(self.root, split, self.remedy)
        self.frames_root = path.parent
        pictures = (i["name"] for block in stream_json_array(path, "images", remedy=self.remedy) for i in block)
        films = {_place(name)[0] for name in pictures}
        stored = read_arrays(Path(detections), ("name", "uv", "score", "side"), self.remedy)
        self.places = [_place(str(name)) for name in stored["name"]]
        count = len(self.places)
        self.names = stored["name"].astype(str)
        self.uv = numbers(stored["uv"], (count, 21, 2), f"{detections}: uv", self.remedy)
        score = numbers(stored["score"], (count, -1)[: stored["score"].ndim], f"{detections}: score", self.remedy)
        self.confidence = np.array(np.broadcast_to(score.reshape(count, -1), (count, 21)))
        self.side = stored["side"].astype(str)
        finite = np.isfinite(self.uv).all((1, 2)) | (self.confidence == 0).all(1)
        faults = dict.fromkeys(np.flatnonzero(~finite).tolist(), "a detected keypoint is NaN")
        has_hand = (self.confidence > 0).sum(1) > 1
        rows = [row for row, (film, _) in enumerate(self.places) if film in films and has_hand[row]]
        self.offer(rows, faults, Path(detections))

    def sample_name(self, row: int) -> str:
        """The frame's path."""
        return str(self.names[row])

    def sequence_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Film and number of the frame."""
        places = [self.places[row] for row in self.rows]
        return np.array([film for film, _ in places]), np.array([frame for _, frame in places], np.int64)

    def run_starts(self) -> Bool[np.ndarray, "samples"]:
        """Frames that do not follow from the frame before, by their keypoints."""
        sequence, frame = self.sequence_labels()
        starts = np.zeros(len(self), bool)
        for run in continuous_runs(sequence, frame):
            starts[run] = discontinuities(self.uv[self.rows[run]], self.confidence[self.rows[run]])
        return starts

    def read_row(self, row: int) -> Sample:
        """Read a frame."""
        film, frame = self.places[row]
        found = self.confidence[row] > 0
        return Sample(
            image=read_image(self.frames_root / self.sample_name(row)),
            name=self.sample_name(row),
            side=str(self.side[row]),
            joints_2d_px=np.where(found[:, None], self.uv[row], 0).astype(np.float32),
            confidence=self.confidence[row],
            sequence=film,
            frame=frame,
        )


def find_labels(root: Path, split: str, remedy: str) -> Path:
    """The .json file of a split, at the root or in ``data/``.

    Raises:
        MissingFileError: it is in neither place.
    """
    places = [root / f"youtube_{split}.json", root / "data" / f"youtube_{split}.json"]
    for path in places:
        if path.is_file():
            return path
    raise MissingFileError(f"no {places[0]}: {remedy}")


def _place(name: str) -> tuple[str, int]:
    """Film and frame of a picture's path."""
    match = _FRAME.fullmatch(name)
    if match is None:
        raise BadInputError(f"{name!r} is no frame of a film: expected youtube/VIDEO_ID/video/frames/NUMBER.png")
    return match[1], int(match[2])
