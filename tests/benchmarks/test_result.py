from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hawklet.errors import ResultError
from hawklet_benchmarks.result import FRAME, METRICS, Result
from made_results import made_result

SCHEMA_FILE = "benchmarks/hawklet_benchmarks/schemas/benchmark-1.schema.json"


@pytest.fixture(scope="module")
def schema(repository: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((repository / SCHEMA_FILE).read_text())
    return loaded


def plain(result: Result) -> dict[str, Any]:
    """As it is read back from a file: tuples have become lists."""
    data: dict[str, Any] = json.loads(json.dumps(result.to_dict()))
    return data


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    result = made_result()
    result.save(tmp_path / "a.json")
    assert Result.load(tmp_path / "a.json") == result


def test_a_result_is_as_its_published_schema_says(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(plain(made_result()), schema)


def test_the_frame_is_the_sum_of_what_lies_between_a_picture_and_its_answer() -> None:
    result = made_result()
    run = result.runs[0].wall_ms
    expected = run["preprocess"][3] + run["infer"][3] + run["postprocess"][3]
    assert result.samples(FRAME)[0][3] == pytest.approx(expected)
    assert result.metrics == METRICS


def test_frames_per_second_are_pictures_over_time() -> None:
    assert made_result(9.0, noise=0.0).frames_per_second == pytest.approx(1000 / 10.05)


def without(*path: str | int) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return change


def put(value: Any, *path: str | int) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("hawklet-benchmark/2", "schema"), "reads results of schema hawklet-benchmark/1, got hawklet-benchmark/2"),
        (without("schema"), "got none"),
        (without("machine", "kernel"), "result.machine lacks the field kernel"),
        (put(1, "model", "colour"), "result.model has the unknown field colour"),
        (put("four", "engine", "threads"), "result.engine.threads must be a int, got str 'four'"),
        (put(True, "engine", "threads"), "result.engine.threads must be a int, got bool"),
        (put(0, "engine", "threads"), "must be at least 1"),
        (put([], "runs"), "at least one process"),
        (put({}, "runs"), "result.runs must be a list"),
        (put([1.0], "runs", 0, "wall_ms", "infer"), "the same number of samples for every stage"),
        (without("runs", 0, "cpu_ms", "decode"), "runs[0].cpu_ms lacks the stage decode"),
        (put([1.0] * 60, "runs", 1, "wall_ms", "think"), "runs[1].wall_ms has the unknown stage think"),
        (put(-1.0, "runs", 2, "wall_ms", "infer", 5), "outside 0.."),
        (put(None, "runs", 2, "wall_ms", "infer", 5), "result.runs[2].wall_ms.infer[5] must be a float, got null"),
        (put(10**400, "runs", 2, "wall_ms", "infer", 5), "must be a float, got int"),
    ],
)
def test_a_malformed_result_is_refused_by_the_name_of_what_is_wrong(
    change: Callable[[Any], None], message: str, schema: dict[str, Any]
) -> None:
    data = plain(made_result())
    change(data)
    with pytest.raises(ResultError) as caught:
        Result.from_dict(copy.deepcopy(data))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        put("hawklet-benchmark/2", "schema"),
        without("machine", "kernel"),
        put(1, "model", "colour"),
        put("four", "engine", "threads"),
        put([], "runs"),
        put(-1.0, "runs", 2, "wall_ms", "infer", 5),
        put([1.0] * 60, "runs", 1, "wall_ms", "think"),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(change: Callable[[Any], None], schema: dict[str, Any]) -> None:
    data = plain(made_result())
    change(data)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (No such file or directory); make one: hawklet bench"),
        (b"", "not JSON, or cut short"),
        (b'{"schema": "hawklet-benchmark/1", "runs": [', "not JSON, or cut short"),
        (b"\xff\xfe\x00", "not JSON, or cut short"),
        (b"[1, 2]", "got none"),
        (b"[" * 100_000, "not JSON, or cut short"),
        (b'{"schema": NaN}', "NaN is no JSON number"),
    ],
)
def test_a_file_that_holds_no_result_is_refused_by_name(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "odd.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ResultError) as caught:
        Result.load(file)
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)


def test_a_metric_that_was_not_measured_is_named() -> None:
    result = made_result()
    for run in result.runs:
        del run.wall_ms["invoke"]  # type: ignore[attr-defined] -- the factory's mappings are plain dicts
    assert "invoke" not in result.metrics
    with pytest.raises(ResultError, match="metric invoke was not measured"):
        result.samples("invoke")
