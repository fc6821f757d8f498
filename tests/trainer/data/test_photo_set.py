"""A set of photos as a run writes it down."""

from __future__ import annotations

from pathlib import Path

from hawklet.safefiles import sha256_of
from hawklet_trainer.data import Photo, PhotoSet, Place


def test_whatever_photos_are_called_a_run_has_them_again(tmp_path: Path) -> None:
    names = ["1.jpg", "a\r.jpg", "a\r\nb.jpg", 'q"\r,.jpg']
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    photos = tuple(Photo(Place(tmp_path / name), 0, sha256_of(tmp_path / name)) for name in names)
    written = PhotoSet(tmp_path, ("cat",), {"train": photos, "val": (), "test": ()})
    assert PhotoSet.from_csv(written.to_csv(), tmp_path, ("cat",)) == written
