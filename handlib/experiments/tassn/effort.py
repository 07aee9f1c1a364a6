"""How much is computed: the sizes of the films, the pictures, the networks and the trainings."""

from dataclasses import dataclass

from handlib.models.tassn import TassnConfig
from handlib.reproduce.profiles import by_profile


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Sizes of one experiment; with a GPU, make them larger and the names of the recipes others.

    The paper's: pictures of 256 px, 256 channels, 7,500 frames of STB (SK), batches of 24, a learning rate of 1e-5,
    four GPUs for a time that it does not tell. These are what one core does in some ten minutes for the first stage,
    which all seeds share, and in one to two for the second and for each row: a picture costs 10 ms of training. The
    last two stages learn at five times the paper's rate, as they are so short.

    Attributes:
        image_px: side of the pictures that the network sees, a power of two.
        drawn_px: side of the films' pictures, in which keypoints are detected and silhouettes cut.
        drawn_films, film_frames: films in the store (those of the S2HAND(V) chapter, drawn once for both), frames each.
        train_films, test_films: of them to learn from, and of the test films to be scored on.
        fitted_frames: test frames that the slow fit of each frame is done on.
        source_films, source_frames: short films of the labelled source domain, and frames of each.
        interval: frames of a film from one frame of a clip to the next.
        clip_frames: frames of a clip, n + 1 of Eq. 3.
        clips: of the target in a step.
        beside, beside_frames: clips of the source in a step of the first stage, beside a third as many of the target's;
            frames of each.
        guided: a reading begins with the heatmaps of its first frame's detected keypoints. The paper does not say what
            it begins with; from nothing, hourglasses take far longer to learn than there is time for here.
        channels, depth, num_modules: of the hourglasses.
        pretrain_steps, still_steps, video_steps: gradient steps of the three stages.
        flow_steps, flow_pairs: of FlowNetS, and pairs a step.
        learning_rate, still_rate, video_rate: at the start of the stages.
    """

    image_px: int = 64
    drawn_px: int = 96
    drawn_films: int = 120
    drawn_test_films: int = 40
    film_frames: int = 50
    train_films: int = 40
    test_films: int = 20
    fitted_frames: int = 200
    source_films: int = 1500
    source_frames: int = 3
    interval: int = 2
    clip_frames: int = 3
    clips: int = 8
    beside: int = 12
    beside_frames: int = 2
    guided: bool = True
    channels: int = 64
    depth: int = 3
    num_modules: int = 1
    pretrain_steps: int = 900
    still_steps: int = 80
    video_steps: int = 80
    flow_steps: int = 2500
    flow_pairs: int = 16
    learning_rate: float = 1e-3
    still_rate: float = 5e-5
    video_rate: float = 5e-5

    def config(self) -> TassnConfig:
        """The estimator's sizes."""
        return TassnConfig(self.image_px, self.channels, self.num_modules, self.depth)


SMOKE = Effort(
    image_px=32,
    drawn_px=32,
    drawn_films=2,
    drawn_test_films=1,
    film_frames=10,
    train_films=2,
    test_films=1,
    fitted_frames=2,
    source_films=4,
    interval=1,
    clips=2,
    beside=3,
    channels=8,
    depth=1,
    pretrain_steps=2,
    still_steps=2,
    video_steps=2,
    flow_steps=2,
    flow_pairs=2,
)
LAPTOP = Effort(
    drawn_px=64,
    drawn_films=8,
    drawn_test_films=4,
    train_films=8,
    test_films=4,
    fitted_frames=10,
    source_films=200,
    clips=4,
    beside=6,
    channels=32,
    depth=2,
    pretrain_steps=100,
    still_steps=20,
    video_steps=25,
    flow_steps=150,
)


def effort_of(profile: str, full: Effort) -> Effort:
    """The sizes of a profile; those of the recipe itself are its ``full``."""
    return by_profile(profile, smoke=SMOKE, laptop=LAPTOP, full=full)
