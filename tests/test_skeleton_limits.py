"""The published joint limits: S2HAND's released table and the clinical literature."""

import numpy as np
import pytest

from handlib.joint_limits import FUNCTIONAL_RANGES, LITERATURE_LIMITS, S2HAND_AXIS_WEIGHTS, S2HAND_LIMITS
from handlib.skeleton import JOINT_NAMES, MODEL_JOINT_NAMES


def s2hand(joint: str) -> list[list[float]]:
    """Limits of one joint in degrees, x y z."""
    return np.degrees(S2HAND_LIMITS[MODEL_JOINT_NAMES.index(joint) - 1]).round(9).tolist()


@pytest.mark.parametrize(
    ("joint", "degrees"),
    [  # the released code, utils/losses of https://github.com/TerenceCYJ/S2HAND
        ("index_mcp", [[-5, 5], [-10, 10], [-10, 100]]),
        ("ring_mcp", [[-5, 5], [-10, 10], [-10, 100]]),
        ("little_mcp", [[-20, 5], [-10, 20], [-10, 100]]),
        ("middle_dip", [[-5, 5], [-5, 5], [-10, 100]]),
        ("thumb_cmc", [[0, 90], [-22.5, 33.75], [-22.5, 22.5]]),
        ("thumb_mcp", [[-5, 5], [-5, 5], [-22.5, 22.5]]),
        ("thumb_ip", [[-5, 5], [-5, 5], [-20, 100]]),
    ],
)
def test_s2hand_table(joint: str, degrees: list[list[float]]):
    assert s2hand(joint) == degrees


def test_s2hand_table_has_every_joint_and_ordered_bounds():
    assert S2HAND_LIMITS.shape == (15, 3, 2)
    assert (S2HAND_LIMITS[..., 0] < S2HAND_LIMITS[..., 1]).all()
    assert S2HAND_AXIS_WEIGHTS == (1.0, 1.0, 2.0)  # the released E_J counts bending twice


@pytest.mark.parametrize(
    ("joint", "motion", "degrees"),
    [  # read again in the sources that the table names
        ("index_mcp", "flexion", (-45, 90)),
        ("ring_mcp", "abduction", (-20, 20)),
        ("middle_pip", "flexion", (0, 100)),
        ("little_dip", "flexion", (0, 80)),
        ("thumb_cmc", "flexion", (-53 / 2, 53 / 2)),
        ("thumb_cmc", "abduction", (-42 / 2, 42 / 2)),
        ("thumb_mcp", "flexion", (-10, 55)),
        ("thumb_ip", "flexion", (-15, 80)),
    ],
)
def test_literature_table(joint: str, motion: str, degrees: tuple[float, float]):
    (row,) = (row for row in LITERATURE_LIMITS if joint in row.joints and row.motion == motion)
    assert (row.low_deg, row.high_deg) == degrees


def test_functional_ranges_are_those_of_bain_2015():
    ranges = {row.joints[0]: (row.low_deg, row.high_deg) for row in FUNCTIONAL_RANGES}
    assert ranges == {"index_mcp": (19, 71), "index_pip": (23, 87), "index_dip": (10, 64)}


def test_literature_covers_every_joint_and_names_its_sources():
    flexion = [joint for row in LITERATURE_LIMITS if row.motion == "flexion" for joint in row.joints]
    assert sorted(flexion) == sorted(n for n in JOINT_NAMES if not n.endswith(("tip", "wrist")))
    for row in (*LITERATURE_LIMITS, *FUNCTIONAL_RANGES):
        assert row.low_deg < row.high_deg and len(row.source) > 10


def test_everyday_tasks_stay_inside_the_passive_range():
    passive = {j: row for row in LITERATURE_LIMITS if row.motion == "flexion" for j in row.joints}
    for row in FUNCTIONAL_RANGES:
        for joint in row.joints:
            assert passive[joint].low_deg <= row.low_deg and row.high_deg <= passive[joint].high_deg


def test_the_prior_does_not_contradict_the_literature():
    pose_limits = pytest.importorskip("handlib.hand.pose_limits")
    for row in LITERATURE_LIMITS:
        for joint in row.joints:
            if row.motion == "flexion" and not joint.startswith("thumb"):
                low, high = pose_limits.JOINT_LIMITS[MODEL_JOINT_NAMES.index(joint) - 1][0]
                assert (low, high) == (row.low_deg, row.high_deg)
