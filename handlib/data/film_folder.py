"""SeqHAND's films in a folder: one archive a shard, a manifest that vouches for each, made by any number of workers.

``manifest.json`` says what decides the bytes, and has the SHA-256 of every ``shard-00012.npz`` once all are there. An
archive appears under its name only when it is whole, so that a generation that was killed goes on where it was.
Vertices are not stored: the code of a hand gives them back.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handlib.data.archives import read_arrays
from handlib.data.seqhand_films import HAND, SeqHandFilm, SeqHandFilms
from handlib.errors import BadInputError, MissingFileError
from handlib.files import atomic_write
from handlib.hand.hand_code import HandCode, see_hand
from handlib.hand.model import HandModel

FORMAT = 1
SHARD_FILMS = 20
MANIFEST = "manifest.json"
ARRAYS = ("rgb", "mask", "code", "joints_m", "joints_2d_px", "rows", "egocentric")
_REMAKE = "delete it and run data_scripts/make_seqhand.py again as before"


def describe_films(films: SeqHandFilms, code: str) -> dict[str, Any]:
    """What decides the bytes of a data set: its arguments, its poses, the ``code`` (a digest of it), and torch."""
    return {
        "format": FORMAT,
        "size": len(films),
        "shard_films": SHARD_FILMS,
        **{name: getattr(films, name) for name in ("split", "seed", "image_px", "num_frames", "alpha", "walk")},
        "photographs": films.photographs,
        "database": films.database.name,
        "poses": hashlib.sha256(films.database.joints_m.tobytes()).hexdigest(),
        "joints_to_pose": type(films.joints_to_pose).__name__,
        "code": code,
        "torch": torch.__version__,
    }


def shard_path(folder: Path, shard: int) -> Path:
    """The archive of the films from ``20 * shard`` on."""
    return folder / f"shard-{shard:05d}.npz"


def write_shard(films: SeqHandFilms, folder: Path, shard: int) -> str:
    """Draw and write one shard, whole or not at all; one that is there is left alone.

    Args:
        films: the whole data set, of which this shard's part is drawn.
        folder: where to; made if it is not there.
        shard: its number.

    Returns:
        The SHA-256 of its file.

    Raises:
        DiskFullError: no room; nothing of the shard is left then.
    """
    path = shard_path(folder, shard)
    if not path.is_file():
        drawn = [films[index] for index in range(shard * SHARD_FILMS, min((shard + 1) * SHARD_FILMS, len(films)))]
        arrays = {name: np.stack([np.asarray(getattr(film, name)) for film in drawn]) for name in ARRAYS}
        arrays["mask"] = np.packbits(arrays["mask"], axis=-1)
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        atomic_write(path, content.getvalue())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def begin_folder(films: SeqHandFilms, folder: Path, code: str) -> range:
    """Begin a data set, or go on with the same one; the numbers of its shards.

    Raises:
        BadInputError: the folder holds another data set, or other files.
    """
    wanted = describe_films(films, code)
    if (folder / MANIFEST).is_file():
        there = read_manifest(folder)
        if differs := [key for key in wanted if there.get(key) != wanted[key]]:
            raise BadInputError(
                f"{folder} holds other films ({', '.join(differs)} differ): choose another folder, or delete this one"
            )
    elif folder.exists() and any(folder.iterdir()):
        raise BadInputError(f"{folder} holds other files and no {MANIFEST}: choose an empty folder")
    else:
        _write_manifest(folder, wanted | {"shards": None})
    return range(-(-len(films) // SHARD_FILMS))


def finish_folder(folder: Path, digests: Sequence[str]) -> None:
    """Vouch for all shards by their digests, in their order; a folder without this is unfinished."""
    _write_manifest(folder, read_manifest(folder) | {"shards": list(digests)})


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder; ``shards`` in it is None until the set is whole.

    Raises:
        MissingFileError: there is none.
        BadInputError: it is no JSON, or of a format that this handlib does not know.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise MissingFileError(f"no {path}: make films with data_scripts/make_seqhand.py")
    try:
        manifest = json.loads(path.read_text())
    except ValueError as error:
        raise BadInputError(f"{path} is no JSON ({error}): make the films again in an empty folder") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BadInputError(f"{path} is not of format {FORMAT}: make the films again in an empty folder")
    return manifest


class FilmFolder(Sequence[SeqHandFilm]):
    """Films read from a folder, equal to those that were drawn; ``manifest`` says what they are."""

    def __init__(self, folder: str | Path) -> None:
        """Open a folder; ``BadInputError`` if it is unfinished, and as :func:`read_manifest`."""
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        if self.manifest["shards"] is None:
            raise BadInputError(f"{folder} is unfinished: run data_scripts/make_seqhand.py again, and it goes on")
        self.hand = HandModel.load(HAND, pose_space="pca", num_pca=10, flat_hand_mean=False)

    def __len__(self) -> int:
        return self.manifest["size"]

    @torch.no_grad()
    def __getitem__(self, index: int) -> SeqHandFilm:
        if not -len(self) <= index < len(self):
            raise IndexError(f"film {index} of a data set with {len(self)}")
        shard, row = divmod(int(index) % len(self), SHARD_FILMS)
        stored = {name: array[row] for name, array in _read_shard(shard_path(self.folder, shard)).items()}
        egocentric, side = bool(stored.pop("egocentric")), stored["rgb"].shape[2]
        stored["mask"] = np.unpackbits(stored["mask"], axis=-1, count=side).astype(bool)
        tensors = {name: torch.from_numpy(array.copy()) for name, array in stored.items()}
        vertices = see_hand(self.hand, HandCode.split(tensors["code"]), side).vertices_m
        return SeqHandFilm(**tensors, vertices_m=vertices, egocentric=egocentric)

    def damaged(self) -> list[str]:
        """Names of shards that are missing or are not those that were written."""
        paths = [shard_path(self.folder, shard) for shard in range(len(self.manifest["shards"]))]
        return [
            path.name
            for path, digest in zip(paths, self.manifest["shards"], strict=True)
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest
        ]


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    atomic_write(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


@lru_cache(maxsize=8)
def _read_shard(path: Path) -> dict[str, np.ndarray]:
    return read_arrays(path, ARRAYS, _REMAKE)
