"""What the page on pose flows shows: walks through a database compared, maps of it, and data sets side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from handlib.camera import project_perspective
from handlib.data.pose_database import PoseDatabase, to_palm_frame
from handlib.data.pose_flow import ALPHA, PoseFlow, draw_flows, first_pose, step_towards
from handlib.data.seqhand_films import DEFAULT_FILMS, NUM_FRAMES, SeqHandFilms
from handlib.hand.anatomy import palm_frame
from handlib.hand.hand_code import posed_joints
from handlib.hand.model import HandModel
from handlib.reproduce.published import load_published
from handlib.skeleton import BONES, TIPS
from handlib.viz.embedding import principal_axes

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Columns = dict[str, list[str | None]]


def walk_quality(flow: PoseFlow, database: PoseDatabase) -> dict[str, float]:
    """What a flow is worth, in four numbers, means over all flows.

    ``steps that stay [%]``: steps that show the pose of the frame before. ``of the way [%]``: how much of the way from
    the first to the final pose is covered. ``from a real pose [mm]``: distance of a shown pose from the nearest of the
    database, mean over joints and frames. ``bones shrink by [%]``: the mean over flows of the worst bone of the worst
    frame, against the length of that bone in the database.
    """
    first, final = (database.joints_m[flow.ends[:, end]] for end in (0, 1))
    way, left = (np.linalg.norm(np.reshape(p - final, (len(final), -1)), axis=1) for p in (first, flow.joints_m[:, -1]))
    there = way > 0
    usual = bone_lengths_m(database.joints_m).mean(0)
    shortest = (bone_lengths_m(flow.joints_m) / usual).min((1, 2))
    shown = flow.joints_m.reshape(-1, 21, 3)
    nearest = database.joints_m[database.nearest(shown)[1][:, 0]]
    same = np.abs(np.diff(flow.joints_m, axis=1)).max((2, 3)) == 0
    return {
        "steps that stay [%]": float(100 * same.mean()),
        "of the way [%]": float(100 * (1 - left[there] / way[there]).mean()),
        "from a real pose [mm]": float(1000 * np.linalg.norm(shown - nearest, axis=-1).mean()),
        "bones shrink by [%]": float(100 * (1 - shortest).mean()),
    }


def stall_share(
    database: PoseDatabase, count: int, seed: int, alpha: float | int = ALPHA, walk: str = "snapped"
) -> float:
    """Which share of the steps of ``count`` flows stays where it is, 0..1."""
    return float(draw_flows(database, _streams(count, seed), alpha=alpha, walk=walk).stall_share.mean())


def step_and_neighbour_mm(database: PoseDatabase, count: int, seed: int) -> tuple[float, float]:
    """How far the first step of a flow goes (Eq. 6), and how far the nearest other pose is; means of ``count``, mm.

    Both are Euclidean over all 63 coordinates, as Eq. 7. While the step is the shorter one, Eq. 7 falls back.
    """
    start, ends = first_pose(database, _streams(count, seed))
    step = (step_towards(start, database.joints_m[ends[:, 1]]) - start).reshape(count, -1)
    other = database.nearest(start, k=2)[0][:, 1]
    return float(1000 * np.linalg.norm(step, axis=1).mean()), float(1000 * other.mean())


def frame_speeds(
    clips: Sequence[tuple[Float[Tensor, "frames 21 3"], Float[Tensor, "frames 21 2"]]],
) -> tuple[float, float]:
    """How far joints move from a frame to the next: mm in the palm frame of a palm of 9 cm, and % of the picture.

    Args:
        clips: joints (m), and joints in the picture (picture widths), of each film.
    """
    bent = np.concatenate([np.diff(to_palm_frame(joints.numpy()), axis=0) for joints, _ in clips])
    shifted = np.concatenate([np.diff(places.numpy(), axis=0) for _, places in clips])
    return float(1000 * np.linalg.norm(bent, axis=-1).mean()), float(100 * np.linalg.norm(shifted, axis=-1).mean())


def _streams(count: int, seed: int) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, index]) for index in range(count)]


def bone_lengths_m(joints_m: Float[np.ndarray, "*batch 21 3"]) -> Float[np.ndarray, "*batch 20"]:
    """Length of each of the 20 bones."""
    parents, children = np.array(BONES).T
    return np.linalg.norm(joints_m[..., children, :] - joints_m[..., parents, :], axis=-1)


def openness_mm(joints_m: Float[np.ndarray, "*batch 21 3"]) -> Float[np.ndarray, "*batch"]:
    """Mean distance of the five fingertips from the wrist: small for a fist, large for a flat hand."""
    return 1000 * np.linalg.norm(joints_m[..., list(TIPS), :] - joints_m[..., :1, :], axis=-1).mean(-1)


@dataclass(frozen=True, eq=False)
class FlatMap:
    """A database laid flat along its two principal axes.

    Attributes:
        places: (N, 2) of each pose, millimetres.
        share: (2,) of the variance along each axis.
        mean, axes: what :meth:`place` needs.
    """

    places: Float[np.ndarray, "poses 2"]
    share: Float[np.ndarray, "2"]
    mean: Float[np.ndarray, "coordinates"]
    axes: Float[np.ndarray, "2 coordinates"]

    @classmethod
    def of(cls, database: PoseDatabase) -> "FlatMap":
        """The map of a database; the first axis points to open hands."""
        points = database.joints_m.reshape(len(database), -1)
        mean, axes, share = principal_axes(points)
        turned = np.corrcoef((points - mean) @ axes[0], openness_mm(database.joints_m))[0, 1] < 0
        axes = axes * np.array([[-1.0], [1.0]], axes.dtype) if turned else axes
        return cls(1000 * (points - mean) @ axes.T, share, mean, axes)

    def place(self, joints_m: Float[np.ndarray, "poses 21 3"]) -> Float[np.ndarray, "poses 2"]:
        """Where other poses lie on the same map, mm."""
        return 1000 * (joints_m.reshape(len(joints_m), -1) - self.mean) @ self.axes.T

    def stroll(self, stops: int = 9) -> Int[np.ndarray, "stops"]:
        """Poses of the database at even steps along the map's first axis: from the first percentile to the last."""
        along = np.linspace(*np.percentile(self.places[:, 0], (1, 99)), stops)
        middle = np.median(self.places[:, 1])
        return np.array([np.hypot(self.places[:, 0] - x, self.places[:, 1] - middle).argmin() for x in along])


def map_figure(
    places: Float[np.ndarray, "poses dimensions"],
    colour: Float[np.ndarray, "poses"],
    paths: Mapping[str, Float[np.ndarray, "stops dimensions"]] | None = None,
    *,
    labels: Sequence[str] = ("first axis", "second axis"),
    colour_label: str = "fingertips to wrist [mm]",
    height: int = 460,
) -> "Figure":
    """Poses as coloured dots on a map of two dimensions, or of three to turn, and paths through it.

    Args:
        places: on the map; 2 or 3 dimensions.
        colour: a number a pose.
        paths: name -> places that a line joins.
        labels: of the axes of a flat map.
        colour_label: what the colour means.
        height: in CSS pixels.
    """
    import plotly.graph_objects as go

    from handlib.viz.figures import scene_layout

    deep = places.shape[1] == 3
    kind = go.Scatter3d if deep else go.Scatter
    bar = {"title": {"text": colour_label, "side": "right"}, "thickness": 12, "len": 0.8}
    marker = {"size": 2.5 if deep else 4, "color": colour.astype(np.float32), "colorscale": "Viridis", "colorbar": bar}
    dots = dict(zip("xyz", places.astype(np.float32).T, strict=False))
    figure = go.Figure(kind(**dots, mode="markers", name="poses", marker=marker, opacity=0.75, hoverinfo="skip"))
    for index, (name, path) in enumerate((paths or {}).items()):
        from handlib.viz.theme import COLOURS

        ends = dict(zip("xyz", path.astype(np.float32).T, strict=False))
        line = {"color": COLOURS[(1, 5, 3)[index % 3]], "width": 5 if deep else 2.5}
        figure.add_trace(kind(**ends, mode="lines+markers", name=name, line=line, marker={"size": 4 if deep else 7}))
    figure.update_layout(height=height, legend={"orientation": "h", "y": -0.2}, showlegend=bool(paths))
    if deep:
        camera = {"eye": {"x": 1.2, "y": 1.2, "z": 0.8}, "up": {"x": 0.0, "y": 0.0, "z": 1.0}}
        figure.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0}, scene=scene_layout(figure.data, camera))
    else:
        figure.update_xaxes(title=labels[0])
        figure.update_yaxes(title=labels[1])
    return figure


def to_hand_axes(joints_m: Float[np.ndarray, "poses 21 3"], hand: HandModel) -> Float[np.ndarray, "poses 21 3"]:
    """Joints of a database, which stand in the palm frame, in the axes of a hand's rest pose; the wrist stays at 0.

    Args:
        joints_m: in the palm frame.
        hand: loaded with ``pose_space="pca"``.
    """
    shape, pose = (torch.zeros(1, width).to(hand.v_template) for width in (hand.num_shape, len(hand.components)))
    frame = palm_frame(posed_joints(hand, pose, shape))[0]
    return joints_m @ frame.T.float().numpy()


def camera_drift(films: SeqHandFilms, count: int) -> dict[str, Float[np.ndarray, "films"]]:
    """How much changes from the first frame of a film to its last, for the first ``count`` films.

    ``joints [mm]`` in the palm frame, ``turn [deg]``, ``scale [%]``, ``place [% of the picture]``, and ``shape``.
    """
    names = ("joints [mm]", "turn [deg]", "scale [%]", "place [%]", "shape")
    rows: dict[str, list[float]] = {name: [] for name in names}
    for index in range(count):
        joints = films.flow(index).joints_m[0]
        code = films[index].code
        turns = roma.rotvec_to_rotmat(code[[0, -1], 23:26])
        middle = films[index].joints_2d_px[:, 9] / films.image_px
        values = (
            1000 * np.linalg.norm(joints[-1] - joints[0], axis=-1).mean(),
            float(torch.rad2deg(roma.rotmat_geodesic_distance(*turns))),
            100 * abs(float(code[-1, 20] / code[0, 20]) - 1),
            100 * float((middle[-1] - middle[0]).norm()),
            float((code[-1, 10:20] - code[0, 10:20]).abs().max()),
        )
        for name, value in zip(rows, values, strict=True):
            rows[name].append(float(value))
    return {name: np.array(values) for name, values in rows.items()}


def weak_perspective_error_px(
    joints_m: Float[np.ndarray, "21 3"], distances_m: Sequence[float], hand_px: float = 112.0
) -> list[float]:
    """How far the best weak-perspective picture of a hand is from the true one, at several distances; mean px.

    Args:
        joints_m: the hand, in camera axes, anywhere.
        distances_m: from the camera to the hand's middle, along z.
        hand_px: longer side of the hand in the picture, which a longer lens keeps the same.
    """
    points = torch.from_numpy(joints_m - joints_m.mean(0)).double()
    errors = []
    for distance in distances_m:
        away = points + torch.tensor([0.0, 0.0, float(distance)], dtype=torch.float64)
        flat = project_perspective(away[None], torch.eye(3, dtype=torch.float64)[None])[0]
        flat = flat * hand_px / (flat.amax(0) - flat.amin(0)).max()
        centred, plane = flat - flat.mean(0), points[:, :2]
        scale = (centred * plane).sum() / plane.square().sum()
        errors.append(float((scale * plane - centred).norm(dim=-1).mean()))
    return errors


def data_set_table(ours: Mapping[str, Sequence[str]]) -> Columns:
    """Table 1 of the paper, with further rows: name -> modality, origin, motion, view, number of frames."""
    table = load_published()["seqhand/table-1"]
    # A head may break at its slash, so that the table stays as narrow as the page.
    heads = ["data set", *(column.label.replace("/", "/ ") for column in table.columns)]
    rows = [[row.label, *row.values] for row in table.rows] + [[name, *values] for name, values in ours.items()]
    return dict(zip(heads, map(list, zip(*rows, strict=True)), strict=True))


def default_frames() -> int:
    """Frames of the generated data set at its default size."""
    return sum(DEFAULT_FILMS.values()) * NUM_FRAMES
