"""Pictures on disk: one file, or every picture below a folder in the order of their names."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from hawklet.cameras import Camera, CameraOptions
from hawklet.errors import CameraNotFoundError, ImageError, UsageError
from hawklet.images import IMAGE_SUFFIXES, read_image
from hawklet.spec import Frame


class FileCamera(Camera):
    """Hands out pictures one after the other; those that cannot be read are reported and passed over.

    Args:
        paths: The picture files.
        root: Names are given relative to this folder.
        options: ``report`` is told of pictures that are passed over; ``planes`` is what they must have.
    """

    def __init__(self, paths: Sequence[Path], root: Path, options: CameraOptions) -> None:
        self.description = f"{len(paths)} pictures of {root}" if len(paths) > 1 else str(paths[0])
        self._paths, self._root, self._report = paths, root, options.report
        self._planes = options.planes
        self._next = 0
        self._readable = 0
        self._told = False

    def read(self) -> Frame | None:
        """See :meth:`Camera.read`.

        Raises:
            ImageError: not one of the pictures could be read.
        """
        while self._next < len(self._paths):
            path = self._paths[self._next]
            self._next += 1
            try:
                image = read_image(path, planes=self._planes)
            except ImageError as error:
                if len(self._paths) == 1:
                    raise
                self._report(f"passed over: {self._folder(path)}{error}")
                continue
            self._readable += 1
            # A name that is no UTF-8 is made printable here, once, for every output.
            name = os.fsencode(path.relative_to(self._root)).decode("utf-8", errors="backslashreplace")
            return Frame(image, captured_at=time.monotonic(), index=self._readable - 1, name=name)
        if not self._readable:
            raise ImageError(f"none of the {len(self._paths)} pictures could be read; see the lines above")
        self._tell_count()
        return None

    def _folder(self, path: Path) -> str:
        """Where below the root a picture lies, as errors name the file alone."""
        folder = path.relative_to(self._root).parent
        return "" if folder == Path() else f"{folder}/"

    def _tell_count(self) -> None:
        unreadable = len(self._paths) - self._readable
        if unreadable and not self._told:
            self._told = True
            self._report(f"{unreadable} of {len(self._paths)} pictures could not be read")

    def close(self) -> None:
        """Later reads give None."""
        self._next, self._readable, self._told = len(self._paths), max(1, self._readable), True


def open_files(source: str, options: CameraOptions) -> FileCamera:
    """Open a picture, or a folder of them, searched through its sub-folders; hidden files are left out.

    Raises:
        CameraNotFoundError: the folder holds no pictures.
        UsageError: a size, a rate or real time was asked for.
    """
    if options.width or options.height or options.fps or options.realtime:
        raise UsageError(f"{source} is pictures, which have a size and no speed; drop --size, --fps and --realtime")
    path = Path(source)
    if not path.is_dir():
        return FileCamera([path], path.parent, options)
    found = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
        and file.is_file()
    )
    if not found:
        raise CameraNotFoundError(f"a folder to classify must hold pictures, and there are none below {path}")
    return FileCamera(found, path, options)
