"""A check from start to end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from hawklet.errors import MissingDependencyError, WeightsError
from hawklet_trainer.data.checking import Checked, CheckOptions, check_photos, features, label_errors
from hawklet_trainer.data.checking.finding import Severity
from hawklet_trainer.data.checking.registry import RULES
from hawklet_trainer.data.checking.watcher import Watcher
from hawklet_trainer.data.index import IndexRow, write_index
from hawklet_trainer.data.place import Place, Span

Fill = Callable[..., Path]
_WITHOUT_LABELS = CheckOptions(labels=False)


class _Network:
    """Tells pictures by the folder they are in, and calls those that are named odd another's."""

    def features(self, places: Sequence[Place], workers: int, step: Callable[[int], None]) -> np.ndarray:
        step(len(places))
        classes = [("yew" if "odd" in place.path.name else place.path.parent.name) for place in places]
        noise = np.random.default_rng(0).standard_normal((len(places), 8))
        return (noise + 9 * np.array([[name == "yew"] * 8 for name in classes])).astype(np.float32)


def _names(checked: Checked) -> list[str]:
    return [finding.rule.name for finding in checked.findings]


def test_good_photos_have_no_findings(fill: Fill) -> None:
    checked = check_photos(fill(12), _WITHOUT_LABELS)
    assert checked.findings == [] and checked.exit_code(strict=True) == 0


def test_findings_are_told_worst_first(fill: Fill) -> None:
    source = fill(12)
    (source / "oak" / "00000.jpg").write_bytes(b"no picture")
    shutil.copy(source / "oak" / "00001.jpg", source / "yew" / "copy.jpg")
    shutil.copy(source / "oak" / "00002.jpg", source / "oak" / "copy.jpg")
    checked = check_photos(source, _WITHOUT_LABELS)
    assert _names(checked) == ["damaged", "equal_across_classes", "equal_within"]
    assert [checked.count(severity) for severity in Severity] == [1, 1, 1]
    assert checked.exit_code(strict=False) == 1


def test_warnings_fail_a_strict_check_alone(fill: Fill) -> None:
    source = fill(12)
    shutil.copy(source / "oak" / "00001.jpg", source / "yew" / "copy.jpg")
    checked = check_photos(source, _WITHOUT_LABELS)
    assert checked.exit_code(strict=False) == 0 and checked.exit_code(strict=True) == 1


def test_a_quick_check_says_what_it_leaves_out(fill: Fill) -> None:
    source = fill(12)
    (source / "oak" / "00000.jpg").write_bytes((source / "oak" / "00000.jpg").read_bytes()[:-500])
    checked = check_photos(source, CheckOptions(quick=True))
    assert checked.findings == []
    left_out = [title for title, _ in checked.left_out]
    assert "Near duplicates in several splits" in left_out and left_out[-1] == "Likely label errors"


def test_wrong_labels_are_found_with_the_likely_ones(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "Network", _Network)
    source = fill(20)
    (source / "oak" / "00003.jpg").rename(source / "oak" / "odd.jpg")
    checked = check_photos(source, CheckOptions(labels=True))
    assert _names(checked) == ["label_errors"]
    found = checked.findings[0].found
    assert checked.evidence.catalogue.name(found.pictures[0]) == "oak/odd.jpg" and len(found.pictures) == 1
    assert found.sentence.startswith("1 of 40 labels are probably wrong: less than 10.0 % probable")
    assert found.details[found.pictures[0]].startswith("oak ") and ", yew 9" in found.details[found.pictures[0]]


def test_labels_that_cannot_be_judged_are_left_out_unless_asked_for(
    fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise MissingDependencyError.for_extra("cleanlab", "data", "finding likely label errors")

    monkeypatch.setattr("hawklet_trainer.data.checking.check.require_cleanlab", missing)
    source = fill(12)
    ((title, why),) = check_photos(source).left_out
    assert title == "Likely label errors" and "pip install 'hawklet[data]'" in why
    with pytest.raises(MissingDependencyError):
        check_photos(source, CheckOptions(labels=True))


def test_weights_that_cannot_be_had_leave_labels_out(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise WeightsError("the file is not here")

    monkeypatch.setattr(features, "Network", fail)
    assert check_photos(fill(12)).left_out == [("Likely label errors", "not looked for (the file is not here)")]


def test_one_class_alone_has_no_labels_to_judge(fill: Fill) -> None:
    checked = check_photos(fill(12, ("oak",)))
    assert _names(checked) == ["one_class"]
    assert checked.left_out == [("Likely label errors", "not looked for, since there are no two classes to tell apart")]


def test_copies_and_groups_are_judged_together(fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[np.ndarray] = []

    def judge(*arguments: np.ndarray) -> label_errors.Judgement:
        given.append(arguments[2])
        return label_errors.Judgement((), len(arguments[1]), 0.1)

    monkeypatch.setattr(features, "Network", _Network)
    monkeypatch.setattr("hawklet_trainer.data.checking.check.judge_labels", judge)
    source = fill(6)
    shutil.copy(source / "oak" / "00000.jpg", source / "oak" / "00009.jpg")
    rows = [
        IndexRow(Place(path, None, "one" if "00003" in path.name or "01002" in path.name else ""), path.parent.name)
        for path in sorted(source.rglob("*.jpg"))
    ]
    write_index(tmp_path / "some.csv", rows)
    check_photos(tmp_path / "some.csv", CheckOptions(labels=True))
    assert given[0].tolist() == [0, 1, 2, 3, 4, 5, 0, 7, 8, 3, 10, 11, 12]


def test_pictures_within_shards_are_checked_in_place(fill: Fill, tmp_path: Path) -> None:
    shard, rows = tmp_path / "all.tar", []
    with shard.open("wb") as stream:
        for path in sorted(fill(10).rglob("*.jpg")):
            content = path.read_bytes()
            rows.append(IndexRow(Place(shard, Span(stream.tell(), len(content))), path.parent.name))
            stream.write(content)
    write_index(tmp_path / "index.csv", rows)
    assert check_photos(tmp_path / "index.csv", _WITHOUT_LABELS).findings == []


def test_whoever_watches_is_told_of_every_step(fill: Fill) -> None:
    totals: dict[str, list[int]] = {}

    class Counting(Watcher):
        def phase(self, title: str, total: int) -> Callable[[int], None]:
            totals[title] = [total, 0]

            def step(count: int) -> None:
                totals[title][1] += count

            return step

    check_photos(fill(12), _WITHOUT_LABELS, Counting())
    assert set(totals) == {"pictures", "copies"} and all(total == done for total, done in totals.values())


def test_checking_changes_nothing_of_the_photos(fill: Fill) -> None:
    source = fill(6)

    def state() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in source.rglob("*") if path.is_file()}

    before = state()
    check_photos(source, _WITHOUT_LABELS)
    assert state() == before


def test_rules_have_names_and_titles_of_their_own() -> None:
    assert len({rule.name for rule in RULES}) == len({rule.title for rule in RULES}) == len(RULES)
    assert all(rule.name.replace("_", "").isalpha() and rule.name.islower() for rule in RULES)
