"""Photos of noise that look natural to a check, and the evidence that rules judge by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from hawklet_trainer.data.checking.catalogue import read_catalogue
from hawklet_trainer.data.checking.copies import find_copies
from hawklet_trainer.data.checking.facts import Depth
from hawklet_trainer.data.checking.finding import Evidence, Found, Rule
from hawklet_trainer.data.checking.gather import gather
from synthetic_photos import draw_photo


def photo(seed: int, width: int = 160, height: int = 120) -> Image.Image:
    """A photo of noise, each seed another."""
    return draw_photo(seed).resize((width, height), Image.Resampling.BILINEAR)


def thumb(picture: Image.Image) -> np.ndarray:
    """What near duplicates are found by."""
    return np.asarray(picture.convert("L").resize((32, 32), Image.Resampling.BOX))


def evidence_of(source: Path, depth: Depth = Depth.PIXELS) -> Evidence:
    """All that rules judge by, but labels."""
    catalogue = read_catalogue(source)
    facts = gather(catalogue.places, depth, workers=1)
    return Evidence(catalogue, facts, find_copies(facts), facts.readable())


def found_by(rule: Rule, source: Path) -> Found | None:
    """What a rule finds in a folder."""
    return rule.judge(evidence_of(source))


def names_of(found: Found | None, source: Path) -> list[str]:
    """The pictures that it is about, by their paths."""
    assert found is not None
    catalogue = read_catalogue(source)
    in_sets = [position for members in found.sets for position in members]
    return [catalogue.name(position) for position in (in_sets or found.pictures)]
