"""Hand measurements: what a large survey found, and the same quantities taken on a mesh.

The numbers are of ANSUR II (Gordon et al., "2012 Anthropometric Survey of U.S. Army Personnel: Methods and Summary
Statistics", Natick/TR-15/007, 2014): 4,082 men and 1,986 women. They were computed from the survey's public
per-subject table, each sex weighted one half, so that "an adult" is a man or a woman with equal chance:

    mean = (m + w) / 2,   covariance = (C_m + C_w) / 2 + (m - w)(m - w)^T / 4.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import ConvexHull

KNUCKLE_SECTION = 0.44  # of the hand's length, from the wrist joint
MEASURES = ("hand_length", "hand_breadth", "palm_length", "hand_circumference", "wrist_circumference")

# Millimetres; sample standard deviations. Columns of the public table: handlength, handbreadth, palmlength,
# handcircumference, wristcircumference.
MEAN_MEN_MM = np.array([193.28, 88.26, 116.46, 212.28, 175.92])
MEAN_WOMEN_MM = np.array([181.08, 78.15, 108.70, 186.55, 154.79])
SD_MEN_MM = np.array([9.95, 4.39, 6.23, 10.24, 8.96])
SD_WOMEN_MM = np.array([10.06, 3.84, 5.94, 8.82, 7.83])
CORRELATION_MEN = np.array(
    [
        [1.000, 0.582, 0.795, 0.590, 0.545],
        [0.582, 1.000, 0.477, 0.922, 0.713],
        [0.795, 0.477, 1.000, 0.501, 0.469],
        [0.590, 0.922, 0.501, 1.000, 0.772],
        [0.545, 0.713, 0.469, 0.772, 1.000],
    ]
)
CORRELATION_WOMEN = np.array(
    [
        [1.000, 0.570, 0.839, 0.562, 0.538],
        [0.570, 1.000, 0.498, 0.893, 0.669],
        [0.839, 0.498, 1.000, 0.505, 0.498],
        [0.562, 0.893, 0.505, 1.000, 0.737],
        [0.538, 0.669, 0.498, 0.737, 1.000],
    ]
)


def adult_mean_mm() -> Float[np.ndarray, " measures"]:
    """Mean of ``MEASURES`` over adults, men and women with equal weight, millimetres."""
    return (MEAN_MEN_MM + MEAN_WOMEN_MM) / 2


def adult_covariance_mm2() -> Float[np.ndarray, "measures measures"]:
    """Covariance of ``MEASURES`` over adults, men and women with equal weight, square millimetres."""
    within = [
        correlation * np.outer(sd, sd)
        for correlation, sd in ((CORRELATION_MEN, SD_MEN_MM), (CORRELATION_WOMEN, SD_WOMEN_MM))
    ]
    between = MEAN_MEN_MM - MEAN_WOMEN_MM
    return (within[0] + within[1]) / 2 + np.outer(between, between) / 4


@dataclass(frozen=True)
class Girth:
    """A closed tape round the mesh: points on edges, (1 - fraction) * start + fraction * end, in hull order."""

    start: Int[np.ndarray, " points"]
    end: Int[np.ndarray, " points"]
    fraction: Float[np.ndarray, " points"]

    def points(self, vertices: Float[np.ndarray, "*batch vertices 3"]) -> Float[np.ndarray, "*batch points 3"]:
        """The tape's points on a posed or reshaped mesh."""
        share = self.fraction[:, None]
        return (1 - share) * vertices[..., self.start, :] + share * vertices[..., self.end, :]

    def length(self, vertices: Float[np.ndarray, "*batch vertices 3"]) -> Float[np.ndarray, "*batch"]:
        """Length of the tape, in the unit of the vertices."""
        tape = self.points(vertices)
        return np.linalg.norm(tape - np.roll(tape, 1, axis=-2), axis=-1).sum(-1)


@dataclass(frozen=True)
class HandMeasures:
    """Where ``MEASURES`` are taken on one mesh, found on its template (canonical frame, flat rest pose).

    The hand's proximal end is taken to be the wrist joint, the palm's distal end the webs beside the middle finger, and
    the knuckle section lies at ``KNUCKLE_SECTION`` of the hand's length, where the heads of the metacarpals are.
    """

    wrist: int
    middle_tip: int
    webs: tuple[int, int]
    knuckles: Girth
    wrist_girth: Girth
    breadth_ends: tuple[int, int]

    def measure_mm(self, points: Float[np.ndarray, "batch points 3"]) -> Float[np.ndarray, "batch measures"]:
        """The five measurements of hands in the canonical frame and rest pose (points in metres), millimetres."""
        wrist_x = points[:, self.wrist, 0]
        tape = self.knuckles.points(points)
        return 1e3 * np.stack(
            [
                wrist_x - points[:, self.middle_tip, 0],
                tape[:, self.breadth_ends[0], 2] - tape[:, self.breadth_ends[1], 2],
                wrist_x - points[:, list(self.webs), 0].mean(1),
                self.knuckles.length(points),
                self.wrist_girth.length(points),
            ],
            axis=1,
        )


def place_measures(
    points: Float[np.ndarray, "points 3"],
    faces: Int[np.ndarray, "faces 3"],
    weights: Float[np.ndarray, "vertices 16"],
    middle_tip: int,
) -> HandMeasures:
    """Find the landmarks on a template whose last 16 points are its joints (MANO order)."""
    length = points[-16, 0] - points[middle_tip, 0]
    palm = weights[:, 13:].sum(1) < 0.3
    knuckles = _girth_at(points, faces[palm[faces].all(1)], points[-16, 0] - KNUCKLE_SECTION * length)
    across = knuckles.points(points)[:, 2]
    return HandMeasures(
        wrist=len(points) - 16,
        middle_tip=int(middle_tip),
        webs=(_web(points, weights, 1, 4), _web(points, weights, 4, 10)),
        knuckles=knuckles,
        wrist_girth=_girth_at(points, faces, points[-16, 0]),
        breadth_ends=(int(across.argmax()), int(across.argmin())),
    )


def _girth_at(points, faces, x) -> Girth:
    """The convex outline of the mesh's section by the plane through x across the hand."""
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    height = points[edges, 0] - x
    start, end = edges[height[:, 0] * height[:, 1] < 0].T
    fraction = (x - points[start, 0]) / (points[end, 0] - points[start, 0])
    outline = Girth(start, end, fraction)
    order = ConvexHull(outline.points(points)[:, 1:]).vertices
    return Girth(start[order], end[order], fraction[order])


def _web(points, weights, first, second) -> int:
    """The most distal vertex that two neighbouring fingers both move."""
    shared = np.minimum(weights[:, first : first + 3].sum(1), weights[:, second : second + 3].sum(1))
    candidates = np.flatnonzero(shared > 0.5 * shared.max())
    return int(candidates[points[candidates, 0].argmin()])
