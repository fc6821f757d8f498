"""A whole conversion of a small trained network: what it writes, what it measures, when it refuses."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

import hawklet
from hawklet.bundle import Bundle
from hawklet.classifier import Classifier
from hawklet.cli import main
from hawklet.errors import BudgetError, RunError, UsageError
from hawklet.golden import replay
from hawklet.images import read_image
from hawklet.safefiles import write_json
from hawklet_converter.convert import convert
from hawklet_converter.measure_rows import in_order_of_preference
from hawklet_converter.pack import PLAN_FILE, REPORT_FILE
from hawklet_converter.plan import ActivationQuant, QuantPlan
from hawklet_converter.recipes import RECIPES
from hawklet_converter.request import Conversion, ConvertRequest, Row
from hawklet_converter.steps import Steps
from hawklet_trainer.models.registry import model_entry
from hawklet_trainer.run import BEST, MANIFEST, load_run, save_weights

VARIANTS = ["int8-tflite", "int8-onnx", "float32-tflite", "float32-onnx"]


@pytest.fixture(scope="module")
def bundle(converted: Conversion) -> Bundle:
    return Bundle.open(converted.path)


def test_the_bundle_holds_both_formats_in_int8_and_float32(bundle: Bundle) -> None:
    assert {variant.name for variant in bundle.manifest.variants} == set(VARIANTS)
    bundle.verify()


def test_int8_comes_first_but_behind_a_float_file_that_is_faster() -> None:
    times = {"int8-tflite": 2.0, "int8-onnx": 4.0, "float32-tflite": 3.0, "float32-onnx": 3.5}
    rows = tuple(Row(name, 1, 90.0, None, 99.0, ms) for name, ms in times.items())
    assert [row.variant for row in in_order_of_preference(rows)] == [
        "int8-tflite",
        "float32-tflite",
        "float32-onnx",
        "int8-onnx",
    ]
    level = tuple(replace(row, ms=2.0 if row.variant != "int8-tflite" else 2.05) for row in rows)
    assert in_order_of_preference(level) == level
    untimed = tuple(replace(row, ms=None) for row in rows)
    assert in_order_of_preference(untimed) == untimed


def test_int8_files_answer_as_the_float_files_do(converted: Conversion) -> None:
    rows = {row.variant: row for row in converted.rows}
    assert rows["float32-tflite"].test is not None
    assert rows["float32-tflite"].test >= 85
    for name in VARIANTS:
        assert rows[name].agreement >= 90, name


def test_the_accuracy_in_the_manifest_is_what_the_file_scores_through_the_runtime(
    bundle: Bundle, tiny_run: Path, photo_folder: Path
) -> None:
    lines = [line.split(",") for line in (tiny_run / "split.csv").read_text().splitlines()[1:]]
    test = [(photo_folder / path, label) for path, label, split, _ in lines if split == "test"]
    for variant in bundle.manifest.variants:
        classifier = Classifier.from_bundle(bundle, variant=variant.name, threads=1)
        right = [classifier.classify(read_image(path)).top.label == label for path, label in test]
        assert variant.accuracy == pytest.approx(100 * np.mean(right))


def test_golden_frames_replay_within_their_tolerance(bundle: Bundle) -> None:
    assert len(bundle.golden().inputs) == 8
    for name in VARIANTS:
        report = replay(bundle, name)
        assert report.passed, report


def test_a_file_taken_out_of_the_bundle_runs_alone_with_its_labels_and_pixels(
    bundle: Bundle, photo_folder: Path, tmp_path: Path
) -> None:
    pictures = sorted(photo_folder.glob("*/1?.png"))
    for variant in bundle.manifest.variants:
        alone = tmp_path / Path(variant.file).name
        alone.write_bytes(bundle.read(variant.file))
        bare = Classifier.open(alone)
        whole = Classifier.from_bundle(bundle, variant=variant.name)
        assert bare.labels == whole.labels
        assert bare.engine_info.input_dtype == "uint8"
        assert bare.engine_info.layout == "NHWC"
        same = [bare.classify(read_image(p)).top.label == whole.classify(read_image(p)).top.label for p in pictures]
        assert np.mean(same) >= 0.9


def test_hard_swish_stays_in_float_and_is_said_to(bundle: Bundle) -> None:
    assert bundle.variant("int8-tflite").float_ops == ("HARD_SWISH",)
    assert bundle.variant("float32-tflite").float_ops == ()


def test_the_plan_in_the_bundle_is_the_one_the_files_were_written_by(bundle: Bundle) -> None:
    plan = QuantPlan.from_dict(json.loads(bundle.read(PLAN_FILE)))
    assert plan.method == bundle.manifest.provenance["quantization"]["method"]
    assert plan.method in [row["method"] for row in bundle.manifest.provenance["quantization"]["tried"]]


def test_the_manifest_is_valid_by_the_published_schema(bundle: Bundle) -> None:
    schema = json.loads((Path(hawklet.__file__).parent / "schemas" / "bundle-1.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(bundle.manifest.to_dict(), schema)


def test_provenance_names_the_data_the_seed_and_the_libraries(bundle: Bundle) -> None:
    facts = bundle.manifest.provenance
    assert facts["architecture"] == "tiny"
    assert facts["data"]["digest"]
    assert facts["versions"]["ai-edge-quantizer"]
    assert {row["variant"] for row in facts["conversion"]} == set(VARIANTS)
    assert b"shapes" in bundle.read("MODEL_CARD.md")


def test_a_missed_budget_refuses_says_how_close_it_came_and_writes_no_bundle(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ActivationQuant, "covering", lambda low, high: ActivationQuant(1e-5, 0))  # clipped to nothing
    output = tmp_path / "missed.hawklet"
    request = ConvertRequest(tiny_run, output, recipe="int8", calibration=8)
    with pytest.raises(
        BudgetError, match=r"--max-drop.*nearest of 3 tried .*int8-tflite loses \d+\.\d, int8-onnx loses .* written"
    ):
        convert(request, Steps(silent=True))
    assert not output.exists()


@pytest.mark.parametrize("field", [{"max_drop": -1.0}, {"calibration": 1}, {"prune": 1.5}])
def test_a_number_out_of_range_is_refused_by_the_name_of_its_option(tiny_run: Path, field: dict[str, float]) -> None:
    (name,) = field
    with pytest.raises(UsageError, match="--" + name.replace("_", "-")):
        convert(ConvertRequest(tiny_run, **field), Steps(silent=True))  # type: ignore[arg-type] -- one field of three


def test_the_command_writes_float_files_alone_and_is_quiet(
    tiny_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "small.hawklet"
    with pytest.raises(SystemExit) as exit_info:
        main(["convert", str(tiny_run), *f"--recipe float32 --calibration 8 -o {output}".split()])
    printed = capfd.readouterr()
    assert exit_info.value.code == 0, printed.err
    assert {v.name for v in Bundle.open(output).manifest.variants} == set(VARIANTS[2:])
    assert f"hawklet flash {output}" in printed.out
    assert len(printed.err.splitlines()) < 12, "the libraries' chatter came through"
    assert "replaced" not in printed.out
    with pytest.raises(SystemExit):
        main(["convert", str(tiny_run), *f"--recipe float32 --calibration 8 -o {output}".split()])
    assert "; replaced the bundle that was there" in capfd.readouterr().out


def test_a_folder_that_is_no_run_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["convert", str(tmp_path / "nowhere")])
    assert exit_info.value.code == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_what_is_no_bundle_is_not_replaced_by_one(tiny_run: Path, tmp_path: Path) -> None:
    precious = tmp_path / "important.hawklet"
    precious.write_text("precious")
    with pytest.raises(UsageError, match="no bundle, so it is not replaced"):
        convert(ConvertRequest(tiny_run, precious), Steps(silent=True))
    assert precious.read_text() == "precious"
    with pytest.raises(UsageError, match=r"NAME\.hawklet, got notes\.txt"):
        convert(ConvertRequest(tiny_run, Path("notes.txt")), Steps(silent=True))


def test_few_validation_pictures_are_a_doubt_that_is_said(converted: Conversion) -> None:
    assert any("too few to tell a drop" in note for note in converted.notes)


def test_the_bundle_has_a_page_that_says_what_was_tried(bundle: Bundle) -> None:
    page = bundle.read(REPORT_FILE).decode()
    for row in bundle.manifest.provenance["quantization"]["tried"]:
        assert row["method"] in page
    assert "(taken)" in page
    assert "http" not in page


def test_finished_candidates_go_when_the_bundle_is_written(converted: Conversion) -> None:
    assert not converted.path.with_name(converted.path.name + ".partial").exists()


def test_a_full_disk_leaves_no_bundle_and_the_search_goes_on_from_what_was_finished(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    output = tmp_path / "x.hawklet"
    request = ConvertRequest(tiny_run, output, recipe="int8", calibration=16, max_drop=6.0)
    monkeypatch.setattr("hawklet_converter.convert.pack", full)
    with pytest.raises(OSError, match="No space left"):
        convert(request, Steps(silent=True))
    assert not output.exists()
    monkeypatch.undo()
    monkeypatch.setattr("hawklet_converter.make_plan.PlanMaker.make", full)  # nothing may be made again
    convert(replace(request, resume=True), Steps(silent=True))
    assert output.exists()


def test_weights_that_do_not_do_as_the_run_says_are_refused(tiny_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(tiny_run, copy)
    run = load_run(copy)
    write_json(copy / MANIFEST, {**run.manifest, "metrics": {"val": {"top1": 95.0}}})
    torch.manual_seed(0)
    foreign = model_entry(run.model).build(len(run.labels), run.spec.height, run.spec.width)
    save_weights(copy / BEST, foreign, run.pixel_zero_point, run.pixel_scale)
    with pytest.raises(RunError, match="so they are not the ones that were trained there"):
        convert(ConvertRequest(copy, tmp_path / "x.hawklet", calibration=16), Steps(silent=True))
    assert not (tmp_path / "x.hawklet").exists()


def test_files_that_were_not_planned_are_not_called_integer_files(tiny_run: Path, tmp_path: Path) -> None:
    request = ConvertRequest(tiny_run, tmp_path / "x.hawklet", recipe="float16", max_drop=20.0)
    bundle = Bundle.open(convert(request, Steps(silent=True)).path)
    card = bundle.read("MODEL_CARD.md").decode()
    assert "The float16 files: weights stored in 16 bits." in card
    assert bundle.manifest.provenance["quantization"]["calibration"] == 0


@pytest.mark.parametrize("recipe", ["float16", "int8-dynamic", "int8-pertensor", "int8-mixed", "int8-qat"])
def test_every_recipe_gives_a_bundle_that_runs(tiny_run: Path, tmp_path: Path, recipe: str) -> None:
    request = ConvertRequest(tiny_run, tmp_path / "x.hawklet", recipe=recipe, calibration=16, max_drop=20.0)
    done = convert(request, Steps(silent=True))
    names = {row.variant for row in done.rows}
    precision = RECIPES[recipe].precision.value
    assert names == {f"{precision}-tflite", f"{precision}-onnx", "float32-tflite", "float32-onnx"}
    bundle = Bundle.open(done.path)
    for name in names:
        assert replay(bundle, name).passed
        assert bundle.variant(name).precision.value == name.rsplit("-", 1)[0]
    if recipe == "int8-mixed":
        assert bundle.manifest.provenance["quantization"]["float_layers"]


def test_the_command_lists_its_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["convert", "--list-recipes"])
    assert exit_info.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in RECIPES)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "takes a run folder"), (["x", "--budget", "soon"], "90s, 10m or 2h"), (["x", "--recipe", "int7"], "int8")],
)
def test_a_request_that_cannot_be_meant_is_answered_with_the_way_out(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["convert", *arguments])
    assert exit_info.value.code == 2
    assert words in capsys.readouterr().err


def test_times_of_another_kind_of_processor_decide_nothing_and_are_said_to(tiny_run: Path, tmp_path: Path) -> None:
    other = "pi5" if platform.machine() in ("x86_64", "AMD64") else "x86"
    request = ConvertRequest(tiny_run, tmp_path / "x.hawklet", calibration=16, max_drop=20.0, target=other)
    done = convert(request, Steps(silent=True))
    assert [row.variant for row in done.rows] == VARIANTS
    assert any("--measure-on" in note for note in done.notes)
