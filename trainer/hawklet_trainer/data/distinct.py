"""The rows of an index, each picture once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hawklet.errors import DataError
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.place import Span

_Where = tuple[str, Span | None]


def distinct(rows: Iterable[IndexRow], source: object) -> Iterator[IndexRow]:
    """The same rows, without those that name a picture again in the same split.

    It remembers every picture, and is for rows that are held anyway.

    Args:
        rows: Of an index.
        source: The index, for the message.

    Raises:
        DataError: a picture has two labels, or is in two groups.
    """
    said: dict[_Where, IndexRow] = {}
    seen: set[tuple[_Where, str]] = set()
    for row in rows:
        where = (str(row.place.path), row.place.span)
        first = said.setdefault(where, row)
        if first is not row:
            _require_same(first, row, source)
            if row.split == first.split or (where, row.split) in seen:
                continue
            seen.add((where, row.split))
        yield row


def _require_same(first: IndexRow, row: IndexRow, source: object) -> None:
    for what, one, other in (("label", first.label, row.label), ("group", first.place.group, row.place.group)):
        if one != other:
            name = f"{row.place.path}{'' if row.place.span is None else f'@{row.place.span.offset}'}"
            raise DataError(
                f"a picture must have one {what}, got {one!r} and {other!r} for {name} in {source}; take lines out, or "
                f"have it done: hawklet data check {source} --fix NEW"
            )
