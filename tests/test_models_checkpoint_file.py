"""Networks in files: what is written is read, and what is no network is refused with a name and a remedy."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from handlib.errors import BadInputError, MissingFileError
from handlib.models import S2HandConfig, S2HandNetwork, load_network, save_network

CARD = {"data": "none", "scores": {"pa_mpjpe_mm": 11.5}, "bad at": ["gloves"]}


@pytest.fixture(scope="module")
def network() -> S2HandNetwork:
    torch.manual_seed(0)
    return S2HandNetwork(S2HandConfig(image_keypoints=True, image_px=96), imagenet=False).eval()


@pytest.fixture(scope="module")
def stored(network: S2HandNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("networks") / "hand.safetensors"
    save_network(path, network, CARD)
    return path


def rewrite(stored: Path, path: Path, drop: str | None = None, **header: str) -> Path:
    """A copy of the file with another header, or without one weight."""
    with safe_open(stored, framework="pt") as file:
        metadata = {**file.metadata(), **header}
    weights = {name: value for name, value in load_file(stored).items() if name != drop}
    save_file(weights, path, metadata=metadata)
    return path


def test_a_network_comes_back(network: S2HandNetwork, stored: Path) -> None:
    again, card = load_network(stored)
    assert card == CARD and again.config == network.config and not again.training
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        before, after = network(images), again(images)
    # Half precision keeps three digits of a weight: far less than a millimetre of a hand.
    torch.testing.assert_close(after.joints, before.joints, rtol=0, atol=1e-3)
    torch.testing.assert_close(after.joints_2d_px, before.joints_2d_px, rtol=0, atol=0.1)
    assert all(p.dtype == torch.float32 for p in again.parameters())


def test_the_file_is_small_and_holds_no_hand(network: S2HandNetwork, stored: Path) -> None:
    assert stored.stat().st_size < 20e6
    names = set(load_file(stored))
    assert names == set(network.state_dict()) and not any(name.startswith("hand") for name in names)


def test_damaged_and_foreign_files_are_named_with_a_remedy(stored: Path, tmp_path: Path) -> None:
    truncated, text, foreign = (tmp_path / name for name in ("truncated", "text", "foreign"))
    truncated.write_bytes(stored.read_bytes()[:100_000])
    text.write_text("no network")
    save_file({"x": torch.zeros(1)}, foreign)
    for path, message in ((truncated, "copy or download"), (text, "copy or download"), (foreign, "format is None")):
        with pytest.raises(BadInputError, match=f"{path.name}: .*{message}"):
            load_network(path)
    with pytest.raises(MissingFileError, match="absent: no such file"):
        load_network(tmp_path / "absent")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "handlib-s2hand-99"}, "another version"),
        ({"config": '{"colour": 1}'}, "header is damaged"),
        ({"config": "[1, 2]"}, "header is damaged"),
        ({"config": '{"rotation": "axis_angle"}'}, "do not fit its configuration"),
        ({"config": '{"rotation": "quaternion"}'}, "rotation is 'quaternion'"),
        ({"metadata": "{"}, "header is damaged"),
        ({"drop": "encoder.stem.0.weight"}, "do not fit its configuration"),
    ],
)
def test_headers_that_do_not_fit_are_named(stored: Path, tmp_path: Path, change: dict[str, str], message: str) -> None:
    path = rewrite(stored, tmp_path / "changed.safetensors", **change)
    with pytest.raises(BadInputError, match=message) as caught:
        load_network(path)
    assert "changed.safetensors" in str(caught.value)


def test_what_cannot_be_stored_is_refused(network: S2HandNetwork, tmp_path: Path) -> None:
    path = tmp_path / "never.safetensors"
    with pytest.raises(BadInputError, match="metadata"):
        save_network(path, network, {"card": object()})
    weight = network.geometry.heads.pose[0].weight
    kept = weight.detach()[0, 0].item()
    for bad in (float("nan"), 1e6):
        weight.data[0, 0] = bad
        with pytest.raises(BadInputError, match="geometry.heads.pose.0.weight"):
            save_network(path, network, {})
    weight.data[0, 0] = kept
    assert not path.exists()
