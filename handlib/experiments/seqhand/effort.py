"""How much is computed: the sizes of the films, the networks and the trainings."""

from dataclasses import dataclass, fields

from handlib.reproduce.profiles import by_profile


@dataclass(frozen=True, kw_only=True)
class FilmsEffort:
    """Sizes of the generated films.

    Attributes:
        image_px: side of the frames.
        poses: of the sampled database that flows walk on.
        films, test_films: to learn from and to be scored on; 40,000 and 1,000 in the paper.
        frames: of a film.
    """

    image_px: int = 96
    poses: int = 20_000
    films: int = 2400
    test_films: int = 200
    frames: int = 10


@dataclass(frozen=True, kw_only=True)
class StartEffort(FilmsEffort):
    """Sizes of the training of the encoder that all rows begin with.

    Attributes:
        start_steps, start_batch: gradient steps, and frames a step.
        start_rate: learning rate at the start; it falls along a cosine, as all do here.
    """

    start_steps: int = 600
    start_batch: int = 32
    start_rate: float = 1e-3


@dataclass(frozen=True, kw_only=True)
class Effort(StartEffort):
    """Sizes of one experiment; :data:`PAPER_EFFORT` has the paper's, for a GPU, and runs through the same code.

    The defaults are what two CPU cores do in a minute or two a row. A ResNet-50 at 224 px would see a few thousand
    pictures in that time. So its place is taken by EfficientNet-Lite0 (see :mod:`handlib.models.film_stand_ins`),
    which begins with ImageNet's weights, learns hands from the films once, frame by frame, and is then kept: what its
    first stages say of every frame lies in the cache, and the rows train what comes after.

    Attributes:
        stand_ins: EfficientNet-Lite0 in place of the paper's encoders; else these themselves, trained from pixels.
        target_stills, test_stills: stills of the target domain to fine-tune on and to be scored on.
        places: how many random places in the picture each still is shown at.
        target_films, target_frames: films of the target domain that networks are scored on, and their length.
        hidden: width of the memory; the paper's total of parameters makes it 512.
        steps, batch_films: of a row that learns from generated films.
        finetune_steps, finetune_batch: of a row that goes on to the target's stills.
        kept_stages, finetune_kept_stages: how many of the stand-in's seven stages the rows leave alone, first and in
            fine-tuning; 0 trains all from pixels, as the paper does.
        learning_rate, finetune_rate: at the start.
    """

    stand_ins: bool = True
    target_stills: int = 8000
    test_stills: int = 1000
    places: int = 2
    target_films: int = 40
    target_frames: int = 50
    hidden: int = 96
    steps: int = 1200
    batch_films: int = 16
    finetune_steps: int = 500
    finetune_batch: int = 32
    kept_stages: int = 7
    finetune_kept_stages: int = 5
    learning_rate: float = 1e-3
    finetune_rate: float = 3e-4

    @property
    def start(self) -> StartEffort:
        """The sizes that the shared encoder depends on."""
        return StartEffort(**{field.name: getattr(self, field.name) for field in fields(StartEffort)})


PAPER_EFFORT = Effort(
    stand_ins=False,
    image_px=224,
    films=40_000,
    test_films=1000,
    target_stills=32_560,
    places=4,
    hidden=512,
    start_steps=0,
    steps=200_000,
    finetune_steps=100_000,
    kept_stages=0,
    finetune_kept_stages=0,
    learning_rate=1e-4,
    finetune_rate=3e-5,
)
"""The paper's data and networks. It names no batch, steps or learning rate: these are ours."""

SMOKE = Effort(
    image_px=32,
    poses=60,
    films=4,
    test_films=2,
    frames=3,
    target_stills=12,
    test_stills=6,
    places=1,
    target_films=1,
    target_frames=20,
    hidden=8,
    start_steps=2,
    start_batch=4,
    steps=2,
    batch_films=2,
    finetune_steps=2,
    finetune_batch=4,
)
LAPTOP = Effort(
    image_px=64,
    poses=4000,
    films=160,
    test_films=20,
    target_stills=800,
    test_stills=200,
    places=1,
    target_films=6,
    hidden=48,
    start_steps=60,
    start_batch=32,
    steps=150,
    finetune_steps=60,
)


def effort_of(profile: str, full: Effort) -> Effort:
    """The sizes of a profile; those of the recipe itself are its ``full``."""
    return by_profile(profile, smoke=SMOKE, laptop=LAPTOP, full=full)


def start_effort_of(profile: str, full: StartEffort) -> StartEffort:
    """The same for the shared encoder."""
    return by_profile(profile, smoke=SMOKE.start, laptop=LAPTOP.start, full=full)
