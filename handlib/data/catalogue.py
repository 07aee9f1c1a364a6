"""What data there is to work with: what comes with the package, and what belongs in the folder of ``HANDLIB_DATA``."""

from dataclasses import dataclass
from pathlib import Path

from handlib.data.open_benchmark import DEFAULT_SIZE
from handlib.data.photos import packaged_photos


@dataclass(frozen=True)
class DataSource:
    """One data set.

    Attributes:
        name: what a person calls it.
        what: what it shows.
        size: how much of it there is.
        licence: under which terms.
        get: how to get it.
        path: its file or folder in ``HANDLIB_DATA``; None for what needs no folder.
    """

    name: str
    what: str
    size: str
    licence: str
    get: str
    path: str | None = None

    def found(self, folder: Path | None) -> bool:
        """Whether it is there; ``folder`` is that of ``HANDLIB_DATA``, None where it is not set."""
        return self.path is None or (folder is not None and (folder / self.path).exists())


_DRAWN = "drawn when asked for: handlib.data.open_benchmark.OpenBenchmark, or data_scripts/make_open_benchmark.py"
_SIZES = " + ".join(f"{size:,} {split}" for split, size in DEFAULT_SIZE.items()) + " by default, or any number"


def data_sources() -> list[DataSource]:
    """All data sets, those that need nothing first."""
    return [
        DataSource(
            "source", "open benchmark: open hand, flat skin, plain ground, labelled", _SIZES, "CC0 hand", _DRAWN
        ),
        DataSource(
            "target",
            "open benchmark: another hand, skin, clutter, objects, camera noise; labels for scoring only",
            _SIZES,
            "MIT hand",
            _DRAWN,
        ),
        DataSource(
            "varied",
            "open benchmark: the open hand with all that the target's pictures have, labelled; for photographs",
            _SIZES,
            "CC0 hand",
            _DRAWN,
        ),
        DataSource(
            "photographs",
            "real photographs of a hand, with stored detections",
            f"{len(packaged_photos())} pictures",
            "MIT",
            "in the package: handlib.data.photos.packaged_photos()",
        ),
        DataSource(
            "target-photographs",
            "the target domain before photographs instead of drawn backgrounds",
            "48 backgrounds",
            "public domain or unrestricted, see MANIFEST.tsv there",
            "any folder of photographs serves, as backgrounds/ in HANDLIB_DATA",
            "backgrounds",
        ),
        DataSource(
            "digits",
            "real right hands, sign-language digits on plain ground, detected keypoints",
            "1,978 pictures of 160 px, 218 people",
            "Apache-2.0",
            "https://github.com/ardamavi/Sign-Language-Digits-Dataset",
            "digits_crops",
        ),
        DataSource(
            "subhi",
            "real hands, many lightings and grounds, detected keypoints (faces can be seen: do not publish)",
            "1,674 pictures of 224 px",
            "Apache-2.0",
            "https://github.com/SubhiH/HandsDataset",
            "subhi_crops",
        ),
        DataSource(
            "asl_video",
            "one clip of a signing hand with 2D and 3D detections",
            "325 frames of 620 x 1080 px",
            "Apache-2.0",
            "test data of https://github.com/tensorflow/tfjs-models",
            "asl_video",
        ),
        DataSource(
            "stereo_video",
            "two synchronised videos of one hand with calibration",
            "2 x 378 frames of 720 px",
            "MIT",
            "https://github.com/TemugeB/handpose3d",
            "stereo_video_temugeb",
        ),
        DataSource(
            "stb_joint_poses",
            "3D joints of the STB sequences, no pictures",
            "18,000 poses",
            "MIT",
            "joints of https://github.com/zhjwustc/icip17_stereo_hand_pose_dataset, as right hands in metres",
            "stb_joint_poses.npz",
        ),
        DataSource(
            "nyu_predictions",
            "NYU test ground truth and the predictions of five published methods",
            "8,252 frames",
            "CC BY 4.0 (ground truth)",
            "evaluation/results/nyu of https://github.com/xinghaochen/awesome-hand-pose-estimation",
            "nyu_published_predictions.npz",
        ),
    ]
