"""One random stream a sample and a purpose, so that a seed names a data set whatever the order it is drawn in."""

import numpy as np

from handlib.errors import BadInputError

DOMAINS = ("source", "target", "target-photographs", "varied", "varied-photographs")
SPLITS = ("train", "test")
PURPOSES = ("view", "look")

# Photographs stand behind the very hands of the domain without them: same labels, another background.
_HAND_DOMAIN = {"target-photographs": "target", "varied-photographs": "varied"}


def sample_stream(seed: int, domain: str, split: str, index: int, purpose: str) -> np.random.Generator:
    """The random numbers of one sample for one purpose.

    ``SeedSequence(seed, spawn_key=...)`` makes streams that are independent for all practical purposes, and Philox is
    counter-based (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the same numbers on any
    machine, in any order, in any worker. Shape and camera come from "view", appearance from "look": a change of one
    leaves the other as it was.

    Args:
        seed: 0 or more; names the data set.
        domain: one of :data:`DOMAINS`.
        split: one of :data:`SPLITS`.
        index: 0 or more.
        purpose: one of :data:`PURPOSES`.

    Raises:
        BadInputError: a negative seed or index, or a name that is not in these lists.
    """
    if purpose not in PURPOSES or index < 0:
        raise BadInputError(f"purpose {purpose!r}, index {index}: expected one of {PURPOSES} and a number from 0 up")
    key = (*_set_key(seed, domain, split), PURPOSES.index(purpose), index)
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))


def pose_seed(seed: int, domain: str, split: str) -> int:
    """The seed of a data set's :class:`~handlib.hand.sampler.PoseSampler`, which has streams of its own by index."""
    state = np.random.SeedSequence(seed, spawn_key=_set_key(seed, domain, split)).generate_state(1, np.uint64)
    return int(state[0])


def _set_key(seed: int, domain: str, split: str) -> tuple[int, int]:
    for name, value, known in (("domain", domain, DOMAINS), ("split", split, SPLITS)):
        if value not in known:
            raise BadInputError(f"{name} is {value!r}, expected one of {', '.join(map(repr, known))}")
    if seed < 0:
        raise BadInputError(f"seed is {seed}, expected a number from 0 up")
    return DOMAINS.index(_HAND_DOMAIN.get(domain, domain)), SPLITS.index(split)
