"""Flow by search and by network: known shifts, sizes, learning, and the error that teaches it."""

import cv2
import numpy as np
import pytest
import torch

from handlib.errors import BadInputError
from handlib.losses.flow import end_point_error, pyramid_flow_loss
from handlib.models.flow_net import FlowNetS, estimate_flow


def texture(size: int, seed: int = 0) -> torch.Tensor:
    noise = np.random.default_rng(seed).random((size, size, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return torch.from_numpy((smooth - smooth.min()) / (smooth.max() - smooth.min()))


def shifted(size: int, u: int, v: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two cuts of one texture; what is at p in the first is at p + (u, v) in the second."""
    big = texture(size + 16, seed)
    return big[8 : 8 + size, 8 : 8 + size][None], big[8 - v : 8 - v + size, 8 - u : 8 - u + size][None]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_search_finds_a_shift(dtype: torch.dtype):
    pairs = [shifted(48, 3, -1), shifted(48, -2, 2, seed=1)]
    a, b = (torch.cat(frames) for frames in zip(*pairs, strict=True))
    if dtype == torch.uint8:
        a, b = ((255 * x).round().byte() for x in (a, b))
    flow = estimate_flow(a, b)
    found = flow[:, 8:-8, 8:-8].flatten(1, 2).median(1).values
    torch.testing.assert_close(found, torch.tensor([[3.0, -1.0], [-2.0, 2.0]]), atol=0.1, rtol=0)
    assert float(estimate_flow(a, a).abs().max()) < 0.01
    assert torch.equal(estimate_flow(a, b), flow)


def test_bad_input_is_refused():
    small, large = torch.zeros(1, 8, 8, 3), torch.zeros(1, 32, 32, 3)
    with pytest.raises(BadInputError, match="frames_b"):
        estimate_flow(small, large)
    with pytest.raises(BadInputError, match="16 px"):
        estimate_flow(small, small)
    with pytest.raises(BadInputError, match="channels last"):
        estimate_flow(large, large, lambda a, b: torch.zeros(1, 2, 32, 32))
    with pytest.raises(BadInputError, match="widths"):
        FlowNetS((8, 8))


def test_a_function_of_two_batches_is_a_method():
    frames = torch.zeros(2, 20, 24, 3)
    flow = estimate_flow(frames, frames, lambda a, b: a[..., :2] + 7)
    assert flow.shape == (2, 20, 24, 2) and bool((flow == 7).all())


def test_network_has_the_size_that_it_says_and_takes_any_picture():
    network = FlowNetS()
    assert 0.5e6 < sum(p.numel() for p in network.parameters()) < 0.65e6
    a, b = torch.rand(2, 50, 37, 3), torch.rand(2, 50, 37, 3)
    assert estimate_flow(a, b, network).shape == (2, 50, 37, 2)
    assert [tuple(f.shape[1:3]) for f in network.pyramid(a, b)] == [(2, 2), (4, 3), (7, 5), (13, 10)]


def test_network_learns_two_shifts():
    torch.manual_seed(0)
    network = FlowNetS((8, 12, 16))
    pairs = [shifted(32, 3, 0), shifted(32, -3, 2)]
    a, b = (torch.cat(frames) for frames in zip(*pairs, strict=True))
    true_flow = torch.tensor([[3.0, 0.0], [-3.0, 2.0]])[:, None, None].expand(2, 32, 32, 2)
    everywhere = torch.ones(2, 32, 32, dtype=torch.bool)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(60):
        loss = pyramid_flow_loss(network.pyramid(a, b), true_flow, everywhere).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []
    assert float(end_point_error(network(a, b), true_flow, everywhere).max().detach()) < 0.7


def test_error_is_the_mean_distance_where_it_counts():
    flow = torch.zeros(2, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    true_flow = torch.tensor([[3.0, 4.0], [0.0, 0.0], [6.0, 8.0], [9.0, 9.0]], dtype=torch.float64)
    true_flow = true_flow.view(1, 2, 2, 2).expand(2, 2, 2, 2)
    counted = torch.tensor([[[True, False], [True, False]], [[False, False], [False, False]]])
    error = end_point_error(flow, true_flow, counted)
    assert error.tolist() == pytest.approx([7.5, 0.0])
    error.sum().backward()
    assert bool(torch.isfinite(flow.grad).all())
    # Right everywhere: no error beyond the floor, and a gradient of zero, not NaN.
    perfect = true_flow.clone().requires_grad_()
    error = end_point_error(perfect, true_flow, torch.ones(2, 2, 2, dtype=torch.bool))
    error.sum().backward()
    assert float(error.max()) <= 1e-3 + 1e-9 and not perfect.grad.any()


def test_pyramid_is_held_against_what_counts_below_each_cell():
    true_flow = torch.zeros(1, 4, 4, 2)
    true_flow[:, :, :2] = torch.tensor([3.0, 4.0])
    counted = torch.zeros(1, 4, 4, dtype=torch.bool)
    counted[:, :, 1:] = True
    counted[:, :, 3] = False
    flows = [torch.zeros(1, 2, 2, 2), true_flow.clone()]
    # Left cells: the one column that counts moves by 5 px. Right cells: it stands still.
    assert float(pyramid_flow_loss(flows, true_flow, counted)) == pytest.approx(2.5, abs=2e-3)
