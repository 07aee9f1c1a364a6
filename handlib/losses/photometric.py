"""Photometric losses of S2HAND (Chen et al., CVPR 2021, Sec. 3.4.1): the rendered hand should look like the picture.

Pictures are channels-last, float, 0..1. ``rendered`` is drawn over black, as :func:`handlib.render.render_mesh` does
without a background: in a pixel that the hand covers by half, half of its colour. The picture is therefore compared
after a product with the same coverage, which makes "the pixels of S" exact at outlines too, where a hard set would
compare a mixture with one colour. Gradients reach the silhouette; pass ``silhouette.detach()`` to move colours alone.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d

from handlib.errors import BadInputError

# Wang et al. 2004, Sec. III-B: the stabilisers (K L)^2 for pictures whose values span L = 1.
_C1, _C2 = 0.01**2, 0.03**2


def pixel_loss(
    image: Float[Tensor, "batch height width 3"],
    rendered: Float[Tensor, "batch height width 3"],
    silhouette: Float[Tensor, "batch height width"],
    confidence: Float[Tensor, "batch joints"],
) -> Float[Tensor, "batch"]:
    """E_pixel: mean colour difference over the pixels that the rendered hand covers.

    Args:
        image: the photograph, 0..1.
        rendered: the hand over black, 0..1.
        silhouette: how much of each pixel the hand covers, 0..1; its sum is ``|S|``.
        confidence: 0..1 a keypoint. Their sum (up to 21) weighs the hand: where the detector doubts, another thing
            probably covers the hand, and its colours are not the hand's.

    Returns:
        one number a hand; 0 for a hand out of the picture.

    Source: S2HAND Eq. 6. The text says "L1", the equation prints the 2-norm of a pixel's colour difference: this is
    the equation.
    """
    difference = torch.linalg.vector_norm(image * silhouette[..., None] - rendered, dim=-1)
    # Less than one pixel of hand is as good as none: the clamp keeps value and gradient zero there.
    area = silhouette.sum((1, 2)).clamp(min=1.0)
    return confidence.sum(-1) * difference.sum((1, 2)) / area


def ssim(
    first: Float[Tensor, "batch height width channels"],
    second: Float[Tensor, "batch height width channels"],
    window_px: int = 11,
    sigma_px: float = 1.5,
) -> Float[Tensor, "batch"]:
    """Mean structural similarity of pictures whose values span 0..1: 1 where they are equal.

    Means, variances and covariance under a Gaussian window, at the places where the window fits into the picture,
    averaged over places and channels.

    Raises:
        BadInputError: the window is even or does not fit into the picture.

    Source: Wang, Bovik, Sheikh & Simoncelli 2004, https://doi.org/10.1109/TIP.2003.819861, Eq. 13-17 with their
    11 x 11 window and sigma = 1.5 px.
    """
    if window_px % 2 == 0 or not 0 < window_px <= min(first.shape[1:3]):
        raise BadInputError(
            f"window_px: {window_px} in a picture of {tuple(first.shape[1:3])}; expected an odd number that fits into "
            "it. Render larger, or choose a smaller window."
        )
    a, b = first.movedim(-1, 1), second.movedim(-1, 1)
    # Differences of means of squares: half precision has no digits for them.
    with torch.autocast(a.device.type, enabled=False):
        means = _gaussian_means(torch.cat((a, b, a * a, b * b, a * b), dim=1), window_px, sigma_px)
    mean_a, mean_b, square_a, square_b, product = means.chunk(5, dim=1)
    variances = square_a - mean_a.square() + square_b - mean_b.square()
    covariance = product - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a.square() + mean_b.square() + _C1)
    return (luminance * (2 * covariance + _C2) / (variances + _C2)).mean((1, 2, 3))


def _gaussian_means(
    x: Float[Tensor, "batch channels height width"], window_px: int, sigma_px: float
) -> Float[Tensor, "batch channels valid_height valid_width"]:
    """Weighted means over every window that fits; a Gaussian is separable: rows first, then columns."""
    offset = torch.arange(window_px, dtype=x.dtype, device=x.device) - window_px // 2
    weight = torch.softmax(-0.5 * (offset / sigma_px).square(), dim=0)
    # A group for each channel: twenty times faster on a CPU than as many pictures of one channel.
    channels = x.shape[1]
    rows = weight.expand(channels, 1, 1, window_px)
    return conv2d(conv2d(x, rows, groups=channels), rows.mT, groups=channels)


def ssim_loss(
    image: Float[Tensor, "batch height width 3"],
    rendered: Float[Tensor, "batch height width 3"],
    silhouette: Float[Tensor, "batch height width"],
    window_px: int = 11,
) -> Float[Tensor, "batch"]:
    """E_SSIM: structural difference between the rendered hand and the same pixels of the picture, both over black.

    Shapes as in :func:`pixel_loss`. The background is equal and black in both, hence perfectly similar: a small hand
    has a small loss.

    Source: S2HAND Eq. 7.
    """
    return 1 - ssim(image * silhouette[..., None], rendered, window_px)


def photometric_loss(
    image: Float[Tensor, "batch height width 3"],
    rendered: Float[Tensor, "batch height width 3"],
    silhouette: Float[Tensor, "batch height width"],
    confidence: Float[Tensor, "batch joints"],
    ssim_weight: float,
    window_px: int = 11,
) -> Float[Tensor, "batch"]:
    """E_photo: pixels and structure, weighted (S2HAND Eq. 8: ``E_pixel + w_SSIM E_SSIM``).

    Args and shapes as in :func:`pixel_loss` and :func:`ssim_loss`.
    """
    structure = ssim_loss(image, rendered, silhouette, window_px)
    return pixel_loss(image, rendered, silhouette, confidence) + ssim_weight * structure


def released_pixel_loss(
    image: Float[Tensor, "batch height width 3"],
    rendered: Float[Tensor, "batch height width 3"],
    silhouette: Float[Tensor, "batch height width"],
    confidence: Float[Tensor, "batch joints"],
) -> Float[Tensor, "batch"]:
    """What S2HAND's released code has for E_pixel: the mean absolute difference over the *whole* picture.

    Weighted by the square of the mean confidence. Divided by the picture's area instead of the hand's, it is smaller
    for a smaller hand: shrinking the hand lowers it, which Eq. 6 does not reward. Shapes as in :func:`pixel_loss`.

    Source: https://github.com/TerenceCYJ/S2HAND.
    """
    difference = (image * silhouette[..., None] - rendered).abs().mean((1, 2, 3))
    return confidence.mean(-1).square() * difference


def mean_colour_loss(
    image: Float[Tensor, "batch height width 3"],
    rendered: Float[Tensor, "batch height width 3"],
    silhouette: Float[Tensor, "batch height width"],
) -> Float[Tensor, "batch"]:
    """Difference of the two mean colours over the whole picture: right overall before right anywhere.

    The mean over red, green and blue of the absolute difference. Not in the paper; the released code adds it to the
    photometric losses. Shapes as in :func:`pixel_loss`.

    Source: https://github.com/TerenceCYJ/S2HAND.
    """
    return (image * silhouette[..., None] - rendered).mean((1, 2)).abs().mean(-1)
