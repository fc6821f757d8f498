from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hawklet.errors import ResultError, UsageError
from hawklet_benchmarks.compare import Named, compare, find_differences, load_named
from hawklet_benchmarks.result import Executed, Picture, Result
from hawklet_hardware.sensors import Throttle
from made_results import PI5, QUIET, made_result


def named(*results: Result) -> list[Named]:
    return [Named(name, result) for name, result in zip("ABCD", results, strict=False)]


def test_a_faster_result_is_said_to_be_faster_by_how_much_and_how_surely() -> None:
    comparison = compare(named(made_result(20.0, seed=1), made_result(8.0, seed=2)))
    first = comparison.verdicts[0]
    assert first.sentence.startswith("B is 2.33x faster than A at p50 (95 % interval 2.3")
    assert first.significant
    assert first.speedup.low < 21.05 / 9.05 < first.speedup.high


def test_a_slower_result_is_said_to_be_slower_and_its_interval_turned_round() -> None:
    comparison = compare(named(made_result(8.0, seed=1), made_result(20.0, seed=2)))
    assert comparison.verdicts[0].sentence.startswith("B is 2.32x slower than A at p50 (95 % interval 2.3")


def test_equal_results_are_not_declared_different() -> None:
    comparison = compare(named(made_result(10.0, seed=1), made_result(10.0, seed=2)))
    assert comparison.verdicts[0].sentence.startswith("no difference between B and A can be shown at p50")
    assert not comparison.verdicts[0].significant


def test_a_single_process_bears_no_verdict() -> None:
    one = made_result(8.0, seed=2)
    comparison = compare(named(made_result(20.0, seed=1), replace(one, runs=one.runs[:1])))
    assert not comparison.verdicts[0].significant
    assert "cannot be told from a single process (2.3" in comparison.verdicts[0].sentence


def test_every_other_result_is_compared_with_the_first() -> None:
    comparison = compare(named(*(made_result(ms, seed=int(ms)) for ms in (10.0, 5.0, 20.0))))
    assert [(v.baseline, v.other, v.quantile) for v in comparison.verdicts] == [
        ("A", "B", "p50"),
        ("A", "B", "p90"),
        ("A", "C", "p50"),
        ("A", "C", "p90"),
    ]


def test_another_metric_and_clock_can_be_judged_by() -> None:
    comparison = compare(named(made_result(10.0, seed=1), made_result(5.0, seed=2)), metric="decode", clock="cpu")
    assert not comparison.verdicts[0].significant  # only infer differs


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"engine": Executed("ai-edge-litert 2.3.0", "XNNPACK (CPU)", 1)}, "threads: 4 / 1"),
        ({"picture": Picture("a.jpg", 4000, 3000, 5_000_000, "c" * 64)}, "picture size: 640x480 / 4000x3000"),
        ({"before": replace(QUIET, governor="powersave")}, "governor: performance / powersave"),
        ({"after": replace(QUIET, throttle=Throttle(("throttled",), (), "vcgencmd"))}, "throttled: no / throttled"),
        (
            {"after": replace(QUIET, throttle=Throttle((), ("under-voltage",), "vcgencmd"))},
            "throttled: no / under-voltage",
        ),
    ],
)
def test_an_unfair_comparison_is_refused_unless_asked_for(change: dict[str, object], words: str) -> None:
    pair = named(made_result(10.0), made_result(5.0, **change))
    with pytest.raises(ResultError) as caught:
        compare(pair)
    assert words in str(caught.value)
    assert "--anyway" in str(caught.value)
    assert compare(pair, anyway=True).verdicts[0].significant


def test_results_that_are_throttled_alike_are_still_refused() -> None:
    hot = replace(QUIET, throttle=Throttle(("throttled",), (), "vcgencmd"))
    with pytest.raises(ResultError, match="throttled: throttled / throttled"):
        compare(named(made_result(10.0, after=hot), made_result(5.0, after=hot)))


def test_another_board_model_or_governor_of_another_board_is_what_one_compares() -> None:
    pi4 = replace(PI5, board="raspberry-pi-4", board_name="Raspberry Pi 4", soc="bcm2711")
    other = made_result(5.0, machine=pi4, before=replace(QUIET, governor="ondemand"))
    other = replace(other, model=replace(other.model, sha256="d" * 64, variant="float32-tflite"))
    differences = {d.condition: d for d in find_differences(named(made_result(), other))}
    assert {"board", "model", "variant", "governor"} <= set(differences)
    assert not any(d.unfair for d in differences.values())
    assert differences["board"].values == ("Raspberry Pi 5", "Raspberry Pi 4")


def test_library_versions_that_differ_are_listed_one_by_one() -> None:
    machine = replace(PI5, libraries={"numpy": "2.1.0", "onnxruntime": "1.32.0"})
    differences = {d.condition: d.values for d in find_differences(named(made_result(), made_result(machine=machine)))}
    assert differences == {"numpy": ("2.0.0", "2.1.0"), "onnxruntime": ("not there", "1.32.0")}


def test_results_of_different_metrics_are_refused() -> None:
    lacking = made_result()
    for run in lacking.runs:
        del run.wall_ms["invoke"]  # type: ignore[attr-defined] -- the factory's mappings are plain dicts
    with pytest.raises(ResultError, match="B has no invoke"):
        compare(named(made_result(), lacking), metric="invoke")
    assert "invoke" not in {v.metric for v in compare(named(made_result(), lacking)).stages}


def test_one_result_alone_and_unknown_metrics_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="at least two"):
        compare(named(made_result()))
    with pytest.raises(UsageError, match="--metric must be one of"):
        compare(named(made_result(), made_result()), metric="speed")


def test_results_are_named_by_as_little_of_their_path_as_tells_them_apart(tmp_path: Path) -> None:
    for file in ("pi4/bench.json", "pi5/bench.json", "pi5/other.json"):
        made_result().save(tmp_path / file)
    loaded = load_named([tmp_path / "pi4/bench.json", tmp_path / "pi5/bench.json", tmp_path / "pi5/other.json"])
    assert [one.name for one in loaded] == [str(tmp_path / "pi4/bench.json"), str(tmp_path / "pi5/bench.json"), "other"]


def test_the_same_file_twice_is_refused(tmp_path: Path) -> None:
    made_result().save(tmp_path / "a.json")
    with pytest.raises(UsageError, match="twice"):
        load_named([tmp_path / "a.json", tmp_path / "." / "a.json"])
