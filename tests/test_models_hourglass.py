"""The 2D branch: its size, its shapes at small settings, and that it learns."""

import torch

from handlib.models import KeypointBranch, StackedHourglass


def test_the_papers_hourglass_has_12_58_million_parameters() -> None:
    count = sum(p.numel() for p in StackedHourglass().parameters())
    assert round(count / 1e6, 2) == 12.58


def test_each_stack_gives_heatmaps_of_a_quarter_of_the_size() -> None:
    network = StackedHourglass(num_keypoints=5, num_stacks=3, num_modules=1, channels=16, depth=2)
    heatmaps = network(torch.zeros(2, 3, 40, 44))
    assert [tuple(h.shape) for h in heatmaps] == [(2, 5, 10, 11)] * 3


def test_branch_gives_pixels_and_gradient_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    branch = KeypointBranch(num_modules=1, channels=16, depth=3)
    keypoints = branch(torch.randn(2, 3, 64, 64))
    assert keypoints.shape == (2, 2, 21, 2)
    assert bool(((keypoints >= 0) & (keypoints <= 63)).all())
    keypoints.square().mean().backward()
    # A bias before a normalisation, or added to a whole heatmap, changes nothing: only matrices can be asked.
    dead = [n for n, p in branch.named_parameters() if p.grad is None or (p.ndim > 1 and not p.grad.any())]
    assert dead == []


def test_branch_learns_two_places() -> None:
    torch.manual_seed(0)
    branch = KeypointBranch(num_keypoints=1, num_stacks=1, num_modules=1, channels=16, depth=2)
    places = torch.tensor([[8.0, 20.0], [24.0, 10.0]])
    images = -torch.ones(2, 3, 32, 32)
    for image, (u, v) in zip(images, places.int().tolist(), strict=True):
        image[:, v - 2 : v + 3, u - 2 : u + 3] = 1.0
    optimiser = torch.optim.Adam(branch.parameters(), 3e-3)
    for _ in range(40):
        error = (branch(images)[:, -1, 0] - places).square().sum(-1)
        optimiser.zero_grad()
        error.mean().backward()
        optimiser.step()
    assert float(error.detach().sqrt().max()) < 1.0
