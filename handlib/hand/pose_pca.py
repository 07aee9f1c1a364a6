"""Principal components of hand poses: the few ways in which a hand's 45 numbers mostly change together."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from handlib.errors import BadInputError

OPEN_HAND_PCA_FILE = Path(__file__).parent / "assets" / "open_hand_pose_pca.npz"


@dataclass(frozen=True)
class PosePCA:
    """A pose space: ``pose = mean + coefficients @ components``, axis-angle radians in model order.

    Rows of ``components`` are unit vectors, orthogonal, by falling ``variance`` (radians squared): the layout
    of MANO's ``hands_mean`` and ``hands_components``.
    """

    mean: Float[np.ndarray, "45"]
    components: Float[np.ndarray, "components 45"]
    variance: Float[np.ndarray, "components"]

    def explained(self) -> Float[np.ndarray, "components"]:
        """Share of all variance that the first k components explain, for k = 1, 2, ...; ends at 1."""
        return np.cumsum(self.variance) / np.sum(self.variance)

    def save(self, path: Path) -> None:
        """Write ``hands_mean``, ``hands_components`` and ``hands_variance`` to an ``.npz``, float32."""
        arrays = {
            "hands_mean": self.mean,
            "hands_components": self.components,
            "hands_variance": self.variance,
        }
        np.savez_compressed(path, **{name: array.astype(np.float32) for name, array in arrays.items()})


def fit_pose_pca(poses: Float[np.ndarray, "poses 45"]) -> PosePCA:
    """All principal components of axis-angle poses (radians), in float64.

    The sign of a component is free; here its largest entry is positive, so that the same poses give the same
    space on every machine. Raises BadInputError where there are too few poses for 45 components, or NaN.
    """
    if len(poses) <= poses.shape[1] or not np.isfinite(poses).all():
        raise BadInputError(f"fit_pose_pca: {len(poses)} poses; more than {poses.shape[1]} finite ones are wanted.")
    poses = poses.astype(np.float64)
    mean = poses.mean(axis=0)
    variance, vectors = np.linalg.eigh(np.cov(poses - mean, rowvar=False))
    components = vectors[:, ::-1].T
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1, keepdims=True), axis=1)
    return PosePCA(mean, components * np.sign(largest), np.clip(variance[::-1], 0.0, None))
