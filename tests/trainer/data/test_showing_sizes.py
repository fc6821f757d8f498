"""Figures of sizes, shapes and formats."""

from __future__ import annotations

import json

import pytest

from hawklet.images import ImageHeader
from hawklet_trainer.data.showing.sizes import Bin, Sizes, Spread


def test_figures_are_the_least_the_median_and_the_most() -> None:
    sizes = Sizes.of([ImageHeader("JPEG", 100, 50), ImageHeader("PNG", 200, 400), ImageHeader("JPEG", 1000, 1000)])
    assert sizes.pictures == 3 and sizes.formats == {"JPEG": 2, "PNG": 1}
    assert (sizes.width, sizes.height) == (Spread(50, 400, 1000), Spread(100, 200, 1000))
    assert sizes.megapixels == Spread(0.005, 0.08, 1.0)
    assert sizes.shape == Spread(0.5, 1.0, 2.0)


def test_histograms_begin_and_end_where_there_are_pictures_and_count_each_once() -> None:
    sizes = Sizes.of([ImageHeader("PNG", side, side) for side in (224, 255, 640, 9000)])
    assert sizes.short_sides[0] == Bin(224, 256, 2)
    assert sizes.short_sides[-1] == Bin(4096, None, 1)
    assert sum(bar.count for bar in sizes.short_sides) == 4
    assert sizes.shapes == (Bin(0.9, 1.11, 4),)


@pytest.mark.parametrize("size", [(1, 30000), (30000, 1), (1, 1)])
def test_extreme_pictures_have_their_bin_too(size: tuple[int, int]) -> None:
    sizes = Sizes.of([ImageHeader("PNG", *size)])
    assert [bar.count for bar in (*sizes.short_sides, *sizes.shapes)] == [1, 1]
    json.dumps(sizes.to_dict(), allow_nan=False)
