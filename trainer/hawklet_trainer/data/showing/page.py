"""The page of a survey: one file that opens offline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hawklet.safefiles import write_text
from hawklet_trainer.data.showing.contact_sheets import Shot
from hawklet_trainer.data.showing.sizes import Bin, Spread, megapixels
from hawklet_trainer.data.showing.survey import Survey
from hawklet_trainer.data.tally import escaped

if TYPE_CHECKING:
    from hawklet_trainer.augment.sheet import Sheet

_MOST_BARS = 200
"""Classes in the table of counts; of more of them the largest and the smallest."""
_WIDTH, _HEIGHT = 500.0, 180.0
"""Of a histogram, in the drawing's units."""
_WIDEST = 125.0
"""Bar."""


@dataclass(frozen=True)
class _ClassBar:
    label: str
    counts: tuple[int, ...]
    """By split."""
    total: int


@dataclass(frozen=True)
class _Class:
    label: str
    total: int
    looked_at: int
    shots: tuple[Shot, ...]
    mean: str
    averaged: int


@dataclass(frozen=True)
class _Column:
    x: float
    y: float
    width: float
    height: float
    count: int
    begin: str
    end: str


@dataclass(frozen=True)
class _Chart:
    title: str
    words: str
    bars: tuple[_Column, ...]


def write_page(path: Path, survey: Survey, sheet: Sheet | None) -> None:
    """Write the page, whole or not at all; ``sheet`` is what an augmentation makes of some of the pictures."""
    from jinja2 import Environment, PackageLoader

    bars = _class_bars(survey)
    environment = Environment(loader=PackageLoader("hawklet_trainer", "templates"), autoescape=True)
    page = environment.get_template("photos.html.j2").render(
        survey=survey,
        splits=list(survey.splits.values()),
        bars=bars,
        largest=survey.by_size[0][1],
        left_out=len(survey.tally.classes) - len(bars),
        spreads=_spreads(survey),
        charts=_charts(survey),
        sheet=sheet,
        sheets=_classes(survey),
        not_shown=len(survey.tally.classes) - len(survey.sheets),
    )
    write_text(path, page)


def _class_bars(survey: Survey) -> list[_ClassBar]:
    sizes = survey.by_size
    if len(sizes) > _MOST_BARS:
        sizes = sizes[: _MOST_BARS // 2] + sizes[-_MOST_BARS // 2 :]
    splits = survey.tally.splits
    return [
        _ClassBar(escaped(label), tuple(survey.tally.counts[label][split] for split in splits), total)
        for label, total in sizes
    ]


def _classes(survey: Survey) -> list[_Class]:
    totals = dict(survey.by_size)
    return [
        _Class(
            escaped(shown.label),
            totals[shown.label],
            min(totals[shown.label], survey.layout.sampled),
            tuple(Shot(shot.image, escaped(shot.name), shot.split) for shot in shown.shots),
            shown.mean,
            shown.averaged,
        )
        for shown in survey.sheets
    ]


def _spreads(survey: Survey) -> list[tuple[str, tuple[str, ...]]]:
    sizes = survey.sizes
    if sizes is None:
        return []
    spreads: tuple[tuple[str, Spread, Callable[[float], str]], ...] = (
        ("width, pixels", sizes.width, "{:.0f}".format),
        ("height, pixels", sizes.height, "{:.0f}".format),
        ("megapixels", sizes.megapixels, megapixels),
        ("width / height", sizes.shape, "{:.2f}".format),
    )
    return [(name, tuple(map(form, (of.least, of.median, of.most)))) for name, of, form in spreads]


def _charts(survey: Survey) -> list[_Chart]:
    if survey.sizes is None:
        return []
    return [
        _chart("Shorter side, pixels", "the shorter of width and height", survey.sizes.short_sides),
        _chart("Shape", "width / height; 1 is square", survey.sizes.shapes),
    ]


def _chart(title: str, words: str, bins: Sequence[Bin]) -> _Chart:
    step, highest = min(_WIDEST, _WIDTH / len(bins)), max(found.count for found in bins)
    columns = []
    for number, found in enumerate(bins):
        height = _HEIGHT * found.count / highest
        end = "" if found.end is None else f"{found.end:g}"
        columns.append(
            _Column(
                round(number * step, 1),
                round(_HEIGHT - height, 1),
                round(step - 2, 1),
                round(height, 1),
                found.count,
                f"{found.begin:g}",
                end,
            )
        )
    return _Chart(title, words, tuple(columns))
