"""Writers of tiny data sets, each in the layout and number format of an official one: see ``make_format_fixtures.py``.

Every function fills a folder and returns what it drew, so that a test can compare it with what a reader gives.
"""

import json
from pathlib import Path

import numpy as np
import torch
from fixture_hands import RenderedHands, intrinsics, project, render_hands
from PIL import Image

from handlib.data.mano_labels import regress_joints


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
