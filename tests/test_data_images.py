"""Pictures of every kind become 8-bit RGB, or are refused with a reason."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from handlib.data.images import as_rgb8, read_image
from handlib.errors import BadInputError, MissingFileError

RGB = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)


def test_png_round_trip_is_exact(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), RGB)


def test_grey_is_repeated_over_the_channels(tmp_path):
    Image.fromarray(RGB[..., 0]).save(tmp_path / "grey.png")
    read = read_image(tmp_path / "grey.png")
    assert read.shape == (7, 5, 3) and all(np.array_equal(read[..., c], RGB[..., 0]) for c in range(3))


def test_sixteen_bit_is_scaled_by_its_range(tmp_path):
    wide = RGB[..., 0].astype(np.uint16) * 257
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert np.array_equal(read_image(tmp_path / "wide.png")[..., 0], RGB[..., 0])


def test_a_dark_sixteen_bit_picture_stays_dark(tmp_path):
    Image.fromarray(np.full((4, 4), 200, np.uint16)).save(tmp_path / "dark.png")
    assert read_image(tmp_path / "dark.png").max() == 1


def test_transparency_is_laid_on_white(tmp_path):
    opacity = np.zeros((7, 5, 1), np.uint8)
    opacity[0] = 255
    Image.fromarray(np.concatenate([RGB, opacity], -1)).save(tmp_path / "alpha.png")
    read = read_image(tmp_path / "alpha.png")
    assert np.array_equal(read[0], RGB[0]) and (read[1:] == 255).all()


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("RGB", (6, 4), (200, 100, 50)).convert("CMYK").save(tmp_path / "print.jpg")
    assert np.abs(read_image(tmp_path / "print.jpg").astype(int) - [200, 100, 50]).max() <= 6


def test_orientation_flag_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees
    Image.fromarray(RGB).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "turned.png"), np.rot90(RGB, -1))


def test_a_cut_off_file_is_named(tmp_path):
    Image.fromarray(np.repeat(np.repeat(RGB, 30, 0), 30, 1)).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInputError, match=r"cut\.jpg is damaged or cut off"):
        read_image(tmp_path / "cut.jpg")


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / "notes.jpg").write_text("not a picture")
    with pytest.raises(BadInputError, match=r"notes\.jpg is not a picture"):
        read_image(tmp_path / "notes.jpg")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"gone\.png"):
        read_image(tmp_path / "gone.png")


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    Image.fromarray(RGB).save(tmp_path / "locked.png")

    def refuse(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("handlib.data.images.Image.open", refuse)
    with pytest.raises(BadInputError, match=r"locked\.png may not be read: check its permissions"):
        read_image(tmp_path / "locked.png")


def test_a_large_picture_is_read_without_a_detour_through_floats(tmp_path):
    large = np.zeros((2000, 2000, 3), np.uint8)
    large[0, 0] = RGB[0, 0]
    Image.fromarray(large).save(tmp_path / "large.png")
    tracemalloc.start()
    read = read_image(tmp_path / "large.png")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(read, large) and read.flags.writeable
    assert peak < 4 * large.nbytes


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr("handlib.data.images.MAX_PIXELS", 30)
    Image.fromarray(RGB).save(tmp_path / "huge.png")
    with pytest.raises(BadInputError, match="5 x 7 pixels"):
        read_image(tmp_path / "huge.png")


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((2, 4, 4, 3), np.uint8), "one picture at a time"),
        (np.zeros((3, 4, 5), np.uint8), "channels last"),
        (np.zeros((0, 4, 3), np.uint8), "shape"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (np.full((4, 4, 3), np.nan), "finite"),
        (np.full((4, 4, 3), 200.0), "divide 0..255"),
    ],
)
def test_bad_arrays_are_refused(image, reason):
    with pytest.raises(BadInputError, match=reason):
        as_rgb8(image)


@given(arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3))))
def test_eight_bit_rgb_is_left_alone_and_float_agrees(image):
    assert np.array_equal(as_rgb8(image), image)
    assert np.array_equal(as_rgb8(image / 255), image)
