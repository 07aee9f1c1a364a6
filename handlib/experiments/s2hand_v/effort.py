"""How much is computed: the sizes of the films, the clips and the trainings."""

from dataclasses import dataclass

from handlib.reproduce.profiles import by_profile


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Sizes of one experiment; with a GPU, make them larger and the names of the recipes others.

    The paper's: HO-3D's 66,034 frames of 224 px, batches of 64 pictures, 60 epochs or some 62,000 steps, all of the
    network trained. These are what two cores do in a minute a row: the encoder is left as it is, so that what it makes
    of each frame is computed once and kept.

    Attributes:
        image_px: side of the pictures.
        train_films, test_films: films of the open benchmark to learn from and to be scored on.
        extra_films: further training films, of unknown camera, for the row with more unlabelled video.
        film_frames: frames of each film.
        scored_films: training films on which the acceleration error is measured too.
        clips: of films in a step.
        hands: without a picture in a step, and ``stock`` of them in all.
        steps: gradient steps of a row.
        rendered: frames in a step that the photometric terms compare with the picture.
        render_px: side of those renderings.
        learning_rate: at the start; the paper's for fine-tuning.
    """

    image_px: int = 96
    train_films: int = 80
    extra_films: int = 40
    test_films: int = 40
    film_frames: int = 50
    scored_films: int = 20
    clips: int = 8
    hands: int = 64
    stock: int = 100_000
    steps: int = 500
    rendered: int = 4
    render_px: int = 48
    learning_rate: float = 2.5e-4


SMOKE = Effort(
    image_px=32,
    train_films=2,
    extra_films=1,
    test_films=1,
    film_frames=20,
    scored_films=1,
    clips=2,
    hands=4,
    stock=32,
    steps=2,
    rendered=1,
    render_px=16,
)
LAPTOP = Effort(
    image_px=64,
    train_films=12,
    extra_films=6,
    test_films=6,
    scored_films=6,
    stock=10_000,
    steps=60,
    rendered=2,
    render_px=32,
)


def effort_of(profile: str, full: Effort) -> Effort:
    """The sizes of a profile; those of the recipe itself are its ``full``."""
    return by_profile(profile, smoke=SMOKE, laptop=LAPTOP, full=full)
