"""Sparse joint regressors: each joint as a weighted mean of skin vertices around it, for every shape."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

NUM_NEAR = 200  # candidates per joint, nearest first
SUM_WEIGHT = 1.0  # metres: how strongly the weights are held to sum to 1 while fitting
RIDGE = 1e-3  # metres: spreads each joint over dozens of vertices and makes the solution unique


def fit_joint_regressor(
    points: Float[np.ndarray, "points 3"], directions: Float[np.ndarray, "points 3 shapes"], num_joints: int = 16
) -> Float[np.ndarray, "joints vertices"]:
    """Non-negative weights, rows summing to 1, that give the joints of the mean and of every shape direction.

    Args:
        points: skin vertices followed by the joints, metres.
        directions: their displacement per standard deviation of each shape.
    """
    skin = len(points) - num_joints
    states = np.concatenate([points[..., None], directions], axis=2)
    regressor = np.zeros((num_joints, skin))
    for joint in range(num_joints):
        near = np.argsort(np.linalg.norm(points[:skin] - points[skin + joint], axis=1), kind="stable")[:NUM_NEAR]
        equations = states[near].reshape(len(near), -1).T
        wanted = states[skin + joint].reshape(-1)
        rows = np.concatenate([equations, np.full((1, len(near)), SUM_WEIGHT), RIDGE * np.eye(len(near))])
        values = np.concatenate([wanted, [SUM_WEIGHT], np.zeros(len(near))])
        weights, _ = nnls(rows, values)
        regressor[joint, near] = weights / weights.sum()
    return regressor
