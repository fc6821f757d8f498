"""What a small camera does, part by part, held against what physics says of it."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable

import pytest
import torch

from hawklet_trainer.augment import camera
from hawklet_trainer.augment.blur import blur, spread
from hawklet_trainer.augment.camera import Camera
from hawklet_trainer.augment.compression import through_jpeg
from hawklet_trainer.augment.lighting import bands, fall_off, random_lighting
from hawklet_trainer.augment.linear_light import to_light, to_pixels
from hawklet_trainer.augment.mounting import mount, random_corners
from hawklet_trainer.augment.noise import BALANCE, READ, add_noise
from hawklet_trainer.augment.white_balance import (
    COOLEST,
    MOST_MIREDS,
    WARMEST,
    chromaticity,
    misjudged_gains,
    planckian,
    random_gains,
)


def test_every_pixel_value_comes_back_from_light() -> None:
    values = torch.arange(256, dtype=torch.uint8).reshape(2, 8, 16)
    assert torch.equal(to_pixels(to_light(values)), values)


def test_light_is_that_of_the_srgb_curve() -> None:
    light = to_light(torch.tensor([0, 10, 118, 188, 255], dtype=torch.uint8))
    assert light.tolist() == pytest.approx([0.0, 0.003035, 0.181164, 0.502886, 1.0], abs=1e-5)
    assert to_pixels(torch.tensor([-0.1, 0.5, 1.7])).tolist() == [0, 188, 255]


@pytest.mark.parametrize(
    ("kelvin", "x", "y"), [(2856.0, 0.4476, 0.4074), (5000.0, 0.3451, 0.3516), (6504.0, 0.3135, 0.3237)]
)
def test_the_planckian_locus_is_where_the_tables_have_it(kelvin: float, x: float, y: float) -> None:
    assert chromaticity(kelvin) == pytest.approx((x, y), abs=4e-4)


def test_warm_light_is_red_and_light_taken_for_warmer_than_it_is_comes_out_blue() -> None:
    red, green, blue = planckian(2800.0)
    assert red > green > blue
    for kelvin in (WARMEST, 4000.0, COOLEST):
        red, green, blue = misjudged_gains(kelvin, MOST_MIREDS)
        assert red < green == 1.0 < blue
        assert misjudged_gains(kelvin, 0.0) == pytest.approx((1.0, 1.0, 1.0))


def test_white_balance_errs_as_much_as_automatic_ones_do_and_leaves_the_brightness() -> None:
    torch.manual_seed(0)
    gains = [random_gains().flatten() for _ in range(2000)]
    angles = [math.degrees(math.acos(min(1.0, float(g.sum() / g.norm()) / math.sqrt(3)))) for g in gains]
    assert 2.0 < statistics.median(angles) < 6.0 and max(angles) < 12.0
    luminance = torch.tensor([0.2126, 0.7152, 0.0722])
    assert all(float(g @ luminance) == pytest.approx(1.0, abs=1e-4) for g in gains)


def _bands(**changes: float) -> torch.Tensor:
    settings = {"hertz": 100.0, "depth": 0.5, "exposure": 0.002, "readout": 0.04, "phase": 0.3, **changes}
    return bands(400, **settings)[:, 0]


def test_bands_are_as_many_as_the_lamp_pulses_while_the_picture_is_read_out() -> None:
    rising = (_bands(readout=0.04).diff() > 0).int().diff()
    assert int((rising < 0).sum()) == 4
    assert int(((_bands(readout=0.02).diff() > 0).int().diff() < 0).sum()) == 2


def test_bands_vanish_where_the_exposure_is_a_whole_number_of_pulses() -> None:
    assert float((_bands(exposure=0.010) - 1.0).abs().max()) < 1e-6
    assert float((_bands(exposure=2 / 120, hertz=120.0) - 1.0).abs().max()) < 1e-6
    depths = [float(_bands(exposure=exposure).max() - 1.0) for exposure in (0.0001, 0.003, 0.006, 0.009)]
    assert depths == sorted(depths, reverse=True)
    assert depths[0] == pytest.approx(0.5, abs=0.01)


def test_no_light_is_negative_however_deep_the_lamp_pulses() -> None:
    assert float(_bands(depth=1.0, exposure=1e-4).min()) >= -1e-6


def test_light_falls_off_by_the_fourth_power_of_the_cosine() -> None:
    tangent = 0.4
    factors = fall_off(101, 61, tangent)
    assert float(factors[50, 30]) == 1.0 == float(factors.max())
    corner = math.cos(math.atan(tangent)) ** 4
    assert factors[0, 0].item() == pytest.approx(corner) == factors[-1, -1].item()
    assert torch.allclose(fall_off(101, 61, -tangent) * factors, torch.ones(101, 61))


def test_lighting_changes_how_bright_a_picture_is_by_stops_and_not_its_colours() -> None:
    torch.manual_seed(0)
    grey = torch.full((3, 32, 32), 0.18)
    lit = [random_lighting(grey) for _ in range(300)]
    stops = [math.log2(float(one.mean()) / 0.18) for one in lit]
    assert -1.9 < min(stops) < -0.9 and 0.5 < max(stops) < 1.5
    assert all(torch.equal(one[0], one[1]) and torch.equal(one[0], one[2]) for one in lit)


def _moments(kernel: torch.Tensor) -> tuple[float, float, float]:
    """Variances across and down, and the covariance."""
    steps = torch.arange(len(kernel)) - len(kernel) // 2
    y, x = steps[:, None], steps[None, :]
    return float((kernel * x * x).sum()), float((kernel * y * y).sum()), float((kernel * x * y).sum())


@pytest.mark.parametrize("angle", [0.0, math.pi / 2])
def test_a_kernel_is_an_even_line_with_soft_edges(angle: float) -> None:
    kernel = spread(8.0, angle, 1.0)
    assert float(kernel.sum()) == pytest.approx(1.0) and len(kernel) % 2 == 1
    along, across, together = _moments(kernel) if angle == 0.0 else (*_moments(kernel)[1::-1], 0.0)
    assert along == pytest.approx(8.0**2 / 12 + 1.0, rel=0.08)
    assert across == pytest.approx(1.0, rel=0.12)
    assert together == pytest.approx(0.0, abs=1e-6)


def test_a_kernel_without_movement_is_round() -> None:
    across, down, together = _moments(spread(0.0, 1.0, 1.2))
    assert across == pytest.approx(down, rel=1e-4) == pytest.approx(1.44, rel=0.2)
    assert together == pytest.approx(0.0, abs=1e-4)


def test_blur_spreads_a_point_and_keeps_its_light() -> None:
    light = torch.zeros(3, 41, 41)
    light[1, 20, 20] = 1.0
    blurred = blur(light, spread(7.0, 0.6, 0.5))
    assert blurred.sum((1, 2)).tolist() == pytest.approx([0.0, 1.0, 0.0], abs=1e-5)
    assert float(blurred.max()) < 0.3
    flat = torch.full((3, 30, 30), 0.4)
    assert torch.allclose(blur(flat, spread(7.0, 0.6, 0.5)), flat, atol=1e-5)


@pytest.mark.parametrize("electrons", [300.0, 5000.0])
@pytest.mark.parametrize("level", [0.0, 0.18, 0.8])
def test_noise_is_that_of_photons_and_of_reading_them(electrons: float, level: float) -> None:
    torch.manual_seed(0)
    noisy = add_noise(torch.full((3, 300, 300), level), electrons)
    for channel, gain in enumerate(BALANCE):
        # In electrons of the raw pixel, which is darker by the gain that balances it: photons vary by their number.
        raw = noisy[channel] / gain * electrons
        assert float(raw.var()) == pytest.approx(level / gain * electrons + READ**2, rel=0.03)
        assert float(noisy[channel].mean()) == pytest.approx(level, abs=0.002)


def test_noise_shows_more_in_the_dark_than_in_the_bright_once_it_is_coded() -> None:
    torch.manual_seed(0)
    spreads = [float(to_pixels(add_noise(torch.full((3, 200, 200), v), 500.0)).float().std()) for v in (0.02, 0.7)]
    assert spreads[0] > 1.5 * spreads[1]


def test_what_is_seen_lies_within_the_picture_and_is_not_turned_round() -> None:
    torch.manual_seed(0)
    for rows, columns in itertools.islice(itertools.cycle(((256, 256), (120, 300), (37, 37))), 600):
        left_up, right_up, right_down, left_down = random_corners(rows, columns)
        for x, y in (left_up, right_up, right_down, left_down):
            assert -1e-6 <= x <= columns - 1 + 1e-6 and -1e-6 <= y <= rows - 1 + 1e-6
        assert left_up[0] < right_up[0] and left_down[0] < right_down[0]
        assert left_up[1] < left_down[1] and right_up[1] < right_down[1]


def test_a_camera_put_up_askew_makes_nothing_up_at_the_edges() -> None:
    torch.manual_seed(0)
    white = torch.full((3, 60, 60), 255, dtype=torch.uint8)
    assert all(int(mount(white, 40, 40).min()) >= 254 for _ in range(50))


def test_jpeg_is_the_worse_the_lower_its_quality() -> None:
    torch.manual_seed(0)
    picture = to_pixels(blur(torch.rand(3, 64, 64), spread(0.0, 0.0, 1.0)))
    errors = [float((through_jpeg(picture, q).float() - picture.float()).abs().mean()) for q in (95, 75, 50)]
    assert 0.0 < errors[0] < errors[1] < errors[2] < 20.0
    assert through_jpeg(picture, 75).shape == picture.shape


def test_a_camera_gives_pictures_that_can_still_be_recognised() -> None:
    torch.manual_seed(0)
    picture = torch.full((3, 64, 64), 40, dtype=torch.uint8)
    picture[:, 16:48, 16:48] = torch.tensor([200, 90, 60], dtype=torch.uint8).reshape(3, 1, 1)
    taken = [Camera(56, 56)(picture) for _ in range(100)]
    for one in taken:
        middle, edge = one[:, 22:34, 22:34].float().mean((1, 2)), one[:, :3].float().mean((1, 2))
        assert middle[0] > middle[1] and middle[0] > middle[2], "red has become another colour"
        assert middle[0] > edge[0] + 20
    assert len({one.numpy().tobytes() for one in taken}) == 100


PARTS = ("mount", "random_blur", "random_lighting", "random_noise", "random_gains", "random_jpeg")
"""Of a camera, in the order of the light, by the names that it calls them by."""

Part = Callable[..., torch.Tensor]


def _noted(name: str, done: list[str]) -> Part:
    part: Part = getattr(camera, name)

    def noting(*given: object) -> torch.Tensor:
        done.append(name)
        return part(*given)

    return noting


def test_a_camera_does_each_of_its_parts_once_in_the_order_of_the_light(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in PARTS:
        monkeypatch.setattr(camera, name, _noted(name, done))
    Camera(24, 32)(torch.full((3, 40, 40), 128, dtype=torch.uint8))
    assert tuple(done) == PARTS


@pytest.mark.parametrize("name", PARTS)
def test_what_a_part_of_a_camera_gives_is_what_it_goes_on_with(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    white = torch.full((3, 40, 40), 255, dtype=torch.uint8)
    torch.manual_seed(0)
    assert float(Camera(24, 32)(white).float().mean()) > 150.0
    part: Part = getattr(camera, name)
    monkeypatch.setattr(camera, name, lambda *given: torch.zeros_like(part(*given)))
    assert float(Camera(24, 32)(white).float().mean()) < 25.0  # after the dark there may be noise


def _still_camera(monkeypatch: pytest.MonkeyPatch, stops: float, gains: tuple[float, float, float]) -> Camera:
    """One that leaves nothing to chance: light is brighter by ``stops`` and balanced by ``gains``."""
    for name in ("random_blur", "random_noise", "random_jpeg"):
        monkeypatch.setattr(camera, name, lambda light: light)
    monkeypatch.setattr(camera, "random_lighting", lambda light: light * 2.0**stops)
    monkeypatch.setattr(camera, "random_gains", lambda: torch.tensor(gains).reshape(3, 1, 1))
    return Camera(8, 8)


def _coded(light: float) -> int:
    return int(to_pixels(torch.tensor(light)))


def test_a_stop_less_is_half_the_light_and_not_half_the_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    still = _still_camera(monkeypatch, stops=-1.0, gains=(0.5, 1.0, 2.0))
    taken = still(torch.full((3, 12, 12), 188, dtype=torch.uint8))
    for channel, light in enumerate((0.125, 0.25, 0.5)):
        assert set(taken[channel].flatten().tolist()) <= {_coded(light) + one for one in (-1, 0, 1)}


def test_what_is_too_bright_is_clipped_before_it_is_balanced_and_so_takes_a_colour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    still = _still_camera(monkeypatch, stops=1.0, gains=(0.6, 1.0, 1.2))
    taken = still(torch.full((3, 12, 12), 255, dtype=torch.uint8))
    assert taken.amax((1, 2)).tolist() == [_coded(0.6), 255, 255]


def test_grey_comes_out_of_every_camera_tinted_and_grained(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(camera, "random_jpeg", lambda picture: picture)  # which takes grain away
    taken = [Camera(64, 64)(torch.full((3, 80, 80), 118, dtype=torch.uint8)).float() for _ in range(100)]
    tints = [float(one.mean((1, 2)).max() - one.mean((1, 2)).min()) for one in taken]
    grains = [float(one.diff(dim=2).std()) for one in taken]
    assert statistics.median(tints) > 5.0
    assert min(grains) > 0.5 and max(grains) > 10.0


def test_a_sensor_without_colour_filters_makes_grey_noise_and_grey_jpegs() -> None:
    torch.manual_seed(0)
    grey = torch.full((1, 64, 64), 0.5)
    spread = float(add_noise(grey, 400.0).std())
    assert spread == pytest.approx((0.5 / 400 + (READ / 400) ** 2) ** 0.5, rel=0.05)
    pixels = torch.randint(100, 110, (1, 48, 56), dtype=torch.uint8)
    sent = through_jpeg(pixels, 95)
    assert sent.shape == (1, 48, 56) and sent.dtype == torch.uint8
    assert (sent.float() - pixels.float()).abs().max() < 12
