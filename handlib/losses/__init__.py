"""Losses, one file a family; each function names its paper and equation."""

from handlib.losses.keypoints import bone_orientation_loss, geometric_alignment_loss, joint_location_loss, smooth_l1

__all__ = ["bone_orientation_loss", "geometric_alignment_loss", "joint_location_loss", "smooth_l1"]
