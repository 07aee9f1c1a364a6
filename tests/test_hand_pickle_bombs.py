"""A few bytes of pickle can ask for all memory, all time or all of the stack; ours must answer with an error."""

import copyreg
import io
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from handlib.errors import BadInputError, UnsafeFileError
from handlib.hand.pickled_arrays import to_array
from handlib.hand.safe_pickle import read_pickle

SECONDS, MEMORY = 60, 4 * 2**30
TEMPLATE = b"}U\x0av_template"  # a dictionary with its first key
NESTED = b"2\x86"  # DUP, TUPLE2: doubles whatever it is written behind, in two bytes
SHARED = b"](" + b"K\x01" * 3000 + b"eq\x00"  # a list of 3,000 numbers, which the rest of the file can name

READ = """
import resource, sys
from pathlib import Path
from handlib.errors import BadInputError
from handlib.hand.files import read_hand_file
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_hand_file(path)
    except BadInputError as error:
        print(path.name, flush=True)
        str(error).encode()
"""


def sparse(**changes: object) -> bytes:
    """A pickled sparse matrix that lies about itself."""
    matrix = scipy.sparse.csc_matrix(np.eye(3))
    matrix.__dict__.update(changes)
    return pickle.dumps({"v_template": matrix}, protocol=2)


def nested_sets(place: int) -> bytes:
    """Frozen sets 0 to 39, each the set of all before it, kept in the memo from ``place`` on."""
    sets = [b"(K\x01\x91q" + bytes([place])]
    for k in range(1, 40):
        members = b"".join(b"h" + bytes([place + j]) for j in range(k))
        sets.append(b"(" + members + b"\x91q" + bytes([place + k]))
    return b"".join(sets)


def array_with(dtype: bytes) -> bytes:
    """A pickled array without numbers, of any dtype."""
    return TEMPLATE + b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01K\x00\x85" + dtype + b"\x89U\x00tbs."


BOMBS = {
    "far place in the memo": b"}r" + struct.pack("<I", 2**31) + b".",
    "bytes that are not there": b"\x80\x04\x8e" + struct.pack("<Q", 2**33) + b"abc",
    "bytearray that is not there": b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"abc",
    "deep key": b"})" + b"\x85" * 200_000 + b"Ns.",
    "key of doubled tuples": b"})" + NESTED * 40 + b"Ns.",
    "two equal sets of sets": b"\x80\x04" + nested_sets(0) + nested_sets(40) + b"\x8f(h\x27h\x4f\x90.",
    "list of doubled lists": TEMPLATE + b"K\x01" + NESTED * 34 + b"s.",
    "list of doubled words": TEMPLATE + b"U\x01a" + NESTED * 34 + b"s.",
    "list in itself": TEMPLATE + b"]q\x00h\x00as.",
    "array in itself": TEMPLATE + b"cchumpy.ch\nCh\n)\x81q\x00}U\x01xh\x00sbs.",
    "dtype of doubled tuples": array_with(b"cnumpy\ndtype\nU\x02f8" + NESTED * 40 + b"\x85R"),
    "word of doubled tuples": b"}(U\x04sideU\x01a" + NESTED * 40 + b"U\x0av_templatecnumpy\nndarray\n)\x81u.",
    "many copies of arguments": SHARED + b"cnumpy\ndtype\nh\x00R0" * 200_000 + b".",
    "many copies in sets": SHARED + b"cbuiltins\nset\nh\x00\x85R" * 200_000 + b".",
    "pointers of a sparse matrix": sparse(indptr=np.array([0, 0, 0, 2**29])),
    "columns of a sparse matrix": sparse(_shape=(0, 2**29)),
    "length of a number": b"}S'a'\nL" + b"9" * 300_000 + b"L\ns.",
}


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the bombs that became errors, all in one process of their own with little memory and time."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, content in BOMBS.items():
        (folder / name).write_bytes(content)
    command = [sys.executable, "-c", READ, str(folder), str(MEMORY)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False)
        return set(done.stdout.splitlines())
    except subprocess.TimeoutExpired as expired:
        return set((expired.stdout or b"").decode().splitlines())


@pytest.mark.skipif(sys.platform == "win32", reason="memory cannot be limited")
@pytest.mark.parametrize("name", sorted(BOMBS))
def test_bomb_becomes_an_error(name: str, survived: set[str]):
    assert name in survived  # a name is missing where it, or one before it in the alphabet, took the process down


def test_a_function_in_the_cache_of_extensions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Python keeps functions by number once any careless pickle has used them, and then hands them out unasked.
    mark = tmp_path / "payload-has-run"
    for registry, key, value in (
        (copyreg._extension_registry, ("os", "system"), 240),
        (copyreg._inverted_registry, 240, ("os", "system")),
        (copyreg._extension_cache, 240, os.system),
    ):
        monkeypatch.setitem(registry, key, value)
    line = f"touch {mark}".encode()
    payload = b"\x80\x02\x82\xf0X" + struct.pack("<I", len(line)) + line + b"\x85R."
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(payload)
    with pytest.raises(UnsafeFileError, match="registered extension 240"):
        read_pickle(path)
    assert not mark.exists()
    # The reader that comes with Python does run it, even if no global may be imported: the test has teeth.
    careless = type("Careless", (pickle.Unpickler,), {"find_class": None})
    careless(io.BytesIO(payload)).load()
    assert mark.exists()


@pytest.mark.parametrize("target", [b"cnumpy\nndarray\n", b"ccollections\nOrderedDict\n", b"}", b"]"])
def test_no_state_for_what_is_no_record(target: bytes, tmp_path: Path):
    path = tmp_path / "x.pkl"
    for state in (b"}U\x04nameU\x02his", b"N}U\x04nameU\x02his\x86"):
        path.write_bytes(target + state + b"b.")
        with pytest.raises(BadInputError, match="gives a state to"):
            read_pickle(path)


def test_a_name_that_no_terminal_takes_can_be_shown(tmp_path: Path):
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x04X\x03\x00\x00\x00\xed\xa0\x80X\x01\x00\x00\x00a\x93.")
    with pytest.raises(UnsafeFileError, match=r"asks for \\ud800\.a") as caught:
        read_pickle(path)
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cnumpy\ndtype\n(" + b"K\x01" * 17 + b"tR.", "numpy.dtype is given 17 arguments"),
        (SHARED + b"cbuiltins\nset\nh\x00\x85R" * 3 + b".", "copies more than it holds"),
        (SHARED + b"cbuiltins\nset\nh\x00\x85R.", "expected a pickled dictionary of arrays, met set"),
    ],
)
def test_what_is_copied_is_counted(content: bytes, message: str, tmp_path: Path):
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=message):
        read_pickle(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_shape": (0, 2**29)}, r"claims a sparse matrix of shape \(0, 536870912\)"),
        ({"indptr": np.array([0, 1, 2, 2])}, "pointers do not fit its indices"),
        ({"indptr": np.array([0, 2, 1, 3])}, "pointers do not fit its indices"),
        ({"indptr": np.array([0, 3])}, "pointers do not fit its indices"),
    ],
)
def test_a_sparse_matrix_is_checked_before_it_is_made(changes: dict[str, object], message: str, tmp_path: Path):
    path = tmp_path / "x.pkl"
    path.write_bytes(sparse(**changes))
    with pytest.raises(BadInputError, match=message):
        to_array(read_pickle(path)["v_template"])


def test_entries_of_a_sparse_matrix_add_up(tmp_path: Path):
    path = tmp_path / "x.pkl"
    matrix = scipy.sparse.coo_matrix(([1.0, 2.0], ([0, 0], [1, 1])), shape=(2, 2))
    path.write_bytes(pickle.dumps({"a": matrix}))
    assert np.array_equal(to_array(read_pickle(path)["a"]), matrix.toarray())
