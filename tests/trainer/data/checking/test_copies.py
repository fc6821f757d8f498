"""Equal files and near duplicates, as sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from checked_photos import evidence_of, photo
from hawklet_trainer.data.checking.copies import Copies, joined
from hawklet_trainer.data.checking.facts import Depth

Save = Callable[..., Path]


def _named(source: Path, sets: list[np.ndarray]) -> list[list[str]]:
    catalogue = evidence_of(source, Depth.HEADER).catalogue
    return sorted(sorted(catalogue.name(position) for position in members) for members in sets)


def _copies(source: Path, depth: Depth = Depth.THUMB) -> Copies:
    return evidence_of(source, depth).copies


def test_equal_files_are_a_set_whatever_their_classes(save: Save, tmp_path: Path) -> None:
    for name in ("oak/1.png", "oak/2.png", "yew/1.png"):
        save(photo(1), name)
    save(photo(2), "yew/2.png")
    source = tmp_path / "photos"
    assert _named(source, _copies(source, Depth.HEADER).equal) == [["oak/1.png", "oak/2.png", "yew/1.png"]]
    assert _copies(source, Depth.HEADER).near == []


def test_near_duplicates_bring_the_equal_files_of_each(save: Save, tmp_path: Path) -> None:
    save(photo(1), "oak/1.png")
    save(photo(1), "yew/equal.png")
    save(photo(1), "oak/near.jpg", quality=60)
    save(photo(2), "oak/2.png")
    source = tmp_path / "photos"
    assert _named(source, _copies(source).near) == [["oak/1.png", "oak/near.jpg", "yew/equal.png"]]


def test_a_picture_that_is_its_own_mirror_image_is_a_near_duplicate_alone(save: Save, tmp_path: Path) -> None:
    half = photo(3, 80, 120)
    whole = Image.new("RGB", (160, 120))
    whole.paste(half, (0, 0))
    whole.paste(half.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (80, 0))
    save(whole, "oak/1.png")
    save(whole, "oak/2.jpg", quality=70)
    copies = _copies(tmp_path / "photos")
    assert len(copies.near) == 1 and copies.turned == []


def test_a_mirrored_copy_is_apart_from_near_duplicates(save: Save, tmp_path: Path) -> None:
    save(photo(1), "oak/1.png")
    save(photo(1).transpose(Image.Transpose.FLIP_LEFT_RIGHT), "oak/2.jpg", quality=80)
    copies = _copies(tmp_path / "photos")
    assert copies.near == [] and [members.tolist() for members in copies.turned] == [[0, 1]]
    assert list(copies.links()) == [(0, 1)]


def test_unreadable_files_are_no_copies(save: Save, tmp_path: Path) -> None:
    for name in ("oak/1.png", "oak/2.png"):
        save(photo(1), name).write_bytes(b"no picture")
    assert _copies(tmp_path / "photos").equal == []


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60))
def test_joined_sets_are_disjoint_and_hold_every_pair(pairs: list[tuple[int, int]]) -> None:
    sets = [set(members.tolist()) for members in joined(pairs)]
    assert sum(map(len, sets)) == len({position for pair in pairs for position in pair})
    assert all(any({one, other} <= members for members in sets) for one, other in pairs)
    for members in sets:
        reached = {min(members)}
        for _ in members:
            reached |= {b for pair in pairs for a, b in (pair, pair[::-1]) if a in reached}
        assert reached == members
