"""Where pictures are: files, and spans of shards."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from hawklet.errors import ImageError
from hawklet_trainer.data import Place, Span


@pytest.fixture
def shard(tmp_path: Path) -> tuple[Path, Span]:
    """A red picture between other bytes."""
    stream = io.BytesIO()
    Image.new("RGB", (12, 10), (200, 0, 0)).save(stream, "PNG")
    path = tmp_path / "shards" / "a.tar"
    path.parent.mkdir()
    path.write_bytes(b"before" + stream.getvalue() + b"after")
    return path, Span(6, len(stream.getvalue()))


def test_a_picture_within_a_shard_is_read_like_one_of_its_own(shard: tuple[Path, Span], tmp_path: Path) -> None:
    path, span = shard
    own = tmp_path / "own.png"
    own.write_bytes(path.read_bytes()[span.offset : sum(span)])
    assert (Place(path, span).read() == Place(own).read()).all()
    assert Place(path, span).sha256() == Place(own).sha256()
    assert Place(path, span).name_below(tmp_path) == "shards/a.tar@6"
    assert Place(own).name_below(tmp_path) == "own.png"


def test_a_picture_beyond_the_end_of_its_shard_is_not_there(shard: tuple[Path, Span]) -> None:
    path, span = shard
    assert Place(path, span).is_there()
    assert not Place(path, Span(span.offset, span.size + 6)).is_there()
    assert not Place(path.with_name("b.tar"), span).is_there()


def test_a_picture_that_cannot_be_read_is_named_with_its_shard(shard: tuple[Path, Span]) -> None:
    path, _ = shard
    with pytest.raises(ImageError, match=r"^a\.tar@0: not a picture"):
        Place(path, Span(0, 6)).read()
    with pytest.raises(ImageError, match=r"^a\.tar@6: the shard is shorter than its index says$"):
        Place(path, Span(6, 10**15)).read()
    with pytest.raises(ImageError, match=r"^b\.tar: there is no such file"):
        Place(path.with_name("b.tar"), Span(0, 6)).read()
