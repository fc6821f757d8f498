from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hawklet.errors import ImageError, UsageError
from hawklet.preprocess import preprocess, source_box
from hawklet.spec import Fit, Interpolation, PreprocessSpec

specs = st.builds(
    PreprocessSpec,
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    fit=st.sampled_from(Fit),
    crop_fraction=st.floats(0.1, 1.0),
    interpolation=st.sampled_from(Interpolation),
    channels=st.sampled_from([1, 3, 4]),
)


@settings(max_examples=150, deadline=None)
@given(spec=specs, height=st.integers(1, 90), width=st.integers(1, 90))
def test_any_picture_becomes_the_models_shape(spec: PreprocessSpec, height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, spec.planes), dtype=np.uint8)
    pixels = preprocess(image, spec)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (spec.height, spec.width, spec.channels)
    left, top, right, bottom = source_box(height, width, spec)
    assert 0 <= left < right <= width + 1e-9
    assert 0 <= top < bottom <= height + 1e-9


@settings(max_examples=50, deadline=None)
@given(spec=specs)
def test_a_spec_survives_its_journey_through_plain_data(spec: PreprocessSpec) -> None:
    assert PreprocessSpec.from_dict(spec.to_dict()) == spec


@settings(max_examples=150, deadline=None)
@given(spec=specs, height=st.integers(1, 90), width=st.integers(1, 90))
def test_a_grey_picture_becomes_the_same_as_luma_and_as_each_of_three_channels(
    spec: PreprocessSpec, height: int, width: int
) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (height, width, 1), dtype=np.uint8)
    image = np.repeat(grey, 3, axis=2)
    luma, colours = (preprocess(image, replace(spec, channels=channels)) for channels in (1, 3))
    assert (colours == luma).all()


@settings(max_examples=150, deadline=None)
@given(spec=specs, height=st.integers(1, 90), width=st.integers(1, 90))
def test_a_fourth_plane_is_fitted_as_the_colours_are_and_weighs_none_of_them(
    spec: PreprocessSpec, height: int, width: int
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    image[: height // 2, :, 3] = 0  # where Pillow would blacken colours by an alpha
    four = preprocess(image, replace(spec, channels=4))
    three = replace(spec, channels=3)
    assert (four[..., :3] == preprocess(np.ascontiguousarray(image[..., :3]), three)).all()
    assert (four[..., 3:] == preprocess(np.repeat(image[..., 3:], 3, axis=2), three)).all()


def test_a_picture_of_the_models_own_size_passes_untouched() -> None:
    image = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert preprocess(image, PreprocessSpec(16, 16)) is image


def test_crop_keeps_the_centre_and_squash_keeps_everything() -> None:
    image = np.zeros((20, 60, 3), dtype=np.uint8)
    image[:, 20:40] = 255
    # The outermost pixels may take in a little of their neighbours beyond the box, as antialiasing does.
    assert preprocess(image, PreprocessSpec(10, 10, Fit.CROP))[:, 1:-1].min() == 255
    squashed = preprocess(image, PreprocessSpec(10, 12, Fit.SQUASH))
    assert squashed[:, 0].max() == 0
    assert squashed[:, 6].min() == 255


def test_crop_fraction_keeps_224_of_256() -> None:
    assert source_box(256, 256, PreprocessSpec(224, 224, crop_fraction=0.875)) == (16, 16, 240, 240)


def test_shrinking_averages_instead_of_picking_pixels() -> None:
    checker = np.indices((64, 64)).sum(axis=0) % 2 * 255
    image = np.repeat(checker[..., None], 3, axis=2).astype(np.uint8)
    for interpolation in (Interpolation.BILINEAR, Interpolation.BICUBIC, Interpolation.REDUCE_BILINEAR):
        pixels = preprocess(image, PreprocessSpec(8, 8, interpolation=interpolation))
        assert abs(int(pixels.mean()) - 127) <= 2
        assert int(pixels.std()) < 16


def test_reduce_bilinear_stays_near_plain_bilinear_on_a_smooth_picture() -> None:
    ramp = np.add.outer(np.arange(600), np.arange(640)) * 255 / 1240
    image = np.repeat(ramp[..., None], 3, axis=2).astype(np.uint8)
    fast = preprocess(image, PreprocessSpec(224, 224, interpolation=Interpolation.REDUCE_BILINEAR)).astype(int)
    plain = preprocess(image, PreprocessSpec(224, 224, interpolation=Interpolation.BILINEAR)).astype(int)
    assert np.abs(fast - plain).max() <= 3


@pytest.mark.parametrize(
    ("height", "width", "crop_fraction", "box"),
    [
        (480, 640, 1.0, (96, 16, 544, 464)),  # 480 is narrowed to 2 x 224
        (480, 640, 0.875, (96, 16, 544, 464)),  # 420 is widened to it
        (720, 1280, 1.0, (304, 24, 976, 696)),  # 3 x 224
        (230, 300, 1.0, (38, 3, 262, 227)),  # 1 x 224: cut, not resampled
        (600, 640, 1.0, (20, 0, 620, 600)),  # far from a multiple
        (220, 220, 1.0, (0, 0, 220, 220)),  # too small for 1 x 224
    ],
)
def test_a_crop_near_a_whole_multiple_becomes_that_multiple(
    height: int, width: int, crop_fraction: float, box: tuple[int, ...]
) -> None:
    assert source_box(height, width, PreprocessSpec(224, 224, crop_fraction=crop_fraction)) == box


def test_a_whole_multiple_is_averaged_block_by_block() -> None:
    image = np.random.default_rng(5).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    averaged = preprocess(image, PreprocessSpec(23, 23)).astype(int)
    blocks = image[1:47, 9:55].reshape(23, 2, 23, 2, 3).mean(axis=(1, 3))
    assert np.abs(averaged - blocks).max() <= 0.5
    cut = preprocess(image[:24, :24], PreprocessSpec(23, 23))
    assert (cut == image[:23, :23]).all()


@settings(max_examples=500, deadline=None)
@given(
    side=st.sampled_from([192, 224, 240, 299, 300, 320]),
    height=st.integers(1, 4000),
    width=st.integers(1, 4000),
    interpolation=st.sampled_from(Interpolation),
)
def test_the_whole_short_side_never_reaches_beyond_the_picture(
    side: int, height: int, width: int, interpolation: Interpolation
) -> None:
    left, top, right, bottom = source_box(height, width, PreprocessSpec(side, side, interpolation=interpolation))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@pytest.mark.parametrize(("height", "width"), [(485, 600), (1944, 2592), (333, 500)])
def test_sides_that_do_not_multiply_back_exactly_are_read(height: int, width: int) -> None:
    image = np.full((height, width, 3), 7, dtype=np.uint8)
    for side in (224, 300):
        assert (preprocess(image, PreprocessSpec(side, side, interpolation=Interpolation.BILINEAR)) == 7).all()


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (0, 8, 3)])
def test_what_is_no_rgb_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"uint8 \[H, W, 3\]"):
        preprocess(np.zeros(shape, dtype=np.uint8), PreprocessSpec(8, 8))
    with pytest.raises(ImageError, match="float32"):
        preprocess(np.zeros((8, 8, 3), dtype=np.float32), PreprocessSpec(8, 8))  # type: ignore[arg-type]  # on purpose


def test_a_picture_without_the_fourth_plane_is_refused_where_it_is_needed() -> None:
    with pytest.raises(ImageError, match=r"uint8 \[H, W, 4\], got uint8 \[8, 8, 3\]"):
        preprocess(np.zeros((8, 8, 3), dtype=np.uint8), PreprocessSpec(8, 8, channels=4))


@pytest.mark.parametrize(
    "change", [{"height": 0}, {"crop_fraction": 0.0}, {"channels": 2}, {"fit": "stretch"}, {"x": 1}]
)
def test_an_impossible_spec_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        PreprocessSpec.from_dict(PreprocessSpec(8, 8).to_dict() | change)


@pytest.mark.parametrize("interpolation", [Interpolation.BILINEAR, Interpolation.REDUCE_BILINEAR])
@pytest.mark.parametrize(("height", "width"), [(480, 640), (101, 333), (375, 500)])
def test_columns_that_cannot_contribute_are_spared_without_changing_the_picture(
    interpolation: Interpolation, height: int, width: int
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    spec = PreprocessSpec(160, 120, interpolation=interpolation, crop_fraction=0.75)
    resampling, gap = Image.Resampling.BILINEAR, 1.0 if interpolation is Interpolation.REDUCE_BILINEAR else None
    box = source_box(height, width, spec)
    whole = np.asarray(Image.fromarray(image).resize((120, 160), resampling, box=box, reducing_gap=gap))
    assert np.abs(preprocess(image, spec).astype(int) - whole).max() <= 1  # Pillow may take the two axes in turn
