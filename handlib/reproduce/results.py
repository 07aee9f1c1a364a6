"""The results store: one small JSON file for each finished run, checked when it is read.

``results/<chapter>/<recipe>/<profile>-seed<k>.json``. A file carries the digest of its own content, so that a number
that was edited by hand, or damaged, is an error and never a measurement.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from handlib.errors import BadInputError, MissingFileError
from handlib.files import atomic_write
from handlib.reproduce.closure import code_digest
from handlib.reproduce.digest import digest_json
from handlib.reproduce.profiles import read_profile
from handlib.reproduce.registry_file import check_fields, check_text

SCHEMA = 2
ALIGNMENTS = (
    "none",
    "root",
    "scale-root",
    "centroid",
    "scale-centroid",
    "procrustes",
    "procrustes with reflection",
    "not applicable",
)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(@[a-z0-9._-]+)?")


class OtherSchemaError(BadInputError):
    """A result that another version of handlib has written."""


@dataclass(frozen=True)
class Metric:
    """One measured number.

    Attributes:
        value: the number, in ``unit``.
        unit: "mm", "cm", "m", "px", "1" (a fraction or an AUC), "%", ...
        alignment: what was aligned before measuring, one of :data:`ALIGNMENTS`.
        dataset: what it was measured on, where that is another than the recipe's.
    """

    value: float | int
    unit: str
    alignment: str = "not applicable"
    dataset: str | None = None


@dataclass(frozen=True)
class Curve:
    """One measured curve: ``y`` against ``x``, of one length, with labels that carry the units."""

    x: tuple[float | int, ...]
    y: tuple[float | int, ...]
    x_label: str
    y_label: str


@dataclass(frozen=True)
class Outcome:
    """What a run found: numbers and curves, or why it could not have any.

    Attributes:
        metrics: by name, as in :mod:`handlib.metrics`.
        curves: by name.
        not_obtained: the reason, where a run ended without numbers ("diverged at step 300").
    """

    metrics: Mapping[str, Metric] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    not_obtained: str | None = None


@dataclass(frozen=True)
class Provenance:
    """How a result came about.

    Attributes:
        finished: when, UTC, ISO 8601.
        device: the processor that did it, in words.
        seconds: wall-clock time, over all resumptions.
        samples_seen: how many training samples, counted with repetition.
        resumed: how often it was taken up again from a checkpoint.
        code_modules: the modules of handlib in which the run's code begins; none where the whole library counts.
        code_digest: of all code and packaged files that these can reach (:mod:`handlib.reproduce.closure`).
        data_digest: of the data, or "generated".
        versions: of Python, handlib and the packages that numbers depend on.
        git_commit: of the checkout, with "+" where handlib had uncommitted edits; None outside git.
    """

    finished: str
    device: str
    seconds: float
    samples_seen: int
    resumed: int
    code_modules: tuple[str, ...]
    code_digest: str
    data_digest: str
    versions: dict[str, str]
    git_commit: str | None = None


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        chapter, recipe, profile, seed: which run.
        key: digest of all that determines it.
        dataset: what was measured on, in words.
        columns: column of a published table to the metric that stands in it, as in a recipe.
        parameters: the recipe's fields.
        outcome: numbers, curves, or why there are none.
        provenance: how it came about.
    """

    chapter: str
    recipe: str
    profile: str
    seed: int
    key: str
    dataset: str
    columns: dict[str, str]
    parameters: dict[str, Any]
    outcome: Outcome
    provenance: Provenance

    @property
    def is_stale(self) -> bool:
        """Whether code that had a part in it has changed since."""
        return code_digest(self.provenance.code_modules) != self.provenance.code_digest


def result_path(root: Path, chapter: str, recipe: str, profile: str, seed: int) -> Path:
    """Where a result lies below a store.

    Raises:
        BadInputError: a name has other than small letters, digits, dots, hyphens and underscores (and one @).
    """
    for name in (chapter, recipe):
        if not _NAME.fullmatch(name):
            raise BadInputError(f"{name!r} is no name of a chapter or recipe: expected such as 's2hand-no-photo'")
    return root / chapter / recipe / f"{read_profile(profile)}-seed{seed}.json"


def write_result(root: Path, result: Result) -> Path:
    """Store a result atomically.

    Returns:
        the file.

    Raises:
        BadInputError: a number is not finite, a curve's axes differ in length, an alignment is unknown.
        DiskFullError: no room; what was stored before is intact.
    """
    path = result_path(root, result.chapter, result.recipe, result.profile, result.seed)
    _check_outcome(result.outcome, str(path))
    content = {"schema": SCHEMA, **json.loads(json.dumps(asdict(result)))}
    content["content_digest"] = digest_json(content)
    atomic_write(path, (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())
    return path


def read_result(path: Path) -> Result:
    """Read and check one stored result.

    Raises:
        MissingFileError: there is no such file.
        OtherSchemaError: another version of handlib has written it.
        BadInputError: it is damaged, or edited by hand; the message names it.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such result: run its recipe")
    remedy = "restore it from git, or remove it and run its recipe again"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stated = content.pop("content_digest")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise BadInputError(f"{path}: not a readable result ({error}): {remedy}") from error
    if content.get("schema") != SCHEMA:
        raise OtherSchemaError(f"{path}: schema {content.get('schema')!r}, expected {SCHEMA}: {remedy}")
    if digest_json(content) != stated:
        raise BadInputError(f"{path}: its content is not what a run wrote (edited or damaged): {remedy}")
    check_fields(content, str(path), ("schema", *(item.name for item in fields(Result))))
    outcome, provenance = content["outcome"], content["provenance"]
    check_fields(outcome, f"{path}: outcome", [item.name for item in fields(Outcome)])
    check_fields(provenance, f"{path}: provenance", [item.name for item in fields(Provenance)])
    try:
        read = Outcome(
            {name: Metric(**metric) for name, metric in outcome["metrics"].items()},
            {name: _read_curve(curve) for name, curve in outcome["curves"].items()},
            outcome["not_obtained"],
        )
        values = {name: content[name] for name in (item.name for item in fields(Result))}
        made = Provenance(**provenance | {"code_modules": tuple(provenance["code_modules"])})
        result = Result(**values | {"outcome": read, "provenance": made})
        expected = result_path(Path(), result.chapter, result.recipe, result.profile, result.seed)
    except (TypeError, KeyError, AttributeError) as error:
        raise BadInputError(f"{path}: a field is missing or of the wrong kind ({error}): {remedy}") from error
    _check_outcome(read, str(path))
    if path.parts[-3:] != expected.parts:
        raise BadInputError(f"{path}: it holds the run {expected}, not the one it is named for: {remedy}")
    return result


def load_results(root: Path, chapter: str | None = None) -> list[Result]:
    """Every stored result of a store, or of one chapter in it, in the order of their paths.

    Raises:
        BadInputError: a file is damaged; nothing is passed over in silence.
    """
    return [read_result(path) for path in sorted(root.glob(f"{chapter or '*'}/*/*.json"))]


def _read_curve(curve: dict[str, Any]) -> Curve:
    return Curve(tuple(curve["x"]), tuple(curve["y"]), curve["x_label"], curve["y_label"])


def _check_outcome(outcome: Outcome, where: str) -> None:
    if outcome.not_obtained is not None:
        check_text(outcome.not_obtained, f"{where}: not_obtained")
    elif not outcome.metrics and not outcome.curves:
        raise BadInputError(f"{where}: neither metrics nor curves: say why in not_obtained")
    for name, metric in outcome.metrics.items():
        check_text(metric.unit, f"{where}: {name}: unit")
        check_text(metric.alignment, f"{where}: {name}: alignment", ALIGNMENTS)
        _check_numbers((metric.value,), f"{where}: {name}")
    for name, curve in outcome.curves.items():
        if not curve.x or len(curve.x) != len(curve.y):
            raise BadInputError(f"{where}: curve {name}: {len(curve.x)} x and {len(curve.y)} y, expected as many")
        _check_numbers(curve.x + curve.y, f"{where}: curve {name}")


def _check_numbers(values: tuple[Any, ...], where: str) -> None:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise BadInputError(
                f"{where}: {value!r} is no finite number: a run that found none says why with Outcome(not_obtained=...)"
            )
