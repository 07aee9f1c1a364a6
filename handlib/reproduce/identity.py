"""Recipes, and all that determines the result of a run: (recipe, profile, seed, data, code)."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handlib.errors import BadInputError, MissingFileError
from handlib.reproduce.artifacts import ArtifactFolder
from handlib.reproduce.checkpoints import CheckpointFolder
from handlib.reproduce.closure import code_digest, code_modules
from handlib.reproduce.digest import digest_json
from handlib.reproduce.places import run_folder, store_for
from handlib.reproduce.profiles import Profile, read_profile
from handlib.reproduce.results import OtherSchemaError, Outcome, Result, read_result, result_path


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

    def shortfall(self) -> str:
        """What its data lacks of the published data set, in words; empty where nothing does, or none is claimed.

        Results on such data go to the cache, as those of the profile smoke do, and never beside published numbers.
        """
        return ""


@dataclass(frozen=True)
class RunIdentity:
    """All that determines a result, and where the run's files lie.

    Attributes:
        recipe, profile, seed: which run.
        parameters: the recipe's fields, as JSON has them.
        modules: where its code begins, as :func:`handlib.reproduce.closure.code_modules` says.
        code: digest of the code that it can run.
        data: digest of the data.
        shortfall: what the data lacks of the published data set, see :meth:`Recipe.shortfall`.
    """

    recipe: Recipe
    profile: Profile
    seed: int
    parameters: dict[str, Any]
    modules: tuple[str, ...]
    code: str
    data: str
    shortfall: str = ""

    @property
    def key(self) -> str:
        """Digest of all this."""
        kind = type(self.recipe).__qualname__
        return digest_json([kind, self.parameters, str(self.profile), self.seed, self.data, self.code])

    @property
    def store(self) -> Path:
        """Where its result goes: to the results only what may stand beside published numbers."""
        return store_for(Profile.SMOKE if self.shortfall else self.profile)

    @property
    def dataset(self) -> str:
        """What it is measured on, in words, with what that lacks."""
        return f"{self.recipe.dataset} ({self.shortfall})" if self.shortfall else self.recipe.dataset

    @property
    def path(self) -> Path:
        """The result's file, whether it is there or not."""
        return result_path(self.store, self.recipe.chapter, self.recipe.name, self.profile, self.seed)

    def folder(self, kind: str) -> Path:
        """The run's place in the cache: for ``checkpoints``, ``artifacts`` or ``locks``."""
        return run_folder(kind, self.recipe.chapter, self.recipe.name, self.profile, self.seed)

    def checkpoints(self) -> CheckpointFolder:
        """What an interrupted run of this key left."""
        return CheckpointFolder(self.folder("checkpoints"), self.key)

    def artifacts(self) -> ArtifactFolder:
        """What a run of this key leaves behind."""
        return ArtifactFolder(self.folder("artifacts"), self.key)

    def stored(self, needs: Iterable[str] = ()) -> Result | None:
        """The stored result, if there is one of this key, and with it the artifacts that are needed.

        Raises:
            BadInputError: the file is damaged.
        """
        try:
            result = read_result(self.path)
        except (MissingFileError, OtherSchemaError):
            return None
        if result.key != self.key:
            return None
        return result if all(self.artifacts().find(name) for name in needs) else None


def identify(recipe: Recipe, profile: str, seed: int, work: Callable[..., Outcome]) -> RunIdentity:
    """What determines the result of a run.

    Raises:
        BadInputError: a field of the recipe cannot be written down.
    """
    modules = code_modules(type(recipe), work)
    return RunIdentity(
        recipe=recipe,
        profile=read_profile(profile),
        seed=seed,
        parameters=_parameters(recipe),
        modules=modules,
        code=code_digest(modules),
        data=recipe.data_digest(),
        shortfall=recipe.shortfall(),
    )


def _parameters(recipe: Recipe) -> dict[str, Any]:
    """The recipe's fields as JSON has them."""
    try:
        return json.loads(json.dumps(dataclasses.asdict(recipe), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise BadInputError(
            f"recipe {recipe.name}: a field is no number, text, boolean or tuple of these ({error})"
        ) from error
