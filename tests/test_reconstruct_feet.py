"""What is said of a foot: no photograph of one, but the two that a page of the book draws."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import handlib
from handlib.cli import app
from handlib.data.images import read_image
from handlib.data.photos import packaged_photos
from handlib.keypoints import detector_is_installed
from handlib.pretrained import RELEASED

PAGE = Path(__file__).resolve().parents[1] / "book" / "s2hand_photographs.ipynb"
needs_released = pytest.mark.skipif(not RELEASED.is_file(), reason="the trained network is not in this checkout")


@pytest.fixture(scope="module")
def feet() -> dict[str, np.ndarray]:
    """The pictures of the page's cell, by its names."""
    cells = json.loads(PAGE.read_text(encoding="utf-8"))["cells"]
    (cell,) = (cell for cell in cells if cell["id"] == "drawn-foot")
    names = {"np": np}
    exec("".join(cell["source"]), names)
    return names["feet"]


def test_both_feet_are_skin_before_a_plain_ground(feet):
    assert len(feet) == 2
    for name, picture in feet.items():
        assert picture.shape == (224, 224, 3) and picture.dtype == np.uint8, name
        reddish = picture[..., 0].astype(int) - picture[..., 2] > 20
        assert 0.1 < reddish.mean() < 0.5 and not reddish[:, :40].any(), name


@needs_released
def test_the_network_alone_is_less_sure_of_a_foot_than_of_any_hand(feet):
    turned = [np.rot90(foot, turns).copy() for foot in feet.values() for turns in range(4)]
    said = handlib.reconstruct(turned, detector=False)
    hands = handlib.reconstruct([read_image(path) for path in packaged_photos()], side="left", detector=False)
    assert said.confidence.mean(1).max() < hands.confidence.mean(1).min()
    for name in ("joints", "vertices", "confidence", "energy"):
        assert np.isfinite(getattr(said, name)).all(), name


@needs_released
@pytest.mark.skipif(not detector_is_installed(), reason="no detector is installed")
def test_the_demo_refuses_a_foot_from_the_side_and_goes_on(feet, tmp_path):
    Image.fromarray(feet["foot, from the side"]).save(tmp_path / "foot.png")
    Image.fromarray(read_image(packaged_photos()[0])).save(tmp_path / "hand.png")
    done = CliRunner().invoke(app, ["demo", str(tmp_path), "--out", str(tmp_path / "out"), "--side", "left"])
    assert done.exit_code == 1 and "1 hand from 1 of 2 pictures" in done.stdout
    assert "no hand was found in foot.png: crop nearer" in done.stderr
    assert not list((tmp_path / "out").glob("foot*"))
