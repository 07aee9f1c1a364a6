"""Fixtures that several areas share: a random model of MANO's format, as arrays and as files."""

import pickle
import shutil
import signal
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from handlib.hand import HandModel
from handlib.hand.files import HandFile, read_hand_file, write_mano_npz
from handlib.hand.synthetic import mano_dictionary, random_hand_file

# Two cores are shared by all test processes: more threads a process only wait for one another.
torch.set_num_threads(1)
# Nor does a busy machine's clock say anything about the code: no test may fail by being slow to draw its examples.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")
# What a shell starts in the background ignores Ctrl-C, and so do its children; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def random_hand() -> HandFile:
    """Random arrays of MANO's format: 778 vertices, 10 shape coefficients, all pose correctives."""
    return random_hand_file(seed=1)


@pytest.fixture(scope="session")
def mano_npz(random_hand: HandFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random model as an .npz that smplx reads."""
    return write_mano_npz(random_hand, tmp_path_factory.mktemp("mano") / "MANO_RIGHT.npz")


@pytest.fixture
def write_mano_pickle(random_hand: HandFile, tmp_path: Path):
    """A function that pickles the random model, with some keys replaced, and gives the path."""

    def write(name: str = "MANO_RIGHT.pkl", protocol: int = 2, **replaced: object) -> Path:
        path = tmp_path / name
        path.write_bytes(pickle.dumps({**mano_dictionary(random_hand), **replaced}, protocol=protocol))
        return path

    return write


@pytest.fixture
def fake_chumpy(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module ``chumpy`` whose arrays pickle like the real one's, which no current Python can import."""
    leaf = types.ModuleType("chumpy.ch")
    reordering = types.ModuleType("chumpy.reordering")

    class Ch:
        def __init__(self, x: np.ndarray) -> None:
            # Besides its value a real Ch pickles its bookkeeping.
            self.__dict__.update(x=x, _dirty_vars={"x"}, _itr=None, _depends_on_deps=set(), _status="new")

    class Select:
        def __init__(self, a: Ch, idxs: np.ndarray, preferred_shape: tuple[int, ...]) -> None:
            self.__dict__.update(a=a, idxs=idxs, preferred_shape=preferred_shape, _dirty_vars=set())

    class Add:
        def __init__(self, a: Ch, b: Ch) -> None:
            self.__dict__.update(a=a, b=b)

    for cls, module in ((Ch, leaf), (Add, leaf), (Select, reordering)):
        cls.__module__, cls.__qualname__ = module.__name__, cls.__name__
        setattr(module, cls.__name__, cls)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    leaf.Select = Select
    monkeypatch.setitem(sys.modules, "chumpy", leaf)
    return leaf


@pytest.fixture(scope="session")
def format_fixture(tmp_path_factory: pytest.TempPathFactory):
    """A function that writes the tiny data set of that name once, and gives its folder and what was drawn."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "data_scripts"))
    import fixture_formats

    written = {}

    def write(name: str) -> tuple[Path, object]:
        if name not in written:
            root = tmp_path_factory.mktemp(name) / name
            written[name] = root, fixture_formats.make_fixture(name, root)
        return written[name]

    yield write
    sys.path.remove(str(Path(__file__).parent.parent / "data_scripts"))


@pytest.fixture
def copy_fixture(tmp_path: Path):
    """A function that copies a tiny data set, without its cache, to a folder that a test may damage."""

    def copy(written: tuple[Path, object]) -> Path:
        return Path(shutil.copytree(written[0], tmp_path / "damaged", ignore=shutil.ignore_patterns(".handlib")))

    return copy


@pytest.fixture(scope="session")
def mano_stand_in() -> HandModel:
    """The open hand, presented as MANO: the hand that the tiny data sets were drawn with."""
    return HandModel(replace(read_hand_file("open"), topology="mano"))
