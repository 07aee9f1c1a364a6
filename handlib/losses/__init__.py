"""Losses, one file a family; each function names its paper and equation."""

from handlib.losses.depth_fitting import data_terms, data_to_model_loss, model_to_data_loss, multi_view_loss
from handlib.losses.keypoints import bone_orientation_loss, geometric_alignment_loss, joint_location_loss, smooth_l1
from handlib.losses.photometric import mean_colour_loss, photometric_loss, pixel_loss, ssim, ssim_loss
from handlib.losses.regularisation import (
    axis_angle_limit_loss,
    euler_limit_loss,
    laplacian_loss,
    laplacian_matrix,
    scale_loss,
    shape_prior,
    template_scale_m,
    texture_outlier_loss,
)
from handlib.losses.s2hand import (
    S2HAND_WEIGHTS,
    S2HandWeights,
    branch_3d_loss,
    consistency_loss,
    keypoint_branch_loss,
    regularisation_loss,
    s2hand_terms,
    total_loss,
)
from handlib.losses.sphere_priors import (
    FittingTerms,
    FittingWeights,
    bone_length_loss,
    collision_loss,
    fitting_objective,
    fitting_terms,
)
from handlib.losses.supervised import joints_3d_loss, parameter_loss, rotation_loss

__all__ = [
    "S2HAND_WEIGHTS",
    "FittingTerms",
    "FittingWeights",
    "S2HandWeights",
    "axis_angle_limit_loss",
    "bone_length_loss",
    "bone_orientation_loss",
    "branch_3d_loss",
    "collision_loss",
    "consistency_loss",
    "data_terms",
    "data_to_model_loss",
    "euler_limit_loss",
    "fitting_objective",
    "fitting_terms",
    "geometric_alignment_loss",
    "joint_location_loss",
    "joints_3d_loss",
    "keypoint_branch_loss",
    "laplacian_loss",
    "laplacian_matrix",
    "mean_colour_loss",
    "model_to_data_loss",
    "multi_view_loss",
    "parameter_loss",
    "photometric_loss",
    "pixel_loss",
    "regularisation_loss",
    "rotation_loss",
    "s2hand_terms",
    "scale_loss",
    "shape_prior",
    "smooth_l1",
    "ssim",
    "ssim_loss",
    "template_scale_m",
    "texture_outlier_loss",
    "total_loss",
]
