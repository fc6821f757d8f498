"""What is the same for copies of a picture, so that they can be kept together."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from hawklet.errors import ImageError
from hawklet_trainer.data.photo_set import WORKERS
from hawklet_trainer.data.place import Place

_AT_ONCE = 4096


@dataclass(frozen=True)
class Identities:
    """Pictures by what makes them the same."""

    of: dict[Place, str] = field(default_factory=dict)
    """Of every picture that can be read; equal for copies."""
    unreadable: list[str] = field(default_factory=list)
    """Paths of the others."""


def equal_files(places: Sequence[Place]) -> Identities:
    """Equal are pictures of the same bytes; nothing is decoded."""
    found, waiting = Identities(), iter(places)
    with ThreadPoolExecutor(WORKERS) as pool:
        while some := list(islice(waiting, _AT_ONCE)):
            for place, digest in zip(some, pool.map(_digest, some), strict=True):
                if digest:
                    found.of[place] = digest
                else:
                    found.unreadable.append(str(place.path))
    return found


def similar_pictures(places: Sequence[Place]) -> Identities:
    """Equal are near duplicates too, also mirrored and turned ones, as ``hawklet data check`` finds them."""
    from hawklet_trainer.data.checking.copies import find_copies, joined
    from hawklet_trainer.data.checking.facts import Depth, digest_of
    from hawklet_trainer.data.checking.gather import gather

    facts = gather(places, Depth.THUMB)
    copies = find_copies(facts)
    first = list(range(len(places)))
    for together in joined(copies.links()):
        for position in together.tolist():
            first[position] = int(together[0])
    return Identities(
        {
            place: digest_of(facts.records, first[position])
            for position, place in enumerate(places)
            if position not in facts.refused
        },
        [str(places[position].path) for position in sorted(facts.refused)],
    )


def _digest(place: Place) -> str:
    try:
        return place.sha256() if place.is_there() else ""
    except (ImageError, OSError):
        return ""
