"""Parity of the renderer and the cameras with pytorch3d."""

import torch
from jaxtyping import Float
from torch import Tensor

from handlib.axes import intrinsics_to_pytorch3d_ndc, opencv_to_pytorch3d
from handlib.camera import PerspectiveCamera
from handlib.hand import HandModel
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.poses import named_pose
from handlib.render import Light, render_mesh, render_silhouette
from handlib.render.shapes import sphere_mesh
from handlib.reproduce.profiles import by_profile
from handlib.reproduce.recipe import RunContext
from handlib.reproduce.results import Metric, Outcome


def compare_pytorch3d(context: RunContext) -> Outcome:
    """Projection by its camera class, and pictures of a sphere and a hand from its rasteriser."""
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


def _projection_error_px(camera: PerspectiveCamera, size: tuple[int, int]) -> float:
    """Worst difference (px) of random points through pytorch3d's own camera, by :mod:`handlib.axes`."""
    from pytorch3d.renderer import PerspectiveCameras

    points = torch.randn(1, 1000, 3) * 0.05 + torch.tensor([0.0, 0.0, 0.5])
    focal, principal = intrinsics_to_pytorch3d_ndc(camera.K, size)
    theirs = PerspectiveCameras(focal_length=focal, principal_point=principal, in_ndc=True)
    screen = theirs.transform_points_screen(opencv_to_pytorch3d(points), image_size=(size,))[..., :2]
    return float((screen - 0.5 - camera.project(points)).norm(dim=-1).max())


def _picture_differences(
    vertices: Float[Tensor, "1 vertices 3"], faces: Tensor, camera: PerspectiveCamera, size: tuple[int, int]
) -> dict[str, Metric]:
    """Overlap of silhouettes, differences of depth and lit colour, and how alike a mesh is pulled to another place."""
    colours = 0.6 + 0.3 * torch.sin(vertices * 30)
    backends = ("torch", "pytorch3d")
    light = Light.headlight()
    hard = [
        render_mesh(vertices, faces, camera, size, colours=colours, light=light, antialias=False, backend=backend)
        for backend in backends
    ]
    masks = [picture.silhouette > 0 for picture in hard]
    both = masks[0] & masks[1]
    target = render_silhouette(vertices + torch.tensor([0.008, -0.005, 0.0]), faces, camera, size)
    gradients = []
    for backend in backends:
        moved = vertices.clone().requires_grad_()
        error = (render_mesh(moved, faces, camera, size, backend=backend).silhouette - target).square().sum()
        gradients.append(torch.autograd.grad(error, moved)[0].sum((0, 1)))
    return {
        "silhouette, overlap": Metric(float(both.sum() / (masks[0] | masks[1]).sum()), "1"),
        "depth, worst": Metric(float(1000 * (hard[0].depth - hard[1].depth)[both].abs().max()), "mm"),
        "colour, mean of 255": Metric(float(255 * (hard[0].rgb - hard[1].rgb)[both].abs().mean()), "1"),
        "pull on the position, cosine": Metric(float(torch.cosine_similarity(*gradients, dim=0)), "1"),
        "pull, ratio": Metric(float(gradients[1].norm() / gradients[0].norm()), "1"),
    }
