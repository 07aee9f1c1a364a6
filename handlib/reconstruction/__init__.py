"""From pictures of hands to 3D hands: by the trained network, or by a fit to keypoints."""

from handlib.reconstruction.front_door import reconstruct
from handlib.reconstruction.result import HandReconstruction, Side

__all__ = ["HandReconstruction", "Side", "reconstruct"]
