"""A network's answers to a real video of any length: read from its first frame on, piece by piece."""

import numpy as np
import torch
from jaxtyping import Float, UInt8

from handlib.experiments.seqhand.objective import predict_films
from handlib.models.seqhand import SeqHandNetwork

FRAMES_AT_ONCE = 50


@torch.no_grad()
def read_video(
    network: SeqHandNetwork, rgb: UInt8[np.ndarray, "frames height width 3"], image_px: int
) -> Float[np.ndarray, "frames 21 3"]:
    """Joints (m, from the wrist) of each frame; the memory is carried from piece to piece."""
    device, state, parts = next(network.parameters()).device, None, []
    for first in range(0, len(rgb), FRAMES_AT_ONCE):
        piece = torch.from_numpy(np.array(rgb[first : first + FRAMES_AT_ONCE]))[None].to(device)
        found, state = predict_films(network, piece, image_px, 0, state)
        parts.append(found.seen.joints_m[0].float().cpu().numpy())
    return np.concatenate(parts)
