"""Heatmap cross-entropy: least at the truth, zero where the map is the label, finite gradients."""

import pytest
import torch

from handlib.losses.heatmaps import heatmap_cross_entropy


def gaussian(place: tuple[float, float], cells: int, sigma: float = 1.0) -> torch.Tensor:
    index = torch.arange(cells, dtype=torch.float64)
    across, down = (-0.5 * ((index - centre) / sigma) ** 2 for centre in place)
    return (down[:, None] + across[None])[None, None]


def test_the_label_itself_costs_nothing():
    scores = gaussian((3.25, 5.0), 8)
    # Cell 3.25 of 8 in a picture of 32 px: (3.25 + 0.5) * 4 - 0.5.
    pixels = torch.tensor([[[14.5, 21.5]]], dtype=torch.float64)
    assert float(heatmap_cross_entropy(scores, pixels, 32)) == pytest.approx(0, abs=1e-9)
    assert float(heatmap_cross_entropy(scores + 7, pixels, 32)) == pytest.approx(0, abs=1e-9)


def test_it_grows_with_the_distance_and_ignores_what_is_outside():
    scores = gaussian((4.0, 4.0), 16).expand(1, 4, 16, 16)
    pixels = torch.tensor([[[17.5, 17.5], [21.5, 17.5], [33.5, 17.5], [-9.0, 17.5]]], dtype=torch.float64)
    found = heatmap_cross_entropy(scores, pixels, 64)[0]
    assert found[0] < found[1] < found[2] and found[3] == 0


def test_its_gradient_is_right():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    pixels = 16 * torch.rand(2, 3, 2, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(lambda s: heatmap_cross_entropy(s, pixels, 16), scores)
