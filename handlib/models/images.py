"""From pictures to what the networks see."""

import torch
from jaxtyping import Float, Num
from torch import Tensor

from handlib.errors import BadInputError

# EfficientNet-Lite was trained on (x - 127) / 128, not on ImageNet's usual mean and deviation:
# https://github.com/tensorflow/tpu/blob/master/models/official/efficientnet/lite/efficientnet_lite_builder.py
MEAN_RGB, DEVIATION_RGB = 127.0, 128.0


def normalise_images(images: Num[Tensor, "batch height width 3"]) -> Float[Tensor, "batch 3 height width"]:
    """Pictures as the network was trained to see them: ``(x - 127) / 128`` of 8-bit RGB, channels first.

    Args:
        images: RGB, uint8 0..255 as loaders give them, or floats 0..1 as renderers do.

    Returns:
        floats of about -1..1, in the dtype of float pictures; channels first by their strides only, so that the network
        gets the memory order in which it is fastest without a copy.

    Raises:
        BadInputError: neither 8-bit nor floats, or floats of 0..255.
    """
    if images.dtype == torch.uint8:
        eight_bit = images.float()
    elif images.is_floating_point():
        # Antialiased renderings overshoot 1 a little; 8-bit numbers that were made floats go far beyond it.
        if images.numel() and float(images.detach().amax()) > 16:
            raise BadInputError("images: floats up to 255; expected 0..1 (divide by 255), or keep them uint8")
        eight_bit = images * 255
    else:
        raise BadInputError(f"images: {images.dtype}, expected uint8 0..255 or floats 0..1")
    return ((eight_bit - MEAN_RGB) / DEVIATION_RGB).permute(0, 3, 1, 2)
