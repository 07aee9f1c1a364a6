"""Surface normals, light and texture: from a surface point to its colour.

The light is neural_renderer's, which S2HAND (Chen et al., CVPR 2021, section 3.2) predicts as an 11-vector:
white skin of albedo ``a`` with unit normal ``n`` shows the colour ``a * (I_a c_a + I_d c_d max(0, n . d))``.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from handlib.errors import BadInputError


@dataclass(frozen=True, eq=False)
class Light:
    """Ambient and directional light, one per image (a batch of 1 lights all).

    ``ambient`` (B, 3) is ``I_a c_a``, ``directional`` (B, 3) is ``I_d c_d``, RGB. ``direction`` (B, 3) points
    from the surface *to* the light, in the camera's frame, so (0, 0, -1) shines from the camera. Its length
    counts, as in neural_renderer: give unit vectors.
    """

    ambient: Float[Tensor, "lights 3"]
    directional: Float[Tensor, "lights 3"]
    direction: Float[Tensor, "lights 3"]

    @classmethod
    def from_vector(cls, vector: Float[Tensor, "lights 11"], layout: str = "paper") -> "Light":
        """Light from S2HAND's 11 numbers.

        ``layout="paper"`` (S2HAND section 3.2): ambient intensity, ambient colour (3), directional intensity,
        directional colour (3), direction (3). ``layout="released"``: as the released code stores them, both
        intensities first.
        """
        if vector.ndim != 2 or vector.shape[1] != 11:
            raise BadInputError(
                f"vector: shape {tuple(vector.shape)}, expected (batch, 11): 1 + 3 + 1 + 3 + 3 numbers."
            )
        if layout == "paper":
            i_a, c_a, i_d, c_d, direction = vector.split([1, 3, 1, 3, 3], dim=1)
        elif layout == "released":
            i_a, i_d, c_a, c_d, direction = vector.split([1, 1, 3, 3, 3], dim=1)
        else:
            raise BadInputError(f"layout: met {layout!r}, expected 'paper' or 'released'.")
        return cls(i_a * c_a, i_d * c_d, direction)

    @classmethod
    def headlight(cls, ambient: float = 0.4, directional: float = 0.6) -> "Light":
        """White light from the camera: a sensible first light for looking at a mesh."""
        white = torch.ones(1, 3)
        return cls(ambient * white, directional * white, torch.tensor([[0.0, 0.0, -1.0]]))

    def to(self, like: Tensor) -> "Light":
        """The same light on the device and in the dtype of ``like``."""
        return Light(self.ambient.to(like), self.directional.to(like), self.direction.to(like))


def face_normals(
    vertices: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "batch faces 3"]:
    """Normals of length twice the face's area, towards the side from which the corners run anticlockwise (outside)."""
    a, b, c = vertices[:, faces].unbind(2)
    return torch.linalg.cross(b - a, c - a)


def vertex_normals(
    vertices: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "batch vertices 3"]:
    """Unit normals: the mean of the normals of the faces around each vertex, weighted by area; zero where none is."""
    of_faces = face_normals(vertices, faces)
    # The cross product's length is twice the area, so summing it is the weighting.
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total = total.index_add(1, faces[:, corner], of_faces)
    return normalize(total, dim=-1, eps=1e-20)


def irradiance(
    normals: Float[Tensor, "points 3"], light: Light, image: Int[Tensor, "points"]
) -> Float[Tensor, "points 3"]:
    """``I_a c_a + I_d c_d max(0, n . d)`` for unit ``normals``; light ``image[i]`` shines on point i."""
    row = image if len(light.ambient) > 1 else torch.zeros_like(image)
    ambient, directional, direction = (
        part.index_select(0, row) for part in (light.ambient, light.directional, light.direction)
    )
    return ambient + directional * (normals * direction).sum(-1, keepdim=True).clamp_min(0)


def sample_texture(
    texture: Float[Tensor, "batch texture_height texture_width 3"],
    uv: Float[Tensor, "points 2"],
    image: Int[Tensor, "points"],
) -> Float[Tensor, "points 3"]:
    """Bilinear look-up of texture ``image[i]`` at ``uv[i]``; the picture's corners are (0, 0), top left, and
    (1, 1).

    The textures are laid side by side in one tall picture, so that points of different images need no
    padding; a look-up is kept half a texel away from the border between them.
    """
    batch, height, width, _ = texture.shape
    # Texel centres lie half a texel inside the picture; beyond them there is nothing to interpolate with.
    half = uv.new_tensor([0.5 / width, 0.5 / height])
    inside = torch.minimum(torch.maximum(uv, half), 1 - half)
    tall_v = (inside[:, 1] + image) / batch
    grid = torch.stack([inside[:, 0], tall_v], dim=-1) * 2 - 1
    tall = texture.permute(3, 0, 1, 2).reshape(1, 3, batch * height, width)
    found = grid_sample(tall, grid[None, None], mode="bilinear", padding_mode="border", align_corners=False)
    return found[0, :, 0].T
