"""The open benchmark: labels agree with pictures, a seed is a data set, and the two domains differ as they should."""

import numpy as np
import pytest
import torch

from handlib.camera import project_perspective
from handlib.data.hand_scenes import close_holes, hand_stage
from handlib.data.labelled_batch import visible_joints
from handlib.data.open_benchmark import OpenBenchmark
from handlib.data.random_streams import sample_stream
from handlib.data.skin_tone import lab_to_linear_rgb, linear_to_srgb, srgb_to_linear
from handlib.errors import BadInputError, MissingFileError
from handlib.hand.model import HandModel

PX = 64
COUNT = 16


@pytest.fixture(scope="module", params=["source", "target"])
def domain(request):
    return request.param


@pytest.fixture(scope="module")
def batches():
    return {
        name: OpenBenchmark(name, size=COUNT, image_px=PX).render_batch(range(COUNT)) for name in ("source", "target")
    }


def test_sample_has_every_label_in_its_place(domain):
    sample = OpenBenchmark(domain, size=3, image_px=32)[1]
    vertices = 778 if domain == "source" else 1159
    assert sample.image.shape == (32, 32, 3) and sample.image.dtype == np.uint8
    assert sample.name == f"{domain}/train/000001" and sample.side == "right"
    assert sample.vertices_m.shape == (vertices, 3) and sample.joints_m.shape == (21, 3)
    assert sample.mask.shape == sample.depth_m.shape == (32, 32)
    assert sample.visible.dtype == bool and np.array_equal(sample.confidence, np.ones(21))


def test_projected_joints_are_the_2d_labels(batches, domain):
    batch = batches[domain]
    x, y, z = batch.joints_m.double().unbind(-1)
    K = batch.K.double()
    u = K[:, 0, :1] * x / z + K[:, 0, 2:]
    v = K[:, 1, 1:2] * y / z + K[:, 1, 2:]
    assert (torch.stack([u, v], -1) - batch.joints_2d_px).abs().max() < 1e-4


def test_depth_and_mask_agree(batches):
    source, target = batches["source"], batches["target"]
    assert torch.equal(source.mask, source.depth_m > 0)
    assert (target.depth_m[target.mask] > 0).all()
    assert ((target.depth_m > 0) & ~target.mask).flatten(1).any(1).float().mean() > 0.8, "most hands have an arm"
    for batch in (source, target):
        steps = batch.depth_m.double() * 1e4
        assert (steps - steps.round()).abs().max() < 1e-2, "tenths of a millimetre"


def test_the_mask_is_the_hands_outline(batches):
    batch = batches["source"]
    pixels = project_perspective(batch.vertices_m, batch.K).round().long()
    inside = ((pixels >= 0) & (pixels < PX)).all(-1)
    column, row = pixels.clamp(0, PX - 1).unbind(-1)
    grown = torch.nn.functional.max_pool2d(batch.mask.float()[:, None], 3, stride=1, padding=1)[:, 0] > 0
    image = torch.arange(COUNT)[:, None].expand_as(row)
    assert grown[image, row, column][inside].all(), "every vertex lies in the mask or next to it"
    low, high = pixels.amin(1), pixels.amax(1)
    for number in range(COUNT):
        seen = batch.mask[number].nonzero().flip(-1)
        assert (seen.amin(0) - low[number]).abs().max() <= 1 and (seen.amax(0) - high[number]).abs().max() <= 1


def test_nearest_vertex_has_the_depth_of_its_pixel(batches):
    batch = batches["source"]
    nearest = batch.vertices_m[..., 2].argmin(1)
    rows = torch.arange(COUNT)
    point = batch.vertices_m[rows, nearest]
    column, row = project_perspective(point[:, None], batch.K)[:, 0].round().long().clamp(0, PX - 1).unbind(-1)
    depth_m = batch.depth_m[rows, row, column]
    on_hand = depth_m > 0  # a vertex on the outline may round to a pixel beside it
    assert on_hand.sum() > 0.7 * COUNT
    # A pixel of 64 px is 3 to 5 mm wide on the hand, so the surface may fall away by some millimetres.
    assert (depth_m - point[:, 2])[on_hand].abs().max() < 0.012


def test_hands_are_right_hands(batches, domain):
    """Bent fingers curl to the palm's side, and the thumb's side of a right hand fixes which side that is."""
    joints = batches[domain].joints_m
    wrist, index, middle, little = (joints[:, k] for k in (0, 5, 9, 17))
    dorsal = torch.linalg.cross(middle - wrist, index - little)
    tips = joints[:, [8, 12, 16, 20]].mean(1) - joints[:, [5, 9, 13, 17]].mean(1)
    palmward = (tips * dorsal).sum(-1) < 0
    assert palmward.float().mean() > 0.8


def test_joints_are_those_of_the_domains_own_hand(domain):
    benchmark = OpenBenchmark(domain, size=2, image_px=32)
    model = benchmark.hand.model
    assert model.file.side == "right"
    sample = benchmark[0]
    tips = sample.vertices_m[model.tip_vertices.numpy()]
    assert np.abs(tips - sample.joints_m[[4, 8, 12, 16, 20]]).max() < 2e-6


def test_a_sample_does_not_depend_on_batch_order_or_split_of_the_work(domain):
    benchmark = OpenBenchmark(domain, size=6, image_px=48)
    together = benchmark.render_batch([0, 1, 2, 3, 4, 5])
    mixed = benchmark.render_batch([4, 1])
    again = OpenBenchmark(domain, size=500, image_px=48)
    for index in (4, 1):
        alone, row = again[index], [4, 1].index(index)
        for batch, place in ((together, index), (mixed, row)):
            assert np.array_equal(batch.rgb[place].numpy(), alone.image)
            assert np.array_equal(batch.vertices_m[place].numpy(), alone.vertices_m)
            assert np.array_equal(batch.depth_m[place].numpy(), alone.depth_m)


def test_labels_scale_with_the_picture(domain):
    small, large = (OpenBenchmark(domain, size=1, image_px=px)[0] for px in (32, 64))
    assert np.abs(small.joints_m - large.joints_m).max() < 2e-6
    assert np.abs((small.joints_2d_px + 0.5) * 2 - (large.joints_2d_px + 0.5)).max() < 1e-3


def test_seed_split_domain_and_index_each_change_the_hand():
    base = {"domain": "source", "seed": 0, "split": "train", "image_px": 16, "size": 2}
    first = OpenBenchmark(**base)[0].joints_m
    for change in ({"seed": 1}, {"split": "test"}, {"domain": "target"}):
        assert np.abs(OpenBenchmark(**base | change)[0].joints_m - first).max() > 0.005
    assert np.abs(OpenBenchmark(**base)[1].joints_m - first).max() > 0.005


def test_streams_are_repeatable_and_apart():
    draws = {
        (seed, domain, split, index, purpose): sample_stream(seed, domain, split, index, purpose).random()
        for seed in (0, 1)
        for domain in ("source", "target")
        for split in ("train", "test")
        for index in (0, 1, 2**40)
        for purpose in ("view", "look")
    }
    assert len(set(draws.values())) == len(draws)
    assert sample_stream(1, "target", "test", 2**40, "look").random() == draws[1, "target", "test", 2**40, "look"]


def test_the_data_folder_changes_nothing(monkeypatch, tmp_path):
    monkeypatch.delenv("HANDLIB_DATA", raising=False)
    without = OpenBenchmark("target", size=1, image_px=32)[0]
    monkeypatch.setenv("HANDLIB_DATA", str(tmp_path))
    assert np.array_equal(without.image, OpenBenchmark("target", size=1, image_px=32)[0].image)


def test_photographs_stand_behind_the_same_hands(monkeypatch, tmp_path):
    from PIL import Image

    monkeypatch.setenv("HANDLIB_DATA", str(tmp_path))
    with pytest.raises(MissingFileError, match="backgrounds"):
        OpenBenchmark("target-photographs", size=1)
    (tmp_path / "backgrounds").mkdir()
    with pytest.raises(MissingFileError, match="holds no pictures"):
        OpenBenchmark("target-photographs", size=1)
    Image.new("RGB", (90, 60), (0, 220, 0)).save(tmp_path / "backgrounds" / "green.png")
    photograph, drawn = (OpenBenchmark(f"target{end}", size=4, image_px=48) for end in ("-photographs", ""))
    for index in range(4):
        green, other = photograph[index], drawn[index]
        assert np.array_equal(green.vertices_m, other.vertices_m) and np.array_equal(green.mask, other.mask)
        behind = green.image[green.depth_m == 0].astype(float)
        assert behind[:, 1].mean() > 1.5 * behind[:, [0, 2]].mean()


def test_statistics_are_those_of_hand_pictures(batches):
    for name, batch in batches.items():
        low, high = batch.joints_2d_px.amin(1), batch.joints_2d_px.amax(1)
        fraction = (high - low).amax(-1) / PX
        assert 0.3 < fraction.min() and fraction.max() < 1.1, name
        inside = ((batch.joints_2d_px > -0.5) & (batch.joints_2d_px < PX - 0.5)).all(-1).float().mean()
        assert inside == 1 if name == "source" else inside > 0.85
        assert 0.45 < batch.visible.float().mean() < 0.95, name
        assert 0.2 < batch.rgb.float().mean() / 255 < 0.8, name
        assert 0.08 < batch.mask.float().mean() < 0.5, name
        assert 0.15 < batch.joints_m[..., 2].min() and batch.joints_m[..., 2].max() < 1.5, name
        bones = (batch.joints_m[:, 9] - batch.joints_m[:, 0]).norm(dim=-1)
        assert 0.07 < bones.min() and bones.max() < 0.12, name


def test_source_is_clean_and_target_is_not(batches):
    """Neighbouring background pixels differ little without noise, clutter and JPEG, and much with them."""
    roughness = {}
    for name, batch in batches.items():
        background = batch.depth_m == 0
        both = background[:, :, 1:] & background[:, :, :-1]
        step = (batch.rgb[:, :, 1:].float() - batch.rgb[:, :, :-1].float()).abs().mean(-1)
        roughness[name] = float(step[both].mean())
    assert roughness["source"] < 3 < roughness["target"]


def test_flat_skin_varies_only_with_light(batches):
    """The ratio of the colour channels is one number all over a source hand: one albedo under white light."""
    batch = batches["source"]
    inner = -torch.nn.functional.max_pool2d(-batch.mask.float()[:, None], 5, stride=1, padding=2)[:, 0] > 0
    for number in range(COUNT):
        colour = batch.rgb[number][inner[number]].double()
        # One grey level of rounding in a value of 40 is 2.5 %; saturated pixels lose their ratio.
        colour = colour[(colour.amin(-1) > 40) & (colour.amax(-1) < 255)]
        if len(colour) > 20:
            ratio = colour[:, 0] / colour[:, 2]
            assert ratio.std() / ratio.mean() < 0.03


def test_joints_behind_something_are_not_visible():
    depth = torch.zeros(1, 8, 8)
    depth[0, :, :4] = 0.5
    joints = torch.full((1, 21, 3), 0.0)
    joints[..., 2] = 0.51
    pixels = torch.full((1, 21, 2), 2.0)
    joints[0, 3, 2] = 0.53  # a finger joint 3 cm under the surface
    joints[0, 5, 2] = 0.52  # a knuckle may lie 2 cm deep
    pixels[0, 7] = torch.tensor([6.0, 2.0])  # nothing there
    pixels[0, 8] = torch.tensor([-1.0, 2.0])  # out of the picture
    seen = visible_joints(joints, pixels, depth)[0]
    assert (~seen).nonzero().flatten().tolist() == [3, 8]


def test_holes_are_closed():
    open_hand = HandModel.load("open").faces
    closed = close_holes(open_hand)
    edges = torch.cat([closed[:, [0, 1]], closed[:, [1, 2]], closed[:, [2, 0]]])
    assert len(closed) == 1538 + 14
    assert len(torch.unique(edges, dim=0)) == len(edges), "no edge is run twice in one direction"
    assert {tuple(e) for e in edges.tolist()} == {(b, a) for a, b in edges.tolist()}, "every edge has two faces"
    assert len(close_holes(closed)) == len(closed)


def test_skin_tones_cover_the_range_and_convert():
    white = lab_to_linear_rgb(np.array([[100.0, 0.0, 0.0]]))
    assert np.abs(white - 1).max() < 2e-3
    # sRGB (188, 188, 188) is half of the light: IEC 61966-2-1.
    assert abs(float(linear_to_srgb(np.array(0.5))) * 255 - 187.5) < 0.1
    values = np.linspace(0, 1, 101)
    assert np.abs(srgb_to_linear(linear_to_srgb(values)) - values).max() < 1e-6


def test_drawn_skins_reach_from_dark_to_light():
    from handlib.data.skin_tone import draw_skin_lab

    tones = np.stack([draw_skin_lab(sample_stream(0, "target", "train", i, "look")) for i in range(300)])
    ita = np.degrees(np.arctan((tones[:, 0] - 50) / tones[:, 2]))
    shares = np.histogram(ita, [-46, -10, 25, 61])[0] / len(ita)
    assert (shares > 0.25).all(), "dark, medium and light skins are equally frequent"
    rgb = linear_to_srgb(lab_to_linear_rgb(tones))
    assert (rgb[:, 0] > rgb[:, 1]).all() and (rgb[:, 1] > rgb[:, 2]).all(), "skin is red before green before blue"


def test_sequence_protocol():
    benchmark = OpenBenchmark("source", size=2, image_px=16)
    assert len(benchmark) == 2 and np.array_equal(benchmark[-1].image, benchmark[1].image)
    assert [sample.name for sample in benchmark] == ["source/train/000000", "source/train/000001"]
    with pytest.raises(IndexError, match="sample 2 of a data set with 2"):
        benchmark[2]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"domain": "real"}, "domain is 'real'"),
        ({"split": "validation"}, "split is 'validation'"),
        ({"size": 0}, "at least 1 sample"),
        ({"image_px": 4}, "at least 16 px"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_arguments_are_named(arguments, reason):
    with pytest.raises(BadInputError, match=reason):
        OpenBenchmark(**arguments)


def test_an_empty_batch_is_refused():
    with pytest.raises(BadInputError, match="indices is empty"):
        OpenBenchmark("source", size=2).render_batch([])


def test_stage_is_loaded_once():
    assert hand_stage("open") is OpenBenchmark("source", size=1).hand


def test_varied_pictures_show_the_open_hand_with_the_looks_of_the_target():
    varied, target = (OpenBenchmark(name, size=8, image_px=48) for name in ("varied", "target"))
    assert varied.hand is OpenBenchmark("source", size=1).hand is not target.hand
    mine, other = varied.render_batch(range(8)), target.render_batch(range(8))
    assert mine.vertices_m.shape[1] == varied.hand.model.num_vertices
    contrast = [batch.rgb.float().flatten(1).std(1).mean() for batch in (mine, other)]
    assert 0.5 < contrast[0] / contrast[1] < 2
    assert not torch.equal(mine.joints_m, other.joints_m)
