"""ImageNet (ILSVRC): folders of synsets, their names, and the solution of the validation pictures.

Layouts: that of the Kaggle archive (``ILSVRC/Data/CLS-LOC/{train,val,test}`` beside ``LOC_synset_mapping.txt`` and
``LOC_val_solution.csv``), or ``train`` and ``val`` alone with one folder per synset, as torchvision has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hawklet.errors import DataError
from hawklet.images import IMAGE_SUFFIXES
from hawklet_trainer.data.importing.importer import Importer
from hawklet_trainer.data.importing.intake import Intake
from hawklet_trainer.data.importing.reasons import NO_PICTURE
from hawklet_trainer.data.importing.synsets import MAPPING, is_synset, read_mapping
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.listing import walk
from hawklet_trainer.data.place import Place
from hawklet_trainer.data.table import read_table

_SOLUTION = "LOC_val_solution.csv"
_PICTURES = ("ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", ".")
"""Where train and val may lie, from the source on."""


@dataclass(frozen=True)
class ImageNet(Importer):
    """Folders of synsets. The validation pictures become val; test pictures have no labels and are left out."""

    kind: ClassVar[str] = "imagenet"
    summary: ClassVar[str] = "ImageNet (ILSVRC): folders of synsets, named by LOC_synset_mapping.txt."

    def rows(self, source: Path, intake: Intake) -> Iterator[IndexRow]:
        """See :meth:`Importer.rows`."""
        pictures = folder_of_pictures(source)
        if pictures is None:
            raise DataError(
                f"imagenet needs a folder train/ with one folder per synset (such as n02012849), there is none in "
                f"{source} nor in {_PICTURES[0]} of it; name the folder above train/"
            )
        names = _names(source, intake)
        yield from _folders(pictures / "train", "train", names, intake)
        yield from _val(source, pictures / "val", names, intake)
        for path in _files(pictures / "test", intake):
            intake.leave_out("test pictures have no labels", path.name)


def folder_of_pictures(source: Path) -> Path | None:
    """The folder that holds ``train`` with folders of synsets, or None."""
    for below in _PICTURES:
        train = source / below / "train"
        if train.is_dir() and any(is_synset(child.name) for child in train.iterdir()):
            return train.parent
    return None


def _names(source: Path, intake: Intake) -> Mapping[str, str] | None:
    """Names by synset; None where there is no mapping."""
    path = _beside(source, MAPPING)
    if path is None:
        intake.note(f"no {MAPPING} in {source}: classes are called by their synsets")
        return None
    return read_mapping(path)


def _beside(source: Path, name: str) -> Path | None:
    """A file in the source or, where the source is ILSVRC/ itself, beside it."""
    return next((folder / name for folder in (source, source.parent) if (folder / name).is_file()), None)


def _folders(folder: Path, split: str, names: Mapping[str, str] | None, intake: Intake) -> Iterator[IndexRow]:
    for child in sorted(folder.iterdir()):
        label = child.name if names is None else names.get(child.name)
        if child.is_file() or child.name.startswith("."):
            continue
        if not is_synset(child.name):
            intake.leave_out("the folder is called by no synset", f"{split}/{child.name}")
        elif label is None:
            intake.leave_out(f"the synset is not in {MAPPING}", f"{split}/{child.name}")
        else:
            yield from (IndexRow(Place(path), label, split) for path in _files(child, intake))


def _files(folder: Path, intake: Intake) -> Iterator[Path]:
    for path in walk(folder) if folder.is_dir() else ():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            yield path
        else:
            intake.leave_out(NO_PICTURE, path.relative_to(folder.parent).as_posix())


def _val(source: Path, folder: Path, names: Mapping[str, str] | None, intake: Intake) -> Iterator[IndexRow]:
    """Val in folders of synsets, or in one folder with the solution's labels."""
    if not folder.is_dir():
        return
    if any(child.is_dir() for child in folder.iterdir()):
        yield from _folders(folder, "val", names, intake)
        return
    solution = _beside(source, _SOLUTION)
    synset_of = _read_solution(solution) if solution else {}
    for path in _files(folder, intake):
        synset = synset_of.get(path.stem)
        label = synset if synset is None or names is None else names.get(synset)
        if label is None:
            intake.leave_out(f"no label in {_SOLUTION}" if solution else f"there is no {_SOLUTION}", f"val/{path.name}")
        else:
            yield IndexRow(Place(path), label, "val")


def _read_solution(path: Path) -> dict[str, str]:
    """Name of a picture, without its suffix -> synset, which is said before each of its boxes."""
    synset_of: dict[str, str] = {}
    for number, row in enumerate(read_table(path), 1):
        synset = row.get("PredictionString", "").split(" ")[0]
        if "ImageId" not in row or not is_synset(synset):
            raise DataError(
                f"{path} must have the columns ImageId and PredictionString (a synset and its boxes), got {row} in row "
                f"{number}"
            )
        synset_of[row["ImageId"]] = synset
    return synset_of
