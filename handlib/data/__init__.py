"""Data: one :class:`Sample` for every source, images read safely, photographs, and the open benchmark."""

from handlib.data.images import read_image
from handlib.data.sample import Sample

__all__ = ["Sample", "read_image"]
