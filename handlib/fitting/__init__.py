"""Fitting the hand to one picture at a time by optimisation: the baseline of every later chapter."""

from handlib.fitting.fit import fit_to_keypoints
from handlib.fitting.pose_library import PoseLibrary
from handlib.fitting.problem import FitResult, FitSettings

__all__ = ["FitResult", "FitSettings", "PoseLibrary", "fit_to_keypoints"]
