"""Depth of up to 16 bits in the two 8-bit channels of an ordinary picture file, as HO-3D, STB and NYU store it."""

import numpy as np
from jaxtyping import UInt8, UInt16


def join_bytes(
    low: UInt8[np.ndarray, "height width"], high: UInt8[np.ndarray, "height width"]
) -> UInt16[np.ndarray, "height width"]:
    """``low + 256 high``, computed in 16 bits.

    The released scripts compute ``low + high * 256`` on 8-bit arrays. There 256 does not fit: numpy before version 2
    turned the arrays into 16 bits, since version 2 it raises OverflowError.
    """
    return low.astype(np.uint16) | (high.astype(np.uint16) << 8)


def split_bytes(
    values: UInt16[np.ndarray, "height width"],
) -> tuple[UInt8[np.ndarray, "height width"], UInt8[np.ndarray, "height width"]]:
    """The low and the high byte of each value: the inverse of :func:`join_bytes`."""
    return (values & 255).astype(np.uint8), (values >> 8).astype(np.uint8)
