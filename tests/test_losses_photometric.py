"""The photometric losses: parity with naive references, what they ignore, gradients, empty pictures."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handlib.errors import BadInputError
from handlib.losses.photometric import (
    mean_colour_loss,
    photometric_loss,
    pixel_loss,
    released_pixel_loss,
    ssim,
    ssim_loss,
)

LOSSES = {
    "pixel": pixel_loss,
    "released_pixel": released_pixel_loss,
    "ssim": lambda image, rendered, silhouette, _: ssim_loss(image, rendered, silhouette, window_px=5),
    "mean_colour": lambda image, rendered, silhouette, _: mean_colour_loss(image, rendered, silhouette),
}


def random_pictures(seed: int = 0, batch: int = 2, side: int = 12) -> tuple[torch.Tensor, ...]:
    """Picture, rendering over black, silhouette with soft edges and empty borders, confidence."""
    draw = torch.Generator().manual_seed(seed)

    def rand(*shape):
        return torch.rand(*shape, generator=draw, dtype=torch.float64)

    silhouette = torch.zeros(batch, side, side, dtype=torch.float64)
    silhouette[:, 2:-3, 3:-2] = (rand(batch, side - 5, side - 5) * 1.5).clamp(max=1)
    return (
        rand(batch, side, side, 3),
        rand(batch, side, side, 3) * silhouette[..., None],
        silhouette,
        rand(batch, 21),
    )


def naive_ssim(x: np.ndarray, y: np.ndarray, window: int, sigma: float = 1.5) -> float:
    """Wang et al. 2004, Eq. 13-17, window by window."""
    offset = np.arange(window) - window // 2
    weight = np.exp(-(offset[:, None] ** 2 + offset[None] ** 2) / (2 * sigma**2))
    weight /= weight.sum()
    values = []
    for top in range(x.shape[0] - window + 1):
        for left in range(x.shape[1] - window + 1):
            for channel in range(x.shape[2]):
                a, b = (p[top : top + window, left : left + window, channel] for p in (x, y))
                mean_a, mean_b = (weight * a).sum(), (weight * b).sum()
                var_a, var_b = (weight * (a - mean_a) ** 2).sum(), (weight * (b - mean_b) ** 2).sum()
                cov = (weight * (a - mean_a) * (b - mean_b)).sum()
                values.append(
                    (2 * mean_a * mean_b + 1e-4)
                    * (2 * cov + 9e-4)
                    / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4))
                )
    return float(np.mean(values))


@pytest.mark.parametrize(("side", "window"), [(11, 11), (15, 11), (9, 5)])
def test_ssim_is_the_naive_one(side, window):
    x, _, _, _ = random_pictures(1, side=side)
    y, _, _, _ = random_pictures(2, side=side)
    naive = [naive_ssim(a, b, window) for a, b in zip(x.numpy(), y.numpy(), strict=True)]
    assert ssim(x, y, window).tolist() == pytest.approx(naive, abs=1e-12)


def test_ssim_is_scikit_images():
    metrics = pytest.importorskip("skimage.metrics")
    x, y = (random_pictures(seed, side=40)[0].numpy() for seed in (1, 2))
    y = 0.7 * x + 0.3 * y
    theirs = [
        metrics.structural_similarity(
            a, b, channel_axis=-1, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in zip(x, y, strict=True)
    ]
    assert ssim(torch.tensor(x), torch.tensor(y)).tolist() == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=20)
@given(st.floats(0, 1), st.floats(0, 1))
def test_ssim_of_flat_pictures_is_their_luminance_alone(a, b):
    flat = torch.ones(1, 11, 11, 3, dtype=torch.float64)
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert ssim(a * flat, b * flat).item() == pytest.approx(expected, abs=1e-9)


def test_ssim_is_symmetric_one_for_equals_and_lower_for_noise():
    x, y = (random_pictures(seed, side=16)[0] for seed in (3, 4))
    assert torch.allclose(ssim(x, y), ssim(y, x))
    assert torch.allclose(ssim(x, x), torch.ones(2, dtype=torch.float64))
    little, much = (ssim(x, x + level * (y - 0.5)) for level in (0.1, 0.5))
    assert (1 > little).all() and (little > much).all()


def test_ssim_keeps_its_digits_under_autocast():
    x = 0.5 + 0.02 * random_pictures(5, side=16)[0].float()
    y = 0.5 + 0.02 * random_pictures(6, side=16)[0].float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = ssim(x, y)
    assert torch.equal(half, ssim(x, y))


@pytest.mark.parametrize("window", [4, 13, 0, -3])
def test_a_window_that_cannot_be_is_refused(window):
    x = torch.rand(1, 12, 20, 3)
    with pytest.raises(BadInputError, match="window_px"):
        ssim(x, x, window)


def test_a_pixel_by_hand():
    # One of four pixels is hand; its colour is off by (0.3, 0, 0.4), a 2-norm of 0.5; 21 certain keypoints.
    silhouette = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]], dtype=torch.float64)
    rendered = torch.zeros(1, 2, 2, 3, dtype=torch.float64)
    image = torch.full((1, 2, 2, 3), 0.5, dtype=torch.float64)
    rendered[0, 0, 1] = torch.tensor([0.2, 0.5, 0.9])
    certain = torch.ones(1, 21, dtype=torch.float64)
    assert pixel_loss(image, rendered, silhouette, certain).item() == pytest.approx(21 * 0.5)
    assert released_pixel_loss(image, rendered, silhouette, certain / 2).item() == pytest.approx(0.25 * 0.7 / 12)
    assert mean_colour_loss(image, rendered, silhouette).item() == pytest.approx((0.3 + 0.4) / 4 / 3)


def test_what_the_hand_covers_by_half_counts_by_half():
    image, _, silhouette, confidence = random_pictures(7)
    colour = torch.tensor([0.8, 0.6, 0.5], dtype=torch.float64)
    whole = (silhouette > 0).double()
    flat_image = torch.full_like(image, 0.4)
    soft = pixel_loss(flat_image, colour * silhouette[..., None], silhouette, confidence)
    hard = pixel_loss(flat_image, colour * whole[..., None], whole, confidence)
    # Both are the colour difference itself: a mixture with the background at the outline is no error.
    expected = confidence.sum(-1) * (colour - 0.4).norm()
    assert torch.allclose(soft, expected) and torch.allclose(hard, expected)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_background_counts_for_nothing(loss):
    image, rendered, silhouette, confidence = random_pictures(8)
    elsewhere = torch.where(silhouette[..., None] > 0, image, torch.rand_like(image))
    assert not torch.equal(image, elsewhere)
    assert torch.equal(loss(image, rendered, silhouette, confidence), loss(elsewhere, rendered, silhouette, confidence))


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_picture_itself_costs_nothing(loss):
    image, _, silhouette, confidence = random_pictures(9)
    cost = loss(image, image * silhouette[..., None], silhouette, confidence)
    assert cost.abs().max() < 1e-12


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gradients(loss):
    image, rendered, silhouette, confidence = random_pictures(10, batch=1, side=8)
    # Where neither picture nor rendering shows the hand, the 2-norm is at its kink: the silhouette is everywhere here.
    silhouette = 0.1 + 0.8 * silhouette
    rendered, silhouette = (x.requires_grad_() for x in (rendered + 0.05, silhouette))
    assert torch.autograd.gradcheck(lambda r, s: loss(image, r, s, confidence), (rendered, silhouette))


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_hand_out_of_the_picture_costs_nothing_and_pulls_nowhere(loss):
    image, _, _, confidence = random_pictures(11)
    rendered = torch.zeros_like(image, requires_grad=True)
    silhouette = torch.zeros_like(image[..., 0], requires_grad=True)
    cost = loss(image, rendered, silhouette, confidence)
    assert cost.abs().max() < 1e-12
    gradients = torch.autograd.grad(cost.sum(), (rendered, silhouette), allow_unused=True)
    assert all(g is None or torch.isfinite(g).all() for g in gradients)


def test_pixel_loss_of_an_empty_silhouette_has_zero_gradient():
    image, _, _, confidence = random_pictures(11)
    rendered = torch.zeros_like(image, requires_grad=True)
    silhouette = torch.zeros_like(image[..., 0], requires_grad=True)
    cost = pixel_loss(image, rendered, silhouette, confidence).sum()
    for gradient in torch.autograd.grad(cost, (rendered, silhouette)):
        assert torch.equal(gradient, torch.zeros_like(gradient))


def test_doubt_lowers_the_pixel_losses():
    image, rendered, silhouette, confidence = random_pictures(12)
    half = pixel_loss(image, rendered, silhouette, confidence / 2)
    assert torch.allclose(half, pixel_loss(image, rendered, silhouette, confidence) / 2)
    quarter = released_pixel_loss(image, rendered, silhouette, confidence / 2)
    assert torch.allclose(quarter, released_pixel_loss(image, rendered, silhouette, confidence) / 4)
    assert torch.equal(pixel_loss(image, rendered, silhouette, 0 * confidence), torch.zeros(2, dtype=torch.float64))


def test_only_the_released_pixel_loss_pays_for_shrinking_the_hand():
    image = torch.ones(1, 20, 20, 3)
    large, small = torch.zeros(1, 20, 20), torch.zeros(1, 20, 20)
    large[:, :16], small[:, :4] = 1.0, 1.0
    certain = torch.ones(1, 21)
    costs = {
        loss: [loss(image, 0.5 * s[..., None].expand(-1, -1, -1, 3), s, certain).item() for s in (large, small)]
        for loss in (pixel_loss, released_pixel_loss)
    }
    assert costs[pixel_loss][0] == pytest.approx(costs[pixel_loss][1])
    assert costs[released_pixel_loss][0] == pytest.approx(4 * costs[released_pixel_loss][1])


def test_each_hand_is_by_itself():
    pictures = random_pictures(13, batch=3)
    order = [2, 0, 1]
    for loss in LOSSES.values():
        assert torch.allclose(loss(*(x[order] for x in pictures)), loss(*pictures)[order], atol=1e-14)


def test_photometric_loss_in_float32():
    pictures = [x.float() for x in random_pictures(14)]
    cost = photometric_loss(*pictures, ssim_weight=0.2)
    assert cost.dtype == torch.float32 and cost.shape == (2,)
