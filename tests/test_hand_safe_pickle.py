"""A pickle can run any code. Ours must give arrays of every vintage, and never run anything."""

import builtins
import collections
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from handlib.errors import BadInputError, UnsafeFileError
from handlib.hand.files import read_hand_file
from handlib.hand.pickled_arrays import to_array
from handlib.hand.safe_pickle import read_pickle

MARK = "payload-has-run"


class Call:
    """Pickles as a call of any function, which happens when a careless reader loads it."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple:
        return self.function, self.arguments


def read(path: Path, content: bytes) -> dict:
    """Write and read back."""
    path.write_bytes(content)
    return read_pickle(path)


def payloads(mark: Path) -> dict[str, bytes]:
    """Pickles that create the file ``mark`` (or fetch what it takes to) when loaded carelessly."""
    touch = f"touch {mark}"
    code = f"open({str(mark)!r}, 'w').close()"
    line = touch.encode()
    return {
        "os.system": pickle.dumps({"v_template": Call(os.system, touch)}),
        "os.system, protocol 0": pickle.dumps({"v_template": Call(os.system, touch)}, protocol=0),
        "eval": pickle.dumps({"v_template": Call(eval, code)}),
        "exec": pickle.dumps({"v_template": Call(exec, code)}),
        "subprocess": pickle.dumps(Call(subprocess.check_call, ["touch", str(mark)])),
        "getattr": pickle.dumps(Call(getattr, Call(__import__, "os"), "system")),
        "open": pickle.dumps(Call(builtins.open, str(mark), "w")),
        "nested in an array's state": pickle.dumps(
            {"v_template": Call(np.ndarray, (1,), Call(eval, code))},
        ),
        "hidden in an object array": pickle.dumps({"v_template": np.array([Call(os.system, touch)], dtype=object)}),
        "beside good arrays": pickle.dumps({"v_template": np.zeros((778, 3)), "comment": Call(os.system, touch)}),
        "INST": b"(S'" + line + b"'\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nS'" + line + b"'\no.",
        "NEWOBJ": b"\x80\x02cos\nsystem\nU" + bytes([len(line)]) + line + b"\x85\x81.",
        "BUILD": b"cposix\nsystem\n(dS'x'\nS'y'\nsb.",
        "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.__new__\x93.",
        "attribute through chumpy": b"\x80\x04\x8c\x06chumpy\x8c\x09os.system\x93"
        + b"\x8c"
        + bytes([len(line)])
        + line
        + b"\x85R.",
        "numpy's own runners": b"cnumpy.f2py\ncompile\n(S'" + code.encode().replace(b"'", b'"') + b"'\ntR.",
        "numpy.load": b"cnumpy\nload\n(S'/etc/hosts'\ntR.",
        "numpy testing": b"cnumpy.testing._private.utils\nrunstring\n(S'" + b"1" + b"'\n}tR.",
        "memmap": b"cnumpy\nmemmap\n(S'" + str(mark).encode() + b"'\nS'u1'\nS'w+'\nI0\nI8\ntR.",
        "persistent id": b"Pfile\n.",
        "extension registry": b"\x80\x02\x82\x01.",
    }


@pytest.mark.parametrize("name", sorted(payloads(Path(MARK))))
def test_payload_does_not_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mark = tmp_path / MARK
    if name == "extension registry":
        import copyreg

        monkeypatch.setitem(copyreg._inverted_registry, 1, ("os", "system"))
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(payloads(mark)[name])
    with pytest.raises(UnsafeFileError) as caught:
        read_hand_file(path)
    assert not mark.exists()
    assert str(path) in str(caught.value) and "refused" in str(caught.value)


def test_payloads_are_real(tmp_path: Path):
    # If these did nothing in a careless reader, the test above would prove nothing.
    mark = tmp_path / MARK
    for name in ("os.system", "INST", "OBJ", "beside good arrays"):
        code = "import pickle, sys; pickle._Unpickler(open(sys.argv[1], 'rb')).load()"
        (tmp_path / "bad.pkl").write_bytes(payloads(mark)[name])
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "bad.pkl")], capture_output=True, check=False)
        assert mark.exists(), name
        mark.unlink()


def test_the_refused_global_is_named(tmp_path: Path):
    with pytest.raises(UnsafeFileError, match=r"asks for (posix|nt)\.system, .*nothing in the file was run"):
        read(tmp_path / "x.pkl", pickle.dumps(Call(os.system, "true")))


ARRAYS = {
    "float64": np.random.default_rng(0).normal(size=(3, 4)),
    "float32 in Fortran order": np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4)),
    "uint32": np.array([[2**32 - 1, 0]], dtype=np.uint32),
    "big endian": np.arange(5, dtype=">i8"),
    "bool": np.array([True, False]),
    "empty": np.zeros((0, 3)),
    "scalar": np.float64(2.5),
    "zero-dimensional": np.array(7),
    "csc": scipy.sparse.csc_matrix(np.eye(4)[:, :3] * 2),
    "csr": scipy.sparse.csr_matrix(np.eye(4)[:3] * 3),
    "coo": scipy.sparse.coo_matrix(np.eye(3)),
    "csc array": scipy.sparse.csc_array(np.eye(3)),
    "list": [[1, 2], [3, 4]],
    "matrix": np.asmatrix(np.eye(2)),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", sorted(ARRAYS))
def test_arrays_of_every_protocol(name: str, protocol: int, tmp_path: Path):
    value = ARRAYS[name]
    got = to_array(read(tmp_path / "x.pkl", pickle.dumps({"a": value}, protocol=protocol))["a"])
    expected = value.toarray() if scipy.sparse.issparse(value) else np.asarray(value)
    assert got.shape == expected.shape and got.dtype.kind == expected.dtype.kind
    assert np.array_equal(got, expected)


def old_names(content: bytes) -> bytes:
    """A pickle as Python 2 with old numpy and scipy wrote it: the same opcodes, the old module names."""
    for new, old in (
        (b"numpy._core.multiarray", b"numpy.core.multiarray"),
        (b"scipy.sparse._csc", b"scipy.sparse.csc"),
        (b"_codecs\nencode", b"_codecs\nencode"),
        (b"collections\nOrderedDict", b"collections\nOrderedDict"),
    ):
        content = content.replace(new, old)
    return content


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_names_of_old_numpy_and_scipy(protocol: int, tmp_path: Path):
    content = collections.OrderedDict(a=np.arange(6.0).reshape(2, 3), b=scipy.sparse.csc_matrix(np.eye(3)))
    raw = old_names(pickle.dumps(content, protocol=protocol))
    assert b"numpy.core.multiarray" in raw and b"scipy.sparse.csc\n" in raw
    got = read(tmp_path / "x.pkl", raw)
    assert np.array_equal(to_array(got["a"]), content["a"])
    assert np.array_equal(to_array(got["b"]), np.eye(3))


def test_a_python_2_byte_string(tmp_path: Path):
    # Python 2 wrote the bytes of an array as a str: opcode BINSTRING, which latin1 keeps byte for byte.
    data = np.array([1.5, -2.5, 3e300])
    raw = data.tobytes()
    dtype = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    state = b"(K\x01K\x03\x85" + dtype + b"\x89"
    state += b"U" + bytes([len(raw)]) + raw + b"tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R" + state
    content = b"\x80\x02}U\x01a" + array + b"s."
    assert np.array_equal(to_array(read(tmp_path / "x.pkl", content)["a"]), data)


def test_chumpy_arrays(fake_chumpy, tmp_path: Path):
    values = np.random.default_rng(0).normal(size=(5, 3, 4))
    index = np.arange(60).reshape(5, 3, 4)[..., :2]
    content = {
        "leaf": fake_chumpy.Ch(values),
        "pick": fake_chumpy.Select(fake_chumpy.Ch(values), index.ravel(), index.shape),
        "sum": fake_chumpy.Add(fake_chumpy.Ch(values), fake_chumpy.Ch(values)),
    }
    for protocol in range(6):
        got = read(tmp_path / "x.pkl", pickle.dumps(content, protocol=protocol))
        assert np.array_equal(to_array(got["leaf"]), values)
        assert np.array_equal(to_array(got["pick"]), values[..., :2])
        with pytest.raises(BadInputError, match="chumpy Add"):
            to_array(got["sum"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([{}], dtype=object), "list|array of plain numbers"),
        (np.array(["a"]), "plain numbers"),
        ("text", "met str"),
        (None, "met NoneType"),
        ([[1], [1, 2]], "no readable numeric array"),
    ],
)
def test_what_is_no_numeric_array(value: object, message: str, tmp_path: Path):
    got = read(tmp_path / "x.pkl", pickle.dumps({"a": value}))
    with pytest.raises(BadInputError, match=message):
        to_array(got["a"])


def test_lies_about_sizes(tmp_path: Path):
    sparse = scipy.sparse.csc_matrix(np.eye(3))
    for change in ({"_shape": (10**6, 10**6)}, {"indices": np.array([0, 1, 99])}, {"indices": np.array([0, 1, -1])}):
        sparse.__dict__.update({k.lstrip("_") if k == "x" else k: v for k, v in change.items()})
        got = read(tmp_path / "x.pkl", pickle.dumps({"a": sparse}))
        with pytest.raises(BadInputError):
            to_array(got["a"])
        sparse = scipy.sparse.csc_matrix(np.eye(3))
    array = pickle.dumps({"a": np.zeros((4, 2))}, protocol=2)
    lying = array.replace(b"K\x04K\x02\x86", b"K\x04K\x07\x86")
    assert lying != array
    with pytest.raises(BadInputError, match=r"claims shape \(4, 7\) but holds 8 numbers"):
        to_array(read(tmp_path / "x.pkl", lying)["a"])


@given(st.integers(0, 10**6), st.binary(max_size=40))
@settings(max_examples=150, deadline=None)
def test_a_damaged_pickle_is_an_error_of_ours(position: int, noise: bytes):
    import tempfile

    good = bytearray(pickle.dumps({"a": np.arange(9.0), "b": scipy.sparse.csc_matrix(np.eye(2))}, protocol=2))
    position %= len(good)
    good[position : position + len(noise)] = noise
    with tempfile.TemporaryDirectory() as folder:
        try:
            for value in read(Path(folder) / "x.pkl", bytes(good)).values():
                to_array(value)
        except (BadInputError, UnsafeFileError) as error:
            assert str(error)
