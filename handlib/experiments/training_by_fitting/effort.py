"""How much is computed: the sizes of the data, of the network and of the trainings."""

from dataclasses import dataclass

from handlib.reproduce.profiles import by_profile


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Sizes of one experiment; with a GPU, make them larger and the names of the recipes others.

    The paper's: 72,757 frames of three views, 8,252 to be scored on; 128 features; 20 million synthetic crops; then 75
    epochs of 25 frames a step beside 48 synthetic crops. On one core of a 2020s laptop, a crop costs 4 ms of the
    synthetic training and a frame 25 ms of the fitting (its three crops, and two synthetic ones beside it), so that
    these sizes come to some eight minutes for the first and two for the second. At the paper's width both take more
    than twice as long, and so many crops do not fill it.

    Attributes:
        train_frames, test_frames: of the depth target, three views each.
        synthetic_test: synthetic crops that are scored on.
        features: width of the hourglass.
        synthetic_steps, synthetic_batch: gradient steps on labelled synthetic crops, and how many a step sees.
        fitting_steps: gradient steps of the self-supervision.
        frames_per_step, beside: frames and, beside them, synthetic crops that such a step sees.
        prior_steps, prior_batch: of the pose prior.
        tracked_frames, tracking_steps: test frames that are tracked, and steps a frame.
        learning_rate, fitting_rate: of synthetic training and prior, and of the fitting.
    """

    train_frames: int = 2000
    test_frames: int = 400
    synthetic_test: int = 1000
    features: int = 64
    synthetic_steps: int = 4000
    synthetic_batch: int = 32
    fitting_steps: int = 500
    frames_per_step: int = 8
    beside: int = 16
    prior_steps: int = 3000
    prior_batch: int = 256
    tracked_frames: int = 100
    tracking_steps: int = 100
    learning_rate: float = 1e-3
    fitting_rate: float = 3e-4


SMOKE = Effort(
    train_frames=4,
    test_frames=2,
    synthetic_test=2,
    features=32,
    synthetic_steps=2,
    synthetic_batch=2,
    fitting_steps=2,
    frames_per_step=2,
    beside=2,
    prior_steps=2,
    prior_batch=8,
    tracked_frames=2,
    tracking_steps=2,
)
LAPTOP = Effort(
    train_frames=100,
    test_frames=40,
    synthetic_test=100,
    features=64,
    synthetic_steps=150,
    synthetic_batch=24,
    fitting_steps=60,
    frames_per_step=4,
    beside=8,
    prior_steps=200,
    prior_batch=64,
    tracked_frames=10,
    tracking_steps=60,
)


def effort_of(profile: str, full: Effort) -> Effort:
    """The sizes of a profile; those of the recipe itself are its ``full``."""
    return by_profile(profile, smoke=SMOKE, laptop=LAPTOP, full=full)
