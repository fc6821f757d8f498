"""COCO instances: which boxes of which pictures show what. Format: https://cocodataset.org/#format-data.

The JSON of one split is parsed in one go: ``instances_train2017.json`` has 450 MB, of which the outlines are thrown
away while they are parsed, and its 860,000 boxes stay. Pictures are read one at a time, see
:mod:`hawklet_trainer.data.importing.coco`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hawklet.errors import DataError
from hawklet_trainer.data.importing.intake import Intake


class Box(NamedTuple):
    """One object."""

    category: str
    """Its name."""
    left: float
    """Pixels, as the following ones."""
    top: float
    width: float
    height: float
    is_crowd: bool
    """Many objects that were not told apart."""


@dataclass(frozen=True)
class Picture:
    """One picture and its boxes."""

    file_name: str
    size: tuple[int, int]
    """Width and height by the annotations, pixels; (0, 0) where they do not say."""
    boxes: list[Box]


def read_instances(path: Path, intake: Intake) -> tuple[list[Picture], list[str]]:
    """Pictures in the order of the file, each with its boxes in their order; and the categories' names.

    A box is bound to its picture by ``image_id`` and to its category's name by ``category_id``. Boxes that name none,
    or are none, are left out.

    Raises:
        DataError: the file is no such JSON; says what it lacks.
    """
    document = _load(path)
    try:
        name_of = {category["id"]: str(category["name"]).strip() for category in document["categories"]}
        pictures = _pictures(document["images"], path)
        for annotation in document["annotations"]:
            _bind(annotation, pictures, name_of, intake)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"COCO instances need images (id, file_name), annotations (image_id, category_id, bbox) and categories "
            f"(id, name), got none or another form of {error} in {path}"
        ) from error
    _require_distinct(name_of, path)
    return list(pictures.values()), list(name_of.values())


def _pictures(images: Iterable[Mapping[str, Any]], path: Path) -> dict[int, Picture]:
    pictures: dict[int, Picture] = {}
    for image in images:
        number, name = image["id"], image["file_name"]
        if not isinstance(name, str):
            raise DataError(f"COCO pictures need a file_name that is text, got {name!r} in {path}")
        if number in pictures:
            both = f"{pictures[number].file_name!r} and {name!r}"
            raise DataError(f"COCO pictures must differ by id, got {number!r} for {both} in {path}; number one anew")
        pictures[number] = Picture(name, (image.get("width", 0), image.get("height", 0)), [])
    return pictures


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as stream:
            document = json.load(stream, object_hook=_without_outline)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} must be JSON, got {' '.join(str(error).split())[:120]}; is it cut short?") from error
    if not isinstance(document, dict):
        raise DataError(f"{path} must be a JSON object with images, annotations and categories")
    return document


def _without_outline(value: dict[str, Any]) -> dict[str, Any]:
    value.pop("segmentation", None)
    return value


def _bind(
    annotation: Mapping[str, Any], pictures: Mapping[int, Picture], name_of: Mapping[int, str], intake: Intake
) -> None:
    name = f"annotation {annotation.get('id', '?')}"
    picture, category = pictures.get(annotation["image_id"]), name_of.get(annotation["category_id"])
    box = _box(annotation.get("bbox"), category or "", bool(annotation.get("iscrowd", 0)))
    if picture is None:
        intake.leave_out("no picture has the box's image_id", name)
    elif not category:
        intake.leave_out("no category has the box's category_id", name)
    elif box is None:
        intake.leave_out("the box has no area", f"{name} of {picture.file_name}")
    else:
        picture.boxes.append(box)


def _box(bbox: object, category: str, is_crowd: bool) -> Box | None:
    """A box of ``[left, top, width, height]``, pixels; None where it has no area."""
    match bbox:
        case [int() | float(), int() | float(), int() | float(), int() | float()]:
            try:
                left, top, width, height = map(float, bbox)
            except OverflowError:  # a whole number of hundreds of digits
                return None
            if math.isfinite(left + top + width + height) and min(width, height) > 0:
                return Box(category, left, top, width, height, is_crowd)
    return None


def _require_distinct(name_of: Mapping[int, str], path: Path) -> None:
    names = list(name_of.values())
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"COCO categories must differ by name, got {twice!r} twice in {path}; rename one")
