"""The small trained run and its bundle."""

from tiny_runs import converted, photo_folder, tiny_run

__all__ = ["converted", "photo_folder", "tiny_run"]
