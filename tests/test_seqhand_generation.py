"""SeqHAND's generation from its command: one worker, two processes, and a kill in the middle end in the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handlib.data.film_folder import FilmFolder
from handlib.errors import BadInputError

SCRIPT = Path(__file__).parent.parent / "data_scripts" / "make_seqhand.py"
FILMS = 41
"""Three archives of twenty, the last with one film: an end that is no multiple."""
ARGUMENTS = ("--size", str(FILMS), "--image-px", "16", "--frames", "2", "--poses", "50")
GIVE_UP_S = 900
"""Long for a machine that does other things, too."""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, str(SCRIPT), str(folder), *ARGUMENTS, *more]


def generate(folder: Path, *more: str) -> None:
    # One process with several threads against workers with one each: sums in another order would show.
    threads = os.environ | {"OMP_NUM_THREADS": "2"}
    subprocess.run(command(folder, *more), check=True, capture_output=True, timeout=GIVE_UP_S, env=threads)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The films as one process writes them, in a process of its own."""
    folder = tmp_path_factory.mktemp("seqhand") / "films"
    generate(folder)
    return folder


def test_one_worker_writes_whole_archives_and_a_manifest(whole):
    assert list(contents(whole)) == ["manifest.json", *(f"shard-0000{shard}.npz" for shard in range(3))]
    films = FilmFolder(whole)
    assert len(films) == FILMS and films.damaged() == []
    assert films[FILMS - 1].rgb.shape == (2, 16, 16, 3)


def test_two_processes_write_the_same_bytes(whole, tmp_path):
    generate(tmp_path / "films", "--workers", "2")
    assert contents(tmp_path / "films") == contents(whole)


@pytest.mark.skipif(os.name != "posix", reason="kills a group of processes")
def test_a_kill_in_the_middle_and_the_same_command_again_end_in_the_same_bytes(whole, tmp_path):
    folder = tmp_path / "films"
    # Its own group, so that the kill meets the workers as well as their parent: nobody can tidy up.
    running = subprocess.Popen(
        command(folder, "--workers", "2"),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        give_up = time.monotonic() + GIVE_UP_S
        while not list(folder.glob("shard-*.npz")) and running.poll() is None:
            assert time.monotonic() < give_up, "no archive in time"
            time.sleep(0.02)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    left = contents(folder)
    assert "shard-00000.npz" in left or "shard-00001.npz" in left
    if len(left) < len(contents(whole)):
        with pytest.raises(BadInputError, match="unfinished"):
            FilmFolder(folder)
    written = {name: (folder / name).stat().st_mtime_ns for name in left if name.startswith("shard-")}
    generate(folder)
    again = {name: (folder / name).stat().st_mtime_ns for name in written}
    assert again == written, "what was whole is not drawn again"
    whole_files = contents(whole)
    assert {name: content for name, content in contents(folder).items() if name in whole_files} == whole_files
