"""Triangle-mesh reduction by half-edge collapse with quadric errors.

Garland & Heckbert, "Surface simplification using quadric error metrics", SIGGRAPH 1997, in its half-edge form: an edge
u-v is removed by moving u onto v, so that the survivors are a *subset* of the vertices and everything known per vertex
(skinning weights, shape directions) is inherited by index. Nothing here is random, no large linear algebra is rounded
differently elsewhere, and ties in the queue are broken by vertex number: the result is repeatable.
"""

import heapq
from collections import defaultdict

import numpy as np
from jaxtyping import Float, Int

MAX_NORMAL_TURN_COSINE = 0.3  # a collapse may not turn a face normal by more than 72 degrees
MIN_TRIANGLE_QUALITY = 0.12  # 4 sqrt(3) area / sum of squared edges: 1 equilateral, 0 degenerate
LENGTH_WEIGHT = 1e-9  # prefers short edges where the surface is flat
SKINNING_WEIGHT = 1e-13  # prefers edges whose ends move alike


def boundary_edges(faces: Int[np.ndarray, "faces 3"]) -> Int[np.ndarray, "edges 2"]:
    """Directed edges (as wound in their one face) that belong to a single face, sorted by their first vertex."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    _, inverse, counts = np.unique(np.sort(directed, axis=1), axis=0, return_inverse=True, return_counts=True)
    single = directed[counts[inverse.ravel()] == 1]
    return single[np.argsort(single[:, 0])]


class HalfEdgeReducer:
    """The state of one reduction; use :func:`reduce_mesh`."""

    def __init__(self, vertices, faces, weights, locked):
        self.vertices, self.weights = vertices, weights
        self.faces = [tuple(int(v) for v in face) for face in faces]
        self.face_alive = [True] * len(self.faces)
        self.faces_of = defaultdict(set)
        for number, face in enumerate(self.faces):
            for vertex in face:
                self.faces_of[vertex].add(number)
        self.locked = {int(v) for v in locked}
        self.rim_neighbours = defaultdict(set)
        for a, b in boundary_edges(np.asarray(faces)).tolist():
            self.rim_neighbours[a].add(b)
            self.rim_neighbours[b].add(a)
        self.rim = set(self.rim_neighbours)
        self.removed: set[int] = set()
        self.version = [0] * len(vertices)
        self.quadrics = self._quadrics()
        self.queue: list[tuple[float, int, int, int, int]] = []
        for vertex in range(len(vertices)):
            self._push_collapses_of(vertex)

    def _normal(self, face):
        a, b, c = (self.vertices[v] for v in face)
        return np.cross(b - a, c - a)

    def _quadrics(self):
        """Sum over a vertex's faces of area times squared plane distance, plus planes that hold the rim in place."""
        quadrics = np.zeros((len(self.vertices), 4, 4))
        for face in self.faces:
            normal = self._normal(face)
            double_area = np.linalg.norm(normal)
            self._add_plane(quadrics, face, normal / double_area, self.vertices[face[0]], double_area / 2)
        for a in sorted(self.rim):
            for b in sorted(self.rim_neighbours[a]):
                if a < b:
                    (number,) = self.faces_of[a] & self.faces_of[b]
                    edge = self.vertices[b] - self.vertices[a]
                    wall = np.cross(edge, self._normal(self.faces[number]))
                    wall /= np.linalg.norm(wall)
                    self._add_plane(quadrics, (a, b), wall, self.vertices[a], edge @ edge)
        return quadrics

    @staticmethod
    def _add_plane(quadrics, members, unit_normal, point, weight):
        plane = np.append(unit_normal, -unit_normal @ point)
        for vertex in members:
            quadrics[vertex] += weight * np.outer(plane, plane)

    def _neighbours(self, vertex):
        return {v for number in self.faces_of[vertex] for v in self.faces[number]} - {vertex}

    def _push(self, u, v):
        if u in self.locked:
            return
        place = np.append(self.vertices[v], 1.0)
        cost = place @ (self.quadrics[u] + self.quadrics[v]) @ place
        cost += LENGTH_WEIGHT * np.sum((self.vertices[u] - self.vertices[v]) ** 2)
        cost += SKINNING_WEIGHT * np.abs(self.weights[u] - self.weights[v]).sum()
        heapq.heappush(self.queue, (float(cost), u, v, self.version[u], self.version[v]))

    def _push_collapses_of(self, vertex):
        for other in sorted(self._neighbours(vertex)):
            self._push(vertex, other)
            self._push(other, vertex)

    def _allowed(self, u, v, num_vertices, num_rim):
        """Whether u may move onto v: manifold stays manifold, no face flips or becomes a sliver, counts are met."""
        if u in self.rim:
            if v not in self.rim_neighbours[u] or len(self.rim) <= num_rim:
                return False
        elif len(self.vertices) - len(self.removed) - 1 < num_vertices + len(self.rim) - num_rim:
            return False  # the vertices still to go must come from the rim
        shared = self.faces_of[u] & self.faces_of[v]
        common = self._neighbours(u) & self._neighbours(v)
        if len(common) != len(shared):
            return False
        if any(len(self.faces_of[w]) <= 3 and w not in self.rim for w in common):
            return False
        return all(self._face_survives(self.faces[number], u, v) for number in self.faces_of[u] - shared)

    def _face_survives(self, face, u, v):
        moved = tuple(v if x == u else x for x in face)
        before, after = self._normal(face), self._normal(moved)
        size = np.linalg.norm(after)
        if size < 1e-10 or before @ after < MAX_NORMAL_TURN_COSINE * np.linalg.norm(before) * size:
            return False
        corners = self.vertices[list(moved)]
        return 2 * np.sqrt(3) * size / np.sum((corners - np.roll(corners, 1, axis=0)) ** 2) >= MIN_TRIANGLE_QUALITY

    def _collapse(self, u, v):
        for number in self.faces_of[u] & self.faces_of[v]:
            self.face_alive[number] = False
            for w in self.faces[number]:
                self.faces_of[w].discard(number)
        for number in self.faces_of.pop(u):
            self.faces[number] = tuple(v if x == u else x for x in self.faces[number])
            self.faces_of[v].add(number)
        self.removed.add(u)
        self.quadrics[v] += self.quadrics[u]
        if u in self.rim:
            (other,) = self.rim_neighbours.pop(u) - {v}
            for end, new in ((v, other), (other, v)):
                self.rim_neighbours[end].discard(u)
                self.rim_neighbours[end].add(new)
            self.rim.discard(u)
        touched = [v, *sorted(self._neighbours(v))]
        for w in touched:
            self.version[w] += 1
        for w in touched:
            self._push_collapses_of(w)

    def run(self, num_vertices, num_rim):
        """Collapse the cheapest allowed edge until both counts are met (or nothing is allowed any more)."""
        while self.queue and (len(self.vertices) - len(self.removed) > num_vertices or len(self.rim) > num_rim):
            _, u, v, version_u, version_v = heapq.heappop(self.queue)
            stale = {u, v} & self.removed or (self.version[u], self.version[v]) != (version_u, version_v)
            if not stale and self._allowed(u, v, num_vertices, num_rim):
                self._collapse(u, v)


def reduce_mesh(
    vertices: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "faces 3"],
    weights: Float[np.ndarray, "vertices joints"],
    *,
    num_vertices: int,
    num_rim: int,
    locked: Int[np.ndarray, " locked"],
) -> tuple[Int[np.ndarray, " kept"], Int[np.ndarray, "new_faces 3"]]:
    """Reduce a disc-shaped mesh (one hole) to ``num_vertices`` vertices of which ``num_rim`` lie on the hole's rim.

    Args:
        locked: vertices that must survive (fingertips).

    Returns:
        the indices of the surviving vertices, and faces that count in the new numbering. A disc with b rim edges has
        2 V - 2 - b faces.

    Raises:
        RuntimeError: the counts cannot be reached without breaking the mesh.
    """
    reducer = HalfEdgeReducer(vertices, faces, weights, locked)
    reducer.run(num_vertices, num_rim)
    kept = np.array([v for v in range(len(vertices)) if v not in reducer.removed])
    if len(kept) != num_vertices or len(reducer.rim) != num_rim:
        raise RuntimeError(
            f"reduction stopped at {len(kept)} vertices and {len(reducer.rim)} on the rim; "
            f"wanted {num_vertices} and {num_rim}"
        )
    new_index = np.full(len(vertices), -1)
    new_index[kept] = np.arange(len(kept))
    alive = [face for face, alive in zip(reducer.faces, reducer.face_alive, strict=True) if alive]
    return kept, new_index[np.array(alive)]
