"""The parity recipes: run where a package is installed, read back where it is not."""

import inspect
import sys
from pathlib import Path

import pytest
import torch

from handlib.errors import MissingFileError
from handlib.experiments import parity as module
from handlib.experiments.parity import Parity, installed_version, parity, parity_columns, surroundings_of_manopth
from handlib.experiments.parity_rendering import parity_scenes
from handlib.reproduce.recipe import run
from handlib.reproduce.results import Metric, Outcome


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HANDLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("HANDLIB_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("package", ["smplx", "manopth"])
def test_hand_layers_agree_within_a_micrometre(package: str):
    pytest.importorskip(package)
    result, here = parity(package, "smoke")
    assert here and result.provenance.device.startswith("CPU")
    assert result.parameters["package_version"] == installed_version(package)
    for name, metric in result.outcome.metrics.items():
        assert metric.value < (1 if metric.unit == "µm" else 1e-5), name


def test_pytorch3d_draws_the_same_pictures():
    pytest.importorskip("pytorch3d")
    values = {name: metric.value for name, metric in parity("pytorch3d", "smoke")[0].outcome.metrics.items()}
    assert values["a cloud of points: projection, worst"] < 1e-3
    for scene in parity_scenes():
        assert values[f"{scene}: silhouette, overlap"] > 0.995
        assert values[f"{scene}: depth, worst"] < 1
        assert values[f"{scene}: pull on the position, cosine"] > 0.9


def store(value: float) -> None:
    recipe = Parity(name="parity-manopth", package="manopth", package_version="1.2")
    outcome = Outcome(
        {"a: vertices": Metric(value, "µm"), "b: vertices": Metric(2, "µm"), "b: ratio": Metric(1.0, "1")}
    )
    run(recipe, "laptop", 0, lambda context: outcome)


def test_the_stored_comparison_stands_in_for_a_missing_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingFileError, match="parity-manopth"):
        parity("manopth", "laptop")
    store(0.25)
    result, here = parity("manopth", "smoke")
    assert not here and result.parameters["package_version"] == "1.2"
    columns = parity_columns(result)
    assert columns == {"case": ["a", "b"], "vertices [µm]": ["0.25", "2"], "ratio": [None, "1"]}


def test_versions_of_what_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert installed_version("torch") == torch.__version__
    assert installed_version("no_such_package_anywhere") is None
    (tmp_path / "lies_on_the_path.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_version("lies_on_the_path") == "unknown"


def test_what_manopth_expects_is_there_and_gone_again():
    before = hasattr(inspect, "getargspec"), torch.Tensor.cuda
    with surroundings_of_manopth():
        assert inspect.getargspec(store).args == ["value"]
        assert torch.ones(1).cuda().sum() == 1
    assert (hasattr(inspect, "getargspec"), torch.Tensor.cuda) == before


def test_a_broken_package_is_a_result_without_numbers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "manopth.manolayer", None)
    monkeypatch.setattr(module, "installed_version", lambda package: "0.0.1")
    result, here = parity("manopth", "smoke")
    assert here and "cannot be imported" in (result.outcome.not_obtained or "")
