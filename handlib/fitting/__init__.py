"""Fitting the hand to one picture at a time by optimisation: the baseline of every later chapter."""

from handlib.fitting.fit import fit_to_keypoints
from handlib.fitting.pose_library import PoseLibrary
from handlib.fitting.problem import FitResult, FitSettings
from handlib.fitting.sphere_pose import SphereFit, fit_to_spheres

__all__ = ["FitResult", "FitSettings", "PoseLibrary", "SphereFit", "fit_to_keypoints", "fit_to_spheres"]
