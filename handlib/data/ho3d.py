"""HO-3D, versions 2 and 3: videos of a right hand with an object, 640 x 480 (Hampali et al., CVPR 2020).

Layout (https://github.com/shreyashampali/ho3d and the README in the data)::

    train.txt, evaluation.txt          one line a sample, "SEQUENCE/FRAME"; only these frames have good labels
    train/ABF10/rgb/0000.png           .jpg in version 3
    train/ABF10/depth/0000.png         16-bit depth: low byte in red, high byte in green
    train/ABF10/meta/0000.pkl          dictionary with handPose 48, handTrans 3, handBeta 10, handJoints3D, camMat, ...
    train/ABF10/seg/0000.png           rendered segmentation at a quarter of the size, a download of its own
    evaluation_{xyz,verts}.json        evaluation labels, published in 2024

All 3D is in OpenGL axes (the hand at negative z) and MANO's joint order: both are converted here. Evaluation samples
have the wrist and a box only, unless the .json files are there.
"""

from pathlib import Path

import cv2
import numpy as np

from handlib.data.depth_codes import join_bytes
from handlib.data.images import read_image, read_stored_pixels
from handlib.data.json_stream import stream_json_array
from handlib.data.label_cache import ArrayWriter, cached_labels
from handlib.data.mano_labels import mano_mesh, require_mano
from handlib.data.official import OfficialDataset, OnBad, joint_faults, numbers, project, read_lines
from handlib.data.sample import Sample
from handlib.errors import BadInputError, MissingFileError
from handlib.hand import HandModel
from handlib.hand.pickled_arrays import to_array
from handlib.hand.safe_pickle import read_pickle
from handlib.skeleton import reorder_joints

DEPTH_STEP_M = 0.00012498664727900177
IMAGE_HW = (480, 640)
OPENGL_TO_OPENCV = np.array([1.0, -1.0, -1.0], np.float32)
_MANO = {"handPose": 48, "handTrans": 3, "handBeta": 10}
_SUFFIX = {"ho3d_v2": ".png", "ho3d_v3": ".jpg"}


class HO3D(OfficialDataset):
    """One split of HO-3D; :func:`handlib.data.clips.clips` makes video clips of it.

    Training samples have ``image``, ``K``, ``joints_m``, ``joints_2d_px``, ``depth_m``, with ``hand`` also
    ``vertices_m``, and ``mask`` where the segmentations are there (lead from third-party loaders: the hand is blue).
    Evaluation samples have ``image``, ``K``, ``depth_m``, ``box_px``, and of ``joints_m`` the wrist.
    """

    splits = ("train", "evaluation")
    landmarks = ("train.txt", "evaluation.txt")
    remedy = "unpack HO3D_v2.zip or HO3D_v3.zip again, whole"

    def __init__(
        self,
        root: str | Path | None = None,
        split: str = "train",
        *,
        version: str = "v2",
        hand: HandModel | None = None,
        with_depth: bool = True,
        on_bad: OnBad = "raise",
    ) -> None:
        """Open a split.

        Args:
            root: the folder with ``train.txt``; by default HANDLIB_HO3D_V2 or HANDLIB_HO3D_V3.
            split: "train" or "evaluation".
            version: "v2" or "v3": which of the two the folder holds; it decides the default folder and the names.
            hand: MANO's right hand: makes meshes of MANO's numbers.
            with_depth: whether samples read their depth pictures.
            on_bad: see :mod:`handlib.data.official`.

        Raises:
            MissingFileError: no such folder, list of samples or label file.
            UnsafeFileError: a label file asks for more than arrays.
            BadInputError: labels that are missing, of other shapes, or impossible.
        """
        if version not in ("v2", "v3"):
            raise BadInputError(f"version is {version!r}, expected 'v2' or 'v3'")
        self.name = f"ho3d_{version}"
        super().__init__(root, split, on_bad)
        self.hand = None if hand is None else require_mano(hand)
        self.with_depth = with_depth
        listing = self.root / f"{split}.txt"
        published = {kind: self.root / f"evaluation_{kind}.json" for kind in ("xyz", "verts")}
        use_published = split == "evaluation" and all(path.is_file() for path in published.values())
        # Tens of thousands of label files: a folder tells whether one of its files was replaced.
        sources = [listing, *(published.values() if use_published else ()), *self._label_folders(listing)]
        self.labels = cached_labels(
            self.root,
            f"{self.name}-{split}",
            sources,
            lambda out: self._write(listing, published if use_published else {}, out),
            remedy=self.remedy,
        )
        known = np.asarray(self.labels["labelled"])
        if use_published:
            self._check_published(published["xyz"])
        # Joints without a label are NaN in the cache, those of a frame whose labels are gone altogether as well.
        faults = joint_faults(self.labels["joints_m"], self.labels["K"], IMAGE_HW, labelled=known)
        faults |= dict.fromkeys(np.flatnonzero(~known.any(1)).tolist(), "its label is None: there is no hand pose")
        self.offer(range(len(known)), faults, listing)

    def _label_folders(self, listing: Path) -> list[Path]:
        lines = read_lines(listing, self.remedy) if listing.is_file() else []
        sequences = dict.fromkeys(line.partition("/")[0] for line in lines)
        folders = [self.root / self.split / sequence / "meta" for sequence in sequences]
        return [folder for folder in folders if folder.is_dir()]

    def _write(self, listing: Path, published: dict[str, Path], out: ArrayWriter) -> None:
        for line in " ".join(read_lines(listing, self.remedy)).split():
            sequence, _, frame = line.partition("/")
            if not frame.isdigit():
                raise BadInputError(f"{listing}: line {line!r} is not SEQUENCE/FRAME: {self.remedy}")
            row = self._read_meta(self.root / self.split / sequence / "meta" / f"{frame}.pkl")
            row |= {"sequence": np.bytes_(sequence.encode()), "frame": np.bytes_(frame.encode())}
            for name, value in row.items():
                # A fixed width, because all rows of an array are of one type.
                out.append(name, np.array([value], "S16" if isinstance(value, np.bytes_) else None))
        if not out.rows("K"):
            raise BadInputError(f"{listing} lists no sample: {self.remedy}")
        self._check_version(sequence, frame)
        if published:
            self._write_published(published, out)

    def _check_version(self, sequence: str, frame: str) -> None:
        """Version 2 has .png pictures, version 3 .jpg: their labels differ, and either would open as the other."""
        picture = _existing(self.root / self.split / sequence / "rgb", frame)
        if picture.is_file() and picture.suffix != _SUFFIX[self.name]:
            other = next(name for name, suffix in _SUFFIX.items() if suffix == picture.suffix)
            raise BadInputError(
                f"{picture}: a picture of {other}, but the folder was given as {self.name}: say {other}"
            )

    def _read_meta(self, path: Path) -> dict[str, np.ndarray]:
        if not path.is_file():
            raise MissingFileError(f"no {path}, which the list of samples names: {self.remedy}")
        meta = read_pickle(path)

        def array(key: str, shape: tuple[int, ...]) -> np.ndarray:
            if meta.get(key) is None:
                return np.full(shape, np.nan, np.float32)
            try:
                value = to_array(meta[key])
            except BadInputError as error:
                raise BadInputError(f"{path}: {key} {error}: {self.remedy}") from error
            # Vectors come as (3,) or (3, 1).
            value = value.reshape(shape) if len(shape) == 1 and value.size == shape[0] else value
            return numbers(value, shape, f"{path}: {key}", self.remedy)

        joints = np.full((21, 3), np.nan, np.float32)
        if self.split == "train":
            joints = array("handJoints3D", (21, 3))
        else:
            joints[0] = array("handJoints3D", (3,))
        row = {"joints_m": reorder_joints(joints, "ho3d") * OPENGL_TO_OPENCV}
        # What a label has, it must have whole: NaN among its numbers is a fault, an absent label is not.
        count = 0 if meta.get("handJoints3D") is None else 21 if self.split == "train" else 1
        row["labelled"] = np.arange(21) < count
        row["K"] = array("camMat", (3, 3))
        if not np.isfinite(row["K"]).all():
            raise BadInputError(f"{path}: camMat is missing or not finite: {self.remedy}")
        if self.split == "train":
            return row | {key: array(key, (size,)) for key, size in _MANO.items()}
        return row | {"box_px": array("handBoundingBox", (4,))}

    def _write_published(self, published: dict[str, Path], out: ArrayWriter) -> None:
        for kind, shape in (("xyz", (21, 3)), ("verts", (778, 3))):
            for block in stream_json_array(published[kind], remedy=self.remedy):
                values = numbers(block, (-1, *shape), f"{published[kind]}", self.remedy)
                values = reorder_joints(values, "ho3d") if kind == "xyz" else values
                out.append(kind, values * OPENGL_TO_OPENCV)
            if out.rows(kind) != out.rows("K"):
                raise BadInputError(
                    f"{published[kind]} has {out.rows(kind)} entries for {out.rows('K')} samples of evaluation.txt: "
                    "take the labels of the same version"
                )

    def _check_published(self, path: Path) -> None:
        """The wrist is known from two places, so that labels in another order or axes show."""
        apart = np.linalg.norm(self.labels["xyz"][:, 0] - self.labels["joints_m"][:, 0], axis=-1)
        if np.nanmedian(apart) > 0.02:
            raise BadInputError(
                f"{path}: its wrists lie {1000 * np.nanmedian(apart):.0f} mm from those in meta/: it is of another "
                "version, order or axes; take the labels of the same version, or move the file away to go on without"
            )

    def sample_name(self, row: int) -> str:
        """``SEQUENCE/FRAME``, as in the list of samples."""
        return f"{self.labels['sequence'][row].decode()}/{self.labels['frame'][row].decode()}"

    def sequence_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Name of the video and number of the frame, for each sample."""
        sequence = np.asarray(self.labels["sequence"])[self.rows].astype(str)
        return sequence, np.asarray(self.labels["frame"])[self.rows].astype(np.int64)

    def read_row(self, row: int) -> Sample:
        """Read the picture, the depth picture and the segmentation of a row of the labels."""
        sequence, frame = self.sample_name(row).split("/")
        folder = self.root / self.split / sequence
        image = read_image(_existing(folder / "rgb", frame))
        K = np.array(self.labels["K"][row])
        joints = np.array(self.labels["xyz" if "xyz" in self.labels else "joints_m"][row])
        known = np.isfinite(joints).all(-1)
        pixels = np.where(known[:, None], project(np.where(known[:, None], joints, 1), K), 0).astype(np.float32)
        return Sample(
            image=image,
            name=f"{self.split}/{sequence}/{frame}",
            K=K,
            joints_2d_px=pixels,
            confidence=known.astype(np.float32),
            joints_m=joints,
            vertices_m=self._vertices(row),
            mask=self._read_mask(sequence, frame, image.shape[:2]),
            depth_m=read_ho3d_depth(folder / "depth" / f"{frame}.png") if self.with_depth else None,
            sequence=sequence,
            frame=int(frame),
            box_px=np.array(self.labels["box_px"][row]) if "box_px" in self.labels else None,
        )

    def _vertices(self, row: int) -> np.ndarray | None:
        if "verts" in self.labels:
            return np.array(self.labels["verts"][row])
        if self.hand is None or self.split == "evaluation":
            return None
        pose, translation, shape = (np.asarray(self.labels[key][row]) for key in _MANO)
        # Absolute angles: no mean pose is added (the official viewer loads MANO with a flat mean hand).
        mesh = mano_mesh(self.hand, pose, shape, translation, add_mean_pose=False)
        return mesh.vertices[0].float().numpy() * OPENGL_TO_OPENCV

    def _read_mask(self, sequence: str, frame: str, image_hw: tuple[int, int]) -> np.ndarray | None:
        places = (self.root, self.root / f"HO3D_{self.name[-2:]}_segmentations_rendered")
        for place in places:
            for suffix in (".png", ".jpg"):
                path = place / self.split / sequence / "seg" / f"{frame}{suffix}"
                if path.is_file():
                    blue = (read_stored_pixels(path)[..., 2] > 127).astype(np.float32)
                    return cv2.resize(blue, image_hw[::-1], interpolation=cv2.INTER_NEAREST)
        return None


def read_ho3d_depth(path: Path) -> np.ndarray:
    """A depth picture (H, W) in metres; 0 where nothing was measured."""
    pixels = read_stored_pixels(path)
    if pixels.ndim != 3 or pixels.dtype != np.uint8:
        raise BadInputError(
            f"{path} has shape {pixels.shape} of {pixels.dtype}, expected 3 channels of 8 bits with the depth's low "
            "byte in red and its high byte in green: unpack it again, without converting it"
        )
    return join_bytes(pixels[..., 0], pixels[..., 1]) * np.float32(DEPTH_STEP_M)


def _existing(folder: Path, frame: str) -> Path:
    """The picture as version 2 (.png) or version 3 (.jpg) names it."""
    jpg = folder / f"{frame}.jpg"
    return jpg if jpg.is_file() else folder / f"{frame}.png"
