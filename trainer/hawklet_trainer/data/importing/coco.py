"""COCO instances as pictures of one class each: crops around the boxes, or whole pictures by a rule."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import ClassVar

from hawklet.errors import DataError, ImageError
from hawklet.images import read_image
from hawklet.spec import Pixels
from hawklet_trainer.data.importing.coco_annotations import Box, Picture, read_instances
from hawklet_trainer.data.importing.coco_files import Instances, find_instances
from hawklet_trainer.data.importing.importer import Importer, described
from hawklet_trainer.data.importing.intake import Intake, jpeg_bytes, png_bytes
from hawklet_trainer.data.importing.reasons import ELSEWHERE, MISSING, UNREADABLE
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.place import Place

_PER_PICTURE = described(
    "Whole pictures instead of crops, of the class of their largest box, or where boxes of only one class are in them.",
    choices=("largest", "only"),
)
_MARGIN = described("Widen crops on each side, share of the box.", at_least=0, at_most=1)
_JPEG_SUFFIXES = (".jpg", ".jpeg")
_NOT_LEARNED = "no training picture is of the category"


@dataclass(frozen=True)
class Coco(Importer):
    """Boxes of an ``instances`` JSON.

    Crops of JPEGs are written as JPEG of quality 95 with full colour, which is not to be told from the source by eye
    and takes a fraction of a PNG's size (COCO's train has 860,000 boxes); crops of other pictures as PNG. The crops of
    one picture form a group, so that they go into one split together.
    """

    kind: ClassVar[str] = "coco"
    summary: ClassVar[str] = "COCO instances: a crop of each box, or whole pictures by a rule."

    min_side: int = field(default=32, metadata=described("Leave out boxes with a shorter side, pixels.", at_least=1))
    margin: float = field(default=0.1, metadata=_MARGIN)
    skip_crowd: bool = field(default=True, metadata=described("Leave out boxes around crowds of objects."))
    classes: tuple[str, ...] = field(default=(), metadata=described("These categories alone, with commas between."))
    per_picture: str = field(default="", metadata=_PER_PICTURE)

    def rows(self, source: Path, intake: Intake) -> Iterator[IndexRow]:
        """See :meth:`Importer.rows`."""
        learned: set[str] | None = None
        # Train comes first: what only val or test have cannot be learned, and subsets of COCO have such categories.
        for instances in sorted(find_instances(source), key=lambda instances: instances.split != "train"):
            pictures, categories = read_instances(instances.path, intake)
            self._require_known(categories, instances.path)
            folder = instances.folder_of_pictures([picture.file_name for picture in pictures])
            reader = _Reader(self, instances, folder, learned, intake)
            for picture in pictures:
                yield from reader.rows(picture)
            if instances.split == "train":
                learned = {*(learned or ()), *reader.labels}

    def _require_known(self, categories: Sequence[str], path: Path) -> None:
        for name in self.classes:
            if name not in categories:
                close = difflib.get_close_matches(name, categories, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(categories[:8])} ..."
                raise DataError(f"--classes must name categories of {path}, got {name!r}; {hint}")


class _Reader:
    """Reads the pictures of one split.

    Args:
        options: Which boxes are taken, and how.
        instances: The split.
        folder: Of its pictures.
        learned: Classes of the training pictures; None where these are the training pictures, or there are none.
        intake: Who is told what is left out.
    """

    def __init__(
        self, options: Coco, instances: Instances, folder: Path, learned: set[str] | None, intake: Intake
    ) -> None:
        self._options, self._instances, self._folder = options, instances, folder
        self._learned, self._intake = learned, intake
        self.labels: set[str] = set()
        """Classes of what was taken."""

    def rows(self, picture: Picture) -> Iterator[IndexRow]:
        """What is taken of one picture."""
        path = self._path_of(picture)
        if path is None:
            return
        for row in self._whole(picture, path) if self._options.per_picture else self._crops(picture, path):
            self.labels.add(row.label)
            yield row

    def _path_of(self, picture: Picture) -> Path | None:
        name = PurePosixPath(picture.file_name)
        if name.is_absolute() or ".." in name.parts:
            self._intake.leave_out(ELSEWHERE, name)
            return None
        path = self._folder / name
        if not path.is_file():
            self._intake.leave_out(MISSING, name)
            return None
        return path

    def _against(self, box: Box) -> str:
        """Why a box is not taken; empty where it is."""
        options = self._options
        if options.classes and box.category not in options.classes:
            return "the category is not among --classes"
        if options.skip_crowd and box.is_crowd:
            return "the box is around a crowd"
        if min(box.width, box.height) < options.min_side:
            return f"the box is smaller than {options.min_side} pixels"
        return _NOT_LEARNED if self._learned is not None and box.category not in self._learned else ""

    def _crops(self, picture: Picture, path: Path) -> Iterator[IndexRow]:
        boxes = list(self._chosen(picture))
        pixels = self._pixels(picture, path) if boxes else None
        if pixels is None:
            return
        for number, box in boxes:
            crop = crop_around(pixels, box, self._options.margin)
            if crop.size:
                place = Place(self._keep(picture, number, box, crop), group=picture.file_name)
                yield IndexRow(place, box.category, self._instances.split)
            else:
                self._intake.leave_out("the box lies outside of the picture", f"box {number} of {picture.file_name}")

    def _chosen(self, picture: Picture) -> Iterator[tuple[int, Box]]:
        """Boxes to crop, with their numbers in the picture."""
        for number, box in enumerate(picture.boxes, 1):
            reason = self._against(box)
            if reason:
                self._intake.leave_out(reason, f"box {number} of {picture.file_name}")
            else:
                yield number, box

    def _pixels(self, picture: Picture, path: Path) -> Pixels | None:
        """The picture upright, if its boxes are for it as it is: annotations may say its size."""
        try:
            pixels = read_image(path)
        except (ImageError, OSError) as error:
            self._intake.leave_out(UNREADABLE, error)
            return None
        size = (pixels.shape[1], pixels.shape[0])
        if all(picture.size) and picture.size != size:
            said = f"{picture.file_name}: {size[0]}x{size[1]}, annotated {picture.size[0]}x{picture.size[1]}"
            self._intake.leave_out("the picture is not of the size that its annotations say", said)
            return None
        return pixels

    def _keep(self, picture: Picture, number: int, box: Box, crop: Pixels) -> Path:
        name = PurePosixPath(picture.file_name)
        is_jpeg = name.suffix.lower() in _JPEG_SUFFIXES
        # Beside a.png there may be an a.bmp, whose crops are PNG too.
        stem = name.stem if is_jpeg or name.suffix.lower() == ".png" else name.name
        file = f"{stem}-{number}{name.suffix if is_jpeg else '.png'}"
        data = jpeg_bytes(crop) if is_jpeg else png_bytes(crop)
        return self._intake.keep((self._instances.name, box.category, *name.parts[:-1], file), data)

    def _whole(self, picture: Picture, path: Path) -> Iterator[IndexRow]:
        """The picture itself, of the class that the rule gives it."""
        options = self._options
        asked = {box.category for box in picture.boxes if not options.classes or box.category in options.classes}
        taken = [box for box in picture.boxes if not self._against(box)]
        if not taken:
            self._intake.leave_out("no box of the picture is taken", picture.file_name)
        elif options.per_picture == "only" and len(asked) > 1:
            self._intake.leave_out("boxes of several classes are in the picture", picture.file_name)
        else:
            largest = max(taken, key=lambda box: box.width * box.height)
            yield IndexRow(Place(path), largest.category, self._instances.split)


def crop_around(pixels: Pixels, box: Box, margin: float) -> Pixels:
    """The part of a picture within a box that was widened on each side, as far as there is picture.

    Args:
        pixels: ``uint8 [H, W, 3]``, RGB.
        box: In its pixels.
        margin: Share of the box's width and height.

    Returns:
        A view, ``uint8 [h, w, 3]``; empty where the box lies outside.
    """
    height, width = pixels.shape[:2]
    if box.left >= width or box.top >= height or box.left + box.width <= 0 or box.top + box.height <= 0:
        return pixels[:0]
    aside, above = margin * box.width, margin * box.height
    left, top = math.floor(box.left - aside), math.floor(box.top - above)
    right, bottom = math.ceil(box.left + box.width + aside), math.ceil(box.top + box.height + above)
    return pixels[max(top, 0) : bottom, max(left, 0) : right]
