"""What a result says of the machine it was made on."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import handlib
from handlib.reproduce.places import checkout_folder

_NAMED_PACKAGES = ("torch", "numpy", "scipy", "roma")


def device_name(device: Any) -> str:
    """A processor in words: "NVIDIA H200", or "CPU: AMD EPYC 9354, 2 cores".

    Args:
        device: a ``torch.device``.
    """
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return f"CPU: {cpu_name()}, {os.cpu_count()} cores"
    return f"{device.type.upper()}: {platform.processor() or platform.machine()}"


def cpu_name() -> str:
    """The processor's own name where the system tells it, else its architecture."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()


def package_versions() -> dict[str, str]:
    """Versions of Python, handlib and the packages that numbers depend on."""
    versions = {name: metadata.version(name) for name in _NAMED_PACKAGES}
    return {"python": platform.python_version(), "handlib": handlib.__version__, **versions}


def git_commit() -> str | None:
    """The checkout's commit, with "+" where handlib has edits that are not committed; None outside git."""
    folder = checkout_folder(Path(handlib.__file__).parent)
    if folder is None:
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + ("+" if _git(folder, "status", "--porcelain", "--", "handlib") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()
