"""Recipes: experiments that are pure functions of (recipe, profile, seed, data, code).

``run`` returns the stored result if there is one of that key, takes a killed run up from its newest checkpoint, and
stores atomically. The random state is part of every checkpoint, so that a resumed run ends in the same bits.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import torch
from tqdm import tqdm

from handlib.reproduce.artifacts import ArtifactFolder, find_artifact
from handlib.reproduce.checkpoints import CheckpointFolder
from handlib.reproduce.identity import Recipe, RunIdentity, identify
from handlib.reproduce.locks import locked
from handlib.reproduce.machine import device_name, git_commit, package_versions
from handlib.reproduce.profiles import Profile
from handlib.reproduce.random_state import get_random_state, seed_everything, set_random_state
from handlib.reproduce.results import Outcome, Provenance, Result, read_result, write_result

Item = TypeVar("Item")


@dataclass
class RunContext:
    """What a run's work is given: who it is, a bar, a count of samples, its checkpoints and what it leaves behind.

    Attributes:
        recipe, profile, seed: which run.
        device: where to compute.
        samples_seen: add to it as training goes; it is kept in checkpoints and reported.
        checkpoints: the folder behind :meth:`save_checkpoint`.
        artifacts: the folder behind :meth:`artifact_path`.
    """

    recipe: Recipe
    profile: Profile
    seed: int
    device: torch.device
    checkpoints: CheckpointFolder
    artifacts: ArtifactFolder
    samples_seen: int = 0
    resumed: int = 0
    _seconds_before: float = 0.0
    _started: float = field(default_factory=time.monotonic)
    _last_save: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds spent on this run, over all resumptions."""
        return self._seconds_before + time.monotonic() - self._started

    def progress(self, items: Iterable[Item], total: int | None = None, what: str = "") -> Iterable[Item]:
        """Go through items with a plain bar that names the recipe and the seed."""
        label = f"{self.recipe.name}, seed {self.seed}{', ' + what if what else ''}"
        return tqdm(items, total=total, desc=label, dynamic_ncols=True, mininterval=0.5)

    def save_checkpoint(self, state: Mapping[str, Any], at_most_every: float = 0.0) -> None:
        """Keep a state to resume from; the random state and the counters go with it.

        Args:
            state: all that the work needs to go on, as :func:`handlib.reproduce.state.write_state` takes it: the
                step, ``model.state_dict()``, ``optimizer.state_dict()``.
            at_most_every: seconds that must have passed since the last one, else nothing is written.

        Raises:
            BadInputError: the state holds something other than numbers and text.
            DiskFullError: no room; older checkpoints are intact.
        """
        if time.monotonic() - self._last_save < at_most_every:
            return
        counters = {"samples_seen": self.samples_seen, "seconds": self.seconds, "resumed": self.resumed}
        self.checkpoints.add({"state": state, "counters": counters, "random": get_random_state()})
        self._last_save = time.monotonic()

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The state of the newest readable checkpoint, with the random state set as it was; None at a first start."""
        saved = self.checkpoints.newest()
        if saved is None:
            return None
        self.samples_seen = saved["counters"]["samples_seen"]
        self.resumed = saved["counters"]["resumed"] + 1
        self._seconds_before = saved["counters"]["seconds"]
        set_random_state(saved["random"])
        return saved["state"]

    def artifact_path(self, name: str) -> Path:
        """Where to write a file that is kept when the run has ended, such as trained weights.

        Write it with :func:`handlib.reproduce.state.write_state`, and find it again with
        :func:`handlib.reproduce.artifacts.find_artifact`.

        Args:
            name: of the file, ``network.safetensors``.

        Raises:
            BadInputError: the name is none of a file.
        """
        return self.artifacts.path(name)

    def left_by(
        self, recipe: Recipe, work: Callable[["RunContext"], Outcome], name: str, seed: int | None = None
    ) -> Path:
        """A file that another run of the same profile leaves behind; that run is done first if need be.

        It is done even if its result is stored, where the file was left on another machine.

        Args:
            recipe, work: the other run.
            name: of the file, as that run's work gives it to :meth:`artifact_path`.
            seed: of the other run; by default the same.

        Raises:
            MissingFileError: the other run leaves no such file.
        """
        seed = self.seed if seed is None else seed
        run(recipe, self.profile, seed, work, needs=(name,), force=False, device=str(self.device))
        store = identify(recipe, self.profile, seed, work).store
        return find_artifact(recipe.chapter, recipe.name, self.profile, seed, name, store)


def run(
    recipe: Recipe,
    profile: str,
    seed: int,
    work: Callable[[RunContext], Outcome],
    *,
    needs: Iterable[str] = (),
    force: bool | None = None,
    device: str | None = None,
) -> Result:
    """The result of a recipe: stored, resumed or computed.

    The global random generators of Python, NumPy and PyTorch are seeded for the work and put back after it, so that
    a notebook draws the same numbers behind this call whether the result was stored or not.

    Args:
        recipe: the experiment.
        profile: smoke, laptop or full.
        seed: of every random number.
        work: does it, given a :class:`RunContext`; starts with ``context.load_checkpoint()``.
        needs: artifacts without which a stored result does not do.
        force: compute even if stored; by default where HANDLIB_FORCE is 1, as ``handlib reproduce --force`` sets it.
        device: "cpu", "cuda", ...; by default the GPU if there is one.

    Two processes that run the same recipe do the work once: the second waits for the first.

    Raises:
        BadInputError: a field of the recipe cannot be written down, or the outcome holds a number that is not finite.
        DiskFullError: no room for a checkpoint or the result; the store is intact and the run can be resumed.
    """
    identity = identify(recipe, profile, seed, work)
    if force is None:
        force = os.environ.get("HANDLIB_FORCE") == "1"
    stored = None if force else identity.stored(needs)
    if stored is not None:
        return stored
    with locked(identity.folder("locks"), f"{recipe.name}, seed {seed}") as has_waited:
        stored = identity.stored(needs) if has_waited and not force else None
        return stored or _compute(identity, work, force, device)


def _compute(identity: RunIdentity, work: Callable[[RunContext], Outcome], force: bool, device: str | None) -> Result:
    """Do the work and store what it found."""
    recipe, profile, seed, key = identity.recipe, identity.profile, identity.seed, identity.key
    checkpoints = identity.checkpoints()
    if force:
        checkpoints.remove()
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    context = RunContext(recipe, profile, seed, place, checkpoints, identity.artifacts())
    before = get_random_state()
    try:
        seed_everything(seed)
        outcome = work(context)
    finally:
        set_random_state(before)
    provenance = Provenance(
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        device=device_name(place),
        seconds=round(context.seconds, 1),
        samples_seen=context.samples_seen,
        resumed=context.resumed,
        code_modules=identity.modules,
        code_digest=identity.code,
        data_digest=identity.data,
        versions=package_versions(),
        git_commit=git_commit(),
    )
    result = Result(
        chapter=recipe.chapter,
        recipe=recipe.name,
        profile=str(profile),
        seed=seed,
        key=key,
        dataset=identity.dataset,
        columns=dict(recipe.columns),
        parameters=identity.parameters,
        outcome=outcome,
        provenance=provenance,
    )
    path = write_result(identity.store, result)
    checkpoints.remove()
    return read_result(path)
