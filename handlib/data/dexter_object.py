"""Dexter+Object: six videos of a hand with a cuboid, colour and depth (Sridhar et al., ECCV 2016).

Layout, cameras and axes are those that third-party loaders use (leads, not checked on the data)::

    data/Grasp1/color/*.png, depth/*.png                640 x 480 and 320 x 240, in the order of their names
    data/Grasp1/annotations/Grasp12D.txt, Grasp13D.txt   "u, v; ..." in the depth picture; "x, y, z; ..." in mm

A tip without a label has z = 32001. x and y point the other way than OpenCV's. Both labels together tell whether
that is so: the 3D tips, projected into the depth picture, must fall on the 2D ones.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from handlib.data.fingertips import ColourCamera, FingertipVideos
from handlib.errors import BadInputError

DEPTH_K = np.array([[224.502, 0, 160], [0, 230.494, 120], [0, 0, 1]])
NO_LABEL_Z_MM = 32001.0
# Labels were clicked in the depth picture: they agree within some pixels, with another sign by a hundred.
MAX_MEDIAN_DISAGREEMENT_PX = 10.0


class DexterObject(FingertipVideos):
    """Dexter+Object: samples have ``image``, ``K`` and the labelled fingertips of a left hand."""

    name = "dexter_object"
    landmarks = ("data/Grasp1", "data/Grasp2", "data/Occlusion")
    remedy = "unpack dexter+object.zip again"
    sequence_names = ("Grasp1", "Grasp2", "Occlusion", "Pinch", "Rigid", "Rotate")
    camera = ColourCamera(
        np.array([[587.45209, 0, 325], [0, 600.67456, 249], [0, 0, 1]], np.float32),
        np.array([[0.9999, 0.0034, 0.0161], [-0.0033, 1.0, -0.0079], [-0.0162, 0.0079, 0.9998]]),
        np.array([19.0473, -1.8514, -4.7501]) / 1000,
    )

    def label_files(self, sequence: str) -> tuple[Path, Path]:
        """The 2D and the 3D label file of a video."""
        folder = self.folder(sequence) / "annotations"
        return folder / f"{sequence}2D.txt", folder / f"{sequence}3D.txt"

    def tips_in_depth_camera(
        self, tips_2d: Float[np.ndarray, "frames 5 2"], tips_3d: Float[np.ndarray, "frames 5 3"], source: Path
    ) -> Float[np.ndarray, "frames 5 3"]:
        """Turn x and y round, mark missing labels, and hold the result against the 2D labels."""
        points = tips_3d * [-1, -1, 1] / 1000
        points[tips_3d[..., 2] == NO_LABEL_Z_MM] = np.nan
        pixels = points @ DEPTH_K.T
        apart = np.linalg.norm(pixels[..., :2] / pixels[..., 2:] - tips_2d, axis=-1)
        # A tip that was not clicked in 2D lies outside the picture.
        apart = apart[np.isfinite(apart) & (tips_2d > 0).all(-1)]
        if len(apart) and np.median(apart) > MAX_MEDIAN_DISAGREEMENT_PX:
            raise BadInputError(
                f"{source}: its tips fall {np.median(apart):.0f} px (median) from the 2D labels, expected under "
                f"{MAX_MEDIAN_DISAGREEMENT_PX:.0f}: the axes, the unit or the camera is another: {self.remedy}"
            )
        return points
