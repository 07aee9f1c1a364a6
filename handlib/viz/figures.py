"""Turnable 3D figures and curves, in plotly: meshes, skeletons, curves. Show them with :func:`handlib.viz.show`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Num, Shaped
from torch import Tensor

from handlib.errors import BadInputError
from handlib.viz.theme import FINGER_COLOURS, INK, SKIN, finger_of_joint

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CAMERAS: dict[str, dict[str, dict[str, float]]] = {
    # The viewer stands where the photographing camera stood: x to the right, y down, looking along +z.
    "camera": {"eye": {"x": 0.0, "y": 0.0, "z": -1.45}, "up": {"x": 0.0, "y": -1.0, "z": 0.0}},
    # The rest frame of the hand files: fingers (-x) point up, the palm (-y) faces the viewer.
    "palm": {"eye": {"x": -0.2, "y": -1.4, "z": 0.3}, "up": {"x": -1.0, "y": 0.0, "z": 0.0}},
    "back": {"eye": {"x": -0.2, "y": 1.4, "z": 0.3}, "up": {"x": -1.0, "y": 0.0, "z": 0.0}},
}
"""Viewpoints by name: ``"camera"`` for an OpenCV camera frame, ``"palm"`` and ``"back"`` for the rest frame."""

SCENE_TRACES = ("mesh3d", "scatter3d", "surface")
"""Kinds of plotly traces that stand in a 3D scene; the book draws no others."""

# Plotly takes the light's place in clip coordinates, and then mixes those of the scene and of the viewer, so that a
# mesh in a camera frame is lit from behind, unless the light is far away. A depth just over 1 is far behind the viewer,
# where right and up change sides: above the viewer's left shoulder, wherever the viewer goes.
LIGHT_POSITION: dict[str, float] = {"x": 1.6, "y": -2.6, "z": 1.0001}
"""Where the light of a mesh stands, as plotly's ``lightposition``."""


def mesh_figure(
    vertices: Float[Tensor, "v 3"] | Float[np.ndarray, "v 3"],
    faces: Shaped[Tensor, "f 3"] | Shaped[np.ndarray, "f 3"],
    colours: Num[Tensor, "v *c"] | Num[np.ndarray, "v *c"] | str | None = None,
    joints: Float[Tensor, "21 3"] | Float[np.ndarray, "21 3"] | None = None,
    *,
    view: str = "camera",
    title: str | None = None,
    opacity: float | int | None = None,
    colour_label: str | None = None,
    height: int = 420,
) -> "Figure":
    """A mesh that the reader can turn: equal axes, upright, 26 kB for a hand of 778 vertices.

    Args:
        vertices: positions in metres, in the frame that ``view`` names.
        faces: vertex indices of the triangles.
        colours: one colour for all (CSS), a number a vertex (V,) shown with a colour bar, or RGB 0..1 a vertex (V,3).
        joints: the 21 joints in metres; drawn as a skeleton inside the hand, which is then half transparent.
        view: ``"camera"`` (OpenCV camera frame: seen as the photograph saw it), ``"palm"`` or ``"back"`` (rest frame).
        title: text above the figure.
        opacity: of the mesh, 0..1; None is 1, or 0.45 with joints.
        colour_label: what the numbers in ``colours`` are, with their unit.
        height: in CSS pixels.

    Raises:
        BadInputError: values are not finite, an index is out of range, or ``view`` is not one of :data:`CAMERAS`.
    """
    import plotly.graph_objects as go

    # float32 and int16 halve what the page has to load; plotly ships typed arrays as they are
    points = _finite("vertices", vertices).astype(np.float32)
    triangles = _array(faces)
    if triangles.size and (triangles.min() < 0 or triangles.max() >= len(points)):
        raise BadInputError(f"faces: indices run to {triangles.max()}, and there are {len(points)} vertices")
    triangles = triangles.astype(np.int16 if len(points) < 2**15 else np.int32)
    if opacity is None:
        opacity = 1.0 if joints is None else 0.45
    mesh = go.Mesh3d(
        x=points[:, 0], y=points[:, 1], z=points[:, 2], i=triangles[:, 0], j=triangles[:, 1], k=triangles[:, 2],
        opacity=opacity, flatshading=False, hoverinfo="skip", **_mesh_colours(colours, colour_label),
        lighting={"ambient": 0.42, "diffuse": 0.72, "specular": 0.12, "roughness": 0.8, "fresnel": 0.05},
        lightposition=LIGHT_POSITION,
    )  # fmt: skip
    traces = [mesh] if joints is None else [mesh, *_skeleton_traces(_finite("joints", joints))]
    return _scene(traces, view, title, height)


def skeleton_figure(
    joints: Mapping[str, Float[Tensor, "21 3"] | Float[np.ndarray, "21 3"]]
    | Float[Tensor, "21 3"]
    | Float[np.ndarray, "21 3"],
    *,
    view: str = "camera",
    title: str | None = None,
    height: int = 420,
) -> "Figure":
    """One or several skeletons of 21 joints (metres) that the reader can turn.

    A single skeleton is coloured by finger. With several (name -> joints) the first is drawn in ink (the reference) and
    each further one in a colour of its own. For ``view``, ``title``, ``height`` and errors see :func:`mesh_figure`.
    """
    if not isinstance(joints, Mapping):
        return _scene(_skeleton_traces(_finite("joints", joints)), view, title, height)
    from handlib.viz.theme import COLOURS

    colours = (INK, *COLOURS)
    traces = [
        trace
        for index, (name, points) in enumerate(joints.items())
        for trace in _skeleton_traces(_finite(name, points), name, colours[index % len(colours)])
    ]
    return _scene(traces, view, title, height)


def curve_figure(
    curves: Mapping[str, tuple[Sequence[float | int] | np.ndarray, Sequence[float | int] | np.ndarray]],
    *,
    x_label: str,
    y_label: str,
    title: str | None = None,
    x_range: tuple[float | int, float | int] | None = None,
    y_range: tuple[float | int, float | int] | None = None,
    reference: str | None = None,
    height: int = 420,
) -> "Figure":
    """Curves over a common axis, such as PCK against the threshold; told apart by colour, dash and marker.

    Args:
        curves: name -> (x values, y values).
        x_label: what the x axis is, with its unit, such as ``"threshold [mm]"``.
        y_label: what the y axis is, with its unit.
        title: text above the figure.
        x_range: limits of the x axis; None fits the data.
        y_range: limits of the y axis; None fits the data.
        reference: name of the curve that the others are compared with; it is drawn dotted and in ink.
        height: in CSS pixels.

    Raises:
        BadInputError: a curve has a different number of x and y values, or none.
    """
    import plotly.graph_objects as go

    dashes = ("solid", "dash", "dashdot", "longdash")
    figure = go.Figure()
    for index, (name, (x, y)) in enumerate(curves.items()):
        x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
        if x.shape != y.shape or x.ndim != 1 or not len(x):
            raise BadInputError(
                f"curve {name!r}: x has shape {x.shape}, y {y.shape}; expected two equal lists of numbers"
            )
        line = {"dash": "dot", "color": INK} if name == reference else {"dash": dashes[index % len(dashes)]}
        mode = "lines+markers" if len(x) <= 25 else "lines"
        figure.add_scatter(x=x, y=y, name=name, mode=mode, line={"width": 2.2, **line})
    figure.update_layout(title=title, height=height, legend={"orientation": "h", "y": -0.22})
    figure.update_xaxes(title=x_label, range=x_range)
    figure.update_yaxes(title=y_label, range=y_range)
    return figure


def _array(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _finite(name: str, values: Any) -> np.ndarray:
    array = _array(values)
    if not np.isfinite(array).all():
        raise BadInputError(f"{name}: {int((~np.isfinite(array)).sum())} of {array.size} values are not finite numbers")
    return array


def _mesh_colours(colours: Any, label: str | None) -> dict[str, Any]:
    """The Mesh3d settings that colour a mesh with one colour, numbers or RGB a vertex."""
    if colours is None or isinstance(colours, str):
        return {"color": colours or SKIN}
    values = _finite("colours", colours)
    if values.ndim == 1:
        bar = {"title": {"text": label or ""}, "thickness": 12, "len": 0.8}
        return {"intensity": values.astype(np.float32), "colorscale": "Viridis", "colorbar": bar}
    if values.shape[1] != 3:
        raise BadInputError(f"colours has shape {values.shape}; expected one number (V,) or RGB 0..1 (V,3) a vertex")
    red_green_blue = (np.clip(values, 0, 1) * 255).round().astype(int)
    return {"vertexcolor": ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in red_green_blue]}


def _skeleton_traces(joints: np.ndarray, name: str | None = None, colour: str | None = None) -> list[Any]:
    """Bones and joints as one trace a finger, or as one trace of one colour."""
    import plotly.graph_objects as go

    from handlib.skeleton import BONES, JOINT_NAMES

    groups: dict[str, list[tuple[int, int]]] = {}
    for parent, child in BONES:
        groups.setdefault("all" if colour else finger_of_joint(child), []).append((parent, child))
    traces = []
    for group, bones in groups.items():
        chain = [end for parent, child in bones for end in (parent, child, None)]
        xyz = np.array([joints[end] if end is not None else [np.nan] * 3 for end in chain], np.float32)
        ink = colour or FINGER_COLOURS[group]
        traces.append(
            go.Scatter3d(
                x=xyz[:, 0],
                y=xyz[:, 1],
                z=xyz[:, 2],
                mode="lines+markers",
                name=name or group,
                line={"width": 5, "color": ink},
                marker={"size": 3, "color": ink},
                showlegend=name is not None,
                text=["" if end is None else JOINT_NAMES[end] for end in chain],
                hoverinfo="text",
            )  # fmt: skip
        )
    return traces


def _camera(view: str) -> dict[str, dict[str, float]]:
    if view not in CAMERAS:
        raise BadInputError(f"view={view!r}: expected one of {', '.join(map(repr, CAMERAS))}")
    return CAMERAS[view]


def _scene(traces: list[Any], view: str, title: str | None, height: int) -> "Figure":
    """A 3D figure with equal axes in metres, without a box around it, seen from a named viewpoint."""
    import plotly.graph_objects as go

    figure = go.Figure(traces)
    figure.update_layout(
        title=title,
        height=height,
        margin={"l": 0, "r": 0, "t": 40 if title else 0, "b": 0},
        legend={"orientation": "h"},
        scene=scene_layout(traces, {**_camera(view), "projection": {"type": "perspective"}}),
    )
    return figure


def scene_layout(traces: Sequence[Any], camera: Mapping[str, Any]) -> dict[str, Any]:
    """Plotly's settings of a 3D scene that holds all ``traces``, with equal axes and no box, seen by ``camera``."""
    # Ranges and proportions by hand: plotly's "data" mode scales by the volume of the box, and a flat hand overflows.
    low, high = _bounds(traces)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 0.06 * (high - low).max() + 1e-6) * 1.04
    axes = {
        f"{axis}axis": {"visible": False, "showspikes": False, "range": [float(m - h), float(m + h)]}
        for axis, m, h in zip("xyz", middle, half, strict=True)
    }
    proportions = dict(zip("xyz", (half / half.max()).tolist(), strict=True))
    return {**axes, "aspectmode": "manual", "aspectratio": proportions, "camera": dict(camera)}


def _bounds(traces: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest coordinate of everything in a scene."""
    points = np.concatenate([np.stack([trace.x, trace.y, trace.z], 1).astype(float) for trace in traces])
    return np.nanmin(points, 0), np.nanmax(points, 0)
