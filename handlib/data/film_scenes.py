"""A hand that moves before a hand-held camera: one motion, one shape, one lens, and where everything is in each frame.

The hand's pose flows from one drawn pose to the next (:mod:`handlib.hand.sequences`); it turns and drifts, and the
camera sways about its own centre. What does not belong to the hand, the background and things that stand before it,
moves with the camera alone.
"""

from dataclasses import dataclass

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from handlib.data.hand_scenes import Framing, HandScenes, HandStage, draw_scenes
from handlib.hand.sampler import PoseSampler
from handlib.hand.sequences import sample_sequence

FILM_FRAMING = Framing(focal=(1.2, 3.6), fill=(0.55, 0.8), jitter=0.03)
"""As for stills, but looser: a hand that moves needs room."""
ANCHOR = 9  # the middle finger's knuckle: near the middle of the hand, so that a turn keeps it in the picture
# Deviation of the paths of camera and hand, in parts of the picture's width and of the distance, and of the roll.
SWAY_SHARE, DRIFT_SHARE, DEPTH_SHARE = 0.04, 0.03, 0.04
ROLL_RAD = 0.03


@dataclass(frozen=True, eq=False)
class FilmScenes:
    """One film's hands and camera, frame by frame.

    ``hands`` are in the frame of the camera where it is at that moment; ``camera_turn`` (F, 3, 3) turns the world into
    that frame, about the camera's centre; ``rotations`` (F, 16, 3, 3) are the hand's own, as
    :class:`~handlib.models.s2hand.HandPrediction` has them.
    """

    hands: HandScenes
    camera_turn: Float[Tensor, "frames 3 3"]
    rotations: Float[Tensor, "frames 16 3 3"]

    @property
    def reference(self) -> int:
        """The frame in which viewpoint, arm and things are placed: the middle one."""
        return len(self.camera_turn) // 2


@torch.no_grad()
def draw_film(
    stage: HandStage,
    sampler: PoseSampler,
    index: int,
    stream: np.random.Generator,
    *,
    frames: int,
    frames_per_second: float,
    image_px: int,
) -> FilmScenes:
    """Draw film number ``index`` of a sampler.

    Args:
        stage: the hand.
        sampler: of its poses.
        index: which motion.
        stream: for shape, viewpoint, lens and the paths of hand and camera.
        frames: how many.
        frames_per_second: of the film.
        image_px: side of the pictures.
    """
    motion = sample_sequence(sampler, frames, fps=frames_per_second, index=index)
    middle = frames // 2
    still = draw_scenes(stage, motion.angles[middle, None], [stream], FILM_FRAMING, image_px)
    times = np.arange(frames) / frames_per_second
    # What a shift by one width is in radians and, at the hand's distance, in metres.
    width_rad = image_px / float(still.K[0, 0, 0])
    place = still.joints_m[0, ANCHOR].double()
    reach = float(place[2]) * torch.tensor([width_rad * DRIFT_SHARE, width_rad * DRIFT_SHARE, DEPTH_SHARE])
    anchor = place + reach * smooth_path(stream, times, 3)
    sway = torch.tensor([width_rad * SWAY_SHARE, width_rad * SWAY_SHARE, ROLL_RAD]) * smooth_path(stream, times, 3)
    camera_turn = roma.rotvec_to_rotmat(sway)

    # The drawn viewpoint is that of the middle frame; the motion says how the hand turns from there.
    hand_turn = roma.rotvec_to_rotmat(motion.global_orient.double())
    wrist_frame = camera_turn @ still.wrist_frame[0].double() @ hand_turn[middle].mT @ hand_turn
    shape = still.shape.double().expand(frames, -1)
    mesh = stage.model(motion.pose.double(), shape, roma.rotmat_to_rotvec(wrist_frame))
    translation = (camera_turn @ anchor[..., None])[..., 0] - mesh.joints[:, ANCHOR]
    vertices, joints = (points + translation[:, None] for points in mesh)
    hands = HandScenes(
        vertices_m=vertices.float(),
        joints_m=joints.float(),
        rest_vertices_m=still.rest_vertices_m.expand(frames, -1, -1),
        wrist_frame=wrist_frame.float(),
        angles=motion.angles.float(),
        shape=shape.float(),
        K=still.K.expand(frames, -1, -1),
    )
    fingers = roma.rotvec_to_rotmat(motion.pose.double().unflatten(1, (15, 3)))
    rotations = torch.cat([wrist_frame[:, None], fingers], dim=1).float()
    return FilmScenes(hands, camera_turn.float(), rotations)


def smooth_path(
    stream: np.random.Generator, times_s: Float[np.ndarray, "times"], axes: int
) -> Float[Tensor, "times axes"]:
    """A path without corners, mean 0, deviation about 1 along each axis, at most 2.5: how a hand-held thing sways.

    Three sines an axis, of 0.15 to 1.5 Hz, slow ones larger; the same path whatever the number of times.
    """
    hertz, phase = np.exp(stream.uniform(np.log(0.15), np.log(1.5), (3, axes))), stream.uniform(0, 2 * np.pi, (3, axes))
    size = hertz**-0.5
    size *= np.sqrt(2 / (size**2).sum(0))
    waves = size * np.sin(2 * np.pi * hertz * times_s[:, None, None] + phase)
    return torch.from_numpy(waves.sum(1))


def carried(points_m: Float[Tensor, "points 3"], film: FilmScenes) -> Float[Tensor, "frames points 3"]:
    """Where points of the reference frame are in each frame if they move with the wrist, as an arm does.

    Args:
        points_m: in the camera's frame, at :attr:`FilmScenes.reference`.
        film: the motion.
    """
    hands, here = film.hands, film.reference
    turn = hands.wrist_frame @ hands.wrist_frame[here].mT
    return (points_m - hands.joints_m[here, 0]) @ turn.mT + hands.joints_m[:, :1]


def standing(points_m: Float[Tensor, "points 3"], film: FilmScenes) -> Float[Tensor, "frames points 3"]:
    """Where points of the reference frame are in each frame if they do not move: only the camera does."""
    return points_m @ (film.camera_turn @ film.camera_turn[film.reference].mT).mT
