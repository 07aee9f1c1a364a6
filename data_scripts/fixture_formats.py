"""Writers of tiny data sets, each in the layout and number format of an official one: see ``make_format_fixtures.py``.

Every function fills a folder and returns what it drew, so that a test can compare it with what a reader gives.
"""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import roma
import scipy.io
import torch
from fixture_hands import RenderedHands, intrinsics, project, render_again, render_hands
from fixture_nyu import write_nyu
from PIL import Image

from handlib.data.bighand import BIGHAND_K
from handlib.data.depth_codes import split_bytes
from handlib.data.dexter_object import DEPTH_K, NO_LABEL_Z_MM, DexterObject
from handlib.data.ego_dexter import EgoDexter
from handlib.data.fingertips import FingertipVideos
from handlib.data.ho3d import DEPTH_STEP_M, OPENGL_TO_OPENCV
from handlib.data.mano_labels import regress_joints
from handlib.data.mhp import MHP_DISTORTION, MHP_K
from handlib.data.official import FIXTURE_FILE
from handlib.data.stb import SEQUENCES, STB_K, to_camera
from handlib.skeleton import JOINT_ORDERS, TIPS, JointOrder, reorder_joints

FINGERS_OF_STB = JointOrder("stb fingers", JOINT_ORDERS["stb"].joints[1:], "STB without its palm")
FINGERS_OF_MHP = JointOrder("mhp fingers", JOINT_ORDERS["mhp"].joints[:-1], "MHP without its palm")
MHP_NAMES = (
    *(
        f"{finger}_{part}"
        for finger in ("F4", "F3", "F1", "F2", "TH")
        for part in ("KNU1_A", "KNU1_B", "KNU2_A", "KNU3_A")
    ),
    "PALM_POSITION",
    "PALM_NORMAL",
)
HO3D_CAMERA = intrinsics(614.627, 614.101, 320.262, 238.469)


def save(path: Path, pixels: np.ndarray) -> None:
    """A picture file of the type that its name says, with its folders; JPEG as good as it gets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **({"quality": 95, "subsampling": 0} if path.suffix == ".jpg" else {}))


def save_json(path: Path, content: object) -> None:
    """A .json file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_freihand(root: Path, unique: int = 3, evaluation: int = 2) -> dict[str, RenderedHands]:
    """FreiHAND, at its own size; labels of the evaluation split included."""
    drawn = {}
    for seed, (split, count) in enumerate({"training": unique, "evaluation": evaluation}.items()):
        hands = render_hands(count, intrinsics(480.0, 480.0, 112.0, 112.0), (224, 224), seed=10 + seed)
        joints = np.stack([regress_joints(hands.hand, v).numpy() for v in torch.as_tensor(hands.vertices_m)])
        knuckle = joints[:, 9]
        relative = hands.pose - np.r_[np.zeros(3), hands.hand.file.hands_mean]
        shape = np.broadcast_to(hands.shape, (count, 10))
        scale = 480.0 / knuckle[:, 2:]
        mano = np.concatenate([relative, shape, project(knuckle, hands.K), scale], axis=1)
        labels = {
            "K": np.broadcast_to(hands.K, (count, 3, 3)),
            "scale": np.linalg.norm(joints[:, 9] - joints[:, 10], axis=1),
            "xyz": joints,
            "mano": mano[:, None],
            "verts": hands.vertices_m,
        }
        for kind, values in labels.items():
            save_json(root / f"{split}_{kind}.json", values.tolist())
        for index, (rgb, mask) in enumerate(zip(hands.rgb, hands.mask, strict=True)):
            for version in range(4 if split == "training" else 1):
                # The versions differ in their background only.
                picture = np.where(mask[..., None], rgb, rgb // (version + 1))
                save(root / split / "rgb" / f"{index + count * version:08d}.jpg", picture)
            if split == "training":
                save(
                    root / split / "mask" / f"{index:08d}.jpg", np.repeat(mask[..., None], 3, -1).astype(np.uint8) * 255
                )
        drawn[split] = hands
    return drawn


def write_ho3d_v2(root: Path) -> dict[str, RenderedHands]:
    """HO-3D version 2: .png pictures."""
    return _write_ho3d(root, ".png", "")


def write_ho3d_v3(root: Path) -> dict[str, RenderedHands]:
    """HO-3D version 3: .jpg pictures, and the labels of the evaluation split as they were published later."""
    drawn = _write_ho3d(root, ".jpg", "HO3D_v3_segmentations_rendered")
    hands = drawn["AP10"]
    for kind, points in (("xyz", reorder_joints(hands.joints_m, "handlib", "ho3d")), ("verts", hands.vertices_m)):
        # In the order of evaluation.txt, which the fixture turns round.
        save_json(root / f"evaluation_{kind}.json", (points[::-1] * OPENGL_TO_OPENCV).tolist())
    return drawn


def _write_ho3d(root: Path, suffix: str, masks: str) -> dict[str, RenderedHands]:
    drawn = {}
    # Two training videos, of which the second misses a frame, and one for evaluation.
    for seed, (sequence, split, frames) in enumerate(
        [("ABF10", "train", (0, 1, 2)), ("SM1", "train", (7, 9)), ("AP10", "evaluation", (0, 1))]
    ):
        hands = render_hands(len(frames), HO3D_CAMERA, (480, 640), seed=20 + seed)
        drawn[sequence], folder = hands, root / split / sequence
        for index, frame in enumerate(frames):
            save(folder / "rgb" / f"{frame:04d}{suffix}", hands.rgb[index])
            steps = np.rint(hands.depth_m[index] / DEPTH_STEP_M).astype(np.uint16)
            two_bytes = np.stack([*split_bytes(steps), np.zeros(steps.shape, np.uint8)], -1)
            save(folder / "depth" / f"{frame:04d}.png", two_bytes)
            meta = ho3d_meta(hands, index, split)
            path = folder / "meta" / f"{frame:04d}.pkl"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(pickle.dumps(meta, protocol=2))
            if split == "train":
                quarter = hands.mask[index, 2::4, 2::4]
                blue = np.stack([np.zeros_like(quarter), np.zeros_like(quarter), quarter], -1).astype(np.uint8) * 255
                save(root / masks / split / sequence / "seg" / f"{frame:04d}.png", blue)
        with (root / f"{split}.txt").open("a") as listing:
            listing.writelines(f"{sequence}/{frame:04d}\n" for frame in reversed(frames))
    return drawn


def ho3d_meta(hands: RenderedHands, index: int, split: str) -> dict[str, object]:
    """The dictionary that HO-3D pickles for a frame, with an object that is not in the picture."""
    to_opengl = OPENGL_TO_OPENCV.astype(np.float64)
    joints = reorder_joints(hands.joints_m[index], "handlib", "ho3d") * to_opengl
    common = {"camMat": hands.K, "objRot": np.zeros((3, 1)), "objTrans": np.zeros(3), "objName": "010_potted_meat_can"}
    if split == "evaluation":
        pixels = hands.joints_2d_px[index]
        box = [*pixels.min(0).astype(int).tolist(), *pixels.max(0).astype(int).tolist()]
        return common | {"handJoints3D": joints[0], "handBoundingBox": box}
    orient = roma.rotvec_to_rotmat(torch.as_tensor(hands.pose[index, :3]))
    turned = roma.rotmat_to_rotvec(torch.diag(torch.as_tensor(to_opengl)) @ orient).numpy()
    # MANO turns the hand about its own wrist, which need not be at the origin: the translation is not simply turned.
    rest_wrist = hands.joints_m[index, 0] - hands.translation[index]
    return common | {
        "handPose": np.concatenate([turned, hands.pose[index, 3:]]),
        "handTrans": joints[0] - rest_wrist,
        "handBeta": hands.shape,
        "handJoints3D": joints,
        "handVertContact": np.zeros(778, bool),
    }


def write_stb(root: Path) -> dict[str, RenderedHands]:
    """STB: its videos of a left hand by both cameras; the joints of its files are ours with a palm for a wrist."""
    drawn = {}
    for seed, sequence in enumerate(SEQUENCES):
        frames = 2 if sequence[:2] in ("B1", "B2") else 1
        for pair in ("BB", "SK"):
            views = {"BB": ("BB_left", "BB_right"), "SK": ("SK_depth", "SK")}[pair]
            drawn[f"{sequence}-{pair}"] = hands = render_hands(
                frames, STB_K[views[0]].astype(float), (480, 640), side="left", seed=30 + seed
            )
            palm = (hands.joints_m[:, 0] + hands.joints_m[:, 13]) / 2
            stored = np.concatenate([palm[:, None], reorder_joints(hands.joints_m, "handlib", FINGERS_OF_STB)], axis=1)
            path = root / "labels" / f"{sequence}_{pair}.mat"
            path.parent.mkdir(parents=True, exist_ok=True)
            scipy.io.savemat(path, {"handPara": 1000 * stored.transpose(2, 1, 0)})
            for view in views:
                if view in ("BB_right", "SK_depth") and sequence != "B1Counting":
                    continue  # one video by the two other cameras is enough
                seen = hands
                if view != views[0]:
                    seen = render_again(hands, to_camera(hands.vertices_m, view), STB_K[view].astype(float), (480, 640))
                for frame in range(frames):
                    folder = root / "images" / sequence
                    if view == "SK_depth":
                        low, high = split_bytes(np.rint(1000 * seen.depth_m[frame]).astype(np.uint16))
                        save(folder / f"SK_depth_{frame}.png", np.stack([low, high, np.zeros_like(low)], -1))
                    else:
                        stem = "SK_color" if view == "SK" else view
                        save(folder / f"{stem}_{frame}.png", seen.rgb[frame])
    return drawn


def write_mhp(root: Path, frames: int = 2) -> dict[tuple[int, int], RenderedHands]:
    """MHP: two videos, each seen by two distorting webcams; the world is 10 cm beside the first camera."""
    drawn = {}
    for number in (1, 2):
        first = render_hands(frames, MHP_K.astype(float), (480, 640), seed=40 + number)
        folder = root / "annotated_frames" / f"data_{number}"
        for webcam, rotvec in ((1, np.zeros(3)), (2, np.array([0.0, 0.1, 0.0]))):
            rotation, translation = cv2.Rodrigues(rotvec)[0], np.array([-0.1, 0.0, 0.0]) if webcam == 1 else np.zeros(3)
            world = first.vertices_m + [0.1, 0.0, 0.0]
            seen = render_again(first, world @ rotation.T + translation, MHP_K.astype(float), (480, 640))
            joints = (first.joints_m + [0.1, 0.0, 0.0]) @ rotation.T + translation
            drawn[number, webcam] = replace(seen, joints_m=joints)
            for frame in range(frames):
                save(folder / f"{frame}_webcam_{webcam}.jpg", distort(seen.rgb[frame]))
            calibration = root / "calibrations" / f"data_{number}" / f"webcam_{webcam}"
            calibration.mkdir(parents=True)
            for name, vector in (("rvec", rotvec), ("tvec", 1000 * translation)):
                (calibration / f"{name}.pkl").write_bytes(pickle.dumps(vector.reshape(3, 1), protocol=2))
        for frame in range(frames):
            world = 1000 * (first.joints_m[frame] + [0.1, 0.0, 0.0])
            palm = (world[0] + world[13]) / 2
            rows = np.concatenate([reorder_joints(world, "handlib", FINGERS_OF_MHP), palm[None], [[0.0, 0.0, -1.0]]])
            lines = [f"{name} {x} {y} {z}" for name, (x, y, z) in zip(MHP_NAMES, rows, strict=True)]
            (folder / f"{frame}_joints.txt").write_text("\n".join(lines) + "\n")
    return drawn


def distort(image: np.ndarray) -> np.ndarray:
    """What MHP's lens makes of a picture of an ideal camera."""
    v, u = np.mgrid[:480, :640].astype(np.float32)
    K = MHP_K.astype(np.float64)
    ideal = cv2.undistortPoints(np.stack([u, v], -1).reshape(-1, 1, 2), K, MHP_DISTORTION, P=K).reshape(480, 640, 2)
    return cv2.remap(image, ideal[..., 0], ideal[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def write_bighand(root: Path, frames: int = 2) -> dict[int, RenderedHands]:
    """BigHand2.2M: two people; the first one's pictures are named by number, the second one's by path."""
    drawn = {}
    for subject in (1, 2):
        hands = drawn[subject] = render_hands(frames, BIGHAND_K.astype(float), (480, 640), seed=50 + subject)
        lines = []
        for frame in range(frames):
            name = f"image_D{frame + 1:08d}.png"
            save(root / f"Subject_{subject}" / "1 75" / name, np.rint(1000 * hands.depth_m[frame]).astype(np.uint16))
            numbers = 1000 * reorder_joints(hands.joints_m[frame], "handlib", "bighand").reshape(-1)
            shown = f"{frame + 1:08d}" if subject == 1 else f"Subject_{subject}\\1 75\\{name}"
            lines.append("\t".join([shown, *(f"{number:.4f}" for number in numbers)]))
        path = root / "full_annotation" / f"Subject_{subject}" / "1 75_loc_shift_made_by_qi_20180112_v2.txt"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(lines) + "\n")
    return drawn


def write_dexter_object(root: Path) -> dict[str, RenderedHands]:
    """Dexter+Object: two frames of each video; the thumb of the second has no label."""
    drawn = {}
    for seed, sequence in enumerate(DexterObject.sequence_names, 60):
        drawn[sequence], joints = _fingertip_video(root, sequence, DexterObject, seed)
        tips = joints[:, TIPS]
        pixels = np.rint(project(tips, DEPTH_K)).astype(int)
        tips = 1000 * tips * [-1, -1, 1]
        tips[1, 0], pixels[1, 0] = [NO_LABEL_Z_MM] * 3, 0
        folder = root / "data" / sequence / "annotations"
        folder.mkdir()
        # The official lines go on after the fingertips, with corners of the object.
        (folder / f"{sequence}2D.txt").write_text("".join(_tip_line([*p, (1, 1)]) for p in pixels.tolist()))
        (folder / f"{sequence}3D.txt").write_text("".join(_tip_line([*p, (1.0, 1.0, 400.0)]) for p in tips.tolist()))
    return drawn


def write_ego_dexter(root: Path) -> dict[str, RenderedHands]:
    """EgoDexter: two frames of each video; the thumb of the second has no label."""
    drawn = {}
    for seed, sequence in enumerate(EgoDexter.sequence_names, 70):
        drawn[sequence], joints = _fingertip_video(root, sequence, EgoDexter, seed)
        tips = 1000 * joints[:, TIPS]
        pixels = np.rint(project(tips, intrinsics(475.6, 475.6, 311.1, 246.0))).astype(int)
        tips[1, 0], pixels[1, 0] = 0.0, -1
        folder = root / "data" / sequence
        (folder / "annotation.txt").write_text("".join(_tip_line(p) for p in pixels.tolist()))
        (folder / "annotation.txt_3D.txt").write_text("".join(_tip_line(p) for p in tips.tolist()))
    return drawn


def _tip_line(tips: list) -> str:
    return "".join(", ".join(map(str, tip)) + "; " for tip in tips) + "\n"


def _fingertip_video(
    root: Path, sequence: str, reader: type[FingertipVideos], seed: int
) -> tuple[RenderedHands, np.ndarray]:
    """A left hand in the colour camera, and its joints in the depth camera's frame."""
    hands = render_hands(2, reader.camera.K.astype(float), (480, 640), side="left", seed=seed, distance_m=0.5)
    for frame, rgb in enumerate(hands.rgb):
        save(root / "data" / sequence / "color" / f"image_{frame:05d}_color.png", rgb)
    # The published rotations are rounded: their inverse is not quite their transpose.
    inverse = np.linalg.inv(reader.camera.rotation)
    return hands, (hands.joints_m - reader.camera.translation_m) @ inverse.T


def write_youtube_hands(root: Path, frames: int = 6) -> RenderedHands:
    """YouTube-3D-Hands: one film whose first two frames are annotated, with detections that jump once."""
    hands = render_hands(frames, intrinsics(300.0, 300.0, 79.5, 59.5), (120, 160), seed=70)
    # Orthographic pixels, which a distant camera would give.
    focal, middle = 300.0 / hands.joints_m[:, :1, 2:], np.array([79.5, 59.5, 0.0])
    vertices = hands.vertices_m * focal + middle
    names = [f"youtube/Ab-c_1/video/frames/{frame}.png" for frame in range(frames)]
    for name, rgb in zip(names, hands.rgb, strict=True):
        save(root / name, rgb)
    images = [{"name": name, "width": 160, "height": 120, "id": 100 + k} for k, name in enumerate(names[:2])]
    annotations = [
        {"vertices": vertices[k].tolist(), "is_left": int(k == 1), "image_id": 100 + k, "id": k} for k in range(2)
    ]
    for split in ("train", "val", "test"):
        save_json(root / f"youtube_{split}.json", {"images": images, "annotations": annotations})
    uv = hands.joints_2d_px.astype(np.float32)
    # The film is cut before its fourth frame, and the last shows no hand.
    uv[3:] += [70.0, 0.0]
    score = np.r_[np.ones(frames - 1), 0].astype(np.float32)
    np.savez(root / "detections.npz", name=np.array(names), uv=uv, score=score, side=np.array(["right"] * frames))
    return hands


WRITERS = {
    "freihand": write_freihand,
    "ho3d_v2": write_ho3d_v2,
    "ho3d_v3": write_ho3d_v3,
    "stb": write_stb,
    "mhp": write_mhp,
    "nyu": write_nyu,
    "bighand": write_bighand,
    "dexter_object": write_dexter_object,
    "ego_dexter": write_ego_dexter,
    "youtube_hands": write_youtube_hands,
}


def make_fixture(name: str, root: Path) -> object:
    """Fill a folder with the tiny data set of that name, and mark it as one; what was drawn."""
    root.mkdir(parents=True, exist_ok=True)
    drawn = WRITERS[name](root)
    (root / FIXTURE_FILE).write_text(f"Drawn hands in the format of {name}: no data set, and worth no number.\n")
    return drawn
