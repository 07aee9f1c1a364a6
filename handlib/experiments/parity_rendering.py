"""Parity of the renderer and the cameras with pytorch3d."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.axes import intrinsics_to_pytorch3d_ndc, opencv_to_pytorch3d
from handlib.camera import PerspectiveCamera
from handlib.hand import HandModel
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.poses import named_pose
from handlib.render import render_depth, render_mesh, render_silhouette
from handlib.render.shapes import sphere_mesh
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome


def compare_pytorch3d(context: RunContext) -> Outcome:
    """Projection by its camera class, depth by its rasteriser, and the pull of its blended silhouettes."""
    side = by_profile(context.profile, smoke=48, laptop=160, full=320)
    size = (side, side * 5 // 4)
    focal = 2.6 * side
    camera = PerspectiveCamera.from_focal(torch.tensor([[focal, focal]]), torch.tensor([[side * 0.6, side * 0.5]]))
    metrics = {"a cloud of points: projection, worst": Metric(_projection_error_px(camera, size), "px")}
    for name, (vertices, faces) in parity_scenes().items():
        for measure, metric in _picture_differences(vertices, faces, camera, size).items():
            metrics[f"{name}: {measure}"] = metric
    return Outcome(metrics)


def parity_scenes() -> dict[str, tuple[Float[Tensor, "1 vertices 3"], Tensor]]:
    """What is rendered, half a metre before the camera: a sphere, and the open hand in the sign "one"."""
    ball, ball_faces = sphere_mesh(0.07, torch.tensor([0.01, 0.0, 0.5]))
    model = HandModel.load("open")
    pose = AnatomicalPose(model).to_axis_angle(named_pose("digit_1")[None])
    hand = model(pose, global_orient=torch.tensor([[1.2, 0.3, 0.2]])).vertices
    hand = hand - (hand.amin(1, keepdim=True) + hand.amax(1, keepdim=True)) / 2 + torch.tensor([0.0, 0.0, 0.55])
    return {"sphere": (ball[None], ball_faces), "hand": (hand, model.faces)}


def _their_camera(camera: PerspectiveCamera, size: tuple[int, int]) -> Any:
    """pytorch3d's own camera, by :mod:`handlib.axes`."""
    from pytorch3d.renderer import PerspectiveCameras

    focal, principal = intrinsics_to_pytorch3d_ndc(camera.K, size)
    return PerspectiveCameras(focal_length=focal, principal_point=principal, in_ndc=True)


def _projection_error_px(camera: PerspectiveCamera, size: tuple[int, int]) -> float:
    """Worst difference (px) of random points through the two cameras."""
    points = torch.randn(1, 1000, 3) * 0.05 + torch.tensor([0.0, 0.0, 0.5])
    theirs = _their_camera(camera, size)
    screen = theirs.transform_points_screen(opencv_to_pytorch3d(points), image_size=(size,))[..., :2]
    return float((screen - 0.5 - camera.project(points)).norm(dim=-1).max())


def _their_depth_m(
    vertices: Float[Tensor, "1 vertices 3"], faces: Tensor, camera: PerspectiveCamera, size: tuple[int, int]
) -> Float[Tensor, "1 height width"]:
    """z-buffer (m) of pytorch3d's own pipeline, camera and all, nothing of our backend in it; 0 in the background."""
    from pytorch3d.renderer import MeshRasterizer, RasterizationSettings
    from pytorch3d.structures import Meshes

    settings = RasterizationSettings(image_size=size, blur_radius=0.0, faces_per_pixel=1, perspective_correct=True)
    rasterizer = MeshRasterizer(cameras=_their_camera(camera, size), raster_settings=settings)
    return rasterizer(Meshes([opencv_to_pytorch3d(vertices[0])], [faces])).zbuf[..., 0].clamp_min(0)


def _picture_differences(
    vertices: Float[Tensor, "1 vertices 3"], faces: Tensor, camera: PerspectiveCamera, size: tuple[int, int]
) -> dict[str, Metric]:
    """Overlap of silhouettes, difference of depth, and how alike both renderers pull a mesh to another place."""
    ours, theirs = render_depth(vertices, faces, camera, size), _their_depth_m(vertices, faces, camera, size)
    both, either = (ours > 0) & (theirs > 0), (ours > 0) | (theirs > 0)
    target = render_silhouette(vertices + torch.tensor([0.008, -0.005, 0.0]), faces, camera, size)
    gradients = []
    for backend in ("torch", "pytorch3d"):
        moved = vertices.clone().requires_grad_()
        error = (render_mesh(moved, faces, camera, size, backend=backend).silhouette - target).square().sum()
        gradients.append(torch.autograd.grad(error, moved)[0].sum((0, 1)))
    return {
        "silhouette, overlap": Metric(float(both.sum() / either.sum()), "1"),
        "depth, worst": Metric(float(1000 * (ours - theirs)[both].abs().max()), "mm"),
        "pull on the position, cosine": Metric(float(torch.cosine_similarity(*gradients, dim=0)), "1"),
        "pull, ratio": Metric(float(gradients[1].norm() / gradients[0].norm()), "1"),
    }
