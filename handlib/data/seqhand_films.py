"""SeqHAND's films, generated: a pose flow, rendered with one shape and one skin, before a moving background.

Yang et al., ECCV 2020, section 3.2. What differs from the paper: the hand and its skins are open ones (27 skins stand
for the 27 colour templates of the released code), light falls on the hand so that fingers before the palm are seen, and
backgrounds are drawn, or cut from the photographs of ``HANDLIB_DATA`` (VOC2012 in the paper).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import roma
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from handlib.camera import WeakPerspectiveCamera
from handlib.data.backgrounds import draw_background, draw_photograph, photograph_paths
from handlib.data.drifting_views import BACKGROUND_SHARE, PLACE_SHARE, SCALE_SHARE, draw_place, draw_scale, draw_turns
from handlib.data.drifting_views import drift as drift_numbers
from handlib.data.hand_scenes import hand_stage
from handlib.data.pose_database import PoseDatabase
from handlib.data.pose_flow import ALPHA, NUM_FRAMES, PoseFlow, draw_flows
from handlib.data.random_streams import SPLITS
from handlib.data.skin import Skin
from handlib.data.skin_tone import linear_to_srgb
from handlib.data.target_domain import skin_map
from handlib.errors import BadInputError
from handlib.hand.hand_code import HandCode, posed_mesh, see_hand
from handlib.hand.inverse_kinematics import InverseKinematics
from handlib.hand.model import HandModel
from handlib.render import Light, render_mesh
from handlib.skeleton import JOINT_NAMES

HAND = "open"
DEFAULT_FILMS = {"train": 40_000, "test": 1_000}
"""400,000 and 10,000 frames, as in the paper."""

NUM_SKINS = 27
_ANCHOR = JOINT_NAMES.index("middle_mcp")
_DISTANCE_M = 0.5
# Keeps these streams apart from those of other data sets, whose keys begin with other numbers.
_KEY = 2000
_FLOW, _VIEW, _LOOK = range(3)

JointsToPose = Callable[[Float[Tensor, "frames 21 3"]], Float[Tensor, "frames num_pose"]]


@dataclass(frozen=True, eq=False)
class SeqHandFilm:
    """One film of F frames and all that is known of it.

    Attributes:
        rgb: (F, H, W, 3) 8-bit.
        mask: (F, H, W) where a pixel's centre shows the hand.
        code: (F, 26) see :class:`~handlib.hand.hand_code.HandCode`; its shape is the same in all frames.
        joints_m, vertices_m: (F, 21, 3) and (F, V, 3) turned into the camera's axes, the wrist at the origin.
        joints_2d_px: (F, 21, 2).
        rows: (F,) poses of the database.
        egocentric: whether one sees one's own hand.
    """

    rgb: UInt8[Tensor, "frames height width 3"]
    mask: Bool[Tensor, "frames height width"]
    code: Float[Tensor, "frames numbers"]
    joints_m: Float[Tensor, "frames 21 3"]
    vertices_m: Float[Tensor, "frames vertices 3"]
    joints_2d_px: Float[Tensor, "frames 21 2"]
    rows: Int[Tensor, "frames"]
    egocentric: bool

    def __len__(self) -> int:
        return len(self.rgb)


class SeqHandFilms(Sequence[SeqHandFilm]):
    """Films of one split, drawn when asked for.

    Film ``i`` depends on (seed, split, i), the database and the arguments; not on the order or process in which films
    are drawn, nor on how many there are. Splits share no stream.

    Attributes:
        database, split, seed, image_px, num_frames, alpha, walk, photographs: as given.
        hand: the hand model, in double precision, with ten principal components.
    """

    def __init__(
        self,
        database: PoseDatabase,
        *,
        size: int | None = None,
        split: str = "train",
        seed: int = 0,
        image_px: int = 224,
        num_frames: int = NUM_FRAMES,
        alpha: float = ALPHA,
        walk: str = "shown",
        photographs: bool = False,
        joints_to_pose: JointsToPose | None = None,
    ) -> None:
        """Name the data set; nothing is drawn yet.

        Args:
            database: the poses.
            size: number of films; 40,000 for "train" and 1,000 for "test" by default.
            split: "train" or "test".
            seed: names the data set.
            image_px: side of the square frames.
            num_frames, alpha, walk: see :func:`~handlib.data.pose_flow.draw_flows`. The paper's walk, "snapped", stands
                still in four of five steps even among STB's 15,000 poses: it is for databases of millions.
            photographs: cut the backgrounds from those of the data folder.
            joints_to_pose: from joints in the palm frame (m, float64) to coefficients; inverse kinematics by default.
                The paper's is :meth:`handlib.models.pose_encoder.PoseEncoder.pose` of a trained encoder.

        Raises:
            BadInputError: an unknown split, a negative seed, no films, or frames under 16 px.
            MissingFileError: photographs are asked for, and there are none.
        """
        if split not in SPLITS:
            raise BadInputError(f"split is {split!r}, expected one of {', '.join(map(repr, SPLITS))}")
        size = DEFAULT_FILMS[split] if size is None else size
        if size < 1 or seed < 0 or image_px < 16:
            raise BadInputError(f"size {size}, seed {seed}, image_px {image_px}: expected at least 1, 0 and 16")
        if photographs:
            photograph_paths()
        self.database, self.split, self.seed, self.image_px, self._size = database, split, seed, image_px, size
        self.num_frames, self.alpha, self.walk, self.photographs = num_frames, float(alpha), walk, photographs
        self.hand = HandModel.load(HAND, pose_space="pca", num_pca=10, flat_hand_mean=False, dtype=torch.float64)
        self.joints_to_pose = joints_to_pose or InverseKinematics(self.hand)

    def __len__(self) -> int:
        return self._size

    @torch.no_grad()
    def __getitem__(self, index: int) -> SeqHandFilm:
        if not -self._size <= index < self._size:
            # Sequence's own iteration ends on IndexError.
            raise IndexError(f"film {index} of a data set with {self._size}")
        index = int(index) % self._size
        flow = self.flow(index)
        code, egocentric = self._draw_code(flow, self._stream(_VIEW, index))
        seen = see_hand(self.hand, code, self.image_px)
        rgb, mask = self._render(seen.vertices_m, seen.camera, self._stream(_LOOK, index))
        numbers = (code.numbers, seen.joints_m, seen.vertices_m, seen.joints_2d_px)
        return SeqHandFilm(rgb, mask, *(part.float() for part in numbers), torch.from_numpy(flow.rows[0]), egocentric)

    def flow(self, index: int) -> PoseFlow:
        """The poses of a film, without drawing it."""
        stream = self._stream(_FLOW, index)
        return draw_flows(self.database, [stream], self.num_frames, alpha=self.alpha, walk=self.walk)

    def name(self, index: int) -> str:
        """What a film is called: ``"seqhand/train/00017"``."""
        return f"seqhand/{self.split}/{index:05d}"

    def _stream(self, purpose: int, index: int) -> np.random.Generator:
        key = (_KEY, SPLITS.index(self.split), purpose, index)
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(self.seed, spawn_key=key)))

    def _draw_code(self, flow: PoseFlow, stream: np.random.Generator) -> tuple[HandCode, bool]:
        """Shape and camera of a flow; the hand's poses stay those of the flow."""
        frames = self.num_frames
        pose = self.joints_to_pose(torch.from_numpy(flow.joints_m[0]).double())
        shape = torch.from_numpy(stream.uniform(-2, 2, self.hand.num_shape)).expand(frames, -1)
        egocentric = bool(stream.random() < 0.5)
        turns = draw_turns(stream, frames, egocentric)
        mesh = posed_mesh(self.hand, pose, shape)
        turned, joints = mesh.vertices @ turns.mT, mesh.joints @ turns.mT
        extents = (turned.amax(1) - turned.amin(1))[:, :2].amax(1)
        first, last = (np.array(draw_scale(stream, float(extents[frame]))) for frame in (0, -1))
        scale = torch.from_numpy(drift_numbers(first, last, SCALE_SHARE, frames))
        place = torch.from_numpy(drift_numbers(draw_place(stream), draw_place(stream), PLACE_SHARE, frames))
        translation = place - scale[:, None] * joints[:, _ANCHOR, :2]
        return HandCode(pose, shape, scale, translation, roma.rotmat_to_rotvec(turns)), egocentric

    def _render(
        self, vertices: Tensor, camera: WeakPerspectiveCamera, stream: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Frames and masks."""
        colours = torch.from_numpy(skin_colours(int(stream.integers(NUM_SKINS))))
        direction = stream.standard_normal(3) * [1.0, 0.8, 0.5] + [0.0, -0.6, -1.2]
        ambient, directional = stream.uniform(0.5, 0.75), stream.uniform(0.45, 0.65)
        light = Light(
            torch.full((1, 3), ambient),
            torch.full((1, 3), directional),
            torch.from_numpy(direction / np.linalg.norm(direction)).float()[None],
        )
        picture = render_mesh(
            vertices.float() + vertices.new_tensor([0.0, 0.0, _DISTANCE_M]).float(),
            hand_stage(HAND).faces,
            camera.to(torch.float32),
            self.image_px,
            colours=colours[None],
            light=light,
            background=torch.from_numpy(self._backgrounds(stream)),
        )
        return (picture.rgb.clamp(0, 1) * 255).round().to(torch.uint8), picture.depth > 0

    def _backgrounds(self, stream: np.random.Generator) -> Float[np.ndarray, "frames size size 3"]:
        """A window that moves over a picture of twice its side."""
        size = self.image_px
        scene = (draw_photograph if self.photographs else draw_background)(stream, 2 * size)
        corners = drift_numbers(*stream.uniform(0, size, (2, 2)), BACKGROUND_SHARE, self.num_frames).astype(int)
        return linear_to_srgb(np.stack([scene[y : y + size, x : x + size] for y, x in corners]).astype(np.float32))


@cache
def skin_colours(number: int) -> Float[np.ndarray, "vertices 3"]:
    """sRGB of each vertex, 0..1, of one of :data:`NUM_SKINS` people."""
    where = skin_map(HAND)
    skin = Skin(np.random.Generator(np.random.Philox(np.random.SeedSequence(number, spawn_key=(_KEY,)))))
    return linear_to_srgb(skin.colour(where, where.rest_m, where.palmar)[0]).astype(np.float32)
