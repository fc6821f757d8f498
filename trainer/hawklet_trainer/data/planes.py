"""Whether photos have the planes that a network takes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hawklet.errors import DataError
from hawklet.spec import PreprocessSpec
from hawklet_trainer.data.photo_set import SPLITS, WORKERS, Photo, PhotoSet


def require_planes(photos: PhotoSet, spec: PreprocessSpec) -> None:
    """Refuse photos that lack the fourth plane of a network of four channels; nothing is decoded for it.

    Raises:
        DataError: some lack it; names the first.
        ImageError: a picture that could be read before cannot any more.
    """
    if spec.planes != 4:
        return
    every = [photo for split in SPLITS for photo in photos.items(split)]
    with ThreadPoolExecutor(WORKERS) as pool:
        lacking = [photo for photo, has in zip(every, pool.map(_has_fourth_plane, every), strict=True) if not has]
    if lacking:
        raise DataError(
            "--channels 4 takes pictures with a fourth plane, stored as the alpha of a PNG, TIFF or WebP and not "
            f"premultiplied; {len(lacking)} of {len(every)} have none (the first: "
            f"{lacking[0].place.name_below(photos.folder)}); add it, or leave --channels out for their colours alone"
        )


def _has_fourth_plane(photo: Photo) -> bool:
    return photo.place.has_fourth_plane()
