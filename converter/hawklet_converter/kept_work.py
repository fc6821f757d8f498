"""Work that an interrupt must not lose: a folder beside the bundle to be, which says what its content depends on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet.errors import UsageError
from hawklet.safefiles import write_json

_KEY = "key.json"


class KeptWork:
    """A folder of finished parts of one piece of work.

    Args:
        folder: Where it is.
        schema: What kind of work it is.
        facts: What the parts depend on, in plain JSON types, by the words that tell a user which of it has changed.
        resume: Keep what is there. Without it the folder is emptied.

    Raises:
        UsageError: what is there is something else, or with ``resume`` other work.
    """

    def __init__(self, folder: Path, schema: str, facts: Mapping[str, Any], *, resume: bool) -> None:
        self.folder = folder
        self._schema = schema
        self._facts = dict(facts)
        self.key = digest(json.dumps(self._facts, sort_keys=True).encode())
        found = self._found()
        if resume and found is not None:
            self._require_same(found)
            return
        self.discard()
        write_json(self.folder / _KEY, {"schema": schema, "facts": self._facts})

    def _found(self) -> dict[str, Any] | None:
        """The facts of the work that is there; None where nothing is."""
        if not self.folder.exists() and not self.folder.is_symlink():
            return None
        try:
            found = json.loads((self.folder / _KEY).read_text(encoding="utf-8"))
            if found["schema"] == self._schema and not self.folder.is_symlink():
                return dict(found["facts"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # told below
        raise UsageError(
            f"{self.folder} is where unfinished work is kept, and something else is there; "
            "move it away, or name another bundle (-o)"
        )

    def _require_same(self, found: Mapping[str, Any]) -> None:
        differing = [name for name in {**found, **self._facts} if found.get(name) != self._facts.get(name)]
        if differing:
            raise UsageError(
                f"--resume goes on with the same work; what {self.folder} holds differs in {', '.join(differing)}; "
                "give the same options again, or leave --resume out to begin anew"
            )

    @property
    def parts(self) -> list[Path]:
        """The JSON files of what is finished."""
        return [path for path in self.folder.iterdir() if path.suffix == ".json" and path.name != _KEY]

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What ``make`` gave, in plain JSON types; it is called only if this was not finished before.

        Args:
            name: Of the part: letters, digits, ``.``, ``-``.
            make: Does the work.
        """
        path = self.folder / f"{name}.json"
        with contextlib.suppress(OSError, ValueError):
            return json.loads(path.read_text(encoding="utf-8"))
        made = make()
        write_json(path, made)
        return json.loads(json.dumps(made))

    def discard(self) -> None:
        """Remove the folder."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder)


def digest_of(arrays: Iterable[npt.NDArray[Any]]) -> str:
    """SHA-256 of arrays, one after the other."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
