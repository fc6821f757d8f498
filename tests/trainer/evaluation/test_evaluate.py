"""`hawklet evaluate`: a run or a bundle measured, on its own pictures or on others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hawklet import cli
from hawklet.bundle import Bundle, write_bundle
from hawklet.safefiles import sha256_of
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.evaluation.evaluate import EvaluateRequest, evaluate
from hawklet_trainer.finish import Trained, finish_run
from hawklet_trainer.run import BEST, load_run
from tiny_models import colour_onnx, colour_tflite


def _call(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(list(words))
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def schema(repository: Path) -> dict[str, Any]:
    place = repository / "trainer" / "hawklet_trainer" / "schemas" / "evaluation-1.schema.json"
    read: dict[str, Any] = json.loads(place.read_text())
    return read


@pytest.mark.parametrize(("words", "split"), [((), "test"), (("--split", "val"), "val"), (("--split", "test"), "test")])
def test_a_runs_own_split_gives_the_figures_of_its_manifest(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], split: str
) -> None:
    assert _call("evaluate", str(small_run), *words, "--json", str(tmp_path / "out.json")) == 0
    shown = capsys.readouterr().out
    assert f"on {split}" in shown and "macro F1" in shown and "recall" in shown and "blue" in shown
    result = json.loads((tmp_path / "out.json").read_text())
    expected = load_run(small_run).manifest["metrics"][split]
    assert {key: result[key] for key in expected} == expected
    assert result["schema"] == "hawklet-evaluation/1" and result["measured_on"] == split and result["pictures"] == 6


def test_what_is_written_keeps_to_the_published_schema(
    small_run: Path, tiny_bundle: Path, colour_photos: Path, tmp_path: Path, schema: dict[str, Any]
) -> None:
    for words in ((str(small_run), "--robustness"), (str(tiny_bundle), str(colour_photos))):
        assert _call("evaluate", *words, "--json", str(tmp_path / "out.json")) == 0
        jsonschema.validate(json.loads((tmp_path / "out.json").read_text()), schema)


def test_the_temperature_is_fitted_on_val_and_never_shown_on_val(small_run: Path) -> None:
    on_test = evaluate(EvaluateRequest(small_run)).analysis
    assert on_test.scaled is not None and on_test.scaling is not None
    kept = load_run(small_run).manifest["scaling"]
    assert on_test.scaling.temperature == kept["temperature"] and kept["fitted_on"] == "6 validation pictures"
    assert evaluate(EvaluateRequest(small_run, split="val")).analysis.scaling is None


def test_a_run_of_before_there_were_temperatures_gets_one_of_its_val_pictures(
    small_run: Path, draw_photos: Callable[..., Path], tmp_path: Path
) -> None:
    old = tmp_path / "old"
    shutil.copytree(small_run, old)
    manifest = json.loads((old / "manifest.json").read_text())
    kept = manifest.pop("scaling")
    (old / "manifest.json").write_text(json.dumps(manifest))
    for photos in (None, draw_photos(4, first=7000)):
        scaling = evaluate(EvaluateRequest(old, photos)).analysis.scaling
        assert scaling is not None and scaling.temperature == pytest.approx(kept["temperature"])
        assert scaling.fitted_on == "6 validation pictures"


def test_a_run_without_temperature_whose_photos_are_gone_is_measured_on_others_without(
    small_run: Path, draw_photos: Callable[..., Path], tmp_path: Path
) -> None:
    old = tmp_path / "old"
    shutil.copytree(small_run, old)
    manifest = json.loads((old / "manifest.json").read_text())
    del manifest["scaling"]
    manifest["data"]["path"] = str(tmp_path / "gone")
    (old / "manifest.json").write_text(json.dumps(manifest))
    assert evaluate(EvaluateRequest(old, draw_photos(4, first=7000))).analysis.scaling is None


def test_other_photos_are_measured_by_their_folders(
    small_run: Path, draw_photos: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    other = draw_photos(4, first=5000)
    shutil.rmtree(other / "green")
    (other / "red" / "broken.png").write_bytes(b"no picture")
    assert _call("evaluate", str(small_run), str(other)) == 0
    printed = capsys.readouterr()
    assert "8 pictures" in printed.out and "left out red/broken.png" in printed.err
    (note,) = [line for line in printed.err.splitlines() if "note:" in line]
    assert note.endswith("1 of 3 classes have no picture here: green; the figures are of the others")


def test_photos_that_the_run_was_made_with_are_told(small_run: Path, colour_photos: Path) -> None:
    found = evaluate(EvaluateRequest(small_run, colour_photos))
    assert found.pictures.notes == (
        "24 of these pictures were trained on, which flatters the model",
        "6 of these pictures were its validation pictures, which flatters the model",
    )
    assert found.analysis.scaling is None  # it was fitted on some of these


def test_with_a_split_photos_are_the_runs_own_at_their_new_place(
    small_run: Path, colour_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(colour_photos, tmp_path / "moved")
    assert _call("evaluate", str(small_run), str(tmp_path / "moved"), "--split", "train") == 0
    printed = capsys.readouterr()
    assert "24 pictures" in printed.out and "trained on these pictures" in printed.err


def test_a_bundle_is_measured_as_it_runs(
    tiny_bundle: Path, colour_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    words = ("--variant", "float32-onnx", "-o", str(page), "--robustness")
    assert _call("evaluate", str(tiny_bundle), str(colour_photos), *words) == 0
    printed = capsys.readouterr()
    assert "colours, float32-onnx on onnxruntime" in printed.out and "top-1 100.0 %" in printed.out
    assert "cannot be told without its run" in printed.err and "is left" in printed.out
    assert "give no gradients" in evaluate(EvaluateRequest(tiny_bundle, colour_photos)).subject.explain([], []).note
    assert "When pictures get worse" in page.read_text()


def test_an_unpacked_bundle_is_a_bundle(tiny_bundle: Path, colour_photos: Path, tmp_path: Path) -> None:
    Bundle.open(tiny_bundle).unpack(tmp_path / "unpacked")
    found = evaluate(EvaluateRequest(tmp_path / "unpacked", colour_photos))
    assert found.subject.kind == "bundle" and found.analysis.metrics.top1 == 100


def test_a_bundle_without_photos_is_measured_on_its_runs(small_run: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    run, bundle = load_run(small_run), Bundle.open(tiny_bundle)
    provenance = {
        "run": {"folder": str(small_run), "weights_sha256": sha256_of(small_run / BEST)},
        "data": {"digest": run.manifest["data"]["digest"]},
        "architecture": run.architecture.describe(),
    }
    manifest = replace(bundle.manifest, labels=run.labels, temperature=0.5, provenance=provenance)
    models = {"models/float32-tflite.tflite": colour_tflite(), "models/float32-onnx.onnx": colour_onnx()}
    write_bundle(tmp_path / "named.hawklet", manifest, models, bundle.golden(), "# named\n")
    found = evaluate(EvaluateRequest(tmp_path / "named.hawklet"))
    assert found.pictures.title == "test" and len(found.pictures.photos) == 6
    assert found.analysis.scaling is not None and found.analysis.scaling.temperature == 0.5
    assert evaluate(EvaluateRequest(tmp_path / "named.hawklet", split="val")).analysis.scaling is None


def test_a_bundle_whose_run_needs_your_own_network_says_so(
    small_run: Path,
    tiny_bundle: Path,
    colour_photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = json.loads((small_run / "manifest.json").read_text())
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "manifest.json").write_text(json.dumps({**run, "model": "nets:build"}))
    bundle = Bundle.open(tiny_bundle)
    manifest = replace(bundle.manifest, provenance={"run": {"folder": "own"}})  # as seen from beside the bundle
    models = {"models/float32-tflite.tflite": colour_tflite(), "models/float32-onnx.onnx": colour_onnx()}
    write_bundle(tmp_path / "named.hawklet", manifest, models, bundle.golden(), "# named\n")
    for more, code in (((), 2), ((str(colour_photos), "--precision", "0.9"), 2), ((str(colour_photos),), 0)):
        assert _call("evaluate", str(tmp_path / "named.hawklet"), *more) == code
        assert "by giving the same again: --model nets:build" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nowhere",), 1, "there is no folder nowhere"),
        (("{runs}",), 1, "name one of the runs in it, as {run}"),
        (("{run}", "nowhere"), 1, "photos to measure on must be a folder"),
        (("{run}", "nowhere", "--split", "val"), 1, "say where they are now: hawklet evaluate RUN PHOTOS --split"),
        (("{run}", "{run}"), 1, "must be named by the model's labels, got 'weights'"),
        (("{run}", "--split", "all"), 2, "'all' is not one of"),
        (("{run}", "--model", "mobilenet_v2"), 2, "--model must be the run's own, which is 'colours'"),
        (("{run}", "--variant", "int8-tflite"), 2, "--variant picks a model of a bundle"),
        (("{bundle}",), 2, "a bundle carries no labelled pictures"),
        (("{bundle}", "--variant", "int8-tflite"), 2, "got --variant int8-tflite"),
        (("gone.hawklet",), 1, "there is no such bundle"),
    ],
)
def test_a_bad_request_is_one_clear_line(
    small_run: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    page = tmp_path / "page.html"
    filled = [word.format(run=small_run, runs=small_run.parent, bundle=tiny_bundle) for word in words]
    assert _call("evaluate", *filled, "-o", str(page)) == code
    errors = capsys.readouterr().err
    assert message.format(run=small_run) in errors and "Traceback" not in errors and not page.exists()


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call("evaluate", str(small_run), "-o", str(tmp_path)) == 1
    printed = capsys.readouterr()
    assert str(tmp_path) in printed.err and printed.out == ""


def test_a_run_without_test_pictures_is_measured_on_val(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = trained.photos
    few = replace(photos, splits={split: photos.splits[split] for split in ("train", "val")} | {"test": ()})
    folder = finish_run(tmp_path / "few", replace(trained, photos=few)).run.folder
    assert load_run(folder).manifest["metrics"]["test"] is None
    assert _call("evaluate", str(folder)) == 0
    assert "on val" in capsys.readouterr().out
    assert _call("evaluate", str(folder), "--split", "test") == 1
    assert "has no test pictures to measure on; it has --split train, val" in capsys.readouterr().err


def test_groups_of_an_index_are_kept_with_the_run_and_drawn_as_wholes(
    trained: Trained, photo_set: PhotoSet, tmp_path: Path
) -> None:
    splits = {
        split: tuple(
            replace(photo, place=replace(photo.place, group=f"{split} {number % 3}"))
            for number, photo in enumerate(photos)
        )
        for split, photos in photo_set.splits.items()
    }
    grouped = replace(trained, photos=replace(photo_set, splits=splits))
    folder = finish_run(tmp_path / "grouped", grouped).run.folder
    intervals = evaluate(EvaluateRequest(folder)).analysis.intervals
    assert intervals.grouped and intervals.resampled == 3
    assert "3 groups" in (folder / "report.html").read_text()
