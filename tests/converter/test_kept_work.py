"""Finished parts of a long piece of work, which survive an interrupt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hawklet.errors import UsageError
from hawklet_converter.kept_work import KeptWork


def _open(folder: Path, resume: bool = True, schema: str = "test/1", **facts: object) -> KeptWork:
    return KeptWork(folder / "work", schema, facts, resume=resume)


def _never() -> object:
    raise AssertionError("it was done again")


def _counting(values: list[int]) -> Callable[[], object]:
    def make() -> object:
        values.append(1)
        return {"shares": (0.5, 0.25), "name": "ü"}

    return make


def test_a_part_is_made_once_and_is_the_same_whether_it_was_made_or_read(tmp_path: Path) -> None:
    made: list[int] = []
    work = _open(tmp_path)
    first = work.once("part", _counting(made))
    assert first == work.once("part", _counting(made)) == {"shares": [0.5, 0.25], "name": "ü"}
    assert made == [1]
    assert _open(tmp_path).once("part", _never) == first


def test_a_part_that_failed_or_was_not_written_to_its_end_is_made_again(tmp_path: Path) -> None:
    work = _open(tmp_path)
    with pytest.raises(AssertionError):
        work.once("part", _never)
    assert not work.parts
    (work.folder / "part.json").write_text('{"shares": [0.5')
    assert work.once("part", lambda: 3) == 3
    assert [path.name for path in work.parts] == ["part.json"]


def test_without_resume_the_work_begins_anew(tmp_path: Path) -> None:
    _open(tmp_path).once("part", lambda: 1)
    assert _open(tmp_path, resume=False).once("part", lambda: 2) == 2


def test_other_work_is_not_gone_on_with_and_the_refusal_names_what_differs(tmp_path: Path) -> None:
    _open(tmp_path, **{"--seed": 1, "--prune": [0.3, 0.0]})
    with pytest.raises(UsageError, match=r"differs in --prune; give the same options again"):
        _open(tmp_path, **{"--seed": 1, "--prune": [0.4, 0.0]})
    with pytest.raises(UsageError, match="differs in --teacher"):
        _open(tmp_path, **{"--seed": 1, "--prune": [0.3, 0.0], "--teacher": None, "--target": "pi5"} | {"--teacher": 1})


def test_work_of_another_kind_and_folders_of_the_users_own_are_left_alone(tmp_path: Path) -> None:
    _open(tmp_path, schema="other/1").once("part", lambda: 1)
    with pytest.raises(UsageError, match="something else is there"):
        _open(tmp_path, resume=False)
    assert (tmp_path / "work" / "part.json").exists()


def test_finished_work_leaves_nothing(tmp_path: Path) -> None:
    work = _open(tmp_path)
    work.once("part", lambda: 1)
    work.discard()
    work.discard()
    assert not work.folder.exists()
