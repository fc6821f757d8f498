"""CIFAR-10 and CIFAR-100 as they are published, python and binary."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from hawklet.errors import DataError
from hawklet_trainer.data.importing.cifar_batches import Part, binary_parts, python_parts
from hawklet_trainer.data.importing.cifar_pickle import list_of, read_batch, text_of
from hawklet_trainer.data.importing.class_names import read_class_names
from hawklet_trainer.data.importing.importer import Importer, described
from hawklet_trainer.data.importing.intake import Intake, png_bytes
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.place import Place


@dataclass(frozen=True)
class Layout:
    """Which files a layout has, and how they are read."""

    name: str
    meta: str
    """The file of the classes' names, by which the layout is known."""
    train: str
    """Pattern of the files of training pictures."""
    test: str
    names: Callable[[Path], Sequence[str]]
    """Class names of ``meta``, in the order of their numbers."""
    parts: Callable[[Path], Iterator[Part]]

    def is_in(self, folder: Path) -> bool:
        """Whether a folder is of this layout."""
        return (folder / self.meta).is_file() and any(self.files(folder))

    def files(self, folder: Path) -> Iterator[tuple[str, Path]]:
        """Split and file of all there are."""
        for split, pattern in (("train", self.train), ("test", self.test)):
            yield from ((split, path) for path in sorted(folder.glob(pattern)) if path.is_file())


def _pickled_names(key: str, path: Path) -> list[str]:
    return [text_of(name) for name in list_of(read_batch(path), key, path)]


CIFAR10 = (
    Layout(
        "CIFAR-10 python",
        "batches.meta",
        "data_batch_[0-9]",
        "test_batch",
        partial(_pickled_names, "label_names"),
        partial(python_parts, label_key="labels"),
    ),
    Layout(
        "CIFAR-10 binary",
        "batches.meta.txt",
        "data_batch_[0-9].bin",
        "test_batch.bin",
        read_class_names,
        partial(binary_parts, label_bytes=1, column=0),
    ),
)


def cifar100(labels: str) -> tuple[Layout, ...]:
    """CIFAR-100's layouts for ``fine`` or ``coarse`` labels."""
    return (
        Layout(
            "CIFAR-100 python",
            "meta",
            "train",
            "test",
            partial(_pickled_names, f"{labels}_label_names"),
            partial(python_parts, label_key=f"{labels}_labels"),
        ),
        Layout(
            "CIFAR-100 binary",
            f"{labels}_label_names.txt",
            "train.bin",
            "test.bin",
            read_class_names,
            partial(binary_parts, label_bytes=2, column=("coarse", "fine").index(labels)),
        ),
    )


def folders_of(layouts: Sequence[Layout], source: Path) -> list[tuple[Layout, Path]]:
    """Where a source, or a folder directly in it, is of one of the layouts."""
    folders = [source, *sorted(path for path in source.iterdir() if path.is_dir())] if source.is_dir() else []
    return [(layout, folder) for folder in folders for layout in layouts if layout.is_in(folder)]


_LABELS = described("The 100 classes, or their 20 superclasses.", choices=("fine", "coarse"))


class _Cifar(Importer):
    """What both have in common. Pictures are written as PNG, which keeps every pixel."""

    @abstractmethod
    def layouts(self) -> tuple[Layout, ...]:
        """Those it may be in."""

    def rows(self, source: Path, intake: Intake) -> Iterator[IndexRow]:
        """See :meth:`Importer.rows`."""
        layout, folder = self._find(source)
        intake.note(f"{layout.name} in {folder}")
        names = layout.names(folder / layout.meta)
        for split, path in layout.files(folder):
            yield from _rows_of(layout, split, path, names, intake)

    def _find(self, source: Path) -> tuple[Layout, Path]:
        found = folders_of(self.layouts(), source)
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(
                f"{source} must be one layout, got {' and '.join(str(folder) for _, folder in found)}; name one of them"
            )
        metas = " or ".join(layout.meta for layout in self.layouts())
        way_out = "unpack it first" if source.is_file() else "name the unpacked folder"
        raise DataError(f"{self.kind} needs a folder with {metas} and its batches, got {source}; {way_out}")


def _rows_of(layout: Layout, split: str, path: Path, names: Sequence[str], intake: Intake) -> Iterator[IndexRow]:
    number = 0
    for labels, pictures in layout.parts(path):
        for label, pixels in zip(labels, pictures, strict=True):
            if not 0 <= label < len(names):
                raise DataError(
                    f"a CIFAR label must be one of {len(names)} classes, got {label} for picture {number} of {path}"
                )
            name = names[label]
            file = intake.keep((split, name, f"{path.stem}-{number:05d}.png"), png_bytes(pixels))
            yield IndexRow(Place(file), name, split)
            number += 1


@dataclass(frozen=True)
class Cifar10(_Cifar):
    """CIFAR-10."""

    kind: ClassVar[str] = "cifar10"
    summary: ClassVar[str] = "CIFAR-10 as published, python or binary."

    def layouts(self) -> tuple[Layout, ...]:
        """See :meth:`_Cifar.layouts`."""
        return CIFAR10


@dataclass(frozen=True)
class Cifar100(_Cifar):
    """CIFAR-100, of which every picture has two labels."""

    kind: ClassVar[str] = "cifar100"
    summary: ClassVar[str] = "CIFAR-100 as published, python or binary."

    labels: str = field(default="fine", metadata=_LABELS)

    def layouts(self) -> tuple[Layout, ...]:
        """See :meth:`_Cifar.layouts`."""
        return cifar100(self.labels)
