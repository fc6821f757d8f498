"""What augmentation makes of a few pictures, to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hawklet.errors import ImageError
from hawklet.preprocess import preprocess
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.augment.mixing import Mix, make_mixing
from hawklet_trainer.augment.presets import Augment, describe, make_augmentation, source_spec
from hawklet_trainer.data.pixels import read_pixels
from hawklet_trainer.data.place import Place
from hawklet_trainer.thumbnail import as_rgb, data_uri

PICTURES = 5
VARIANTS = 5
_SIDE = 132
"""Of the pictures shown, pixels."""


@dataclass(frozen=True)
class Row:
    """One picture."""

    label: str
    original: str
    """As it is read for training; a data URI, as are the others."""
    variants: tuple[str, ...]


@dataclass(frozen=True)
class MixedRow:
    """Pictures mixed in one way."""

    way: str
    pictures: tuple[tuple[str, str], ...]
    """Each with what it then counts as, such as ``0.70 daisy, 0.30 roses``."""


@dataclass(frozen=True)
class Sheet:
    """Some pictures, each as it is and as training sees it."""

    name: str
    """Of the preset."""
    words: str
    """What it does."""
    rows: tuple[Row, ...]
    mixed: tuple[MixedRow, ...]
    """Empty where pictures are not mixed."""


def choose(by_class: Mapping[str, Sequence[Place]], count: int = PICTURES) -> list[tuple[str, Place]]:
    """Pictures of as many classes as there may be, each with its label."""
    filled = [label for label in sorted(by_class) if by_class[label]]
    if not filled:
        return []
    chosen = [filled[number * len(filled) // count] for number in range(count)]
    within = [chosen[:number].count(label) for number, label in enumerate(chosen)]
    return [
        (label, by_class[label][number])
        for label, number in zip(chosen, within, strict=True)
        if number < len(by_class[label])
    ]


def make_sheet(
    pictures: Iterable[tuple[str, Place]],
    spec: PreprocessSpec,
    kind: Augment,
    flip: bool,
    mix: Mix | None,
    seed: int,
) -> Sheet:
    """Augment some pictures; those that cannot be read are passed over.

    The random numbers of what surrounds it are left as they are.

    Args:
        pictures: With their labels.
        spec: What the network sees.
        kind: How much is varied.
        flip: Whether half of them are mirrored.
        mix: How they are mixed; None: as is ``kind``'s own way.
        seed: Of what is varied.
    """
    read = list(_read(pictures, source_spec(spec)))
    labels = [label for label, _ in read]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        augment = make_augmentation(kind, spec, flip)
        batches = [augment(_batch(pixels for _, pixels in read)) for _ in range(VARIANTS)] if read else []
        mixed = _mix(batches, labels, kind.own_mix if mix is None else mix)
    rows = tuple(
        Row(label, _shown(pixels), tuple(_shown(_pixels(batch[number])) for batch in batches))
        for number, (label, pixels) in enumerate(read)
    )
    return Sheet(kind.value, describe(kind, flip, mix, spec.channels), rows, mixed)


def _read(pictures: Iterable[tuple[str, Place]], spec: PreprocessSpec) -> Iterable[tuple[str, Pixels]]:
    for label, place in pictures:
        try:
            yield label, read_pixels(place, spec)
        except ImageError:
            continue


def _batch(pictures: Iterable[Pixels]) -> torch.Tensor:
    return torch.from_numpy(np.stack(list(pictures))).permute(0, 3, 1, 2)


def _mix(batches: list[torch.Tensor], labels: list[str], mix: Mix) -> tuple[MixedRow, ...]:
    if mix is Mix.NONE or len(labels) < 2:
        return ()
    return tuple(
        MixedRow(way.value, tuple(_mixed_one(number, batch, labels, way) for number, batch in enumerate(batches)))
        for way in ((Mix.MIXUP, Mix.CUTMIX) if mix is Mix.BOTH else (mix,))
    )


def _mixed_one(number: int, batch: torch.Tensor, labels: list[str], way: Mix) -> tuple[str, str]:
    """One picture of the batch, since all of a batch are mixed to the same share."""
    names, chosen = sorted(set(labels)), number % len(labels)
    y = torch.tensor([names.index(label) for label in labels])
    pictures, shares = make_mixing(way, len(names))(batch.float(), y)
    return _shown(_pixels(pictures[chosen])), _in_words(shares[chosen], names)


def _in_words(shares: torch.Tensor, names: list[str]) -> str:
    return ", ".join(f"{share:.2f} {names[index]}" for index, share in enumerate(shares.tolist()) if share >= 0.005)


def _pixels(picture: torch.Tensor) -> Pixels:
    return picture.round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def _shown(pixels: Pixels) -> str:
    return data_uri(preprocess(as_rgb(pixels), PreprocessSpec(_SIDE, _SIDE, crop_fraction=1.0)))
