"""What a run's split.csv tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from hawklet.errors import RunError
from hawklet_trainer.split_file import learned_from, split_rows, splits_by_digest

_LINES = "path,label,split,sha256\na.png,red,train,1\nb.png,red,val,2\nc.png,red,test,1\n"


def test_a_picture_that_is_in_several_splits_counts_as_trained_on(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text(_LINES)
    assert splits_by_digest(tmp_path) == {"1": "train", "2": "val"}
    assert learned_from(tmp_path) == {"1"} and learned_from(tmp_path, ("train", "val")) == {"1", "2"}


def test_a_folder_without_a_split_has_learned_from_nothing_that_is_known(tmp_path: Path) -> None:
    assert learned_from(tmp_path) == set()


@pytest.mark.parametrize(
    ("text", "rule"), [(None, "there is none in"), ("name,size\na,1\n", "needs lines of path"), ("", "column names")]
)
def test_a_folder_that_does_not_say_is_refused(tmp_path: Path, text: str | None, rule: str) -> None:
    if text is not None:
        (tmp_path / "split.csv").write_text(text)
    with pytest.raises(RunError, match=rule):
        split_rows(tmp_path)
