"""The figures themselves: right side up, equal axes, colours and names where they belong, bad input named."""

import numpy as np
import pytest
import torch

from handlib.errors import BadInputError
from handlib.skeleton import BONES, JOINT_NAMES
from handlib.viz import curve_figure, image_grid, image_with_keypoints, mesh_figure, skeleton_figure
from handlib.viz.pictures import figure_pictures
from handlib.viz.stills import plotly_to_matplotlib
from handlib.viz.stills_3d import _look, _normalisation, _points
from handlib.viz.theme import COLOURS, FINGER_COLOURS, INK, finger_of_joint

RNG = np.random.default_rng(0)
VERTICES, FACES = RNG.normal(size=(12, 3)), RNG.integers(0, 12, (20, 3))


def seen(figure, points):
    """Where the viewer of a 3D figure sees points: (n,2), x to the right, y up; and how far away they are."""
    middle, scale = _normalisation(list(figure.data), figure.layout.scene)
    return _look((np.asarray(points) - middle) / scale, figure.layout.scene.camera)


def test_a_hand_in_a_camera_frame_is_seen_as_the_photograph_saw_it():
    """x to the right, y down, the nearer point nearer."""
    figure = mesh_figure(VERTICES, FACES, view="camera")
    (origin, right, down, far), depth = seen(figure, [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert right[0] > origin[0] and abs(right[1] - origin[1]) < 1e-6
    assert down[1] < origin[1] and abs(down[0] - origin[0]) < 1e-6
    assert depth[3] > depth[0]
    assert np.isfinite(far).all()


def test_a_hand_at_rest_has_its_fingers_up_and_its_palm_to_the_viewer():
    """Fingers along -x, palm facing -y, thumb at +z: a right palm shows its thumb on the right."""
    figure = mesh_figure(VERTICES, FACES, view="palm")
    (origin, fingers, _, thumb), depth = seen(figure, [[0, 0, 0], [-0.1, 0, 0], [0, -0.1, 0], [0, 0, 0.1]])
    assert fingers[1] > origin[1] and thumb[0] > origin[0] and depth[2] < depth[0]


def test_axes_are_equal():
    figure = mesh_figure(VERTICES * [1, 5, 0.1], FACES)
    scene = figure.layout.scene
    spans = [np.ptp(scene[f"{axis}axis"].range) for axis in "xyz"]
    ratios = [scene.aspectratio[axis] for axis in "xyz"]
    np.testing.assert_allclose(np.array(spans) / ratios, spans[0] / ratios[0])


def test_a_mesh_is_sent_in_small_numbers():
    mesh = mesh_figure(VERTICES, torch.as_tensor(FACES)).data[0]
    assert mesh.x.dtype == np.float32 and mesh.i.dtype == np.int16


def test_colours_of_a_mesh_can_be_one_numbers_or_rgb():
    assert mesh_figure(VERTICES, FACES, "#102030").data[0].color == "#102030"
    numbers = mesh_figure(VERTICES, FACES, np.arange(12.0), colour_label="error [mm]").data[0]
    assert numbers.intensity[3] == 3 and numbers.colorbar.title.text == "error [mm]"
    assert mesh_figure(VERTICES, FACES, np.ones((12, 3))).data[0].vertexcolor[0] == "#ffffff"


def test_joints_are_drawn_in_a_mesh_that_lets_them_through():
    figure = mesh_figure(VERTICES, FACES, joints=RNG.normal(size=(21, 3)))
    assert figure.data[0].opacity < 1 and len(figure.data) == 6


def test_every_bone_of_a_skeleton_is_drawn_once_in_its_fingers_colour():
    joints = RNG.normal(size=(21, 3)).astype(np.float32)
    drawn = set()
    for trace in skeleton_figure(joints).data:
        points = np.stack([trace.x, trace.y, trace.z], 1)
        for start in range(0, len(points), 3):
            ends = tuple(int(np.flatnonzero((joints == points[start + k]).all(1))[0]) for k in (0, 1))
            assert trace.line.color == FINGER_COLOURS[finger_of_joint(ends[1])]
            assert trace.text[start] == JOINT_NAMES[ends[0]]
            drawn.add(ends)
    assert drawn == set(BONES)


def test_of_several_skeletons_the_first_is_in_ink():
    figure = skeleton_figure({"true": np.zeros((21, 3)), "estimated": np.ones((21, 3))})
    assert [(trace.name, trace.line.color) for trace in figure.data] == [("true", INK), ("estimated", COLOURS[0])]


def test_fingers_of_the_joints():
    fingers = ["wrist", *(f for f in ("thumb", "index", "middle", "ring", "little") for _ in range(4))]
    assert [finger_of_joint(joint) for joint in range(21)] == fingers


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mesh_figure(np.full((3, 3), np.nan), np.array([[0, 1, 2]])), "vertices"),
        (lambda: mesh_figure(VERTICES, np.array([[0, 1, 12]])), "12 vertices"),
        (lambda: mesh_figure(VERTICES, FACES, view="above"), "above"),
        (lambda: mesh_figure(VERTICES, FACES, np.ones((12, 2))), r"\(12, 2\)"),
        (lambda: curve_figure({"a": ([1, 2], [1])}, x_label="x", y_label="y"), "'a'"),
        (lambda: image_grid([]), "empty"),
        (lambda: image_grid([np.zeros((2, 2, 3))], titles=["a", "b"]), "titles"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(BadInputError, match=message):
        call()


def test_keypoints_are_drawn_on_the_pixels_they_name():
    keypoints = RNG.uniform(5, 40, (21, 2))
    figure = image_with_keypoints(
        np.zeros((48, 64, 3), np.uint8), keypoints, np.linspace(0, 1, 21), reference=keypoints
    )
    axes = figure.axes[0]
    assert axes.get_xlim() == (-0.5, 63.5) and axes.get_ylim() == (47.5, -0.5)
    dots = np.concatenate([scatter.get_offsets() for scatter in axes.collections])
    np.testing.assert_allclose(np.sort(dots[:, 0]), np.sort(np.tile(keypoints[:, 0], 2)))


def test_a_grid_of_images_takes_one_without_keypoints():
    figure = image_grid(
        [np.zeros((8, 8, 3))] * 3, ["a", "b", "c"], columns=2, keypoints=[None, np.zeros((21, 2)), None]
    )
    assert len(figure.axes) == 4 and [len(axes.collections) for axes in figure.axes] == [0, 21, 0, 0]


def test_a_still_shows_the_mesh_where_the_live_figure_has_it():
    """A mesh seen by the camera fills the middle of the picture; its covered area is that of its projection."""
    vertices = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    figure = mesh_figure(vertices, np.array([[0, 1, 2], [0, 2, 3]]), view="camera", colours="#ff0000")
    corners = seen(figure, _points(figure.data[0]))[0]
    picture = plotly_to_matplotlib(figure)
    picture.set_dpi(100)
    picture.canvas.draw() if hasattr(picture.canvas, "draw") else None
    axes = picture.axes[0]
    inside = [
        axes.get_xlim()[0] < x < axes.get_xlim()[1] and axes.get_ylim()[0] < y < axes.get_ylim()[1] for x, y in corners
    ]
    assert all(inside)
    red = np.asarray(figure_pictures(picture, dpi=50)["light"])
    covered = red[red[..., 3] > 0]
    assert len(covered) > 1000 and (covered[:, 0] > covered[:, 1]).mean() > 0.99


def test_stills_of_curves_bars_heat_maps_and_histograms_are_drawn():
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(2, 2, subplot_titles=["a", "b", "c", "d"])
    figure.add_scatter(x=[1, 2, 3], y=[1, 4, 9], error_y={"array": [1, 1, 1]}, row=1, col=1)
    figure.add_bar(x=["u", "v"], y=[1, 2], row=1, col=2)
    figure.add_trace(go.Heatmap(z=[[1, 2], [3, 4]]), row=2, col=1)
    figure.add_histogram(x=[1, 1, 2], row=2, col=2)
    figure.update_yaxes(type="log", row=1, col=1)
    picture = plotly_to_matplotlib(figure)
    panels = [axes for axes in picture.axes if axes.get_label() != "<colorbar>"]
    assert len(panels) == 4 and panels[0].get_yscale() == "log" and len(panels[1].patches) == 2
    assert {text.get_text() for text in picture.texts} >= {"a", "b", "c", "d"}


def test_still_of_a_heat_map_keeps_its_colours_its_numbers_and_its_slanted_names():
    import plotly.graph_objects as go

    named = go.Figure(go.Heatmap(x=["u", "v"], y=["u", "v"], z=[[1, -1], [-1, 1]], zmin=-1, zmax=1, colorscale="RdBu"))
    named.update_xaxes(tickangle=-60)
    axes = plotly_to_matplotlib(named).axes[0]
    image = axes.get_images()[0]
    low, high = (image.cmap(image.norm(value)) for value in (-1, 1))
    assert low[0] > low[2] and high[2] > high[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["u", "v"]
    assert axes.get_xticklabels()[0].get_rotation() == 60

    counted = plotly_to_matplotlib(go.Figure(go.Heatmap(x=np.linspace(-80, 80, 81), y=[0, 1, 2], z=np.ones((3, 81)))))
    assert counted.axes[0].get_xlim() == (-81, 81) and len(counted.axes[0].get_xticks()) < 15


def test_a_trace_that_cannot_be_drawn_still_asks_for_a_picture():
    import plotly.graph_objects as go

    with pytest.raises(BadInputError, match="sankey.*still="):
        plotly_to_matplotlib(go.Figure(go.Sankey()))


def test_ink_is_dark_on_the_light_page_and_light_on_the_dark_page():
    figure = curve_figure({"a": ([0, 1], [0, 1])}, x_label="x", y_label="y", reference="a")
    brightness = {}
    for page, picture in figure_pictures(plotly_to_matplotlib(figure), dpi=50).items():
        pixels = np.asarray(picture).reshape(-1, 4)
        brightness[page] = pixels[pixels[:, 3] > 200][:, :3].mean()
    assert brightness["light"] < 90 < 180 < brightness["dark"]
