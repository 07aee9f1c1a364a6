"""Rendering spheres as a depth map, differentiably: the renderer of Wan et al. (CVPR 2019, Sec. 3.4.1, Eq. 6-8).

Rays are parallel to z (orthographic, as in the paper). Along a ray at distance ``d`` from a sphere's axis its surface
lies at ``z - sqrt(r^2 - d^2)``, in closed form; a ray that misses meets the background. Over all spheres the nearest
wins, as in a depth buffer, so a pixel's gradient belongs to one sphere: the winner is sought without gradients, and
only its depth is computed with them. That needs one number a pixel where Eq. 8 as written keeps one a sphere.

What the derivative is: inside the outline, that of Eq. 6 (``dz/dx = (x_c - x) / sqrt(r^2 - d^2)``, likewise y;
``dz/dz = 1``; ``dz/dr = -r / sqrt(...)``). At the outline it would be infinite; below ``OUTLINE_M`` the root continues
as its tangent. That a moving outline covers new pixels has no derivative, in the paper as here: background pixels have
none, which is why the data-to-model term exists (``handlib.losses.depth_fitting``).
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from handlib.camera import Camera, OrthographicCamera
from handlib.errors import BadInputError

CUBE_M = 0.3
"""Side of the cube around the hand that a depth crop shows (released code)."""

BACKGROUND_M = 0.1
"""Depth of the background behind the cube's centre, d_far of Eq. 6 (released code: 100 mm)."""

OUTLINE_M = 1e-4
"""Where the root of Eq. 6 turns into its tangent: gradients stay below r / 0.1 mm, depths within 0.05 mm. The released
code bounds the root by the same 0.1 mm, but lets those pixels go to the background."""

LARGEST_RADIUS_M = 1.0


def crop_camera(image_px: int, like: Float[Tensor, "..."] | None = None) -> OrthographicCamera:
    """The camera of a depth crop: a square picture that shows the 300 mm cube around the origin edge to edge.

    Args:
        image_px: side of the picture.
        like: a tensor whose dtype and device the camera takes.
    """
    centre = torch.zeros(1, 2) if like is None else like.new_zeros(1, 2)
    return OrthographicCamera.from_box(centre, centre.new_full((1,), CUBE_M), image_px)


def pixel_rays_m(
    camera: OrthographicCamera, image_size: int | tuple[int, int]
) -> Float[Tensor, "batch height width 2"]:
    """``Pi^-1(u, v)``: where (x, y, metres) the ray of every pixel's centre meets any plane of constant z."""
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    like = camera.offset
    v, u = torch.meshgrid(torch.arange(height).to(like), torch.arange(width).to(like), indexing="ij")
    pixels = torch.stack([u, v], dim=-1).flatten(0, 1).expand(len(camera), -1, -1)
    return camera.unproject(pixels, torch.zeros_like(pixels[..., 0]))[..., :2].unflatten(1, (height, width))


def squared_ray_distance_m2(
    centres_m: Float[Tensor, "*#batch 3"], rays_m: Float[Tensor, "*#batch 2"]
) -> Float[Tensor, "*batch"]:
    """Squared distance (m^2) of a sphere's centre from a ray parallel to z (Eq. 7, squared: its root is not needed)."""
    return (centres_m[..., :2] - rays_m).square().sum(-1)


def sphere_depth_m(
    centres_m: Float[Tensor, "*#batch 3"],
    radii_m: Float[Tensor, "*#batch"],
    rays_m: Float[Tensor, "*#batch 2"],
    background_m: float = BACKGROUND_M,
) -> Float[Tensor, "*batch"]:
    """Depth z (m) of spheres along rays parallel to z, ``background_m`` where a ray misses (Eq. 6).

    Args:
        centres_m: in the camera's frame.
        radii_m: radii.
        rays_m: (x, y) of the rays, from :func:`pixel_rays_m`.
        background_m: d_far.
    """
    room = radii_m.square() - squared_ray_distance_m2(centres_m, rays_m)
    near_outline = room < OUTLINE_M**2
    # The inner `where` keeps the root's infinite slope at zero out of the backward pass.
    root = torch.where(near_outline, OUTLINE_M**2, room).sqrt()
    root = torch.where(near_outline, (room + OUTLINE_M**2) / (2 * OUTLINE_M), root)
    return torch.where(room >= 0, centres_m[..., 2] - root, background_m)


def render_spheres(
    centres_m: Float[Tensor, "batch spheres 3"],
    radii_m: Float[Tensor, "_rows _spheres"],
    camera: Camera,
    image_size: int | tuple[int, int],
    *,
    background_m: float = BACKGROUND_M,
) -> Float[Tensor, "batch height width"]:
    """Render spheres as a depth map (Eq. 8): at every pixel's centre the nearest surface, else ``background_m``.

    Args:
        centres_m: in the camera's frame, metres; in a depth crop relative to the middle of the cube, so that depths of
            both signs occur.
        radii_m: one row for all, or one a batch row.
        camera: parallel; one for all, or one a batch row. :func:`crop_camera` is the paper's.
        image_size: side, or (height, width), px.
        background_m: d_far; surfaces behind it are not seen.

    Returns:
        z in metres. Gradients, of any order, flow to centres and radii.

    Raises:
        BadInputError: NaN or wrong shapes, radii that are not positive or look like millimetres, a perspective camera.
    """
    radii_m = check_spheres(centres_m, radii_m)
    if not isinstance(camera, OrthographicCamera):
        raise BadInputError(
            f"camera: {type(camera).__name__}; spheres are rendered by parallel rays. Use an OrthographicCamera, such "
            "as handlib.render.spheres.crop_camera(64)."
        )
    if len(camera) not in (1, len(centres_m)):
        raise BadInputError(f"camera: {len(camera)} cameras for {len(centres_m)} hands; expected one, or one for each.")
    if camera.offset.dtype != centres_m.dtype:
        raise BadInputError(
            f"camera: {camera.offset.dtype}, but the centres are {centres_m.dtype}; use camera.to(centres_m)"
        )
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    if not len(centres_m):
        return centres_m.new_zeros(0, height, width)
    with torch.no_grad():
        winner = nearest_sphere(centres_m, radii_m, camera, (height, width), background_m).flatten(1)
        row, pixel = (winner >= 0).nonzero(as_tuple=True)
        sphere = winner[row, pixel]
        rays = pixel_rays_m(camera, (height, width)).flatten(1, 2).expand(len(centres_m), -1, -1)[row, pixel]
    hit = sphere_depth_m(centres_m[row, sphere], radii_m[row, sphere], rays, background_m)
    depth = centres_m.new_full((len(centres_m), height * width), background_m).index_put((row, pixel), hit)
    return depth.unflatten(1, (height, width))


@torch.no_grad()
def nearest_sphere(
    centres_m: Float[Tensor, "batch spheres 3"],
    radii_m: Float[Tensor, "batch spheres"],
    camera: OrthographicCamera,
    image_size: tuple[int, int],
    background_m: float = BACKGROUND_M,
) -> Int[Tensor, "batch height width"]:
    """Which sphere every pixel sees, -1 for the background: the argmin of Eq. 8. Of equally near ones, the last.

    A sphere is tried at the pixels of a window around its centre only, all windows as large as the largest needs.
    """
    batch, spheres, _ = centres_m.shape
    height, width = image_size
    start, size = _windows(centres_m, radii_m, camera, image_size)
    u, v = (start[..., k, None] + torch.arange(size[k], device=start.device) for k in range(2))
    pixel = (v[..., None] * width + u[..., None, :]).flatten(1)  # (batch, spheres * window)

    # |A^-1 (du, dv)|^2 in pixels from the centre's image: only its mixed term needs every pixel of the window.
    inverse = torch.linalg.inv(camera.linear)
    form = (inverse.mT @ inverse)[:, :, :, None, None]
    du, dv = (x - centre[..., None] for x, centre in zip((u, v), camera.project(centres_m).unbind(-1), strict=True))
    room = (radii_m.square()[..., None] - form[:, 1, 1] * dv.square())[..., None]
    room = room - (form[:, 0, 0] * du.square())[..., None, :]
    room = torch.addcmul(room, (-2 * form[:, 0, 1] * dv)[..., None], du[..., None, :])
    depth = centres_m[..., 2, None, None] - room.clamp(min=0).sqrt()
    depth = torch.where(room >= 0, depth, background_m).flatten(1)

    nearest = depth.new_full((batch, height * width), background_m).scatter_reduce(1, pixel, depth, "amin")
    wins = (depth < background_m) & (depth == nearest.gather(1, pixel))
    number = torch.arange(spheres, device=pixel.device).repeat_interleave(size[0] * size[1]).expand(batch, -1)
    winner = pixel.new_full((batch, height * width), -1)
    return winner.scatter_reduce_(1, pixel, torch.where(wins, number, -1), "amax").unflatten(1, (height, width))


def _windows(
    centres_m: Tensor, radii_m: Tensor, camera: OrthographicCamera, image_size: tuple[int, int]
) -> tuple[Int[Tensor, "batch spheres 2"], tuple[int, int]]:
    """First pixel (u, v) of each sphere's window, inside the picture, and the (width, height) that all windows have."""
    limits = centres_m.new_tensor([image_size[1], image_size[0]])
    # A circle of radius r becomes an ellipse that reaches r times the length of a row of the camera's matrix.
    reach = radii_m[..., None] * camera.linear.norm(dim=-1)[:, None]
    most = torch.minimum(2 * reach.amax((0, 1)) + 1, limits).long()
    # Far outside the picture any window will do; the clamp comes first because a huge float makes no integer.
    first = torch.minimum((camera.project(centres_m) - reach).ceil().clamp(min=0), limits - most)
    return first.long(), (int(most[0]), int(most[1]))


def check_spheres(
    centres_m: Float[Tensor, "batch spheres 3"], radii_m: Float[Tensor, "_rows _spheres"]
) -> Float[Tensor, "batch spheres"]:
    """The radii with one row a batch row, if centres and radii are finite and can be metres.

    Raises:
        BadInputError: naming the argument, what was met and the remedy.
    """
    if centres_m.ndim != 3 or centres_m.shape[-1] != 3 or centres_m.shape[1] == 0:
        raise BadInputError(f"centres_m: shape {tuple(centres_m.shape)}, expected (batch, spheres, 3), metres.")
    if radii_m.ndim != 2 or radii_m.shape[1] != centres_m.shape[1] or len(radii_m) not in (1, len(centres_m)):
        raise BadInputError(
            f"radii_m: shape {tuple(radii_m.shape)}, expected (1 or {len(centres_m)}, {centres_m.shape[1]}). Add the "
            "batch axis with [None] if one set of radii serves all."
        )
    if not bool(torch.isfinite(centres_m.detach().sum())) or not bool(torch.isfinite(radii_m.detach().sum())):
        raise BadInputError("centres_m, radii_m: hold NaN or infinity; a diverged network is the usual cause.")
    smallest, largest = (float(x) for x in radii_m.detach().aminmax()) if radii_m.numel() else (1e-3, 1e-3)
    if smallest <= 0 or largest > LARGEST_RADIUS_M:
        raise BadInputError(
            f"radii_m: from {smallest:g} to {largest:g}, expected metres, positive and below {LARGEST_RADIUS_M:g} "
            "(a finger's are 0.006 to 0.017). Divide millimetres by 1000."
        )
    return radii_m.expand(len(centres_m), -1)


def sees_something(
    depth_m: Float[Tensor, "*batch height width"], background_m: float = BACKGROUND_M
) -> Bool[Tensor, "*batch height width"]:
    """Pixels of a depth map that show a surface: nearer than the background."""
    return depth_m < background_m
