"""Is there a hand at all? How sure the released network is of the keypoints that it reads tells.

It answers whatever it is shown and is never very sure, but less of a foot than of any hand. A detector of hands is as
sure of a sole with five toes as of a hand: so the network is asked, whoever found the keypoints.
"""

import torch
from jaxtyping import Float
from torch import Tensor

HAND_FROM, WITHIN = 0.43, 0.004
"""Mean confidence of the keypoints that the network reads at which a hand is as likely as anything else, and how near
to it there is doubt. Measured where a detector had found something: at least 0.454 on 93 real hands (photographs of
both sets, the packaged ones, the stereo film); 0.435 to 0.51 on 37 of 40 stills of the target domain, and less only
where the detection was off by a quarter of the hand or more; at most 0.425 on 14 drawn feet and a piece of landscape.
How far these keypoints lie from the detected ones tells less: 0.01 to 0.30 sizes of the hand on hands, 0.14 to 0.39 on
feet."""


def likely_a_hand(read_confidence: Float[Tensor, "batch"]) -> Float[Tensor, "batch"]:
    """How likely (0..1) it is that pictures show a hand.

    Args:
        read_confidence: mean confidence of the keypoints that the released network reads. Other networks are more or
            less sure in general: of them this says nothing.
    """
    return torch.sigmoid((read_confidence - HAND_FROM) / WITHIN)
