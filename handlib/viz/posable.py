"""A hand that the reader poses on the page itself: no kernel, no network, 75 kB a hand.

The page gets the template, the skinning weights and three shape directions in half precision, and the frames of
:class:`handlib.hand.anatomy.AnatomicalPose`; ``static/posable_hand.js`` does linear blend skinning with them and draws
with WebGL. Pose correctives are left out, so that a bent knuckle is a little thinner than that of
:class:`handlib.hand.HandModel`.
"""

import base64
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from handlib.errors import BadInputError
from handlib.hand.anatomy import AnatomicalPose, anatomical_to_matrix
from handlib.hand.pose_limits import DIP_PER_PIP
from handlib.viz.display import emit, json_for_script, still_html, wrap_figure
from handlib.viz.figures import mesh_figure
from handlib.viz.theme import SKIN

if TYPE_CHECKING:
    from handlib.hand import HandModel

FLEXION, ABDUCTION, TWIST = range(3)
FIRST_JOINT = {"index": 0, "middle": 3, "little": 6, "ring": 9, "thumb": 12}
"""Row of each finger's first joint among the 15 joints of a model's pose."""


@dataclass(frozen=True)
class HandSlider:
    """One slider of the posable hand.

    Attributes:
        name: what stands beside it.
        group: the heading it stands under.
        low: smallest value.
        high: largest value.
        unit: what follows the number.
        angles: [joint 0..14, axis (flexion, abduction, twist), radians a unit of the slider], one entry an angle.
        shape: index of the shape coefficient that the slider is, None for a pose slider.
    """

    name: str
    group: str
    low: float | int
    high: float | int
    unit: str
    angles: list[tuple[int, int, float]] = field(default_factory=list)
    shape: int | None = None


def hand_sliders(num_shape: int = 3) -> list[HandSlider]:
    """The sliders: how far each finger is bent, the spread of the fingers, the thumb's opposition, and the shape.

    A finger's slider is the flexion of its knuckle in degrees. The middle joint follows by 10/9, so that both reach the
    end of their range together, and the last one by two thirds of that (Lin, Wu and Huang 2000).
    """
    degree = float(np.deg2rad(1.0))
    sliders = []
    for finger in ("thumb", "index", "middle", "ring", "little"):
        first = FIRST_JOINT[finger]
        ratios = (0.4, 1.0, 1.0) if finger == "thumb" else (1.0, 10 / 9, 10 / 9 * DIP_PER_PIP)
        angles = [(first + level, FLEXION, ratio * degree) for level, ratio in enumerate(ratios)]
        sliders.append(HandSlider(finger, "Bend", -10, 55 if finger == "thumb" else 90, "°", angles))
    apart = (("index", 1.0), ("middle", 0.15), ("ring", -0.6), ("little", -1.0))
    spread = [(FIRST_JOINT[finger], ABDUCTION, ratio * degree) for finger, ratio in apart]
    sliders.append(HandSlider("spread", "Spread", -5, 14, "°", spread))
    # Palmar abduction and pronation together bring the thumb in front of the palm.
    opposition = [(12, ABDUCTION, degree), (12, TWIST, -0.8 * degree)]
    sliders.append(HandSlider("oppose", "Spread", -20, 20, "°", opposition))
    sliders += [HandSlider(f"shape {i + 1}", "Shape", -3, 3, "", shape=i) for i in range(num_shape)]
    return sliders


PRESETS: dict[str, dict[str, float | int]] = {
    "Open": {"spread": 4},
    "Relaxed": {"thumb": 12, "index": 22, "middle": 26, "ring": 30, "little": 34},
    "Point": {"thumb": 40, "index": 0, "middle": 84, "ring": 86, "little": 86, "oppose": 14},
    "Fist": {"thumb": 46, "index": 86, "middle": 88, "ring": 88, "little": 88, "oppose": 16},
}
"""Slider values by the name on the button; what is not named is zero."""


def posable_hand(
    model: "HandModel",
    alt: str = "A hand that can be posed with sliders and turned with the mouse or the arrow keys",
    caption: str | None = None,
    name: str | None = None,
    colour: str = SKIN,
) -> None:
    """Show a hand with sliders for each finger, the spread, the thumb and the shape, and a view that can be turned.

    Works in the HTML book and in a notebook without the kernel; with keyboard, mouse and touch. A picture in print.

    Args:
        model: any hand model of the package or a MANO file.
        alt: what the figure shows, in words.
        caption: text under the figure.
        name: the figure's address on the page becomes ``#figure-<name>``.
        colour: of the skin, ``#rrggbb``.

    Raises:
        BadInputError: ``alt`` is empty, the colour is not ``#rrggbb``, or the model has more than 32,767 vertices.
    """
    emit(posable_hand_html(model, alt, caption, name, colour), alt)


def posable_hand_html(
    model: "HandModel", alt: str, caption: str | None = None, name: str | None = None, colour: str = SKIN
) -> str:
    """The HTML of :func:`posable_hand` (arguments and errors as there), without the scripts."""
    if len(colour) != 7 or not colour.startswith("#"):
        raise BadInputError(f"colour={colour!r}: expected #rrggbb")
    data = hand_payload(model) | {"colour": [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)], "label": alt}
    rest = model(torch.zeros(1, model.pose_width, dtype=model.v_template.dtype, device=model.v_template.device))
    still = still_html(mesh_figure(rest.vertices[0], model.faces, view="palm", colours=colour), alt)
    script = f'<script type="application/json" class="hl-spec">{json_for_script(data)}</script>'
    return wrap_figure(f'{still}<div class="hl-panel"></div>{script}', "posable", alt, caption, name)


def hand_payload(model: "HandModel", num_shape: int = 3) -> dict[str, Any]:
    """What the page's script needs of a hand: arrays in base64 (float16, int16), small tables as lists.

    ``before`` and ``after`` carry the anatomical frames: a joint turns by ``before @ A(angles + bend) @ after`` with A
    being :func:`handlib.hand.anatomy.anatomical_to_matrix`.

    Raises:
        BadInputError: the model has more vertices than an int16 can count.
    """
    if model.num_vertices > 2**15 - 1:
        raise BadInputError(f"model has {model.num_vertices} vertices; the page's viewer takes at most {2**15 - 1}")
    anatomy = AnatomicalPose(model)
    shapes = model.shapedirs[..., : min(num_shape, model.num_shape)]
    joints = model.J_regressor @ model.v_template
    joint_shapes = torch.einsum("jv,vck->jck", model.J_regressor, shapes)
    zero, rest = anatomy.zero_frames, anatomical_to_matrix(anatomy.rest_angles + anatomy.hinge_bend)
    mirror = torch.diag(zero.new_tensor([-1.0 if model.side == "left" else 1.0, 1.0, 1.0]))
    return {
        "template": _packed(model.v_template, np.float16),
        "weights": _packed(model.weights, np.float16),
        "shapes": _packed(shapes.permute(2, 0, 1), np.float16),
        "faces": _packed(model.faces, np.int16),
        "joints": _listed(joints),
        "jointShapes": _listed(joint_shapes.permute(2, 0, 1)),
        "parents": list(model.parents),
        "before": _listed((mirror @ zero).flatten(1)),
        "after": _listed((rest.mT @ zero.mT @ mirror).flatten(1)),
        "bend": _listed(anatomy.hinge_bend),
        "sliders": [asdict(slider) for slider in hand_sliders(shapes.shape[-1])],
        "presets": PRESETS,
    }


def _packed(values: torch.Tensor, dtype: type) -> str:
    return base64.b64encode(np.ascontiguousarray(values.detach().cpu().numpy().astype(dtype)).tobytes()).decode()


def _listed(values: torch.Tensor) -> list[Any]:
    return np.round(values.detach().cpu().double().numpy(), 6).tolist()
