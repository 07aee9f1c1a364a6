"""Close the contacts of all named poses on the open hand and write the table again, in whole degrees.

Run it after the open hand or the table changed: ``python data_scripts/fit_named_poses.py [NAME ...]``;
without names it fits all. The table's own angles are the start, so edit them first where a pose does not read
as what it is named.
"""

import sys

import yaml

from handlib.hand import HandModel
from handlib.hand.anatomy import AnatomicalPose
from handlib.hand.penetration import HandPenetration
from handlib.hand.poses import NAMED_POSES, NAMED_POSES_FILE, NamedPose, close_contacts, table_row

HEAD = """\
# Named poses of a right hand, in degrees (see handlib/hand/anatomy.py for the angles and their signs).
#   index, middle, ring, little: [MCP flexion, MCP abduction, PIP flexion, DIP flexion]
#   thumb: [CMC flexion, CMC abduction, CMC twist, MCP flexion, MCP abduction, IP flexion]
#   touch: [[joint, or two for the middle between them], [the same], distance in mm], ...
# data_scripts/fit_named_poses.py closes the contacts on the open hand and writes this file.
"""


def row_text(pose: NamedPose, row: dict) -> str:
    """One pose as YAML, a line a finger."""
    touches = [[list(touch.first), list(touch.second), round(1000 * touch.distance_m)] for touch in pose.touches]
    values = {"about": pose.about, **row, **({"touch": touches} if touches else {})}
    flow = {key: yaml.safe_dump(value, default_flow_style=True, width=200) for key, value in values.items()}
    return "\n".join([f"{pose.name}:", *(f"  {key}: {text.splitlines()[0]}" for key, text in flow.items())])


def main(names: list[str]) -> None:
    """Fit the named poses, or every one, and rewrite the table."""
    model = HandModel.load("open")
    anatomy, penetration = AnatomicalPose(model), HandPenetration(model)
    rows = []
    for pose in NAMED_POSES.values():
        wanted = not names or pose.name in names
        angles = close_contacts(pose, anatomy, penetration) if wanted else pose.angles
        rows.append(row_text(pose, table_row(angles)))
        depth_m = float(penetration(anatomy.to_joints(angles[None])))
        print(f"{pose.name:20s} deepest overlap {1000 * depth_m:4.1f} mm")
    NAMED_POSES_FILE.write_text(HEAD + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
