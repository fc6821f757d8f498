"""Finished candidates on disk, so that an interrupted search goes on where it was: ``NAME.hawklet.partial/``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hawklet.safefiles import write_bytes, write_json
from hawklet.spec import ModelFormat, Precision
from hawklet_converter.candidate import Candidate
from hawklet_converter.kept_work import KeptWork, digest
from hawklet_converter.plan import QuantPlan

_SCHEMA = "hawklet-search/2"


class SearchStore(KeptWork):
    """A folder of finished candidates of one search, beside the bundle that is to be.

    Args:
        bundle: Where the bundle will be.
        facts: What the candidates depend on, in plain JSON types.
        resume: Keep what is there. Without it the folder is emptied.

    Raises:
        UsageError: what is there is no search's, or with ``resume`` another search's.
    """

    def __init__(self, bundle: Path, facts: Mapping[str, Any], *, resume: bool) -> None:
        super().__init__(bundle.with_name(bundle.name + ".partial"), _SCHEMA, facts, resume=resume)

    @property
    def count(self) -> int:
        """How many candidates are kept."""
        return len(self.parts)

    def get(self, name: str) -> Candidate | None:
        """A finished candidate, or None; one that was not written to its end does not count."""
        try:
            row = json.loads(self._path(name, "json").read_text(encoding="utf-8"))
            files = {ModelFormat(f): self._path(name, f).read_bytes() for f in row["digests"]}
        except (OSError, ValueError, KeyError):
            return None
        if any(digest(content) != row["digests"][f.value] for f, content in files.items()):
            return None
        return _from_row(row, files)

    def put(self, name: str, candidate: Candidate) -> None:
        """Keep a candidate: its files first, and last the row that makes it count."""
        for model_format, content in candidate.files.items():
            write_bytes(self._path(name, model_format.value), content)
        row = candidate.to_row(0.0)
        row["plan"] = None if candidate.plan is None else candidate.plan.to_dict()
        row["digests"] = {f.value: digest(content) for f, content in candidate.files.items()}
        write_json(self._path(name, "json"), row)

    def _path(self, name: str, suffix: str) -> Path:
        return self.folder / f"{digest((self.key + name).encode())[:16]}.{suffix}"


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
