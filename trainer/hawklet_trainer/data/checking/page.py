"""The page of a check: one file that opens offline, with pictures of everything that was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hawklet.safefiles import write_text
from hawklet_trainer.data.checking.check import Checked
from hawklet_trainer.data.checking.facts import Depth
from hawklet_trainer.data.checking.finding import Finding, Severity
from hawklet_trainer.data.checking.stream import in_chunks
from hawklet_trainer.data.photo_set import WORKERS
from hawklet_trainer.data.tally import escaped
from hawklet_trainer.thumbnail import thumbnail

_MOST_PICTURES = 24
"""Of a finding."""
_MOST_SETS, _MOST_OF_SET = 12, 4
_MOST_IN_ALL = 500
"""Small pictures of a page: about 3 MB."""


@dataclass(frozen=True)
class _Shot:
    image: str
    """A data URI; empty where the picture cannot be read."""
    name: str
    label: str
    split: str
    detail: str


@dataclass(frozen=True)
class _Card:
    finding: Finding
    sets: Sequence[Sequence[_Shot]]
    """Pictures that are shown side by side; of findings without sets, all in one."""
    more: int
    """Sets, or pictures, that are not shown."""


def write_page(path: Path, checked: Checked) -> None:
    """Write the page, whole or not at all."""
    from jinja2 import Environment, PackageLoader

    catalogue = checked.evidence.catalogue
    environment = Environment(loader=PackageLoader("hawklet_trainer", "templates"), autoescape=True)
    page = environment.get_template("data_check.html.j2").render(
        source=escaped(str(checked.source)),
        pictures=len(catalogue),
        readable=int(checked.evidence.readable.sum()),
        classes=len(catalogue.labels),
        splits=catalogue.splits,
        totals=[(severity.value, checked.count(severity)) for severity in Severity],
        cards=_cards(checked),
        decoded=checked.evidence.facts.depth is not Depth.HEADER,
        not_looked_for=checked.not_looked_for(),
    )
    write_text(path, page)


def _cards(checked: Checked) -> list[_Card]:
    shown, room = [], _MOST_IN_ALL
    for finding in checked.findings:
        sets = _chosen(finding, room)
        room -= sum(map(len, sets))
        shown.append(sets)
    images = _images(checked, {position for sets in shown for members in sets for position in members})
    return [
        _Card(
            finding,
            [[_shot(checked, finding, position, images) for position in members] for members in sets],
            len(finding.found.sets) - len(sets)
            if finding.found.sets
            else len(finding.found.pictures) - sum(map(len, sets)),
        )
        for finding, sets in zip(checked.findings, shown, strict=True)
    ]


def _chosen(finding: Finding, room: int) -> list[list[int]]:
    """Positions that are shown, by set."""
    if finding.found.sets:
        sets = [list(members[:_MOST_OF_SET]) for members in finding.found.sets[:_MOST_SETS]]
        while sum(map(len, sets)) > room:
            sets.pop()
        return sets
    pictures = list(finding.found.pictures[: min(_MOST_PICTURES, room)])
    return [pictures] if pictures else []


def _images(checked: Checked, positions: set[int]) -> dict[int, str]:
    places, ordered = checked.evidence.catalogue.places, sorted(positions)
    return dict(zip(ordered, in_chunks(lambda some: thumbnail(places[some[0]]), ordered, 1, WORKERS), strict=True))


def _shot(checked: Checked, finding: Finding, position: int, images: dict[int, str]) -> _Shot:
    catalogue = checked.evidence.catalogue
    return _Shot(
        images[position],
        catalogue.name(position),
        catalogue.label(position),
        catalogue.split(position),
        finding.found.details.get(position, ""),
    )
