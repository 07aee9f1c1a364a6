"""Recipes: experiments that are pure functions of (recipe, profile, seed, data, code).

``run`` returns the stored result if there is one of that key, takes a killed run up from its newest checkpoint, and
stores atomically. The random state is part of every checkpoint, so that a resumed run ends in the same bits.
"""

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import torch
from tqdm import tqdm

from handlib.errors import BadInputError
from handlib.reproduce.artifacts import ArtifactFolder
from handlib.reproduce.checkpoints import CheckpointFolder
from handlib.reproduce.closure import code_digest, code_modules
from handlib.reproduce.digest import digest_json
from handlib.reproduce.locks import locked
from handlib.reproduce.machine import device_name, git_commit, package_versions
from handlib.reproduce.places import run_folder, store_for
from handlib.reproduce.profiles import Profile, read_profile
from handlib.reproduce.random_state import get_random_state, seed_everything, set_random_state
from handlib.reproduce.results import Outcome, Provenance, Result, read_result, result_path, write_result

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What an experiment is made of; subclass it with fields of your own, as a frozen dataclass.

    Fields hold numbers, text, booleans and tuples of these: they are what a stored result is known by.

    Attributes:
        chapter: the notebook that shows it, and the folder of its results.
        name: as rows of the published tables name it (``recipe`` in ``published/*.yml``); the same experiment on
            other data takes a suffix, ``tassn-full@stb``.
        dataset: what is measured on, in words; a column head of the ledger.
        columns: column of a published table to the metric that stands in it, where the two differ in name:
            ``{"mpjpe": "pa_mpjpe"}``, for one table only ``{"s2hand/table-2:mpjpe": "pa_mpjpe"}``, or for one row of
            it ``{"s2hand/figure-4:projected-with:mpjpe_2d": "projected_error"}``.
    """

    chapter: str
    name: str
    dataset: str
    columns: Mapping[str, str] = field(default_factory=dict)

    def data_digest(self) -> str:
        """Digest of the data it reads; the default is for data that the library generates from the seed."""
        return "generated"


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


def run(
    recipe: Recipe,
    profile: str,
    seed: int,
    work: Callable[[RunContext], Outcome],
    *,
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
    stored = None if force else identity.stored()
    if stored is not None:
        return stored
    with locked(identity.folder("locks"), f"{recipe.name}, seed {seed}") as has_waited:
        stored = identity.stored() if has_waited and not force else None
        return stored or _compute(identity, work, force, device)


@dataclass(frozen=True)
class RunIdentity:
    """All that determines a result, and where the run's files lie.

    Attributes:
        recipe, profile, seed: which run.
        parameters: the recipe's fields, as JSON has them.
        modules: where its code begins, as :func:`handlib.reproduce.closure.code_modules` says.
        code: digest of the code that it can run.
        data: digest of the data.
    """

    recipe: Recipe
    profile: Profile
    seed: int
    parameters: dict[str, Any]
    modules: tuple[str, ...]
    code: str
    data: str

    @property
    def key(self) -> str:
        """Digest of all this."""
        kind = type(self.recipe).__qualname__
        return digest_json([kind, self.parameters, str(self.profile), self.seed, self.data, self.code])

    @property
    def path(self) -> Path:
        """The result's file, whether it is there or not."""
        root = store_for(self.profile)
        return result_path(root, self.recipe.chapter, self.recipe.name, self.profile, self.seed)

    def folder(self, kind: str) -> Path:
        """The run's place in the cache: for ``checkpoints``, ``artifacts`` or ``locks``."""
        return run_folder(kind, self.recipe.chapter, self.recipe.name, self.profile, self.seed)

    def checkpoints(self) -> CheckpointFolder:
        """What an interrupted run of this key left."""
        return CheckpointFolder(self.folder("checkpoints"), self.key)

    def stored(self) -> Result | None:
        """The stored result, if there is one of this key.

        Raises:
            BadInputError: the file is damaged.
        """
        result = read_result(self.path) if self.path.is_file() else None
        return result if result is not None and result.key == self.key else None


def identify(recipe: Recipe, profile: str, seed: int, work: Callable[[RunContext], Outcome]) -> RunIdentity:
    """What determines the result of a run.

    Raises:
        BadInputError: a field of the recipe cannot be written down.
    """
    modules = code_modules(type(recipe), work)
    return RunIdentity(
        recipe, read_profile(profile), seed, _parameters(recipe), modules, code_digest(modules), recipe.data_digest()
    )


def _compute(identity: RunIdentity, work: Callable[[RunContext], Outcome], force: bool, device: str | None) -> Result:
    """Do the work and store what it found."""
    recipe, profile, seed, key = identity.recipe, identity.profile, identity.seed, identity.key
    checkpoints = identity.checkpoints()
    if force:
        checkpoints.remove()
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    context = RunContext(recipe, profile, seed, place, checkpoints, ArtifactFolder(identity.folder("artifacts"), key))
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
        dataset=recipe.dataset,
        columns=dict(recipe.columns),
        parameters=identity.parameters,
        outcome=outcome,
        provenance=provenance,
    )
    path = write_result(store_for(profile), result)
    checkpoints.remove()
    return read_result(path)


def _parameters(recipe: Recipe) -> dict[str, Any]:
    """The recipe's fields as JSON has them."""
    try:
        return json.loads(json.dumps(dataclasses.asdict(recipe), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise BadInputError(
            f"recipe {recipe.name}: a field is no number, text, boolean or tuple of these ({error})"
        ) from error
