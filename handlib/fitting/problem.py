"""The optimisation behind a fit: what is varied, the energy, and the gradient steps.

All starts of all hands are rows of one batch. Rows share no variable, so one Adam on the sum of their energies
optimises each as if it were alone.
"""

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from handlib.camera import PerspectiveCamera
from handlib.fitting.pose_library import PoseLibrary
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.model import HandModel
from handlib.hand.pose_limits import angles_from_unconstrained, coupling_residual, unconstrained_from_angles
from handlib.losses.keypoints import geometric_alignment_loss

# Keypoints are scaled so that the hand spans so many pixels: the losses' pixel constants are meant for 224 px crops.
WORKING_SIZE_PX = 160.0
_NO_LIMITS = torch.tensor([-torch.pi, torch.pi])


@dataclass(frozen=True)
class FitSettings:
    """Weights and effort of a fit; the defaults were chosen on projected real joint poses and synthetic hands.

    Attributes:
        starts: optimisations run side by side for each hand.
        steps: gradient steps of each.
        learning_rate: Adam's, for angles in radians and rotations in radians; it falls to zero along a cosine.
        orientation_weight: w_ori of S2HAND Eq. 5.
        pose_weight: of the squared distance (in unconstrained angles) from the relaxed hand.
        coupling_weight: of the squared DIP - 2/3 PIP residual.
        within_limits: keep every angle within the limits of a living hand, and joints that are hinges hinges. Without,
            all 45 angles are free within half a turn and only ``pose_weight`` holds them: what an L2 prior on a pose
            vector does.
        shape_weight: of the mean squared shape coefficient (standard deviations).
    """

    starts: int = 8
    steps: int = 100
    learning_rate: float = 0.06
    orientation_weight: float = 10.0
    pose_weight: float = 0.05
    coupling_weight: float = 0.5
    shape_weight: float = 0.2
    within_limits: bool = True


@dataclass(frozen=True)
class FitResult:
    """The best fit of each hand; all in the camera's frame, metres and pixels.

    Attributes:
        angles: (batch, 15, 3) anatomical angles, radians.
        shape: (batch, S) shape coefficients, standard deviations.
        global_orient: (batch, 3) axis-angle, radians.
        translation: (batch, 3) metres.
        vertices: (batch, V, 3).
        joints: (batch, 21, 3).
        joints_2d_px: (batch, 21, 2) the joints, projected.
        camera: the camera that was used, given or assumed.
        energy: (batch,) of the kept start; (batch, starts) in ``start_energies``.
        start_joints: (batch, starts, 21, 3) where every start ended.
    """

    angles: Float[Tensor, "batch 15 3"]
    shape: Float[Tensor, "batch num_shape"]
    global_orient: Float[Tensor, "batch 3"]
    translation: Float[Tensor, "batch 3"]
    vertices: Float[Tensor, "batch vertices 3"]
    joints: Float[Tensor, "batch 21 3"]
    joints_2d_px: Float[Tensor, "batch 21 2"]
    camera: PerspectiveCamera
    energy: Float[Tensor, "batch"]
    start_energies: Float[Tensor, "batch starts"]
    start_joints: Float[Tensor, "batch starts 21 3"]


@dataclass
class FitProblem:
    """All starts of all hands, side by side: row ``hand * starts + start``."""

    model: HandModel
    anatomy: AnatomicalPose
    target: Float[Tensor, "rows 21 2"]
    confidence: Float[Tensor, "rows 21"]
    camera: PerspectiveCamera
    limits: Float[Tensor, "15 3 2"]
    first_orient: Float[Tensor, "rows 3 3"]
    first_depth: Float[Tensor, "rows"]
    # What is optimised: unconstrained angles, shape, a turn after `first_orient`, and (x/z, y/z, log(z / first z)).
    unconstrained: Float[Tensor, "rows 15 3"]
    shape: Float[Tensor, "rows num_shape"]
    turn: Float[Tensor, "rows 3"]
    place: Float[Tensor, "rows 3"]

    @classmethod
    def start(
        cls,
        model: HandModel,
        keypoints_px: Tensor,
        confidence: Tensor,
        camera: PerspectiveCamera,
        library: PoseLibrary,
        settings: FitSettings,
    ) -> "FitProblem":
        size, _ = keypoint_extent(keypoints_px, confidence)
        factor = WORKING_SIZE_PX / size
        shrink = torch.zeros(len(factor), 2, 3).to(keypoints_px)
        shrink[:, 0, 0] = shrink[:, 1, 1] = factor
        poses, orient = library.nearest(keypoints_px, confidence, settings.starts)
        repeat = [
            tensor.repeat_interleave(settings.starts, 0)
            for tensor in (keypoints_px * factor[:, None, None], confidence)
        ]
        K = camera.transform(shrink).K.expand(len(keypoints_px), 3, 3).repeat_interleave(settings.starts, 0)
        orient, poses = orient.flatten(0, 1), poses.flatten()
        place, depth = _first_place(*repeat, K, (orient[:, None] @ library.joints_m[poses][..., None])[..., 0])
        anatomy = AnatomicalPose(model).to(model.v_template)
        limits = anatomy.limits if settings.within_limits else _NO_LIMITS.to(anatomy.limits).expand(15, 3, 2)
        unconstrained = unconstrained_from_angles(library.angles[poses], limits, margin=0.02)
        rows = len(poses)
        return cls(
            model,
            anatomy,
            *repeat,
            PerspectiveCamera(K),
            limits,
            orient,
            depth,
            unconstrained.clone().requires_grad_(),
            orient.new_zeros(rows, model.num_shape).requires_grad_(),
            orient.new_zeros(rows, 3).requires_grad_(),
            place.requires_grad_(),
        )

    def optimise(self, settings: FitSettings, progress: bool) -> None:
        """Adam on the sum of all rows' energies: rows share no variable, so each is optimised by itself."""
        rate = settings.learning_rate
        # Places are in units of the focal length, several hand sizes: they move in smaller steps than angles.
        groups = [
            {"params": [self.unconstrained, self.turn], "lr": rate},
            {"params": [self.shape], "lr": rate},
            {"params": [self.place], "lr": rate / 4},
        ]
        adam = torch.optim.Adam(groups)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, settings.steps)
        for _ in tqdm(range(settings.steps), desc="fitting", unit="step", disable=not progress):
            adam.zero_grad(set_to_none=True)
            self.energy(settings).sum().backward()
            adam.step()
            schedule.step()
        self.final = self.energy(settings).detach()

    def energy(self, settings: FitSettings) -> Float[Tensor, "rows"]:
        """E_geo plus the priors, one number a row."""
        angles, joints = self.angles(), self.joints()
        alignment = geometric_alignment_loss(
            self.camera.project(joints), self.target, self.confidence, settings.orientation_weight
        )
        return (
            alignment
            + settings.pose_weight * self.unconstrained.square().sum((-1, -2))
            + settings.coupling_weight * coupling_residual(angles).square().sum(-1)
            + settings.shape_weight * self.shape.square().sum(-1)
        )

    def angles(self) -> Float[Tensor, "rows 15 3"]:
        return angles_from_unconstrained(self.unconstrained, self.limits)

    def orient(self) -> Float[Tensor, "rows 3 3"]:
        return roma.rotvec_to_rotmat(self.turn) @ self.first_orient

    def translation(self) -> Float[Tensor, "rows 3"]:
        depth = self.first_depth * self.place[:, 2].clamp(-1.5, 1.5).exp()
        return torch.stack([self.place[:, 0] * depth, self.place[:, 1] * depth, depth], dim=-1)

    def joints(self) -> Float[Tensor, "rows 21 3"]:
        pose = self.anatomy.to_axis_angle(self.angles())
        joints = self.model.joints(pose, self.shape)
        joints = ((joints - joints[:, :1]) @ self.orient().mT) + self.translation()[:, None]
        # A start may send a fingertip behind the camera: it is held in front, where a gradient brings it back.
        return torch.cat([joints[..., :2], joints[..., 2:].clamp(min=1e-2)], dim=-1)

    @torch.no_grad()
    def best(self, keypoints_px: Tensor, camera: PerspectiveCamera) -> FitResult:
        """The row with the least energy of each hand, as a mesh."""
        batch = len(keypoints_px)
        energies = self.final.view(batch, -1)
        kept = energies.argmin(1) + torch.arange(batch, device=energies.device) * energies.shape[1]
        angles, shape = self.angles()[kept], self.shape[kept]
        global_orient = roma.rotmat_to_rotvec(self.orient()[kept])
        mesh = self.model(self.anatomy.to_axis_angle(angles), shape, global_orient)
        shift = self.translation()[kept] - mesh.joints[:, 0]
        joints = mesh.joints + shift[:, None]
        return FitResult(
            angles=angles,
            shape=shape,
            global_orient=global_orient,
            translation=shift,
            vertices=mesh.vertices + shift[:, None],
            joints=joints,
            joints_2d_px=camera.project(joints),
            camera=camera,
            energy=energies.amin(1),
            start_energies=energies,
            start_joints=self.joints().unflatten(0, energies.shape),
        )


def _first_place(
    target: Float[Tensor, "rows 21 2"],
    confidence: Float[Tensor, "rows 21"],
    K: Float[Tensor, "rows 3 3"],
    joints_m: Float[Tensor, "rows 21 3"],
) -> tuple[Float[Tensor, "rows 3"], Float[Tensor, "rows"]]:
    """Where the wrist must be for the hand to have the picture's size and centre: (x / z, y / z, 0) and z in metres."""
    weight = (confidence / confidence.sum(-1, keepdim=True))[..., None]
    rays = (target - K[:, None, :2, 2]) / torch.stack([K[:, 0, 0], K[:, 1, 1]], -1)[:, None]
    middle_ray, middle = (weight * rays).sum(1), (weight * joints_m).sum(1)
    spread_ray = (weight * (rays - middle_ray[:, None]).square()).sum((1, 2)).sqrt()
    spread_m = (weight * (joints_m[..., :2] - middle[:, None, :2]).square()).sum((1, 2)).sqrt()
    depth = spread_m / spread_ray.clamp(min=1e-6) - middle[:, 2]
    depth = depth.clamp(min=0.1)
    wrist = (middle_ray * (depth + middle[:, 2])[:, None] - middle[:, :2]) / depth[:, None]
    return torch.cat([wrist, torch.zeros_like(depth)[:, None]], dim=-1), depth


def keypoint_extent(
    keypoints_px: Float[Tensor, "batch 21 2"], confidence: Float[Tensor, "batch 21"]
) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch 2"]]:
    """Longer side and centre of the box around the joints that were found."""
    found = (confidence > 0)[..., None]
    low = torch.where(found, keypoints_px, torch.inf).amin(1)
    high = torch.where(found, keypoints_px, -torch.inf).amax(1)
    return (high - low).amax(-1).clamp(min=1.0), (low + high) / 2
