"""The sheet of everything that was made, and which network it recommends."""

from __future__ import annotations

from typing import Any

import pytest

from hawklet_converter.pruning.sheet import PRUNED, UNPRUNED, Point, pareto_front, sheet_table, verdict_of


def _point(kind: str, ms: float | None, val: float, variant: str = "int8-tflite", **fields: Any) -> Point:
    return Point(
        network=fields.pop("network", f"flowers-{kind}"),
        kind=kind,
        variant=variant,
        ms=ms,
        val=val,
        test=fields.pop("test", val - 1),
        bytes=2_000_000,
        macs=300_000_000,
        side=224,
        width=1.0,
        run=f"runs/flowers-{kind}",
        train_seconds=90.0,
        chosen=kind == PRUNED,
        **fields,
    )


WHOLE = _point(UNPRUNED, 4.0, 95.0)
OURS = _point(PRUNED, 2.4, 92.0)


def test_the_pruned_network_is_recommended_where_none_of_its_latency_does_better() -> None:
    verdict = verdict_of([WHOLE, OURS, _point("narrower", 2.4, 88.0), _point("smaller input", 2.3, 91.0)], 1000)
    assert verdict is not None
    assert verdict.winner is OURS
    assert "flowers-pruned does best of the networks of its latency" in verdict.words("hawklet convert X")


def test_a_rival_that_does_better_at_the_same_latency_is_recommended_plainly() -> None:
    rival = _point("smaller input", 2.5, 96.0)
    verdict = verdict_of([WHOLE, OURS, rival], 1000)
    assert verdict is not None
    assert verdict.winner is rival
    assert verdict.sure
    assert "the smaller input network does better: 96.0 against 92.0 %" in verdict.words("hawklet convert X")
    assert "recommended: hawklet convert X" in verdict.words("hawklet convert X")


def test_a_difference_that_so_few_pictures_cannot_tell_is_said_to_be_chance() -> None:
    verdict = verdict_of([WHOLE, OURS, _point("narrower", 2.4, 93.0)], 105)
    assert verdict is not None
    assert not verdict.sure
    assert "(within chance on so many pictures)" in verdict.words("hawklet convert X")


def test_slower_networks_other_files_and_what_does_not_run_there_are_no_rivals() -> None:
    others = [
        _point("narrower", 2.6, 99.0),
        _point("smaller input", 2.0, 99.0, variant="float32-tflite"),
        _point("narrower", None, 99.0),
    ]
    assert verdict_of([WHOLE, OURS, *others], 1000) is None
    assert verdict_of([WHOLE, _point(PRUNED, None, 92.0), _point("narrower", 1.0, 99.0)], 1000) is None
    assert verdict_of([WHOLE], 1000) is None


def test_the_front_holds_what_nothing_beats_in_both() -> None:
    beaten = _point("narrower", 2.5, 91.0)
    equal = _point("smaller input", 2.4, 92.0)
    untimed = _point("narrower", None, 100.0, network="other")
    front = pareto_front([WHOLE, OURS, beaten, untimed])
    assert front == {(WHOLE.network, "int8-tflite"), (OURS.network, "int8-tflite")}
    assert len(pareto_front([OURS, equal])) == 1


def test_the_table_marks_the_chosen_network_and_leaves_float_files_out() -> None:
    points = [WHOLE, OURS, _point(PRUNED, 5.0, 92.5, variant="float32-tflite"), _point("narrower", None, 80.0)]
    head, *lines = sheet_table([point.to_json() for point in points]).splitlines()
    assert head.split()[:3] == ["network", "file", "ms"]
    assert len(lines) == 3
    assert [" * " in line for line in lines] == [False, True, False]
    assert "float32" not in "".join(lines)
    assert lines[2].split()[-6] == "-", "a file that does not run there has no time"


def test_float_files_are_shown_where_there_are_no_others() -> None:
    alone = _point(PRUNED, 5.0, 92.5, variant="float32-tflite", test=None)
    assert "float32-tflite" in sheet_table([alone.to_json()])


@pytest.mark.parametrize("pictures", [0, 1])
def test_hardly_any_pictures_make_nothing_sure(pictures: int) -> None:
    verdict = verdict_of([OURS, _point("narrower", 2.4, 99.0)], pictures)
    assert verdict is not None
    assert not verdict.sure
