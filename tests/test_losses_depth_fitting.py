"""Eqs. 4-5 and 9-16 of Wan et al. (CVPR 2019): one named test an equation, then what the terms can and cannot do."""

import pytest
import torch
from depth_frames import crops, hands, seen_from_all, sphere_hand, three_views

from handlib.data.depth_views import CubeFrames
from handlib.errors import BadInputError
from handlib.hand.sphere_hand import BONE_PAIRS, COLLISION_PAIRS, collision_pairs
from handlib.losses.depth_fitting import (
    data_terms,
    data_to_model_loss,
    model_to_data_loss,
    multi_view_average_m,
    multi_view_loss,
    point_model_distance_m,
    point_sphere_distance_m,
    usable_crops,
)
from handlib.losses.sphere_priors import (
    AUTHORS_LOG_WEIGHTS,
    RELEASED_WEIGHTS,
    FittingTerms,
    FittingWeights,
    bone_length_loss,
    bone_lengths_m,
    collision_loss,
    fitting_objective,
    fitting_terms,
)
from handlib.render.spheres import BACKGROUND_M, crop_camera, pixel_rays_m, render_spheres

RADIUS = torch.tensor([0.02], dtype=torch.float64)


def test_equation_4_is_the_weighted_sum_of_six_terms() -> None:
    terms = FittingTerms(*(torch.tensor([10.0**k, 0.0]) for k in range(6)))
    weights = FittingWeights(1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    assert fitting_objective(terms, weights).tolist() == [654321.0, 0.0]
    assert fitting_objective(terms, RELEASED_WEIGHTS)[0] == pytest.approx(9 + 45000 + 0.1 + 10 + 1e4 + 1e5)
    assert AUTHORS_LOG_WEIGHTS.multi_view == RELEASED_WEIGHTS.multi_view / 10


def test_equation_5_is_the_mean_difference_of_depths() -> None:
    rendered = torch.tensor([[[0.01, 0.02], [0.0, 0.1]]])
    measured = torch.tensor([[[0.01, 0.01], [0.002, 0.1]]])
    assert model_to_data_loss(rendered, measured).item() == pytest.approx((10 + 2) / 4, rel=1e-5)
    assert model_to_data_loss(rendered, measured, "released").item() == pytest.approx((100 + 4) / 4, rel=1e-5)


def test_equation_9_is_the_sum_over_the_points_of_the_map() -> None:
    centres = hands(2)
    depth = crops(hands(2, seed=5), size=16)
    loss = data_to_model_loss(centres, sphere_hand().radii_m[None], depth)
    rays = pixel_rays_m(crop_camera(16, centres), 16)[0]
    expected = []
    for hand, picture in zip(centres, depth, strict=True):
        points = torch.cat([rays, picture[..., None]], dim=-1)[picture < BACKGROUND_M]
        gaps = ((points[:, None] - hand).norm(dim=-1) - sphere_hand().radii_m).abs().amin(1)
        expected.append(1e3 * gaps.clamp(max=0.05).sum() / 256)
    torch.testing.assert_close(loss, torch.stack(expected))


def test_equation_10_is_the_distance_from_the_surface() -> None:
    points = torch.tensor([[0.05, 0.0, 0.0], [0.0, 0.015, 0.0], [0.0, 0.0, 0.0], [0.012, 0.016, 0.0]]).double()
    distance = point_sphere_distance_m(points, torch.zeros(3, dtype=torch.float64), RADIUS)
    assert distance.tolist() == pytest.approx([0.03, 0.005, 0.02, 0.0], abs=1e-7)


def test_equation_11_is_the_least_distance_of_all_spheres() -> None:
    generator = torch.Generator().manual_seed(0)
    points, centres = (0.1 * torch.randn(2, n, 3, generator=generator, dtype=torch.float64) for n in (40, 41))
    radii = sphere_hand().radii_m.expand(2, -1)
    expected = point_sphere_distance_m(points[:, :, None], centres[:, None], radii[:, None]).amin(-1)
    torch.testing.assert_close(point_model_distance_m(points, centres, radii), expected)


def test_equation_12_is_the_squared_distance_from_the_median_in_the_world() -> None:
    frames, world = three_views(2), hands(2)
    views = seen_from_all(world, frames)
    assert multi_view_loss(views, frames).abs().max() < 1e-15
    # View 1 is 6 mm off: the median of three does not move, so that view alone pays, a third of 6^2 / 3 mm^2.
    views[:, 1, :, 0] += 0.006
    torch.testing.assert_close(multi_view_loss(views, frames), torch.full((2,), 4.0).double())


def test_equation_14_is_the_squared_excess_of_a_bone() -> None:
    rest, usual = sphere_hand().rest_m[None], sphere_hand().bone_lengths_m
    assert bone_length_loss(rest, usual).item() == 0.0
    longer, shorter = (bone_length_loss(scale * rest, usual) for scale in (1.10, 0.70))
    lengths = 1e3 * usual
    assert longer.item() == pytest.approx((0.05 * lengths).square().mean().item())
    assert shorter.item() == pytest.approx((0.10 * lengths).square().mean().item())
    released = bone_length_loss(1.10 * rest, usual, form="released").item()
    assert released == pytest.approx(((1.10**2 - 1.05**2) * lengths.square()).mean().item())


def test_equation_15_is_the_distance_of_a_bones_ends() -> None:
    centres = torch.zeros(41, 3)
    centres[2] = torch.tensor([0.003, 0.0, 0.004])
    assert len(BONE_PAIRS) == 35 and BONE_PAIRS[0] == (3, 2)
    lengths = bone_lengths_m(centres)
    assert lengths[0].item() == pytest.approx(0.005)
    assert int((lengths > 0).sum()) == sum(2 in pair for pair in BONE_PAIRS)


def test_equation_16_is_how_deep_two_spheres_overlap() -> None:
    centres = torch.zeros(1, 41, 3, dtype=torch.float64)
    centres[0, :, 0] = torch.arange(41)  # a metre apart: nothing touches
    radii = torch.full((41,), 0.01, dtype=torch.float64)
    assert len(COLLISION_PAIRS) == 690 and collision_loss(centres, radii).item() == 0.0
    centres[0, 40] = centres[0, 0] + torch.tensor([0.0, 0.003, 0.004]).double()  # the thumb's base in the palm
    assert collision_loss(centres, radii).item() == pytest.approx(20 - 5)
    assert collision_loss(centres, radii, form="released").item() == pytest.approx(36 - 25)
    centres[0, 40] = centres[0, 39] + torch.tensor([0.0, 0.003, 0.004]).double()  # two of the same finger may meet
    assert collision_loss(centres, radii).item() == 0.0


def test_the_data_terms_are_gone_where_the_spheres_are_the_data() -> None:
    centres = hands(2)
    fit = data_terms(centres[:, None], sphere_hand().radii_m, crops(centres)[:, None])
    assert fit[0].abs().max() == 0.0
    # A point on one sphere is also on the model's surface.
    assert fit[1].abs().max() < 1e-6


def test_only_data_to_model_reaches_unexplained_points() -> None:
    """One sphere lies over the first of two observed balls; a second one, off the picture's balls, explains nothing."""
    truth = torch.tensor([[[-0.05, 0.0, 0.0], [0.06, 0.0, 0.0]]]).double()
    depth = render_spheres(truth, RADIUS.expand(1, 2), crop_camera(32, truth), 32)
    one = truth[:, :1].clone().requires_grad_()
    rendered = render_spheres(one, RADIUS[None], crop_camera(32, truth), 32)
    (m2d,) = torch.autograd.grad(model_to_data_loss(rendered, depth).sum(), one)
    assert float(m2d.abs().max()) == 0.0 and model_to_data_loss(rendered, depth).item() > 0.5
    nearer = torch.tensor([[[-0.05, 0.0, 0.0], [0.02, 0.0, 0.0]]]).double().requires_grad_()
    (d2m,) = torch.autograd.grad(data_to_model_loss(nearer, RADIUS.expand(1, 2), depth).sum(), nearer)
    # Downhill is toward the ball that nothing explains, and that of the sphere which fits is next to nothing.
    assert d2m[0, 1, 0] < 0 and d2m[0, 1].norm() > 20 * d2m[0, 0].norm()


def test_points_too_far_from_the_model_pull_no_more() -> None:
    far = torch.tensor([[[0.13, 0.13, 0.0]]]).double().requires_grad_()
    depth = render_spheres(-far.detach(), RADIUS[None], crop_camera(32, far), 32)
    loss = data_to_model_loss(far, RADIUS[None], depth)
    assert loss.item() == pytest.approx(50 * (depth < BACKGROUND_M).double().mean().item())
    assert float(torch.autograd.grad(loss.sum(), far)[0].abs().max()) == 0.0


def test_both_data_terms_together_pull_a_hand_into_place() -> None:
    truth, radii = hands(1), sphere_hand().radii_m
    depth = crops(truth)[:, None]
    shift = torch.tensor([[[0.012, -0.009, 0.008]]]).double().requires_grad_()
    optimizer = torch.optim.Adam([shift], lr=1e-3)
    for _ in range(60):
        optimizer.zero_grad()
        m2d, d2m = data_terms((truth + shift)[:, None], radii, depth)
        (m2d + 5 * d2m).sum().backward()
        optimizer.step()
    assert shift.norm() < 0.003


def test_the_gradients_of_all_terms() -> None:
    frames, radii = three_views(), sphere_hand().radii_m
    world = hands(1, seed=3)
    depth = crops(seen_from_all(world, frames)[0], size=8)[None]
    said_mm = 1e3 * seen_from_all(1.3 * world, frames) + torch.randn(1, 3, 41, 3, generator=torch.manual_seed(0))
    pairs = collision_pairs(sphere_hand())

    def losses(centres_mm: torch.Tensor) -> tuple[torch.Tensor, ...]:
        centres = centres_mm / 1e3
        return (
            *data_terms(centres, radii, depth, frames),
            multi_view_loss(centres, frames, average="mean") * 0
            + bone_length_loss(centres, sphere_hand().bone_lengths_m),
            collision_loss(0.5 * centres, radii, pairs),
        )

    assert all(float(loss.sum()) > 0 for loss in losses(said_mm))
    assert torch.autograd.gradcheck(losses, (said_mm.requires_grad_(),), eps=1e-5, atol=1e-4, fast_mode=True)


def test_one_wrong_view_moves_the_mean_but_not_the_median() -> None:
    frames, world = three_views(), hands(1)
    views = seen_from_all(world, frames)
    views[:, 2] += 0.03 * torch.randn(41, 3, generator=torch.manual_seed(0)).double()
    everywhere = torch.ones(1, 3, dtype=torch.bool)
    said = frames.to_world(views)
    median, mean = (multi_view_average_m(said, everywhere, average=average) for average in ("median", "mean"))
    assert (median - world).norm(dim=-1).max() < 1e-12
    assert (mean - world).norm(dim=-1).mean() > 0.01
    # With the median, only the wrong view is pulled; with the mean, the good ones are pulled toward it.
    for average, good_ones_move in (("median", False), ("mean", True)):
        leaf = views.clone().requires_grad_()
        (pull,) = torch.autograd.grad(multi_view_loss(leaf, frames, average=average).sum(), leaf)
        assert (pull[:, :2].norm() > 1e-6) == good_ones_move and pull[:, 2].norm() > 0.1


def test_the_narrowest_heatmap_names_the_view() -> None:
    frames, world = three_views(), hands(1)
    views = seen_from_all(world, frames)
    views[:, 0] += 0.02
    variance = torch.tensor([3.0, 1.0, 2.0]).double()[None, :, None].expand(1, 3, 41)
    said = frames.to_world(views)
    chosen = multi_view_average_m(said, torch.ones(1, 3, dtype=torch.bool), variance=variance)
    torch.testing.assert_close(chosen, world)
    without = multi_view_average_m(said, torch.tensor([[True, False, True]]), variance=variance)
    torch.testing.assert_close(without, world)


def test_three_views_cost_nothing_where_they_agree_and_cross_terms_see_the_other_views() -> None:
    frames, radii = three_views(), sphere_hand().radii_m
    views = seen_from_all(hands(1), frames)
    depth = crops(views[0])[None]
    assert max(float(t) for t in data_terms(views, radii, depth, frames)) < 1e-6
    # A mistake along the line of sight of view 0, behind the hand's own surface, costs little there and much elsewhere.
    views[:, 0, 11:17, 2] += 0.03
    alone, together = (data_terms(views, radii, depth, where)[0].item() for where in (None, frames))
    assert together > 0.5 * alone > 0


def test_a_view_that_is_not_usable_is_skipped() -> None:
    frames, radii = three_views(2), sphere_hand().radii_m
    views = seen_from_all(hands(2), frames)
    depth = torch.stack([crops(view) for view in views])
    depth[0, 1] = BACKGROUND_M
    usable = usable_crops(depth)
    assert usable.tolist() == [[True, False, True], [True, True, True]]
    said = (1.1 * views).clone()
    said[0, 1] = torch.nan
    said.requires_grad_()
    terms = (*data_terms(said, radii, depth, frames, usable), multi_view_loss(said, frames, usable))
    assert all(bool(torch.isfinite(term).all()) for term in terms)
    (gradient,) = torch.autograd.grad(sum(term.sum() for term in terms), said)
    assert bool(torch.isfinite(gradient).all()) and float(gradient[0, 1].abs().max()) == 0.0
    # Two views have no median: the frame gives no consistency term, and the mean over its four pairs of views.
    assert terms[2][0] == 0.0 and terms[2][1] > 0.0
    pair = CubeFrames(frames.rotation[:1, ::2], frames.origin_m[:1, ::2])
    alone = data_terms(said[:1, ::2], radii, depth[:1, ::2], pair)
    torch.testing.assert_close(torch.stack([term[0] for term in terms[:2]]), torch.cat(alone))


def test_frames_without_any_surface_give_zero_and_no_gradient() -> None:
    said = hands(2)[:, None].requires_grad_()
    depth = torch.full((2, 1, 16, 16), BACKGROUND_M, dtype=torch.float64)
    assert not bool(usable_crops(depth).any())
    terms = data_terms(said, sphere_hand().radii_m, depth, usable=usable_crops(depth))
    assert [term.tolist() for term in terms] == [[0.0, 0.0]] * 2
    assert data_to_model_loss(said[:, 0], sphere_hand().radii_m[None], depth[:, 0]).tolist() == [0.0, 0.0]
    # Held against an empty map all the same, the model costs what it shows.
    assert data_terms(said, sphere_hand().radii_m, depth)[0].min() > 0


def test_all_terms_of_a_network_at_once() -> None:
    frames, spheres = three_views(2), sphere_hand()
    views = 1.2 * seen_from_all(hands(2), frames)
    depth = torch.stack([crops(view) for view in views / 1.2])
    depth[0, 2] = BACKGROUND_M
    usable = usable_crops(depth)
    said = views.clone()
    said[0, 2] = torch.nan
    said.requires_grad_()
    terms = fitting_terms(said, depth, spheres, frames, pose_energy=lambda x: x[:, 0, 2], usable=usable)
    bones = bone_length_loss(views, spheres.bone_lengths_m, form="released")
    torch.testing.assert_close(terms.bone_length, torch.stack([bones[0, :2].mean(), bones[1].mean()]))
    torch.testing.assert_close(terms.vae, torch.stack([views[0, :2, 0, 2].mean(), views[1, :, 0, 2].mean()]))
    expected = data_terms(said, spheres.radii_m, depth, frames, usable, "released")
    assert torch.equal(terms.model_to_data, expected[0]) and torch.equal(terms.data_to_model, expected[1])
    assert torch.equal(terms.multi_view, multi_view_loss(said, frames, usable))
    (gradient,) = torch.autograd.grad(fitting_objective(terms).sum(), said)
    assert bool(torch.isfinite(gradient).all()) and float(gradient[1].norm()) > 0
    alone = fitting_terms(said, depth, spheres, usable=usable)
    assert alone.multi_view.tolist() == alone.vae.tolist() == [0.0, 0.0]
    nowhere = fitting_terms(said, depth, spheres, frames, usable=torch.zeros_like(usable))
    assert fitting_objective(nowhere).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("depth", "message"),
    [
        (torch.full((1, 8, 8), 35.0), "millimetres"),
        (torch.full((1, 8, 8), torch.nan), "nan"),
    ],
)
def test_depths_that_are_no_metres_are_refused(depth: torch.Tensor, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        usable_crops(depth)
    with pytest.raises(BadInputError, match=message):
        data_to_model_loss(torch.zeros(1, 2, 3), torch.full((1, 2), 0.01), depth)


def test_radii_in_millimetres_are_refused() -> None:
    with pytest.raises(BadInputError, match="millimetres"):
        data_to_model_loss(torch.zeros(1, 2, 3), torch.full((1, 2), 14.0), torch.zeros(1, 8, 8))


def test_priors_do_not_know_where_the_hand_is() -> None:
    centres = hands(2)
    turn = torch.linalg.matrix_exp(torch.tensor([[0.0, 0.4, -0.2], [-0.4, 0.0, 0.9], [0.2, -0.9, 0.0]]).double())
    moved = centres @ turn.T + torch.tensor([0.1, -0.2, 0.3]).double()
    for form in ("paper", "released"):
        for loss in (
            lambda x, form=form: bone_length_loss(0.7 * x, sphere_hand().bone_lengths_m, form=form),
            lambda x, form=form: collision_loss(0.5 * x, sphere_hand().radii_m, form=form),
        ):
            assert loss(centres).min() > 0
            torch.testing.assert_close(loss(centres), loss(moved))
