"""The networks: encoders, heads, the 2D branch, and whole models, one a file."""

from handlib.models.checkpoint_file import load_network, save_network
from handlib.models.efficientnet_lite import EfficientNetLite0, PyramidFeatures
from handlib.models.heads import GeometryCode, GeometryHead, TextureCode, TextureHead
from handlib.models.hourglass import KeypointBranch, StackedHourglass
from handlib.models.images import normalise_images
from handlib.models.keypoint_readout import KeypointReadout, ReadKeypoints
from handlib.models.s2hand import HandPrediction, S2HandConfig, S2HandNetwork
from handlib.models.soft_argmax import soft_argmax_2d

__all__ = [
    "EfficientNetLite0",
    "GeometryCode",
    "GeometryHead",
    "HandPrediction",
    "KeypointBranch",
    "KeypointReadout",
    "PyramidFeatures",
    "ReadKeypoints",
    "S2HandConfig",
    "S2HandNetwork",
    "StackedHourglass",
    "TextureCode",
    "TextureHead",
    "load_network",
    "normalise_images",
    "save_network",
    "soft_argmax_2d",
]
