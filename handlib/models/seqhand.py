"""SeqHAND-Net: a film of a hand in, a hand a frame out (Yang et al., ECCV 2020, section 4).

An encoder looks at the frames, a memory joins them, one linear layer gives 26 numbers a frame: pose, shape, scale,
translation and rotation, from which the hand model makes mesh and joints. No 2D detector takes part.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from handlib.errors import BadInputError
from handlib.hand.hand_code import CAMERA_NUMBERS, HandCode, SeenHand, see_hand
from handlib.hand.model import HandModel
from handlib.models.film_encoders import make_encoder
from handlib.models.film_readouts import make_readout

SMALLEST_IMAGE_PX = 32
FIRST_SCALE = 2.6
"""Picture widths a metre: a hand of 20 cm fills half of the picture, as most do in the generated films."""


@dataclass(frozen=True)
class SeqHandConfig:
    """What a network is made of; the defaults are the paper's, :meth:`small` is for a CPU.

    Attributes:
        encoder: "resnet50", "resnet101", "i3d", "mfnet", or one of the stand-ins that
            :data:`~handlib.models.film_stand_ins.STAND_INS` names.
        memory: "conv_lstm", "lstm" or "none".
        hidden: width of the memory.
        num_pose, num_shape: numbers for pose (principal components) and shape.
        hand: "open", "generic", or the path of a hand model file.
    """

    encoder: str = "resnet50"
    memory: str = "conv_lstm"
    hidden: int = 512
    num_pose: int = 10
    num_shape: int = 10
    hand: str = "open"

    @classmethod
    def small(cls, memory: str = "conv_lstm") -> "SeqHandConfig":
        """A tenth of the size: EfficientNet-Lite0 with ImageNet's weights, and 128 channels of memory."""
        return cls(encoder="efficientnet_lite0", memory=memory, hidden=128)


@dataclass(frozen=True, eq=False)
class FilmPrediction:
    """The hands of films: their codes, and what they look like (:class:`~handlib.hand.hand_code.SeenHand`)."""

    code: HandCode
    seen: SeenHand


class SeqHandNetwork(nn.Module):
    """Encoder, memory and hand model.

    The hand model's arrays are no part of the ``state_dict``. Attributes: ``encoder``, ``readout`` (which has
    ``memory`` and ``last``) and ``hand``.
    """

    def __init__(
        self, config: SeqHandConfig | None = None, imagenet: bool = True, hand: str | Path | None = None
    ) -> None:
        """Build the network.

        Args:
            config: its choices; None for the paper's.
            imagenet: see :func:`~handlib.models.film_encoders.make_encoder`.
            hand: another hand model file than the one that ``config`` names.

        Raises:
            BadInputError: an unknown encoder or memory, or a hand with another number of shape coefficients.
            MissingExtraError: the package with the ImageNet weights is not installed.
        """
        super().__init__()
        self.config = config = config or SeqHandConfig()
        self.hand = HandModel.load(hand or config.hand, pose_space="pca", num_pca=config.num_pose, flat_hand_mean=False)
        if self.hand.num_shape != config.num_shape:
            raise BadInputError(
                f"num_shape is {config.num_shape}, but the hand {str(hand or config.hand)!r} has {self.hand.num_shape} "
                "shape coefficients; make both the same"
            )
        self.encoder = make_encoder(config.encoder, imagenet)
        numbers = config.num_pose + config.num_shape + CAMERA_NUMBERS
        self.readout = make_readout(config.memory, self.encoder.channels, config.hidden, numbers)

    def forward(
        self, films: Float[Tensor, "batch frames 3 height width"], state: Any = None
    ) -> tuple[FilmPrediction, Any]:
        """Predict the hand in each frame.

        Args:
            films: square frames from :func:`~handlib.models.film_encoders.normalise_films`; a still is a film of one.
            state: what the part of the same film before this one has left; None at the beginning of a film.

        Returns:
            the hands, and the state for the part that follows.

        Raises:
            BadInputError: frames that are not square or are smaller than 32 px.
        """
        image_px = films.shape[-1]
        if films.ndim != 5 or films.shape[-2] != image_px or image_px < SMALLEST_IMAGE_PX:
            raise BadInputError(
                f"films: shape {tuple(films.shape)}, expected (batch, frames, 3, size, size) with square frames of at "
                f"least {SMALLEST_IMAGE_PX} px; handlib.crops cuts them out"
            )
        return self.read(self.encoder(films), image_px, state)

    def read(
        self, features: Float[Tensor, "batch frames channels rows columns"], image_px: int, state: Any = None
    ) -> tuple[FilmPrediction, Any]:
        """The hands in frames of which the encoder has said ``features``; as :meth:`forward`, which begins earlier.

        Args:
            features: of the encoder.
            image_px: side of the frames.
            state: as there.
        """
        numbers, state = self.readout(features, state)
        with torch.autocast(features.device.type, enabled=False):
            code = self.code_of(numbers.to(torch.promote_types(numbers.dtype, torch.float32)))
            return FilmPrediction(code, see_hand(self.hand, code, image_px)), state

    def code_of(self, numbers: Float[Tensor, "batch frames numbers"]) -> HandCode:
        """The code that the last layer's numbers stand for: as they are, but for a scale that is always positive."""
        code = HandCode.split(numbers, self.config.num_pose)
        # softplus(x) = log(1 + e^x) is the identity far above 0, so that a zero of the network is FIRST_SCALE.
        zero = torch.expm1(numbers.new_tensor(FIRST_SCALE)).log()
        return code._replace(scale=softplus(code.scale + zero))

    def freeze_memory(self, frozen: bool = True) -> None:
        """Detach the memory from training, or attach it again: the paper's way to real pictures.

        Fine-tuning on stills, which hold no motion, would make the memory forget what it knows of it (*catastrophic
        forgetting*). Frozen, it goes on working, while encoder and last layer learn what real hands look like.

        Raises:
            BadInputError: the network has no memory.
        """
        if self.readout.memory is None:
            raise BadInputError("this network has no memory to freeze: its config has memory='none'")
        self.readout.memory.requires_grad_(not frozen)
