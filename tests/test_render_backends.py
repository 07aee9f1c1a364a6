"""The renderers behind the interface against each other."""

import sys

import pytest
import torch
import trimesh

from handlib.camera import OrthographicCamera, PerspectiveCamera
from handlib.errors import BadInputError, MissingExtraError
from handlib.hand import HandModel
from handlib.render import Light, render_depth, render_mesh, render_silhouette

SIZE = (96, 120)
CAMERA = PerspectiveCamera.from_focal(torch.tensor([[260.0, 260.0]]), torch.tensor([[59.5, 47.5]]))


def scenes() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    mesh = trimesh.creation.icosphere(3, radius=0.07)
    ball = torch.tensor(mesh.vertices, dtype=torch.float32)[None] + torch.tensor([0.01, 0.0, 0.5])
    model = HandModel.load("open")
    turns = torch.tensor([[1.2, 0.3, 0.2], [0.2, -1.0, 2.0]])
    hands = model(0.4 * torch.ones(2, 45), torch.zeros(2, 10), turns).vertices
    centre = (hands.amin(1) + hands.amax(1)) / 2
    hands = hands - centre[:, None] + torch.tensor([0.0, 0.0, 0.55])
    return {"ball": (ball, torch.tensor(mesh.faces)), "hands": (hands, model.faces)}


def overlap(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a & b).sum() / (a | b).sum())


def needs(backend: str) -> None:
    if backend != "torch":
        pytest.importorskip(backend)


@pytest.mark.parametrize("backend", ["deodr", "pytorch3d"])
def test_hard_silhouette_and_depth_agree(backend: str) -> None:
    needs(backend)
    for vertices, faces in scenes().values():
        ours = render_mesh(vertices, faces, CAMERA, SIZE, antialias=False)
        theirs = render_mesh(vertices, faces, CAMERA, SIZE, antialias=False, backend=backend)
        assert overlap(ours.silhouette > 0, theirs.silhouette > 0) >= 0.995
        both = (ours.silhouette > 0) & (theirs.silhouette > 0)
        assert (ours.depth - theirs.depth)[both].abs().max() < 1e-3
        masks = [
            render_silhouette(vertices, faces, CAMERA, SIZE, antialias=False, backend=b) for b in ("torch", backend)
        ]
        assert overlap(masks[0] > 0, masks[1] > 0) >= 0.995
        depth = render_depth(vertices, faces, CAMERA, SIZE, backend=backend)
        assert (ours.depth - depth)[both].abs().max() < 1e-3


@pytest.mark.parametrize("backend", ["deodr", "pytorch3d"])
@pytest.mark.parametrize("flat", [False, True])
def test_lit_colours_agree(backend: str, flat: bool) -> None:
    needs(backend)
    light = Light(torch.full((1, 3), 0.3), torch.tensor([[0.7, 0.6, 0.5]]), torch.tensor([[0.36, -0.48, -0.8]]))
    background = torch.tensor([0.2, 0.5, 0.9])
    for vertices, faces in scenes().values():
        colours = 0.6 + 0.3 * torch.sin(vertices * 30)
        options = {"colours": colours, "light": light, "flat": flat, "background": background}
        ours = render_mesh(vertices, faces, CAMERA, SIZE, antialias=False, **options)
        theirs = render_mesh(vertices, faces, CAMERA, SIZE, antialias=False, backend=backend, **options)
        difference = (ours.rgb - theirs.rgb).abs().amax(-1)
        assert difference.mean() < 3e-3
        assert difference.quantile(0.99) < 0.05
        smooth = [render_mesh(vertices, faces, CAMERA, SIZE, backend=b, **options).rgb for b in ("torch", backend)]
        assert (smooth[0] - smooth[1]).abs().mean() < 0.02


@pytest.mark.parametrize(
    ("backend", "layer", "likeness", "sizes"),
    [("deodr", "rgb", 0.95, 0.15), ("deodr", "silhouette", 0.95, 0.15), ("pytorch3d", "silhouette", 0.85, 0.35)],
)
def test_outline_gradients_agree(backend: str, layer: str, likeness: float, sizes: float) -> None:
    """Per vertex they point the same way; the outlines' filters differ, pytorch3d's (SoftRas) most.

    pytorch3d's colours are left out: where slivers of a hand meet an outline, single vertices get gradients a hundred
    times too large.
    """
    needs(backend)
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    weights = (1 + torch.sin(x / 9 + 1) * torch.cos(y / 7))[..., None] * torch.tensor([1.0, 0.3, 0.6])
    for vertices, faces in scenes().values():
        gradients = []
        for name in ("torch", backend):
            variable = vertices.clone().requires_grad_()
            colours = 0.6 + 0.3 * torch.sin(vertices * 30)
            picture = render_mesh(variable, faces, CAMERA, SIZE, colours=colours, backend=name)
            values = picture.rgb if layer == "rgb" else picture.silhouette[..., None]
            gradients.append(torch.autograd.grad((values * weights).sum(), variable)[0][..., :2].flatten())
        assert torch.cosine_similarity(*gradients, dim=0) > likeness
        assert float(gradients[0].norm() / gradients[1].norm()) == pytest.approx(1.0, abs=sizes)


@pytest.mark.parametrize("backend", ["deodr", "pytorch3d"])
def test_parallel_camera_with_negative_depths(backend: str) -> None:
    needs(backend)
    vertices, faces = scenes()["hands"]
    vertices = vertices - torch.tensor([0.0, 0.0, 0.55])
    camera = OrthographicCamera(500 * torch.eye(2)[None], torch.tensor([[59.5, 47.5]]))
    ours = render_depth(vertices, faces, camera, SIZE, background_m=1.0)
    theirs = render_depth(vertices, faces, camera, SIZE, background_m=1.0, backend=backend)
    assert overlap(ours < 1, theirs < 1) >= 0.995
    assert (ours - theirs)[(ours < 1) & (theirs < 1)].abs().max() < 1e-3


@pytest.mark.parametrize("backend", ["deodr", "pytorch3d"])
def test_nothing_in_sight(backend: str) -> None:
    needs(backend)
    vertices, faces = scenes()["ball"]
    picture = render_mesh(-vertices, faces, CAMERA, SIZE, backend=backend)
    assert picture.silhouette.abs().sum() == 0 and picture.depth.abs().sum() == 0


@pytest.mark.parametrize("backend", ["torch", "deodr"])
def test_an_empty_batch_is_an_empty_picture(backend: str) -> None:
    needs(backend)
    vertices, faces = scenes()["ball"]
    picture = render_mesh(vertices[:0], faces, CAMERA, (6, 8), backend=backend)
    assert picture.rgb.shape == (0, 6, 8, 3) and picture.depth.shape == (0, 6, 8)


def test_pytorch3d_soft_silhouette_has_the_same_reach() -> None:
    pytest.importorskip("pytorch3d")
    for vertices, faces in scenes().values():
        ours = render_silhouette(vertices, faces, CAMERA, SIZE, soft=True, sigma_px=1.5)
        theirs = render_silhouette(vertices, faces, CAMERA, SIZE, soft=True, sigma_px=1.5, backend="pytorch3d")
        assert theirs[ours > 0.99].min() > 0.75
        assert theirs[ours == 0].max() < 1e-3
        assert overlap(ours > 0.5, theirs > 0.8) > 0.8


def test_what_deodr_cannot_do_is_said() -> None:
    pytest.importorskip("deodr")
    vertices, faces = scenes()["ball"]
    with pytest.raises(BadInputError, match="soft=True: deodr has no sigmoid"):
        render_silhouette(vertices, faces, CAMERA, SIZE, soft=True, backend="deodr")
    uv, texture = torch.zeros(vertices.shape[1], 2), torch.ones(1, 4, 4, 3)
    with pytest.raises(BadInputError, match="texture: the deodr backend"):
        render_mesh(vertices, faces, CAMERA, SIZE, texture=texture, uv=uv, backend="deodr")


@pytest.mark.parametrize(("backend", "remedy"), [("deodr", "pip install deodr"), ("pytorch3d", "conda-forge")])
def test_a_missing_package_is_named_with_its_remedy(backend: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == backend]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, backend, None)
    vertices, faces = scenes()["ball"]
    with pytest.raises(MissingExtraError, match=remedy):
        render_silhouette(vertices, faces, CAMERA, SIZE, backend=backend)
