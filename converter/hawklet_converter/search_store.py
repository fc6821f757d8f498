"""Finished candidates on disk, so that an interrupted search goes on where it was: ``NAME.hawklet.partial/``."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet.errors import UsageError
from hawklet.safefiles import write_bytes, write_json
from hawklet.spec import ModelFormat, Precision
from hawklet_converter.candidate import Candidate
from hawklet_converter.plan import QuantPlan

_KEY = "key.json"
_SCHEMA = "hawklet-search/2"


class SearchStore:
    """A folder of finished candidates of one search, beside the bundle that is to be.

    Args:
        bundle: Where the bundle will be.
        facts: What the candidates depend on, in plain JSON types.
        resume: Keep what is there. Without it the folder is emptied.

    Raises:
        UsageError: what is there is no search's, or with ``resume`` another search's.
    """

    def __init__(self, bundle: Path, facts: Mapping[str, Any], *, resume: bool) -> None:
        self.folder = bundle.with_name(bundle.name + ".partial")
        self._facts = dict(facts)
        self._key = _digest(json.dumps(self._facts, sort_keys=True).encode())
        found = self._found()
        if resume and found is not None:
            self._require_same(found)
            return
        self.discard()
        write_json(self.folder / _KEY, {"schema": _SCHEMA, "facts": self._facts})

    def _found(self) -> dict[str, Any] | None:
        """The facts of the search that is there; None where nothing is."""
        if not self.folder.exists() and not self.folder.is_symlink():
            return None
        try:
            found = json.loads((self.folder / _KEY).read_text(encoding="utf-8"))
            if found["schema"] == _SCHEMA and not self.folder.is_symlink():
                return dict(found["facts"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # told below
        raise UsageError(
            f"{self.folder} is where a search keeps what it has tried, and something else is there; "
            "move it away, or name another bundle (-o)"
        )

    def _require_same(self, found: Mapping[str, Any]) -> None:
        differing = [name for name in {**found, **self._facts} if found.get(name) != self._facts.get(name)]
        if differing:
            raise UsageError(
                f"--resume goes on with the same search; what {self.folder} holds differs in {', '.join(differing)}; "
                "give the same options again, or leave --resume out to begin anew"
            )

    @property
    def count(self) -> int:
        """How many candidates are kept."""
        return sum(path.suffix == ".json" and path.name != _KEY for path in self.folder.iterdir())

    def get(self, name: str) -> Candidate | None:
        """A finished candidate, or None; one that was not written to its end does not count."""
        try:
            row = json.loads(self._path(name, "json").read_text(encoding="utf-8"))
            files = {ModelFormat(f): self._path(name, f).read_bytes() for f in row["digests"]}
        except (OSError, ValueError, KeyError):
            return None
        if any(_digest(content) != row["digests"][f.value] for f, content in files.items()):
            return None
        return _from_row(row, files)

    def put(self, name: str, candidate: Candidate) -> None:
        """Keep a candidate: its files first, and last the row that makes it count."""
        for model_format, content in candidate.files.items():
            write_bytes(self._path(name, model_format.value), content)
        row = candidate.to_row(0.0)
        row["plan"] = None if candidate.plan is None else candidate.plan.to_dict()
        row["digests"] = {f.value: _digest(content) for f, content in candidate.files.items()}
        write_json(self._path(name, "json"), row)

    def discard(self) -> None:
        """Remove the folder."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    def _path(self, name: str, suffix: str) -> Path:
        return self.folder / f"{_digest((self._key + name).encode())[:16]}.{suffix}"


def digest_of(arrays: Iterable[npt.NDArray[Any]]) -> str:
    """SHA-256 of arrays, one after the other."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _from_row(row: Mapping[str, Any], files: Mapping[ModelFormat, bytes]) -> Candidate:
    def by_format(name: str) -> dict[ModelFormat, float]:
        return {ModelFormat(key): float(value) for key, value in row[name].items()}

    return Candidate(
        recipe=row["recipe"],
        method=row["method"],
        precision=Precision(row["precision"]),
        files=files,
        plan=None if row["plan"] is None else QuantPlan.from_dict(row["plan"]),
        top1=by_format("top1"),
        agreement=by_format("agreement"),
        divergence=by_format("divergence"),
        ms=by_format("ms"),
        float_ms=by_format("float_ms"),
        float_layers=tuple(row["float_layers"]),
        float_macs_share=float(row["float_macs_share"]),
        seconds=float(row["seconds"]),
    )
