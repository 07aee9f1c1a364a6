"""Augmentation of a batch of pictures: turned, zoomed, shifted and tinted on whatever device they are on.

Everything that a turn of the picture means for the rest goes with it: 2D joints, the camera, and the 3D joints of
those who have them. A turned picture is the picture of a hand that was turned about the optical axis.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from handlib.crops import crop_affine, invert_affine


@dataclass(frozen=True)
class Augmentation:
    """How far pictures are changed; all zero changes nothing.

    Attributes:
        turn_deg: in-plane turns up to so many degrees either way (S2HAND's released code turns by any angle: 180).
        zoom: enlarged or shrunk by up to this share.
        shift: moved by up to this share of the width.
        gain: brightness of each channel changes by up to this share, together and apart in equal parts.
        noise: standard deviation of noise in each pixel, of values in 0..1.
        contrast: spread of the logarithms of contrast and of gamma, each picture having its own.
        coarse: share of pictures that are shown at a third to two thirds of their resolution.
        clutter: share of pictures with a known mask that get a random background, and a random pattern on the skin.
        cover: share of the picture, on average, that random patches hide.
    """

    turn_deg: float = 30.0
    zoom: float = 0.12
    shift: float = 0.04
    gain: float = 0.25
    noise: float = 0.02
    contrast: float = 0.0
    coarse: float = 0.0
    clutter: float = 0.0
    cover: float = 0.0


NO_AUGMENTATION = Augmentation(turn_deg=0.0, zoom=0.0, shift=0.0, gain=0.0, noise=0.0)


def draw_affines(
    augmentation: Augmentation, count: int, input_px: int, output_px: int, generator: torch.Generator
) -> Float[Tensor, "batch 2 3"]:
    """Affines that send pixels of square pictures of side ``input_px`` to augmented ones of side ``output_px``."""
    turn, zoom, across, down = (2 * torch.rand(4, count, generator=generator) - 1).unbind()
    middle = torch.full((count, 2), (input_px - 1) / 2)
    centre = middle + augmentation.shift * input_px * torch.stack([across, down], dim=-1)
    # Shrinking and enlarging by the same factor are equally likely.
    side = input_px * (1 + augmentation.zoom) ** zoom
    return crop_affine(centre, side, output_px, torch.deg2rad(augmentation.turn_deg * turn))


def warp_batch(
    images: Float[Tensor, "batch channels height width"], affine: Float[Tensor, "batch 2 3"], output_px: int
) -> Float[Tensor, "batch channels output_px output_px"]:
    """The pictures seen through affines (old pixels to new pixels), bilinear, the border's colour outside.

    The same as :func:`handlib.crops.warp_image` without its low-pass filter, for a batch of tensors.
    """
    height, width = images.shape[-2:]
    back = invert_affine(affine)
    # affine_grid speaks of a square from -1 to 1, edges to edges: u = ((g + 1) W - 1) / 2.
    old_side, new_side = back.new_tensor([width, height]), back.new_tensor(float(output_px))
    linear = back[:, :, :2] * (new_side / old_side[:, None])
    # What the middle of the new picture was in the old one, in the square's own coordinates.
    centre_old = back[:, :, :2].sum(-1) * (new_side - 1) / 2 + back[:, :, 2]
    theta = torch.cat([linear, ((2 * centre_old + 1) / old_side - 1)[..., None]], dim=-1)
    grid = affine_grid(theta, [len(images), images.shape[1], output_px, output_px], align_corners=False)
    return grid_sample(images, grid.to(images), mode="bilinear", padding_mode="border", align_corners=False)


def tint(
    images: Float[Tensor, "batch channels height width"], augmentation: Augmentation, generator: torch.Generator
) -> Float[Tensor, "batch channels height width"]:
    """Change brightness, colour, contrast and sharpness, and add noise; values stay in 0..1."""
    batch, channels = images.shape[:2]
    together, apart = torch.rand(batch, 1, generator=generator), torch.rand(batch, channels, generator=generator)
    gain = 1 + augmentation.gain * (together + apart - 1)
    images = images * gain.to(images)[..., None, None]
    if augmentation.contrast:
        contrast, gamma = torch.exp(augmentation.contrast * torch.randn(2, batch, 1, 1, 1, generator=generator))
        mean = images.mean((1, 2, 3), keepdim=True)
        images = ((images - mean) * contrast.to(images) + mean).clamp(1e-4, 1) ** gamma.to(images)
    if augmentation.coarse:
        images = coarsen(images, augmentation.coarse, generator)
    noise = torch.randn(images.shape, generator=generator) if augmentation.noise else torch.zeros(1)
    return (images + augmentation.noise * noise.to(images)).clamp(0, 1)


def coarsen(
    images: Float[Tensor, "batch channels height width"], share: float, generator: torch.Generator
) -> Float[Tensor, "batch channels height width"]:
    """A share of the pictures as seen at a third to two thirds of their resolution: from afar, or out of focus."""
    chosen = (torch.rand(len(images), 1, 1, 1, generator=generator) < share).to(images.device)
    factor = (1 + float(torch.rand((), generator=generator))) / 3
    small = interpolate(images, scale_factor=factor, mode="bilinear", antialias=True, align_corners=False)
    return torch.where(chosen, interpolate(small, size=images.shape[2:], mode="bilinear"), images)


def clutter(
    images: Float[Tensor, "batch 3 height width"],
    masks: Float[Tensor, "batch 1 height width"],
    augmentation: Augmentation,
    generator: torch.Generator,
) -> Float[Tensor, "batch 3 height width"]:
    """Domain randomisation (Tobin et al. 2017, https://arxiv.org/abs/1703.06907): what a quiet rendering lacks.

    A random background where the mask is 0, a random pattern on the hand, random patches over everything. A network
    that cannot rely on the background or on smooth skin has to look at shape.
    """
    batch, side = len(images), images.shape[-1]
    if augmentation.clutter:
        pattern = 1 + 0.5 * (random_pattern(batch, side, generator).to(images) - 0.5)
        mixed = images * pattern * masks + random_pattern(batch, side, generator).to(images) * (1 - masks)
        chosen = torch.rand(batch, 1, 1, 1, generator=generator).to(images) < augmentation.clutter
        # A mask that covers the picture is not known: such a picture stays as it is.
        images = torch.where(chosen & (masks.mean((1, 2, 3), keepdim=True) < 1), mixed, images)
    if augmentation.cover:
        cells = (torch.rand(batch, 1, 6, 6, generator=generator) < augmentation.cover).float()
        patches = interpolate(cells, size=(side, side), mode="nearest").to(images)
        images = images * (1 - patches) + random_pattern(batch, side, generator).to(images) * patches
    return images


def random_pattern(count: int, side: int, generator: torch.Generator) -> Float[Tensor, "batch 3 side side"]:
    """Random colours in 0..1 at several scales at once, blurred or in hard squares, each picture in its own mixture."""
    total, weights = torch.zeros(count, 3, side, side), torch.zeros(count, 1, 1, 1)
    for cells in (1, 2, 4, 8, 16, 32):
        grid = torch.rand(count, 3, cells, cells, generator=generator)
        # Cubed, so that few scales dominate a picture.
        weight = torch.rand(count, 1, 1, 1, generator=generator) ** 3
        hard = bool(torch.rand((), generator=generator) < 0.5)
        layer = interpolate(grid, size=(side, side), mode="nearest" if hard else "bilinear")
        total, weights = total + weight * layer, weights + weight
    return (0.5 + 1.6 * (total / weights - 0.5)).clamp(0, 1)
