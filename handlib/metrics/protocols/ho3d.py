"""The HO-3D protocol, as in its official script (https://github.com/shreyashampali/ho3d, eval.py).

FreiHAND's, and the joints once more after scale-translation alignment: scaled so that the distance from the
wrist to the middle finger's knuckle is true (``||J4 - J0||`` in the files' MANO order), the wrist put on the
true wrist, not turned. The files' OpenGL axes need no conversion for this: turning both hands alike changes no
error.
"""

from handlib.errors import BadInputError
from handlib.metrics.alignment import align_scale_root
from handlib.metrics.inputs import Points, check_pair
from handlib.metrics.protocols.freihand import freihand, point_measures
from handlib.skeleton import JointOrder, get_joint_order


def ho3d(
    pred_joints: Points,
    true_joints: Points,
    pred_vertices: Points | None = None,
    true_vertices: Points | None = None,
    joint_order: str | JointOrder = "handlib",
) -> dict[str, float]:
    """Score joints (frames, 21, 3) and, if given, vertices (frames, vertices, 3), all in metres.

    The keys of :func:`handlib.metrics.freihand`, and ``scale_translation_mpjpe`` (mm),
    ``scale_translation_auc_j``. ``joint_order`` names the order of the joints, a key of
    ``handlib.skeleton.JOINT_ORDERS``: "handlib" is ours; arrays straight from HO-3D's files are in "ho3d". It
    decides which joints are the wrist and the knuckle. Raises ``BadInputError`` as there, and for an order without
    them or of another number of joints.
    """
    names = get_joint_order(joint_order).joints
    pred, true = check_pair(pred_joints, true_joints)
    if len(names) != pred.shape[1] or not {"wrist", "middle_mcp"} <= set(names):
        raise BadInputError(
            f"joint_order: {joint_order!r} has {len(names)} joints and the arrays have {pred.shape[1]}; expected as "
            "many, with a wrist and a middle_mcp. Bring the joints into one by handlib.skeleton.reorder_joints."
        )
    scores = freihand(pred, true, pred_vertices, true_vertices)
    aligned = align_scale_root(pred, true, root=names.index("wrist"), end=names.index("middle_mcp"))
    return scores | point_measures(aligned, true, "j", "scale_translation_")
