"""The depth estimator's read-out and supervision (Eqs. 1-3), its network, and the pose prior (Eq. 13)."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from handlib.data.depth_source import SyntheticDepth
from handlib.errors import BadInputError
from handlib.losses.depth_supervision import heatmap_target, latent_depth_target, map_loss, position_loss
from handlib.models.depth_hourglass import DepthEstimator
from handlib.models.depth_readout import (
    attention,
    centres_from_maps,
    depth_from_latent_map,
    heatmap_variance,
    position_from_heatmap,
)
from handlib.models.pose_vae import PoseCode, PoseVAE, fit_pose_vae, kl_from_standard_normal, pose_energy

CELL_M = 0.3 / 16


def peaked(*peaks: tuple[int, int], height: float = 3.0) -> torch.Tensor:
    """One heatmap a peak, (1, peaks, 16, 16), zero but at (row, column)."""
    maps = torch.zeros(1, len(peaks), 16, 16, dtype=torch.float64)
    for k, (row, column) in enumerate(peaks):
        maps[0, k, row, column] = height
    return maps


def test_fitting_equation_1_position_from_heatmap():
    # The middle of the top-left of 16 cells of 18.75 mm is 140.625 mm from the middle of the cube.
    found = position_from_heatmap(peaked((0, 0), (15, 8)))
    assert torch.allclose(found, torch.tensor([[[-0.140625, -0.140625], [0.009375, 0.140625]]]).double(), atol=1e-9)
    # Two cells whose values differ by log(3) / alpha share 3 : 1.
    maps = peaked((4, 4))
    maps[0, 0, 4, 5] = 3.0 - math.log(3) / 10
    between = position_from_heatmap(maps, alpha=10.0)
    assert float(between[0, 0, 0]) == pytest.approx((4.25 + 0.5) * CELL_M - 0.15, abs=1e-6)
    flat = position_from_heatmap(torch.zeros(1, 1, 16, 16))
    assert torch.allclose(flat, torch.zeros(1, 1, 2), atol=1e-7)


def test_fitting_equation_2_depth_from_latent_map():
    latent = torch.full((1, 2, 16, 16), 7.0, dtype=torch.float64)
    latent[0, 0, 3, 9], latent[0, 1, 12, 2] = 0.5, -1.25
    depth = depth_from_latent_map(peaked((3, 9), (12, 2)), latent)
    assert torch.allclose(depth, torch.tensor([[0.05, -0.125]]).double(), atol=1e-9)
    maps = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    values = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    naive = torch.zeros(2, 3)
    for b in range(2):
        for p in range(3):
            weights = [math.exp(20 * float(h)) for h in maps[b, p].flatten()]
            told = sum(w * float(d) for w, d in zip(weights, values[b, p].flatten(), strict=True))
            naive[b, p] = 0.1 * told / sum(weights)
    assert torch.allclose(depth_from_latent_map(maps, values), naive, atol=1e-5)


def test_fitting_equation_3_target_of_the_latent_depth_map():
    centres = torch.tensor([[[0.0, 0.0, 0.05], [-0.1, 0.1, -0.12]]])
    maps = heatmap_target(centres, 16, sigma_px=1.0)
    target = latent_depth_target(centres, maps)
    assert torch.equal(target != 0, maps > 0)
    assert target[0, 0].unique().tolist() == pytest.approx([0.0, 0.5])
    assert target[0, 1].unique().tolist() == pytest.approx([-1.2, 0.0])
    # Row is y and column is x: the second point lies at the left, below.
    row, column = divmod(int(maps[0, 1].argmax()), 16)
    assert (row, column) == (13, 2)
    assert float(maps.amax()) <= 1 and float(maps[maps > 0].amin()) >= 0.02


def test_targets_are_read_out_where_the_points_are():
    generator = torch.Generator().manual_seed(0)
    centres = 0.2 * (torch.rand(20, 41, 3, generator=generator) - 0.5)
    maps = heatmap_target(centres, 16)
    found = centres_from_maps(maps, latent_depth_target(centres, maps))
    assert (found - centres).norm(dim=-1).max() < 5e-4
    narrow = heatmap_target(centres, 16, sigma_px=1.0)
    snapped = position_from_heatmap(narrow) - centres[..., :2]
    assert snapped.norm(dim=-1).mean() > 3e-3, "narrow heatmaps snap to cells"
    assert float(map_loss(maps, latent_depth_target(centres, maps), centres)) == 0


def test_read_out_gradients():
    generator = torch.Generator().manual_seed(0)
    maps, latent = (torch.randn(1, 2, 4, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    inputs = (maps.requires_grad_(), latent.requires_grad_())
    assert torch.autograd.gradcheck(lambda h, d: centres_from_maps(h, d, 2.0), inputs)
    assert torch.autograd.gradcheck(lambda h: heatmap_variance(h, 2.0), inputs[:1])


def test_attention_and_its_width():
    maps = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(attention(maps).sum((-2, -1)), torch.ones(2, 3))
    flat, sharp = heatmap_variance(torch.zeros(1, 1, 16, 16)), heatmap_variance(peaked((7, 7)))
    # A uniform distribution over 16 cells has the variance (16^2 - 1) / 12 cells, along x and along y.
    assert float(flat) == pytest.approx(2 * 255 / 12 * CELL_M**2, rel=1e-5)
    assert float(sharp) < 1e-9


def test_both_supervisions_fall_toward_the_truth():
    centres = SyntheticDepth().batch(0, 2).centres_m
    assert float(position_loss(centres + 0.01, centres)) == pytest.approx(100.0, rel=1e-4)
    off = heatmap_target(centres + 0.02, 16)
    near = heatmap_target(centres + 0.005, 16)
    depth = latent_depth_target(centres, off)
    assert map_loss(off, depth, centres) > map_loss(near, depth, centres)


def test_estimator_shapes_and_size():
    torch.manual_seed(0)
    network = DepthEstimator()
    estimate = network(torch.rand(2, 64, 64))
    assert estimate.heatmaps.shape == estimate.latent_depth.shape == (2, 41, 16, 16)
    assert estimate.centres_m.shape == (2, 41, 3) and estimate.centres_m[..., :2].abs().max() < 0.15
    assert network.heads[0].out_channels == 82
    assert 0.4e6 < sum(p.numel() for p in network.parameters()) < 0.8e6
    assert len(DepthEstimator(stacks=2).estimates(torch.rand(1, 64, 64))) == 2


def test_a_crop_alone_is_treated_as_among_others():
    torch.manual_seed(0)
    network, crops = DepthEstimator(), torch.rand(3, 64, 64)
    assert torch.allclose(network(crops).centres_m[1:2], network(crops[1:2]).centres_m, atol=1e-5)


@pytest.mark.parametrize("stacks", [1, 2])
def test_gradients_reach_every_parameter(stacks):
    torch.manual_seed(0)
    network = DepthEstimator(stacks=stacks)
    loss = sum(e.centres_m.square().sum() for e in network.estimates(torch.rand(2, 64, 64)))
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    assert all(float(p.grad.abs().sum()) > 0 for p in network.heads.parameters())


def test_the_estimator_learns_a_handful_of_crops():
    torch.manual_seed(0)
    batch = SyntheticDepth(noise=False).batch(0, 4)
    network = DepthEstimator(features=32)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)

    @torch.no_grad()
    def error_mm() -> float:
        return 1000 * float((network(batch.depth).centres_m - batch.centres_m).norm(dim=-1).mean())

    before = error_mm()
    for _ in range(80):
        estimate = network(batch.depth)
        loss = map_loss(estimate.heatmaps, estimate.latent_depth, batch.centres_m)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert error_mm() < 25 < before


@pytest.mark.parametrize(
    ("crops", "reason"),
    [
        (torch.zeros(2, 60, 60), "multiple of 16"),
        (torch.full((1, 64, 64), 80.0), "normalise_depth"),
        (torch.full((1, 64, 64), math.nan), "without NaN"),
    ],
)
def test_crops_that_are_none_are_refused(crops, reason):
    with pytest.raises(BadInputError, match=reason):
        DepthEstimator(features=32)(crops)


def test_divergence_agrees_with_torch():
    generator = torch.Generator().manual_seed(0)
    code = PoseCode(*(torch.randn(5, 32, generator=generator) for _ in range(2)))
    ours = Independent(Normal(code.mean, (code.log_variance / 2).exp()), 1)
    standard = Independent(Normal(torch.zeros(5, 32), torch.ones(5, 32)), 1)
    assert torch.allclose(kl_from_standard_normal(code), kl_divergence(ours, standard), rtol=1e-4)


def test_fitting_equation_13_energy_of_a_pose():
    torch.manual_seed(0)
    vae = PoseVAE()
    centres = 0.1 * torch.randn(3, 41, 3)
    noise = torch.randn(3, 32)
    code = vae.encode(centres)
    z = code.mean + noise * (code.log_variance / 2).exp()
    likelihood = Normal(vae.decode(z), 0.02).log_prob(centres).sum((1, 2))
    constant = 123 * math.log(0.02 * math.sqrt(2 * math.pi))
    bound = likelihood + constant - kl_from_standard_normal(code)
    assert torch.allclose(pose_energy(vae, centres, noise), -bound, rtol=1e-4)
    assert vae(centres)[0].shape == (3, 41, 3)
    sizes = [m.out_features for m in [*vae.encoder, *vae.decoder] if hasattr(m, "out_features")]
    assert sizes == [256, 256, 256, 256, 123] and vae.mean.out_features == 32


@pytest.fixture(scope="module")
def learnt_prior():
    torch.manual_seed(0)
    data = SyntheticDepth(seed=1)
    pool = data.sphere_centres(0, 512)
    vae = PoseVAE()
    steps = []
    history = fit_pose_vae(
        vae,
        lambda start, count: pool[torch.arange(start, start + count) % len(pool)],
        steps=100,
        batch=128,
        generator=torch.Generator().manual_seed(0),
        on_step=lambda step, energy: steps.append(step),
    )
    return vae, history, steps


def test_the_prior_knows_hands(learnt_prior):
    vae, history, steps = learnt_prior
    assert history[-1] < history[0] / 3 and steps == list(range(100))
    hands = SyntheticDepth(seed=1, split="test").sphere_centres(0, 64)
    energy = pose_energy(vae, hands).mean()
    order = torch.randperm(41, generator=torch.Generator().manual_seed(0))
    shuffled = pose_energy(vae, hands[:, order]).mean()
    torn = pose_energy(vae, hands + 0.02 * torch.randn(hands.shape, generator=torch.Generator().manual_seed(0))).mean()
    assert energy < torn < shuffled


def test_the_prior_is_frozen_and_pulls_at_its_input(learnt_prior):
    vae = learnt_prior[0]
    assert not any(p.requires_grad for p in vae.parameters())
    hands = SyntheticDepth(seed=1, split="test").sphere_centres(0, 8)
    torn = (hands + 0.02 * torch.randn(hands.shape, generator=torch.Generator().manual_seed(0))).requires_grad_()
    before = pose_energy(vae, torn).sum()
    (gradient,) = torch.autograd.grad(before, torn)
    after = pose_energy(vae, torn.detach() - 2e-5 * gradient).sum()
    assert after < before


def test_the_prior_refuses_what_it_cannot_use():
    with pytest.raises(BadInputError, match="has 21 points, expected 41"):
        PoseVAE().encode(torch.zeros(1, 21, 3))
    nan = torch.full((4, 41, 3), math.nan)
    with pytest.raises(BadInputError, match="diverged at step 0"):
        fit_pose_vae(PoseVAE(), lambda start, count: nan, steps=2, batch=4)
