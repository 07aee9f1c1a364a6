"""TASSN's losses (Chen et al., WACV 2021): heatmaps, silhouette, and how well a clip agrees with itself read backwards.

Each is one number a picture or a clip. Squared Frobenius norms are sums, as printed: over the cells of a heatmap, the
pixels of a silhouette, the coordinates of a mesh. The paper names no unit of length; here it is the metre, in which a
mesh of 778 vertices that are 10 mm off costs 0.08.

Agreement alone teaches nothing: whoever says the same of every frame agrees with himself. What a hand looks like comes
from the first two losses.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from handlib.camera import Camera
from handlib.errors import BadInputError
from handlib.render import render_silhouette


def gaussian_heatmaps(
    keypoints_px: Float[Tensor, "batch keypoints 2"], cells: int, image_px: int, sigma_cells: float = 1.0
) -> Float[Tensor, "batch keypoints cells cells"]:
    """The target of Eq. 1: a Gaussian of height 1 around each keypoint.

    Args:
        keypoints_px: px of a square picture; a keypoint far outside has an empty map.
        cells: width and height of the maps, which cover the picture edge to edge.
        image_px: width of the picture.
        sigma_cells: of the Gaussians; the paper does not say it, 1 is Newell et al.'s (ECCV 2016).
    """
    centre = (keypoints_px + 0.5) * (cells / image_px) - 0.5
    index = torch.arange(cells).to(centre)
    across, down = torch.exp(-0.5 * ((index - centre[..., None]) / sigma_cells).square()).unbind(2)
    return down[..., :, None] * across[..., None, :]


def heatmap_loss(
    heatmaps: Float[Tensor, "*batch keypoints rows columns"],
    targets: Float[Tensor, "*batch keypoints rows columns"],
    confidence: Float[Tensor, "*batch keypoints"] | None = None,
) -> Float[Tensor, "*batch"]:
    """L_h (Eq. 1): ``1/K sum_k ||H_k - target_k||_F^2``.

    Args:
        heatmaps: of one stack; each stack is held against the same target (Newell et al.).
        targets: from :func:`gaussian_heatmaps`.
        confidence: weights of keypoints that were detected rather than labelled; None counts all alike, as printed.
    """
    per_keypoint = (heatmaps - targets).square().sum((-2, -1))
    return (per_keypoint if confidence is None else confidence * per_keypoint).mean(-1)


def silhouette_loss(
    silhouette: Float[Tensor, "*batch height width"],
    target: Float[Tensor, "*batch height width"],
    usable: Bool[Tensor, "*batch"] | None = None,
) -> Float[Tensor, "*batch"]:
    """L_m (Eq. 2): ``||s - target||_F^2``, squared differences of coverage summed over the pixels.

    Args:
        silhouette: of the estimated mesh, 0..1.
        target: of the picture, 0..1 (:func:`handlib.data.grabcut.grabcut_silhouettes`).
        usable: targets to count; others cost nothing. None counts all, as printed.
    """
    difference = silhouette - target
    if usable is not None:
        difference = torch.where(usable[..., None, None], difference, 0.0)
    return difference.square().sum((-2, -1))


def mesh_silhouette_loss(
    vertices_m: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "faces 3"],
    camera: Camera,
    target: Float[Tensor, "batch height width"],
    usable: Bool[Tensor, "batch"] | None = None,
    sigma_px: float = 1.0,
) -> Float[Tensor, "batch"]:
    """L_m (Eq. 2) of meshes in front of a camera, through the soft renderer: its gradient reaches 6 sigma_px.

    Args:
        vertices_m: camera frame.
        faces: of the mesh.
        camera: in px of the target's picture.
        target: as for :func:`silhouette_loss`; ``usable`` likewise.
        usable: as there.
        sigma_px: how soft the outline is. TASSN renders with the neural renderer of Kato et al. (CVPR 2018), whose
            outline is hard and whose gradient is made up; this one's belongs to what it draws.
    """
    size = (target.shape[1], target.shape[2])
    drawn = render_silhouette(vertices_m, faces, camera, size, soft=True, sigma_px=sigma_px)
    return silhouette_loss(drawn, target, usable)


def pose_consistency_loss(
    joints_m: Float[Tensor, "batch time 21 3"], reversed_joints_m: Float[Tensor, "batch time 21 3"]
) -> Float[Tensor, "batch"]:
    """L_c^p (Eq. 3): squared distance of the joints read forwards from those read backwards, m^2.

    Summed over joints and frames and divided by n, the number of steps: of the clip's n + 1 frames, as printed.

    Args:
        joints_m: read forwards.
        reversed_joints_m: read backwards, in the clip's own order: item i of both is about frame i.

    Raises:
        BadInputError: a clip of one frame, which has no direction.
    """
    return _disagreement(joints_m, reversed_joints_m)


def mesh_consistency_loss(
    vertices_m: Float[Tensor, "batch time vertices 3"], reversed_vertices_m: Float[Tensor, "batch time vertices 3"]
) -> Float[Tensor, "batch"]:
    """L_c^m (Eq. 4): the same of the mesh, summed over vertices; arguments and errors as in Eq. 3."""
    return _disagreement(vertices_m, reversed_vertices_m)


def _disagreement(forwards: Tensor, backwards: Tensor) -> Tensor:
    steps = forwards.shape[1] - 1
    if steps < 1:
        raise BadInputError("a clip of one frame reads the same both ways; give two frames or more")
    return (forwards - backwards).square().sum((1, 2, 3)) / steps


@dataclass(frozen=True)
class TassnWeights:
    """The weights of Eq. 5 and 6; the defaults are the paper's (section 4.3). Zero drops a term, for ablations."""

    silhouette: float = 0.1
    heatmap: float = 1.0
    pose: float = 10.0
    mesh: float = 10.0


TASSN_WEIGHTS = TassnWeights()
WITHOUT_MESH_CONSISTENCY = TassnWeights(mesh=0.0)
"""Second row of Table 1."""

WITHOUT_CONSISTENCY = TassnWeights(pose=0.0, mesh=0.0)
"""First row of Table 1."""


def temporal_consistency_loss(
    pose_loss: Float[Tensor, "batch"], mesh_loss: Float[Tensor, "batch"], weights: TassnWeights = TASSN_WEIGHTS
) -> Float[Tensor, "batch"]:
    """L_c (Eq. 5): ``lambda_m L_c^m + lambda_p L_c^p``."""
    return weights.mesh * mesh_loss + weights.pose * pose_loss


def tassn_objective(
    silhouette: Float[Tensor, "batch"],
    heatmap: Float[Tensor, "batch"],
    consistency: Float[Tensor, "batch"],
    weights: TassnWeights = TASSN_WEIGHTS,
) -> Float[Tensor, "batch"]:
    """L (Eq. 6): ``lambda_s L_m + lambda_h L_h + L_c``, the loss of each clip.

    Args:
        silhouette: L_m, the mean over the clip's frames (and over both readings).
        heatmap: L_h, likewise.
        consistency: L_c of :func:`temporal_consistency_loss`, which is weighted already.
        weights: lambda.
    """
    return weights.silhouette * silhouette + weights.heatmap * heatmap + consistency
