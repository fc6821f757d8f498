from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hawklet import images
from hawklet.errors import ImageError
from hawklet.images import has_fourth_plane, read_header, read_image


def _half_red_half_blue(width: int = 40, height: int = 20) -> Image.Image:
    picture = Image.new("RGB", (width, height), (200, 0, 0))
    picture.paste((0, 0, 200), (0, height // 2, width, height))
    return picture


def _saved(picture: Image.Image, kind: str, **options: object) -> io.BytesIO:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    stream.seek(0)
    return stream


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate 90 degrees clockwise to view
    array = read_image(_saved(_half_red_half_blue(), "JPEG", exif=exif, quality=95))
    assert array.shape == (40, 20, 3)
    assert array[:, :8, 2].mean() > 150  # the blue lower half is now on the left
    assert array[:, 12:, 0].mean() > 150


def test_grey_becomes_three_equal_channels() -> None:
    array = read_image(_saved(Image.linear_gradient("L"), "PNG"))
    assert array.shape == (256, 256, 3)
    assert (array[..., 0] == array[..., 1]).all()
    assert (array[..., 0] == array[..., 2]).all()


def test_alpha_is_dropped_and_stored_colours_are_taken() -> None:
    array = read_image(_saved(Image.new("RGBA", (4, 4), (10, 20, 30, 0)), "PNG"))
    assert (array == (10, 20, 30)).all()


def _with_plane() -> np.ndarray:
    """Noise, with colours where the fourth plane is 0 too."""
    pixels = np.random.default_rng(3).integers(0, 256, (20, 40, 4), dtype=np.uint8)
    pixels[:10, :, 3] = 0
    return pixels


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})])
def test_a_fourth_plane_is_read_as_it_is_stored(kind: str, options: dict[str, object]) -> None:
    pixels = _with_plane()
    stream = _saved(Image.fromarray(pixels), kind, **options)
    assert has_fourth_plane(stream)
    assert (read_image(stream, planes=4) == pixels).all()
    assert (read_image(stream) == pixels[..., :3]).all()


def test_a_fourth_plane_is_turned_upright_with_the_colours() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = _with_plane()
    array = read_image(_saved(Image.fromarray(pixels), "PNG", exif=exif), planes=4)
    assert (array == np.rot90(pixels, -1)).all()


def test_grey_with_a_plane_is_three_equal_channels_and_that_plane() -> None:
    grey = Image.merge("LA", [Image.linear_gradient("L"), Image.radial_gradient("L")])
    array = read_image(_saved(grey, "PNG"), planes=4)
    assert (array[..., :3] == np.asarray(Image.linear_gradient("L"))[..., None]).all()
    assert (array[..., 3] == np.asarray(Image.radial_gradient("L"))).all()


def _transparent_palette() -> io.BytesIO:
    return _saved(_half_red_half_blue().quantize(4), "PNG", transparency=0)


def _premultiplied() -> io.BytesIO:
    plain = _saved(Image.fromarray(_with_plane()), "TIFF").getvalue()
    extra_samples = struct.pack("<HHII", 338, 3, 1, 2)  # unassociated alpha, as Pillow writes it
    assert plain.count(extra_samples) == 1
    return io.BytesIO(plain.replace(extra_samples, struct.pack("<HHII", 338, 3, 1, 1)))


@pytest.mark.parametrize(
    "made",
    [lambda: _saved(_half_red_half_blue(), "PNG"), lambda: _saved(_half_red_half_blue(), "JPEG"), _transparent_palette,
     _premultiplied],
    ids=["PNG of three planes", "JPEG", "transparent colour of a palette", "premultiplied TIFF"],
)  # fmt: skip
def test_a_picture_without_a_fourth_plane_is_refused_in_one_line(
    made: Callable[[], io.BytesIO], tmp_path: Path
) -> None:
    path = tmp_path / "leaf.png"
    path.write_bytes(made().getvalue())
    assert not has_fourth_plane(path)
    with pytest.raises(ImageError, match=r"^leaf\.png: a picture for 4 channels needs a fourth plane.* has none$"):
        read_image(path, planes=4)
    assert read_image(path).shape[2] == 3


def test_palette_pictures_take_their_palette() -> None:
    array = read_image(_saved(_half_red_half_blue().quantize(4), "PNG"))
    assert array[0, 0, 0] > 150
    assert array[-1, 0, 2] > 150


def test_sixteen_bit_grey_keeps_its_high_byte() -> None:
    picture = Image.fromarray(np.full((8, 8), 0xAB12, dtype=np.uint16))
    assert (read_image(_saved(picture, "PNG")) == 0xAB).all()


def test_cmyk_is_converted() -> None:
    array = read_image(_saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"))
    assert tuple(array[0, 0]) == (255, 0, 0)


def test_an_animation_gives_its_first_picture() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    stream = _saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert tuple(read_image(stream)[0, 0]) == (255, 0, 0)


def test_a_truncated_picture_is_refused_in_one_line() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    data = _saved(noise, "JPEG").getvalue()
    with pytest.raises(ImageError, match="damaged or cut short") as caught:
        read_image(io.BytesIO(data[: len(data) // 2]))
    assert "\n" not in str(caught.value)


def test_an_oversized_picture_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    large = _saved(Image.new("RGB", (64, 64)), "PNG")
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="64x64"):
        read_image(large)


def test_what_is_no_picture_is_refused_by_name(tmp_path: Path) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("not a picture")
    with pytest.raises(ImageError, match=r"notes\.jpg: not a picture"):
        read_image(text)
    with pytest.raises(ImageError, match="no such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(ImageError, match="got a folder"):
        read_image(tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["PNG", "GIF", "BMP", "TIFF", "WEBP"]), st.integers(0, 400))
def test_damaged_bytes_give_a_picture_or_an_image_error(junk: bytes, kind: str, position: int) -> None:
    data = bytearray(_saved(_half_red_half_blue(), kind).getvalue())
    data[position : position + len(junk)] = junk
    try:
        array = read_image(io.BytesIO(bytes(data)))
    except ImageError as error:
        assert "\n" not in str(error)
    else:
        assert array.dtype == np.uint8
        assert array.ndim == 3


def _photo(width: int, height: int, **options: object) -> io.BytesIO:
    """A JPEG of slow gradients, as large photos are from pixel to pixel."""
    ramp = Image.linear_gradient("L").resize((width, height))
    picture = Image.merge("RGB", (ramp, ramp.transpose(Image.Transpose.ROTATE_180), ramp.transpose(0)))
    return _saved(picture, "JPEG", quality=92, **options)


@pytest.mark.parametrize(
    ("at_least", "shape"),
    [
        (None, (1200, 1600)),
        (1200, (1200, 1600)),
        (601, (1200, 1600)),
        (600, (600, 800)),
        (299, (300, 400)),
        (1, (150, 200)),
    ],
)
def test_a_large_jpeg_is_decoded_smaller_while_enough_is_left(at_least: int | None, shape: tuple[int, int]) -> None:
    assert read_image(_photo(1600, 1200), at_least).shape[:2] == shape


def test_decoding_smaller_gives_what_shrinking_gives() -> None:
    whole = Image.fromarray(read_image(_photo(1600, 1200))).reduce(4)
    smaller = read_image(_photo(1600, 1200), 300)
    assert np.abs(smaller.astype(int) - np.asarray(whole).astype(int)).mean() < 1.0


def test_a_picture_decoded_smaller_is_upright_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_image(_photo(1600, 1200, exif=exif), 300).shape == (400, 300, 3)


def test_a_truncated_picture_is_refused_however_small_it_is_decoded() -> None:
    data = _photo(1600, 1200).getvalue()
    with pytest.raises(ImageError, match="damaged or cut short"):
        read_image(io.BytesIO(data[: len(data) * 2 // 3]), 150)


def test_only_jpegs_are_decoded_smaller() -> None:
    assert read_image(_saved(Image.new("RGB", (800, 600)), "PNG"), 100).shape == (600, 800, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP"])
def test_a_header_says_format_and_upright_size(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = _saved(Image.new("RGB", (60, 20)), kind, exif=exif)
    assert read_header(stream) == (kind, *read_image(stream).shape[:2])


def test_a_header_is_read_without_decoding_the_picture() -> None:
    data = _photo(1600, 1200).getvalue()
    assert read_header(io.BytesIO(data[:2000])) == ("JPEG", 1200, 1600)
    whole = _saved(Image.effect_noise((400, 300), 90), "PNG").getvalue()
    assert read_header(io.BytesIO(whole[:2000])) == ("PNG", 300, 400)


@pytest.mark.parametrize("content", [b"", b"no picture at all", b"\xff\xd8\xff"])
def test_what_is_no_picture_has_no_header(content: bytes) -> None:
    with pytest.raises(ImageError, match=r"not a picture|damaged|the file is empty"):
        read_header(io.BytesIO(content))


@pytest.mark.parametrize(("side", "got"), [(8_000, "8000x8000"), (20_000, "400 million")])
def test_a_bomb_is_refused_by_its_header_with_our_limit(side: int, got: str) -> None:
    bomb = _saved(Image.new("1", (side, side)), "PNG")
    with pytest.raises(ImageError, match=f"at most, got {got}; shrink it first") as caught:
        read_header(bomb)
    assert "50 million pixels at most" in str(caught.value) and "limit" not in str(caught.value)


def test_a_file_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    with pytest.raises(ImageError, match=r"^self\.jpg: a link that leads back to itself$"):
        read_image(tmp_path / "self.jpg")
    (tmp_path / "none.jpg").touch()
    with pytest.raises(ImageError, match=r"^none\.jpg: the file is empty$"):
        read_image(tmp_path / "none.jpg")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "a.jpg")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(ImageError, match=r"^a\.jpg: may not be read \(no permission\)$"):
        read_image(tmp_path / "a.jpg")
