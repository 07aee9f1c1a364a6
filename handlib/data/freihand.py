"""FreiHAND: single pictures of 224 px with joints, mesh, mask and MANO's numbers (Zimmermann et al., ICCV 2019).

Layout (https://github.com/lmb-freiburg/freihand)::

    training/rgb/00000000.jpg   32,560 pictures in four versions, version k from number 32,560 k on
    training/mask/00000000.jpg  of the first version; the hand is as in the other three
    evaluation/rgb/...          3,960 pictures
    {training,evaluation}_{K,scale}.json          intrinsics; length of the middle finger's proximal bone, m
    {training,evaluation}_{xyz,mano,verts}.json   21 joints (m), MANO's 61 numbers, 778 vertices (m)

Axes, units and joint order are ours already. The evaluation labels were published later than the pictures: without
them its samples have pictures, K and scale only. Each .json holds one list with an entry a picture.
"""

from pathlib import Path

import numpy as np
import torch

from handlib.data.images import read_image, read_stored_pixels
from handlib.data.json_stream import stream_json_numbers
from handlib.data.label_cache import ArrayWriter, cached_labels
from handlib.data.mano_labels import mano_mesh, regress_joints, require_mano
from handlib.data.official import OfficialDataset, OnBad, check_choice, joint_faults, project
from handlib.data.sample import Sample
from handlib.errors import BadInputError
from handlib.hand import HandModel

VERSIONS = ("gs", "hom", "sample", "auto")
"""Green screen, harmonised, and two automatic colourings: four backgrounds for the same hands."""

IMAGE_PX = 224
# What a label file holds an entry, by the name in its file name.
_SHAPES = {"K": (3, 3), "scale": (), "xyz": (21, 3), "mano": (61,), "verts": (778, 3)}
_ROOT_JOINT = 9


class FreiHand(OfficialDataset):
    """FreiHAND, one split, one or all versions of its pictures.

    Samples have ``image``, ``K``; with labels ``joints_m``, ``joints_2d_px``; in the training split ``mask``; with a
    ``*_verts.json``, or with ``hand``, ``vertices_m``.
    """

    name = "freihand"
    splits = ("training", "evaluation")
    landmarks = ("training_K.json", "evaluation_K.json")
    remedy = "unpack FreiHAND_pub_v2.zip again (evaluation labels: FreiHAND_pub_v2_eval.zip)"

    def __init__(
        self,
        root: str | Path | None = None,
        split: str = "training",
        *,
        version: str = "gs",
        hand: HandModel | None = None,
        on_bad: OnBad = "raise",
    ) -> None:
        """Open a split.

        Args:
            root: the folder with ``training/`` and the .json files; by default HANDLIB_FREIHAND.
            split: "training" or "evaluation".
            version: one of :data:`VERSIONS`, or "all" for the four one after the other (130,240 samples).
            hand: MANO's right hand: makes meshes of MANO's numbers where there is no ``*_verts.json``.
            on_bad: see :mod:`handlib.data.official`.

        Raises:
            MissingFileError: no such folder, or K or the training labels are missing.
            BadInputError: label files of different lengths, of other shapes, or with impossible numbers.
        """
        super().__init__(root, split, on_bad)
        check_choice("version", version, (*VERSIONS, "all"))
        if split == "evaluation" and version not in ("gs", "all"):
            raise BadInputError(f"version is {version!r}, but the evaluation split has the pictures 'gs' only")
        self.hand = None if hand is None else require_mano(hand)
        required = ("K", "xyz") if split == "training" else ("K",)
        files = {kind: self.root / f"{split}_{kind}.json" for kind in _SHAPES}
        files = {kind: path for kind, path in files.items() if kind in required or path.exists()}
        self.labels = cached_labels(
            self.root,
            f"{self.name}-{split}",
            list(files.values()),
            lambda out: self._write(files, out),
            remedy=self.remedy,
        )
        self.num_unique = len(self.labels["K"])
        chosen = (0,) if split == "evaluation" else range(4) if version == "all" else (VERSIONS.index(version),)
        faults = {}
        if "xyz" in self.labels:
            found = joint_faults(self.labels["xyz"], self.labels["K"], (IMAGE_PX, IMAGE_PX))
            faults = {k * self.num_unique + row: why for k in chosen for row, why in found.items()}
        rows = (k * self.num_unique + row for k in chosen for row in range(self.num_unique))
        self.offer(rows, faults, files.get("xyz", files["K"]))

    def _write(self, files: dict[str, Path], out: ArrayWriter) -> None:
        for kind, path in files.items():
            for block in stream_json_numbers(path, _SHAPES[kind], remedy=self.remedy):
                out.append(kind, block)
        lengths = {path.name: out.rows(kind) for kind, path in files.items()}
        if len(set(lengths.values())) != 1 or 0 in lengths.values():
            told = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise BadInputError(
                f"{self.root}: the label files have different numbers of entries: {told}: {self.remedy}"
            )
        # One more than there can be: labels of the other split, or of a part, would fit wrong pictures.
        following = (len(VERSIONS) if self.split == "training" else 1) * out.rows("K")
        picture = self.root / self.split / "rgb" / f"{following:08d}.jpg"
        if picture.is_file():
            raise BadInputError(
                f"{files['K']} has {out.rows('K'):,} entries, too few: there is a picture {picture}: {self.remedy}"
            )

    @property
    def scale_m(self) -> np.ndarray:
        """(samples,) length of the middle finger's proximal bone, m: given for the evaluation pictures too."""
        return np.asarray(self.labels["scale"])[self.rows % self.num_unique]

    def sample_name(self, row: int) -> str:
        """The picture's path without its suffix."""
        return f"{self.split}/rgb/{row:08d}"

    def read_row(self, row: int) -> Sample:
        """Read the picture of this number, its mask, and its row of the labels."""
        label = row % self.num_unique
        image = read_image(self.root / f"{self.sample_name(row)}.jpg")
        K = np.array(self.labels["K"][label])
        known = {}
        if "xyz" in self.labels:
            joints = np.array(self.labels["xyz"][label])
            known = {"joints_m": joints, "joints_2d_px": project(joints, K), "confidence": np.ones(21, np.float32)}
        return Sample(
            image=image,
            name=self.sample_name(row),
            K=K,
            mask=self._read_mask(label) if self.split == "training" else None,
            vertices_m=self._vertices(label),
            **known,
        )

    def _read_mask(self, label: int) -> np.ndarray:
        pixels = read_stored_pixels(self.root / "training" / "mask" / f"{label:08d}.jpg")
        grey = pixels if pixels.ndim == 2 else pixels.max(-1)
        # JPEG has smeared its edge.
        return (grey > 127).astype(np.float32)

    def _vertices(self, label: int) -> np.ndarray | None:
        if "verts" in self.labels:
            return np.array(self.labels["verts"][label])
        if self.hand is None or "mano" not in self.labels:
            return None
        return freihand_mesh(self.hand, self.labels["mano"][label], self.labels["K"][label])


def freihand_mesh(hand: HandModel, mano: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Vertices (778, 3), camera frame, m, of FreiHAND's 61 numbers (``utils/model.py`` of the official code).

    48 pose numbers to which the mean pose is added, 10 shape, then the middle knuckle's pixel and a scale (px/m): the
    knuckle lies at ``((u - cx) / scale, (v - cy) / scale, f / scale)``, f the mean of the two focal lengths.
    """
    focal = (K[0, 0] + K[1, 1]) / 2
    root = np.array([mano[58] - K[0, 2], mano[59] - K[1, 2], focal]) / mano[60]
    vertices = mano_mesh(hand, np.asarray(mano[:48]), np.asarray(mano[48:58]), add_mean_pose=True).vertices[0]
    shift = torch.as_tensor(root).to(vertices) - regress_joints(hand, vertices)[_ROOT_JOINT]
    return (vertices + shift).float().numpy()
