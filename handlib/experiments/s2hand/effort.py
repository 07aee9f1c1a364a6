"""How much is computed: the sizes of the data, the pictures, the networks and the trainings."""

from dataclasses import dataclass

from handlib.reproduce.profiles import by_profile


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Sizes of one experiment; with a GPU, make them larger and the names of the recipes others.

    The paper's: 32,560 pictures of 224 px, batches of 64, 90 epochs for each branch and 60 together, 256 channels.

    Attributes:
        image_px: side of the pictures.
        train_stills, test_stills: pictures of the target domain to learn from and to be scored on.
        source_stills: rendered pictures of the source domain, and as many of the varied one for the detector.
        batch: pictures in a step; with source labels a quarter of them are the source domain's.
        detector_steps: gradient steps of the keypoint detector.
        source_steps: of the network that learns from the source domain alone.
        first_steps, second_steps: of each branch apart, and of both together.
        branch_channels, branch_depth: width and depth of the 2D branch's hourglasses.
        frozen_stages: how many of the encoder's stages keep ImageNet's filters: the first ones, which see edges and
            colours, cost half of the time on a CPU and have the least to learn from hands. The paper trains all.
        render_px: side of the renderings that the photometric terms compare.
        learning_rate: of the first stage; the second begins at a quarter of it, as the paper's does.
    """

    image_px: int = 96
    train_stills: int = 8000
    test_stills: int = 1000
    source_stills: int = 8000
    batch: int = 32
    detector_steps: int = 3000
    source_steps: int = 900
    first_steps: int = 300
    second_steps: int = 150
    branch_channels: int = 32
    branch_depth: int = 3
    frozen_stages: int = 2
    render_px: int = 48
    learning_rate: float = 1e-3


SMOKE = Effort(
    image_px=32,
    train_stills=12,
    test_stills=6,
    source_stills=12,
    batch=4,
    detector_steps=2,
    source_steps=2,
    first_steps=2,
    second_steps=2,
    branch_channels=8,
    branch_depth=1,
    render_px=16,
)
LAPTOP = Effort(
    image_px=64,
    train_stills=800,
    test_stills=200,
    source_stills=800,
    batch=16,
    detector_steps=80,
    source_steps=80,
    first_steps=100,
    second_steps=40,
    branch_channels=16,
    branch_depth=2,
    render_px=32,
)


def effort_of(profile: str, full: Effort) -> Effort:
    """The sizes of a profile; those of the recipe itself are its ``full``."""
    return by_profile(profile, smoke=SMOKE, laptop=LAPTOP, full=full)
