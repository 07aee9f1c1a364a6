"""EgoDexter: four egocentric videos of a hand with objects, colour and depth (Mueller et al., ICCV 2017).

Layout and cameras are those that third-party loaders use (leads, not checked on the data)::

    data/Desk/color/image_00000_color.png, depth/image_00000_depth.png, color_on_depth/...    640 x 480
    data/Desk/annotation.txt           "u, v; ..." in the depth picture, -1 without a label
    data/Desk/annotation.txt_3D.txt    "x, y, z; ..." in mm, the depth camera's frame; 0, 0, 0 without a label
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from handlib.data.fingertips import ColourCamera, FingertipVideos


class EgoDexter(FingertipVideos):
    """EgoDexter: samples have ``image``, ``K`` and the labelled fingertips of a left hand."""

    name = "ego_dexter"
    landmarks = ("data/Desk", "data/Fruits", "data/Kitchen")
    remedy = "unpack EgoDexter.zip again"
    sequence_names = ("Desk", "Fruits", "Kitchen", "Rotunda")
    camera = ColourCamera(
        np.array([[617.173, 0, 315.453], [0, 617.173, 242.259], [0, 0, 1]], np.float32),
        np.array([[1.0, 0.00090442, -0.0074], [-0.00071933, 0.9997, 0.0248], [0.0075, -0.0248, 0.9997]]),
        np.array([20.2365, 1.2846, 5.7360]) / 1000,
    )

    def label_files(self, sequence: str) -> tuple[Path, Path]:
        """The 2D and the 3D label file of a video."""
        return self.folder(sequence) / "annotation.txt", self.folder(sequence) / "annotation.txt_3D.txt"

    def tips_in_depth_camera(
        self, tips_2d: Float[np.ndarray, "frames 5 2"], tips_3d: Float[np.ndarray, "frames 5 3"], source: Path
    ) -> Float[np.ndarray, "frames 5 3"]:
        """Metres; NaN where all three numbers are zero."""
        return np.where((tips_3d == 0).all(-1, keepdims=True), np.nan, tips_3d / 1000)
