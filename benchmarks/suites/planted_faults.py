"""Faults planted in real pictures, so that what a check finds can be counted.

Real pictures: five kinds of flowers, CIFAR-10, and what there is of ImageNet's samples and COCO's boxes that fits one
of a few classes. They have faults of their own, which nothing here hides.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from hawklet_trainer.data.index import INDEX, IndexRow, write_index
from hawklet_trainer.data.place import Place

_CIFAR_RECORD, _CIFAR_SIDE = 3073, 32
_PERSON, _LEAST_BOX = 1, 48
_IMAGENET = {
    "bird": ((7, 24), (80, 100), (127, 146)),
    "dog": ((151, 268),),
    "insect": ((300, 326),),
    "reptile": ((25, 68),),
    "food": ((923, 969),),
    "object": ((398, 560),),
}
"""Class -> first and last of ImageNet's classes that are such."""
_TEST_SHARE = 0.25
_FAULTY, _SWAPPED = 40, 20
"""Pictures of each fault, and pictures with another's label."""
_SUFFIX_OF = {"JPEG": ".png", "PNG": ".jpg"}


@dataclass
class Planted:
    """Pictures, and which of them were given which fault."""

    rows: list[IndexRow]
    by_fault: dict[str, set[Path]] = field(default_factory=dict)
    """Fault -> the pictures that a check should name for it."""

    def write(self, folder: Path) -> Path:
        """Write the index of all pictures; gives its path."""
        write_index(folder / INDEX, self.rows)
        return folder / INDEX


def real_pictures(data: Path, work: Path, count: int, seed: int = 0) -> list[IndexRow]:
    """``count`` real pictures of about twenty classes, split into train and test; those that are no files are written.

    Args:
        data: The test data's folder.
        work: Where pictures are written.
        count: How many, of the 2,000 or so that there are.
        seed: Of the choice and the split.
    """
    generator = random.Random(seed)
    found = [*_flowers(data), *_imagenet(data), *_persons(data, work), *_cifar(data, work)]
    splits = [split or ("test" if generator.random() < _TEST_SHARE else "train") for _, _, split in found]
    rows = [
        IndexRow(Place(path.resolve()), label, split) for (path, label, _), split in zip(found, splits, strict=True)
    ]
    return sorted(generator.sample(rows, count), key=lambda row: row.place.path)


def _flowers(data: Path) -> Iterator[tuple[Path, str, str]]:
    for path in sorted((data / "flowers5").rglob("*.jpg")):
        yield path, path.parent.name, path.parent.parent.name


def _imagenet(data: Path) -> Iterator[tuple[Path, str, str]]:
    for path in sorted((data / "imagenet_sample").glob("*.jpg")):
        number = int(path.name[:4])
        for label, ranges in _IMAGENET.items():
            if any(first <= number <= last for first, last in ranges):
                yield path, label, ""


def _persons(data: Path, work: Path) -> Iterator[tuple[Path, str, str]]:
    for part in ("train2017", "val2017"):
        content = json.loads((data / f"coco_mini/annotations/instances_{part}.json").read_text(encoding="utf-8"))
        names = {image["id"]: image["file_name"] for image in content["images"]}
        for box in content["annotations"]:
            left, top, width, height = box["bbox"]
            if box["category_id"] == _PERSON and not box["iscrowd"] and min(width, height) >= _LEAST_BOX:
                path = work / "persons" / f"{box['id']}.jpg"
                picture = Image.open(data / "coco_mini/images" / part / names[box["image_id"]]).convert("RGB")
                _save(picture.crop((int(left), int(top), int(left + width), int(top + height))), path, quality=92)
                yield path, "person", ""


def _cifar(data: Path, work: Path) -> Iterator[tuple[Path, str, str]]:
    folder = data / "cifar10/cifar-10-batches-bin"
    names = (folder / "batches.meta.txt").read_text(encoding="utf-8").split()
    for batch in ("data_batch_1", "test_batch"):
        content = np.frombuffer((folder / f"{batch}.bin").read_bytes(), np.uint8).reshape(-1, _CIFAR_RECORD)
        for number, record in enumerate(content):
            path = work / "cifar" / f"{batch}_{number}.png"
            pixels = record[1:].reshape(3, _CIFAR_SIDE, _CIFAR_SIDE).transpose(1, 2, 0)
            _save(Image.fromarray(np.ascontiguousarray(pixels)), path)
            yield path, names[record[0]], ""


def _save(picture: Image.Image, path: Path, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file():
        picture.save(path, **options)
    return path


def plant(rows: list[IndexRow], work: Path, seed: int = 0, faulty: int = _FAULTY, swapped: int = _SWAPPED) -> Planted:
    """Give pictures faults, no picture two. Faulty ones are written into ``work``; the real ones stay.

    Args:
        rows: The pictures.
        work: Where faulty ones are written.
        seed: Of the choice.
        faulty: Pictures of each fault, and pictures of which a copy of each kind goes into another split.
        swapped: Pictures that get another's label.
    """
    generator = random.Random(seed)
    planted = Planted(list(rows))
    free = generator.sample(range(len(rows)), len(rows))

    def choose(count: int, fits: Callable[[Path], bool] = lambda path: True) -> Iterator[int]:
        chosen = [position for position in free if fits(rows[position].place.path)][:count]
        free[:] = [position for position in free if position not in set(chosen)]
        yield from chosen

    for fault, spoil in _SPOILT.items():
        for position in choose(faulty, _FITS.get(fault, lambda path: True)):
            path = spoil(rows[position].place.path, work / fault / f"{position}", generator)
            _replace(planted, position, fault, path)
    for kind, change in _COPIED.items():
        for position in choose(faulty):
            path = change(rows[position].place.path, work / kind / f"{position}", generator)
            _add_copy(planted, rows[position], kind, path)
    classes = sorted({row.label for row in rows})
    for position in choose(swapped):
        row = rows[position]
        wrong = generator.choice([label for label in classes if label != row.label])
        planted.rows[position] = IndexRow(row.place, wrong, row.split)
        planted.by_fault.setdefault("label", set()).add(row.place.path)
    return planted


def _replace(planted: Planted, position: int, fault: str, path: Path) -> None:
    row = planted.rows[position]
    planted.rows[position] = IndexRow(Place(path.resolve()), row.label, row.split)
    planted.by_fault.setdefault(fault, set()).add(path.resolve())


def _add_copy(planted: Planted, row: IndexRow, kind: str, path: Path) -> None:
    other = "train" if row.split == "test" else "test"
    planted.rows.append(IndexRow(Place(path.resolve()), row.label, other))
    planted.by_fault.setdefault(kind, set()).add(path.resolve())


def _opened(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def _truncated(path: Path, target: Path, generator: random.Random) -> Path:
    content = path.read_bytes()
    target = target.with_suffix(path.suffix)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content[: int(len(content) * generator.uniform(0.3, 0.95))])
    return target


def _emptied(path: Path, target: Path, generator: random.Random) -> Path:
    """The end of the file is zeros, as after a power cut."""
    content = path.read_bytes()
    whole = int(len(content) * generator.uniform(0.3, 0.9))
    target = target.with_suffix(path.suffix)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content[:whole] + bytes(len(content) - whole))
    return target


def _renamed(path: Path, target: Path, generator: random.Random) -> Path:
    target = target.with_suffix(_SUFFIX_OF[Image.open(path).format or ""])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    return target


def _turned_twice(path: Path, target: Path, generator: random.Random) -> Path:
    """Turned by a program that left the EXIF as the camera wrote it."""
    picture = _opened(path)
    picture = picture.crop((0, 0, picture.width, max(8, int(picture.height * 0.75))))
    exif = Image.Exif()
    exif[0x0112] = generator.choice((6, 8))
    exif.get_ifd(0x8769).update({0xA002: picture.width, 0xA003: picture.height})
    return _save(picture.rotate(90, expand=True), target.with_suffix(".jpg"), exif=exif, quality=90)


def _turned(path: Path, target: Path, generator: random.Random) -> Path:
    """As a camera held upright writes it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return _save(_opened(path).rotate(90, expand=True), target.with_suffix(".jpg"), exif=exif, quality=90)


def _grey(path: Path, target: Path, generator: random.Random) -> Path:
    return _save(_opened(path).convert("L").convert("RGB"), target.with_suffix(".jpg"), quality=90)


def _dark(path: Path, target: Path, generator: random.Random) -> Path:
    return _save(ImageEnhance.Brightness(_opened(path)).enhance(0.2), target.with_suffix(".jpg"), quality=90)


def _over_exposed(path: Path, target: Path, generator: random.Random) -> Path:
    """Two stops lighter than a picture of middling grey."""
    picture = _opened(path)
    median = max(1.0, float(np.median(np.asarray(picture.convert("L")))))
    return _save(ImageEnhance.Brightness(picture).enhance(440 / median), target.with_suffix(".jpg"), quality=90)


def _blurred(path: Path, target: Path, generator: random.Random) -> Path:
    picture = _opened(path)
    radius = 0.025 * max(picture.size)
    return _save(picture.filter(ImageFilter.GaussianBlur(radius)), target.with_suffix(".jpg"), quality=90)


def _equal(path: Path, target: Path, generator: random.Random) -> Path:
    target = target.with_suffix(path.suffix)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    return target


def _encoded_anew(path: Path, target: Path, generator: random.Random) -> Path:
    return _save(_opened(path), target.with_suffix(".jpg"), quality=generator.randint(40, 85))


def _resized(path: Path, target: Path, generator: random.Random) -> Path:
    picture, scale = _opened(path), generator.uniform(0.5, 1.5)
    size = (max(16, round(picture.width * scale)), max(16, round(picture.height * scale)))
    return _save(picture.resize(size, Image.Resampling.BICUBIC), target.with_suffix(".jpg"), quality=88)


def _cropped(path: Path, target: Path, generator: random.Random) -> Path:
    picture = _opened(path)
    left, top, right, bottom = (generator.uniform(0, 0.05) for _ in range(4))
    box = (
        round(left * picture.width),
        round(top * picture.height),
        round((1 - right) * picture.width),
        round((1 - bottom) * picture.height),
    )
    return _save(picture.crop(box), target.with_suffix(".jpg"), quality=88)


def _brightened(path: Path, target: Path, generator: random.Random) -> Path:
    factor = generator.choice((generator.uniform(0.65, 0.85), generator.uniform(1.15, 1.35)))
    return _save(ImageEnhance.Brightness(_opened(path)).enhance(factor), target.with_suffix(".jpg"), quality=88)


def _mirrored(path: Path, target: Path, generator: random.Random) -> Path:
    mirrored = _opened(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return _save(mirrored, target.with_suffix(".jpg"), quality=88)


def _is_jpeg(path: Path) -> bool:
    return path.suffix == ".jpg"


Change = Callable[[Path, Path, random.Random], Path]
"""Makes a changed picture of the first path, below the second with a suffix of its choice; gives where it is."""
_SPOILT: dict[str, Change] = {
    "cut short": _truncated,
    "end lost": _emptied,
    "wrong suffix": _renamed,
    "EXIF wrong": _turned_twice,
    "EXIF turned": _turned,
    "grey": _grey,
    "dark": _dark,
    "over-exposed": _over_exposed,
    "blurred": _blurred,
}
_FITS: dict[str, Callable[[Path], bool]] = {"end lost": _is_jpeg, "blurred": _is_jpeg}
"""What can have a fault: zeros are damage to a PNG, and a picture of 32 pixels is blurred as it is."""
_COPIED: dict[str, Change] = {
    "equal file": _equal,
    "encoded anew": _encoded_anew,
    "resized": _resized,
    "cropped": _cropped,
    "brightened": _brightened,
    "mirrored": _mirrored,
}
