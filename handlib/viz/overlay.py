"""A 3D hand and the picture it belongs to, together: drawn over the picture, or standing in front of it."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8

from handlib.errors import BadInputError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# A white light from above the photographer's left shoulder over a grey one from everywhere.
_LIGHT = [0.5, 1, 1, 1, 0.6, 1, 1, 1, 0, 0, -1.0]


def overlay_mesh(
    image: UInt8[np.ndarray, "height width 3"],
    vertices: Float[np.ndarray, "vertices 3"],
    faces: Shaped[np.ndarray, "faces 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    *,
    opacity: float | int = 0.7,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw a mesh over the picture it was fitted to, as its camera sees it.

    Args:
        image: (H, W, 3) RGB, 0..255.
        vertices: (V, 3) camera frame, metres.
        faces: (F, 3).
        intrinsics: (3, 3) of the picture's camera, pixels.
        opacity: of the mesh, 0..1.

    Returns:
        the picture with the mesh, of the same size.
    """
    from handlib.camera import PerspectiveCamera
    from handlib.render import Light, render_mesh

    mesh = torch.from_numpy(np.asarray(vertices, np.float32))[None]
    rendered = render_mesh(
        mesh,
        torch.from_numpy(np.ascontiguousarray(faces)).long(),
        PerspectiveCamera(torch.from_numpy(np.asarray(intrinsics, np.float32))[None]),
        image.shape[:2],
        colours=torch.full_like(mesh, 0.75),
        light=Light.from_vector(torch.tensor([_LIGHT])),
    )
    alpha = opacity * rendered.silhouette[0, ..., None].numpy()
    drawn = image.astype(np.float32) / 255 * (1 - alpha) + rendered.rgb[0].numpy() * alpha
    return (drawn.clip(0, 1) * 255).round().astype(np.uint8)


def mesh_before_picture(
    vertices: Float[np.ndarray, "vertices 3"],
    faces: Shaped[np.ndarray, "faces 3"],
    colours: Float[np.ndarray, "vertices 3"] | None,
    image: UInt8[np.ndarray, "height width 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    *,
    cells: int = 84,
    title: str | None = None,
    height: int = 520,
) -> "Figure":
    """A hand that stands in front of its picture, both to turn; at first seen from where the camera stood.

    The picture hangs behind the hand as a wall, each pixel on its viewing ray, so that from the camera's place the hand
    covers its own image. Turned, it comes off the wall.

    Args:
        vertices: (V, 3) camera frame, metres.
        faces: (F, 3).
        colours: (V, 3) RGB in 0..1; None: one colour.
        image: (H, W, 3) RGB, 0..255; the part around the hand is shown.
        intrinsics: (3, 3) of the picture's camera, pixels.
        cells: the wall's longer side, in coloured points.
        title: text above the figure.
        height: in CSS pixels.

    Raises:
        BadInputError: the hand lies outside the picture, or behind its camera.
    """
    import plotly.graph_objects as go

    from handlib.viz.figures import mesh_figure, scene_layout

    if not (vertices[:, 2] > 0).all():
        raise BadInputError("vertices: some lie behind the camera (z <= 0), so that they are in no picture of it")
    seen = vertices @ intrinsics.T
    columns, rows = _points_around(seen[:, :2] / seen[:, 2:], image.shape[:2], cells)
    v, u = np.meshgrid(rows, columns, indexing="ij")
    rays = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3) @ np.linalg.inv(intrinsics).T
    # A finger's thickness behind the hand, so that wall and hand do not meet.
    wall = (rays * (vertices[:, 2].max() + 0.02)).astype(np.float32)
    mean_colours = _block_means(image, columns, rows).reshape(-1, 3)
    figure = mesh_figure(vertices, faces, colours, title=title, height=height)
    if colours is not None:  # the photograph's own light is in them already
        figure.data[0].lighting = {"ambient": 0.9, "diffuse": 0.2, "specular": 0.0, "fresnel": 0.0}
    corners = _grid_faces(len(rows), len(columns))
    figure.add_trace(
        go.Mesh3d(
            x=wall[:, 0], y=wall[:, 1], z=wall[:, 2], i=corners[:, 0], j=corners[:, 1], k=corners[:, 2],
            vertexcolor=["#{:02x}{:02x}{:02x}".format(*colour) for colour in mean_colours], hoverinfo="skip",
            lighting={"ambient": 1.0, "diffuse": 0.0, "specular": 0.0, "fresnel": 0.0},
        )
    )  # fmt: skip
    both = np.concatenate([vertices, wall])
    middle, longest = (both.min(0) + both.max(0)) / 2, 1.04 * np.ptp(both, axis=0).max()
    # Plotly measures the viewer's place from the middle of the scene, in lengths of its longest side.
    eye = dict(zip("xyz", (-middle / longest).tolist(), strict=True))
    camera = {"eye": eye, "up": {"x": 0.0, "y": -1.0, "z": 0.0}, "projection": {"type": "perspective"}}
    figure.update_layout(scene=scene_layout(figure.data, camera))
    return figure


def _points_around(
    pixels: Float[np.ndarray, "n 2"], size: tuple[int, int], cells: int
) -> tuple[np.ndarray, np.ndarray]:
    """Evenly spaced pixel columns and rows around a hand, with a margin, inside the picture."""
    height, width = size
    margin = 0.6 * np.ptp(pixels, axis=0).max()
    low = np.clip(pixels.min(0) - margin, 0, [width - 1, height - 1])
    high = np.clip(pixels.max(0) + margin, 0, [width - 1, height - 1])
    if (high - low).min() < 1:
        raise BadInputError(f"the hand projects outside the picture of {width} x {height} px: is it the right camera?")
    step = max((high - low).max() / cells, 1.0)
    return np.arange(low[0], high[0] + 1e-6, step), np.arange(low[1], high[1] + 1e-6, step)


def _block_means(image: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> UInt8[np.ndarray, "rows columns 3"]:
    """The picture's mean colour around each point of a grid."""
    import cv2

    step = columns[1] - columns[0] if len(columns) > 1 else 1.0
    size = 2 * int(step // 2) + 1
    smooth = cv2.blur(image, (size, size))
    return smooth[rows.round().astype(int)][:, columns.round().astype(int)]


def _grid_faces(rows: int, columns: int) -> Shaped[np.ndarray, "faces 3"]:
    """Two triangles for each cell of a grid of points, numbered row by row."""
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    return np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
