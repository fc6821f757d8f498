"""Where COCO's annotations lie, and the pictures that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from hawklet.errors import DataError
from hawklet_trainer.data.listing import UNSPLIT, split_within

_INSTANCES = "instances_"
_PATTERNS = (f"annotations/{_INSTANCES}*.json", f"{_INSTANCES}*.json", "*/_annotations.coco.json")
"""COCO's own layout, without its folder, and a folder for each split with its pictures and annotations."""
_LOOKED_FOR = 20
"""Pictures by which a folder is known, since some may be missing."""


@dataclass(frozen=True)
class Instances:
    """The annotations of one split."""

    path: Path
    root: Path
    """What the data set's folders lie in."""
    name: str
    """Such as ``train2017``."""
    split: str

    def folder_of_pictures(self, file_names: Sequence[str]) -> Path:
        """The folder that the annotations' file names are in.

        Raises:
            DataError: none that they may be in has any of the first ones.
        """
        below, beside = self.root / "images", self.path.parent
        folders = (below / self.name, self.root / self.name, below, beside / "images", beside)
        for folder in folders:
            if any((folder / name).is_file() for name in islice(file_names, _LOOKED_FOR)):
                return folder
        raise DataError(
            f"the pictures of {self.path.name} must lie in images/{self.name}, {self.name} or images of {self.root} or "
            f"beside the JSON, but {file_names[0] if file_names else 'any picture'} is in none of them; put them there"
        )


def json_files(source: Path) -> list[Path]:
    """The files of instances that a source is or holds."""
    if source.is_file():
        return [source]
    return next((found for pattern in _PATTERNS if (found := sorted(source.glob(pattern)))), [])


def find_instances(source: Path) -> list[Instances]:
    """The annotations of every split of a source, a folder or a JSON.

    Raises:
        DataError: there are none, or their names tell the split of some and not of others.
    """
    files = json_files(source)
    if not files:
        raise DataError(f"coco needs {_PATTERNS[0]}, there is none in {source}; name the folder above annotations/")
    found = [_instances(path) for path in files]
    vague = [instances for instances in found if instances.split == UNSPLIT]
    if vague and len(found) > 1:
        raise DataError(
            f"several COCO files must name their splits (train, val, test), got {vague[0].path.name}; name one file"
        )
    return found


def _instances(path: Path) -> Instances:
    if path.stem.startswith(_INSTANCES):
        root = path.parent.parent if path.parent.name == "annotations" else path.parent
        name = path.stem.removeprefix(_INSTANCES)
    else:
        root, name = path.parent.parent, path.parent.name
    return Instances(path, root, name, split_within(name) or split_within(path.stem) or UNSPLIT)
