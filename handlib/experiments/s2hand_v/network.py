"""The network that all rows begin with: the released one, with a texture head that nobody has trained yet."""

from dataclasses import replace

import torch

from handlib.experiments.s2hand_v.encodings import KeptEncodings
from handlib.models.checkpoint_file import load_network
from handlib.models.s2hand import S2HandNetwork
from handlib.pretrained import RELEASED
from handlib.reproduce.state import read_state

NETWORK = "network.safetensors"


def starting_network(camera: str, seed: int) -> S2HandNetwork:
    """The released network, with texture, and with an encoder that gives back what was kept; in evaluation mode.

    Args:
        camera: "perspective" or "weak_perspective".
        seed: of the texture head.
    """
    released, _ = load_network(RELEASED)
    torch.manual_seed(seed)
    network = S2HandNetwork(replace(released.config, texture=True, camera=camera), imagenet=False)
    network.load_state_dict({**network.state_dict(), **released.state_dict()})
    network.encoder = KeptEncodings()
    return network.eval()


def with_encoder(network: S2HandNetwork, path: object) -> S2HandNetwork:
    """A network that sees pictures: the heads of a file that a training left, and the released encoder.

    Args:
        network: from :func:`starting_network`; its heads are changed.
        path: what a run left as :data:`NETWORK`.
    """
    network.load_state_dict(read_state(path))
    network.encoder = load_network(RELEASED)[0].encoder.to(memory_format=torch.channels_last)
    return network.eval()
