"""Profiles: how much of a computation is run, from a test of the machinery to the paper's own size."""

from enum import StrEnum
from typing import TypeVar

from handlib.errors import BadInputError

Size = TypeVar("Size")


class Profile(StrEnum):
    """How much is run.

    ``smoke``: seconds, to see that everything executes; its numbers mean nothing and stand beside no published one.
    ``laptop``: two cores, at most three minutes a notebook; what ``make book`` executes.
    ``full``: the ablation tables; a GPU, or a long night on a CPU.
    """

    SMOKE = "smoke"
    LAPTOP = "laptop"
    FULL = "full"

    @property
    def is_comparable(self) -> bool:
        """Whether a number of this profile may be shown beside a published one."""
        return self is not Profile.SMOKE


def read_profile(name: str) -> Profile:
    """The profile of that name.

    Raises:
        BadInputError: there is none.
    """
    try:
        return Profile(name)
    except ValueError:
        known = ", ".join(Profile)
        raise BadInputError(f"profile {name!r} is not known: choose one of {known}") from None


def by_profile(profile: str, *, smoke: Size, laptop: Size, full: Size) -> Size:
    """The value that belongs to a profile: ``steps = by_profile(profile, smoke=2, laptop=300, full=20_000)``.

    Raises:
        BadInputError: no profile has that name.
    """
    return {Profile.SMOKE: smoke, Profile.LAPTOP: laptop, Profile.FULL: full}[read_profile(profile)]
