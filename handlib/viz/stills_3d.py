"""The 3D panel of a still: meshes and skeletons as plotly's camera sees them, drawn far to near with matplotlib."""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from handlib.viz.theme import SKIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIELD_OF_VIEW = np.pi / 4  # plotly's, vertical (gl-plot3d)
DEFAULT_EYE = (1.25, 1.25, 1.25)  # plotly's
AMBIENT, DIFFUSE = 0.45, 0.62


def draw_scene(axes: "Axes", traces: list[Any], scene: Any) -> None:
    """Draw the traces of one plotly scene (``mesh3d``, ``scatter3d``, ``surface``) into matplotlib axes."""
    from matplotlib.collections import LineCollection, PolyCollection

    axes.set_aspect("equal")
    axes.axis("off")
    half = np.tan(FIELD_OF_VIEW / 2)
    axes.set(xlim=(-half * 1.2, half * 1.2), ylim=(-half, half))
    middle, scale = _normalisation(traces, scene)
    order = 1.0
    for trace in sorted(traces, key=lambda trace: trace.type == "scatter3d"):
        points = (_points(trace) - middle) / scale
        seen, depth = _look(points, scene.camera)
        order += 1
        if trace.type == "scatter3d":
            colour = _colour(trace.line.color or trace.marker.color)
            if "lines" in (trace.mode or "lines+markers"):
                ends = np.stack([seen[:-1], seen[1:]], 1)
                ends = ends[np.isfinite(ends).all((1, 2))]
                axes.add_collection(
                    LineCollection(ends, colors=colour, linewidths=(trace.line.width or 2) * 0.5, zorder=order)
                )
            if "markers" in (trace.mode or "lines+markers"):
                axes.scatter(
                    *seen.T,
                    s=(_number(trace.marker.size, 4) * 0.9) ** 2,
                    c=_each(trace.marker.color, colour),
                    zorder=order,
                )
            continue
        faces = _faces(trace)
        colours = np.clip(_face_colours(trace, faces) * _shade(points, faces, scene.camera)[:, None], 0, 1)
        alpha = np.full((len(faces), 1), 1.0 if trace.opacity is None else trace.opacity)
        far_first = np.argsort(-depth[faces].mean(1))
        corners = seen[faces][far_first]
        paint = np.concatenate([colours, alpha], 1)[far_first]
        # An edge in the face's own colour closes the hairlines between neighbours; not where it would show through.
        edge = paint if trace.opacity in (None, 1) else "none"
        axes.add_collection(PolyCollection(corners, facecolors=paint, edgecolors=edge, linewidths=0.3, zorder=order))


def _points(trace: Any) -> Float[np.ndarray, "n 3"]:
    """The points of a trace, one a row."""
    z = np.asarray(trace.z, float)
    if trace.type == "surface":
        x = np.arange(z.shape[1]) if trace.x is None else np.asarray(trace.x, float)
        y = np.arange(z.shape[0]) if trace.y is None else np.asarray(trace.y, float)
        if x.ndim == 1:
            x, y = np.meshgrid(x, y)
        return np.stack([x.ravel(), y.ravel(), z.ravel()], 1)
    return np.stack([np.asarray(trace.x, float), np.asarray(trace.y, float), z], 1)


def _faces(trace: Any) -> np.ndarray:
    """Triangles of a mesh, or two triangles a cell of a surface."""
    if trace.type == "mesh3d":
        return np.stack([np.asarray(index, int) for index in (trace.i, trace.j, trace.k)], 1)
    rows, columns = np.asarray(trace.z).shape
    corner = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = corner[:-1, :-1].ravel(), corner[:-1, 1:].ravel(), corner[1:, :-1].ravel(), corner[1:, 1:].ravel()
    return np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])


def _normalisation(traces: list[Any], scene: Any) -> tuple[np.ndarray, np.ndarray]:
    """Middle and size of the box plotly puts a scene in, as (point - middle) / size."""
    points = np.concatenate([_points(trace) for trace in traces])
    low, high = np.nanmin(points, 0), np.nanmax(points, 0)
    for index, axis in enumerate((scene.xaxis, scene.yaxis, scene.zaxis)):
        if axis.range:
            low[index], high[index] = axis.range
    size = np.maximum(high - low, 1e-9)
    if scene.aspectmode == "manual" and scene.aspectratio.x:
        box = np.array([scene.aspectratio.x, scene.aspectratio.y, scene.aspectratio.z], float)
    elif scene.aspectmode == "cube":
        box = np.ones(3)
    else:
        box = size / np.cbrt(np.prod(size))
    return (low + high) / 2, size / box


def _basis(camera: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Eye, and the unit vectors right, up and forward of a plotly camera."""
    eye = np.array([_number(getattr(camera.eye, axis), start) for axis, start in zip("xyz", DEFAULT_EYE, strict=True)])
    centre = np.array([_number(getattr(camera.center, axis), 0) for axis in "xyz"])
    up = np.array([_number(getattr(camera.up, axis), float(axis == "z")) for axis in "xyz"])
    forward = (centre - eye) / np.linalg.norm(centre - eye)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    return eye, right, np.cross(right, forward), forward


def _look(points: np.ndarray, camera: Any) -> tuple[np.ndarray, np.ndarray]:
    """Picture coordinates (n,2), at unit distance, and depth (n,) of points as a plotly camera sees them."""
    eye, right, up, forward = _basis(camera)
    offset = points - eye
    depth = offset @ forward
    flat = camera.projection.type == "orthographic"
    divisor = np.full_like(depth, np.linalg.norm(eye)) if flat else np.maximum(depth, 1e-3)
    return np.stack([offset @ right / divisor, offset @ up / divisor], 1), depth


def _shade(points: np.ndarray, faces: np.ndarray, camera: Any) -> np.ndarray:
    """Brightness of each face (f,) under a light over the viewer's shoulder, smoothed over neighbouring faces."""
    corner = points[faces]
    normals = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    smooth = np.zeros_like(points)
    for index in range(3):
        np.add.at(smooth, faces[:, index], normals)
    normals = smooth[faces].sum(1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    _, right, up, forward = _basis(camera)
    light = -forward + 0.5 * up - 0.3 * right
    facing = np.where(normals @ forward > 0, -1, 1)  # a face seen from behind is lit like its front
    return AMBIENT + DIFFUSE * np.clip(facing * (normals @ light) / np.linalg.norm(light), 0, 1)


def _face_colours(trace: Any, faces: np.ndarray) -> np.ndarray:
    """RGB 0..1 of each face (f,3) from one colour, colours a vertex, or numbers a vertex."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb, to_rgba_array

    vertex_colours = getattr(trace, "vertexcolor", None)
    if vertex_colours is not None:
        return to_rgba_array(list(vertex_colours))[:, :3][faces].mean(1)
    numbers = getattr(trace, "intensity", None)
    if trace.type == "surface":
        numbers = trace.surfacecolor if trace.surfacecolor is not None else trace.z
    if numbers is None:
        return np.tile(to_rgb(_colour(getattr(trace, "color", None) or SKIN)), (len(faces), 1))
    values = np.asarray(numbers, float).ravel()
    spread = np.nanmax(values) - np.nanmin(values)
    return colormaps["viridis"]((values - np.nanmin(values)) / (spread or 1))[:, :3][faces].mean(1)


def _colour(value: Any) -> str:
    from handlib.viz.stills import colour_of

    return colour_of(value, SKIN)


def _each(value: Any, fallback: str) -> Any:
    """Colours of markers: one for all, or one each."""
    return fallback if value is None or isinstance(value, str) else list(value)


def _number(value: Any, fallback: float | int) -> float:
    return float(value) if isinstance(value, int | float) else float(fallback)
