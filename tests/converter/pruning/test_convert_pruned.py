"""Whole conversions that prune: what they write, compare, refuse, and go on with."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import fx, nn

from hawklet.bundle import Bundle
from hawklet.classifier import Classifier
from hawklet.cli import main
from hawklet.errors import BudgetError, UsageError
from hawklet.safefiles import write_json
from hawklet.spec import ModelFormat, Pixels, PreprocessSpec
from hawklet_converter.convert import convert
from hawklet_converter.float_exports import FloatExport, export_float
from hawklet_converter.inspect.facts import LayerFacts
from hawklet_converter.inspect.read_tflite import read_tflite
from hawklet_converter.kept_work import digest_of
from hawklet_converter.latency_source import Files, LatencySource
from hawklet_converter.measure_rows import FileLogits, measure_rows
from hawklet_converter.pruning.recover import _Watch, recover
from hawklet_converter.pruning.structure import Traced, macs_of
from hawklet_converter.request import Conversion, ConvertRequest, Row
from hawklet_converter.steps import Steps
from hawklet_converter.verification.request import VerifyRequest
from hawklet_converter.verification.verify_bundle import NETWORK, verify
from hawklet_converter.verification.verify_bundle import UNPRUNED as UNPRUNED_ROW
from hawklet_converter.work import Work
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.run import MANIFEST, Run, load_run
from hawklet_trainer.training.speed import Speed
from hawklet_trainer.training.terms import EpochRecord
from tiny_networks import TinyNet

_ROUGH = b"rough "
_DAY_S = 86400.0


@dataclass
class Clock:
    """Times files by how many numbers their layers put out, so that nothing depends on this machine."""

    ignores_pruning: bool = False
    """Finished int8 files all take the same."""

    def measure(self, files: Files, pictures: Mapping[str, Pixels] | None = None) -> Mapping[str, float]:
        """As :class:`hawklet_converter.latency_source.Measuring`."""
        return {name: self._ms(name, model_format, content) for name, (model_format, content) in files.items()}

    def _ms(self, name: str, model_format: ModelFormat, content: bytes) -> float:
        if model_format is ModelFormat.ONNX:
            return 10.0
        slower = 2.0 if "float32" in name else 1.0
        if content.startswith(_ROUGH):
            return 0.1 + int(content.removeprefix(_ROUGH)) / 1e4
        counted = [math.prod(size or 1 for size in layer.output_shape) for layer in _layers(content)]
        return slower * (3.0 if self.ignores_pruning else 0.1 + sum(counted) / 1e4)


def _layers(content: bytes) -> list[LayerFacts]:
    """Convolutions and dense layers of a ``.tflite``."""
    return [layer for layer in read_tflite(content).layers if layer.macs]


def _rough(net: nn.Module, inputs: torch.Tensor, identity: Any, layout: object) -> bytes:
    """In place of a file, what the clock needs of it: exporting a network takes seconds."""
    return _ROUGH + str(sum(layer.values for layer in Traced(net, identity.spec).layers)).encode()


def _exporting_once() -> Callable[..., Mapping[ModelFormat, FloatExport]]:
    """The unpruned network is exported by every conversion here."""
    made: dict[str, Mapping[ModelFormat, FloatExport]] = {}

    def export(
        net: fx.GraphModule, spec: PreprocessSpec, inputs: torch.Tensor, formats: tuple[ModelFormat, ...]
    ) -> Mapping[ModelFormat, FloatExport]:
        weights = [tensor.numpy() for tensor in net.state_dict().values()]
        key = digest_of([*weights, inputs.numpy()]) + repr((spec, formats))
        if key not in made:
            made[key] = export_float(net, spec, inputs, formats)
        return made[key]

    return export


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    """The clock that conversions of this module go by; nothing here looks at another."""
    hand = Clock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("hawklet_converter.work.on_this_machine", lambda *_: LatencySource("counted", hand.measure))
        patched.setattr("hawklet_converter.pruning.pruner.rough_int8_tflite", _rough)
        patched.setattr("hawklet_converter.convert.export_float", _exporting_once())
        patched.setattr("hawklet_trainer.training.loop.fastest_way", lambda *_: (Speed(), "float32"))
        yield hand


@pytest.fixture(scope="module")
def runs(tiny_run: Path, clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Gives a folder of runs with the small network's in it; pruned networks become runs beside that."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("pruning")
        shutil.copytree(tiny_run, folder / "runs" / "shapes")
        manifest = folder / "runs" / "shapes" / MANIFEST
        weights = {"source": "tiny.safetensors", "sha256": "0" * 64}
        write_json(manifest, {**json.loads(manifest.read_text()), "weights": weights})
        return folder

    return make


def _request(folder: Path, **options: Any) -> ConvertRequest:
    settings = {"calibration": 16, "prune_epochs": 1, "max_drop": 80.0, "budget_s": _DAY_S, "baselines": False}
    return ConvertRequest(folder / "runs" / "shapes", folder / "shapes.hawklet", **{**settings, **options})


def _prune(folder: Path, **options: Any) -> Conversion:
    return convert(_request(folder, **options), Steps(silent=True))


def _facts(conversion: Conversion) -> dict[str, Any]:
    return dict(Bundle.open(conversion.path).manifest.provenance["pruning"])


def _chosen(conversion: Conversion) -> Run:
    return load_run(next(point["run"] for point in _facts(conversion)["points"] if point["chosen"]))


@pytest.fixture(scope="module")
def pruned(runs: Callable[[], Path]) -> Conversion:
    return _prune(runs(), prune=0.3)


@pytest.fixture(scope="module")
def compared(runs: Callable[[], Path]) -> Conversion:
    return _prune(runs(), prune=0.3, baselines=True)


def test_the_bundle_holds_files_of_fewer_channels_that_run(pruned: Conversion) -> None:
    bundle = Bundle.open(pruned.path)
    names = {variant.name for variant in bundle.manifest.variants}
    assert names == {"int8-tflite", "int8-onnx", "float32-tflite", "float32-onnx"}
    layers = _layers(bundle.read(bundle.variant("int8-tflite").file))
    made = [int(layer.weights[0].shape[3 if layer.op == "DEPTHWISE_CONV_2D" else 0]) for layer in layers[1:]]
    assert all(width % 8 == 0 for width in made[:-1])
    assert sum(made) < 32 + 32 + 16 + 32 + 3
    for name in names:
        answers = Classifier.from_bundle(bundle, variant=name).raw_output(np.zeros((32, 32, 3), np.uint8))
        assert np.isfinite(answers).all()


def test_the_cut_that_was_asked_for_is_that_of_the_finished_file(pruned: Conversion) -> None:
    facts = _facts(pruned)
    assert facts["asked"] == {"latency": 0.3, "macs": 0.0}
    assert 0.28 <= facts["cuts"]["int8-tflite"] <= 0.36
    assert [stage["wanted"] for stage in facts["stages"]] == pytest.approx([0.7])
    assert f"int8-tflite takes {100 * facts['cuts']['int8-tflite']:.1f} % less time than unpruned" in pruned.notes
    assert "of 1440 minutes (--budget)" in facts["spent"]


def test_the_sheet_has_every_file_of_both_networks_timed_in_one_call(pruned: Conversion) -> None:
    points = _facts(pruned)["points"]
    assert list(pruned.sheet) == points
    assert {(point["kind"], point["variant"]) for point in points} == {
        (kind, variant)
        for kind in ("pruned", "unpruned")
        for variant in ("int8-tflite", "int8-onnx", "float32-tflite", "float32-onnx")
    }
    assert {point["kind"] for point in points if point["chosen"]} == {"pruned"}
    macs = {point["kind"]: point["macs"] for point in points}
    assert macs["pruned"] < 0.75 * macs["unpruned"]


def test_the_pruned_network_is_a_run_beside_the_one_it_was_made_of(pruned: Conversion) -> None:
    run, source = _chosen(pruned), pruned.path.parent / "runs" / "shapes"
    assert run.folder == source.with_name("shapes-pruned30")
    assert run.manifest["made_from"]["folder"] == str(source)
    assert run.architecture.channels
    assert run.labels == load_run(source).labels
    bundle = Bundle.open(pruned.path)
    picture = torch.zeros(1, 3, 32, 32)
    with torch.inference_mode():
        assert run.build()(picture).shape == (1, 3)
    again = convert(
        ConvertRequest(run.folder, pruned.path.with_name("again.hawklet"), recipe="float32", max_drop=80.0),
        Steps(silent=True),
    )
    content = Bundle.open(again.path).read("models/float32-tflite.tflite")
    assert content == bundle.read("models/float32-tflite.tflite")


def test_a_pruned_run_is_pruned_again(pruned: Conversion, tmp_path: Path) -> None:
    before = _chosen(pruned)
    shutil.copytree(before.folder, tmp_path / "runs" / "shapes")
    write_json(tmp_path / "runs" / "shapes" / MANIFEST, {**before.manifest, "name": "shapes"})
    again = _chosen(_prune(tmp_path, prune=0.1, recipe="float32", prune_epochs=0))
    assert macs_of(again.build(), again.spec) < macs_of(before.build(), before.spec)


def test_nothing_is_left_beside_the_bundle_when_it_is_written(pruned: Conversion) -> None:
    assert sorted(path.name for path in pruned.path.parent.iterdir() if path.name != "again.hawklet") == [
        "runs",
        "shapes.hawklet",
    ]


def test_networks_that_nobody_had_to_prune_are_trained_and_compared(compared: Conversion) -> None:
    facts = _facts(compared)
    points = {point["kind"]: point for point in facts["points"] if point["variant"] == "int8-tflite"}
    assert points.keys() == {"pruned", "unpruned", "smaller input", "narrower"}
    assert points["smaller input"]["side"] == 24
    assert points["narrower"]["width"] < 1.0
    for kind in ("smaller input", "narrower"):
        run = load_run(points[kind]["run"])
        assert macs_of(run.build(), run.spec) == points[kind]["macs"]
        assert points[kind]["ms"] == pytest.approx(points["pruned"]["ms"], rel=0.3)
        assert (run.folder / f"{run.name}.hawklet").is_file()
    begun = {kind: load_run(point["run"]).manifest["weights"]["source"] for kind, point in points.items()}
    assert begun == {**dict.fromkeys(points, "tiny.safetensors"), "narrower": "none"}
    assert facts["recommended"] in [point["run"] for point in facts["points"]]
    assert any("random weights" in note for note in compared.notes)


def test_a_network_that_takes_one_size_of_picture_is_compared_with_no_smaller_input(
    runs: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class OneSize(TinyNet):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            x = self.down(x + self.project(self.block(x)))
            return self.head(torch.flatten(nn.functional.avg_pool2d(x, 8), 1))

    entry = replace(MODELS["tiny"], build=lambda classes, height, width: OneSize(classes), build_width=None)
    monkeypatch.setitem(MODELS, "tiny", entry)
    done = convert(_request(runs(), prune=0.1, recipe="float32", baselines=True), Steps())
    assert {point["kind"] for point in done.sheet} == {"pruned", "unpruned"}
    assert "px: OneSize cannot run" in capsys.readouterr().err


def test_multiplications_are_cut_instead_of_time(runs: Callable[[], Path]) -> None:
    done = _prune(runs(), prune_macs=0.3, recipe="float32", max_drop=10.0)
    run = _chosen(done)
    whole = load_run(run.manifest["made_from"]["folder"])
    assert macs_of(run.build(), run.spec) <= 0.7 * macs_of(whole.build(), whole.spec)
    assert _facts(done)["asked"] == {"latency": 0.0, "macs": 0.3}
    assert any("too few to tell a drop of 10" in note for note in done.notes), "pruned float files may be worse, too"


def test_a_sweep_takes_the_fastest_that_keeps_the_accuracy(
    runs: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing_at_the_last(
        files: Mapping[str, bytes], logits: Mapping[str, FileLogits], latency: LatencySource, work: Work
    ) -> tuple[Row, ...]:
        rows = measure_rows(files, logits, latency, work)
        return tuple(replace(row, val=10.0) for row in rows) if work.run.name.endswith("pruned30") else rows

    monkeypatch.setattr("hawklet_converter.convert.measure_rows", failing_at_the_last)
    done = _prune(runs(), sweep=(0.1, 0.2, 0.3), recipe="float32")
    points = [point for point in _facts(done)["points"] if point["variant"] == "float32-tflite"]
    assert {point["network"] for point in points if point["chosen"]} == {"shapes-pruned20"}
    assert {point["network"] for point in points} == {"shapes", "shapes-pruned10", "shapes-pruned20", "shapes-pruned30"}
    times = {point["network"]: point["ms"] for point in points}
    assert times["shapes"] > times["shapes-pruned10"] > times["shapes-pruned20"] >= times["shapes-pruned30"]


def test_a_sweep_that_keeps_nothing_names_the_nearest_and_keeps_the_runs(
    runs: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(
        files: Mapping[str, bytes], logits: Mapping[str, FileLogits], latency: LatencySource, work: Work
    ) -> tuple[Row, ...]:
        worse = {"shapes-pruned10": 12.0, "shapes-pruned20": 10.0}
        rows = measure_rows(files, logits, latency, work)
        return tuple(replace(row, val=worse.get(work.run.name, row.val)) for row in rows)

    folder = runs()
    monkeypatch.setattr("hawklet_converter.convert.measure_rows", failing)
    with pytest.raises(BudgetError, match=r"nearest of 2, shapes-pruned10, reaches 12\.0 of .*kept as runs"):
        _prune(folder, sweep=(0.1, 0.2), recipe="float32")
    assert not (folder / "shapes.hawklet").exists()
    assert load_run(folder / "runs" / "shapes-pruned20").build()


def test_an_interrupted_conversion_goes_on_to_the_weights_of_one_that_was_not(
    runs: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hawklet_converter.pruning.pruner._STAGE", 0.25)  # so that it takes two
    options = {"prune": 0.3, "prune_epochs": 4, "recipe": "float32"}
    undisturbed = _chosen(_prune(runs(), **options)).build()

    seen: list[int] = []

    def interrupted(watch: _Watch, record: EpochRecord, net: nn.Module, kept: bool) -> None:
        seen.append(record.epoch)
        if record.epoch == 3:
            raise KeyboardInterrupt

    folder = runs()
    with monkeypatch.context() as patched:
        patched.setattr(_Watch, "epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            convert(_request(folder, **options), Steps())
    assert seen == [0, 1, 0, 1, 2, 3], "the first stage, and three epochs of the second"
    assert "--resume goes on from there" in capsys.readouterr().err
    assert not (folder / "shapes.hawklet").exists()

    monkeypatch.setattr("hawklet_converter.pruning.pruner.run_trial", None)  # what is finished is not done again
    resumed = _chosen(_prune(folder, **options, resume=True))
    assert resumed.name == "shapes-pruned30"
    tensors = resumed.build().state_dict()
    for name, tensor in undisturbed.state_dict().items():
        assert torch.allclose(tensors[name], tensor, rtol=1e-4, atol=1e-6), name


def test_going_on_with_other_options_is_refused_by_their_names(
    runs: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runs()
    with monkeypatch.context() as patched:
        patched.setattr("hawklet_converter.pruning.pruner.run_trial", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            _prune(folder, prune=0.3)
    with pytest.raises(UsageError, match="differs in --prune, --calibration"):
        _prune(folder, prune=0.4, calibration=20, resume=True)


def _interrupt(*args: object) -> None:
    raise KeyboardInterrupt


def test_a_promise_that_the_finished_file_does_not_keep_is_refused_and_the_run_stays(
    runs: Callable[[], Path], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runs()
    monkeypatch.setattr(clock, "ignores_pruning", True)
    with pytest.raises(BudgetError, match=r"must cut 30% .*takes 0\.0 % less .*kept as the run .*shapes-pruned30"):
        _prune(folder, prune=0.3)
    assert not (folder / "shapes.hawklet").exists()
    assert load_run(folder / "runs" / "shapes-pruned30").build()


def test_a_network_that_lost_more_than_allowed_is_refused_before_it_is_quantized_and_the_run_stays(
    runs: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetting(net: nn.Module, *args: Any) -> Any:
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.zero_()
        return recover(net, *args)

    monkeypatch.setattr("hawklet_converter.pruning.pruner.recover", forgetting)
    folder = runs()
    with pytest.raises(BudgetError, match=r"--max-drop.*before it was even quantized.*kept as the run"):
        _prune(folder, prune=0.3, prune_epochs=0, max_drop=1.0)
    assert not (folder / "shapes.hawklet").exists()
    assert (folder / "runs" / "shapes-pruned30" / MANIFEST).is_file()


def test_recovery_mirrors_no_picture_when_the_training_did_not(
    runs: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Seen(Exception):
        pass

    def look(*args: object, **kwargs: object) -> None:
        raise Seen(args[5])

    monkeypatch.setattr("hawklet_converter.pruning.recover.fine_tune", look)
    with pytest.raises(Seen) as seen:
        _prune(runs(), prune=0.1, prune_epochs=3, recipe="float32")
    config = seen.value.args[0]
    assert (config.flip, config.augment.value, config.epochs) == (False, "light", 3)


def test_a_teacher_of_other_classes_is_refused_before_anything_is_done(runs: Callable[[], Path]) -> None:
    folder = runs()
    teacher = folder / "runs" / "teacher"
    shutil.copytree(folder / "runs" / "shapes", teacher)
    manifest = json.loads((teacher / MANIFEST).read_text())
    others = ["cat", "dog", "fish"]
    write_json(teacher / MANIFEST, {**manifest, "name": "teacher", "labels": others})
    with pytest.raises(UsageError, match=r"--teacher\) must know the same classes.*teacher knows cat, dog, fish"):
        _prune(folder, prune=0.3, teacher=teacher)
    write_json(teacher / MANIFEST, {**manifest, "name": "teacher", "pixel_zero_point": 0})
    with pytest.raises(UsageError, match=r"--teacher\) must take the same pictures.*--imgsz"):
        _prune(folder, prune=0.3, teacher=teacher)
    assert sorted(path.name for path in folder.iterdir()) == ["runs"]


def test_another_run_teaches(runs: Callable[[], Path]) -> None:
    folder = runs()
    shutil.copytree(folder / "runs" / "shapes", folder / "runs" / "teacher")
    done = _prune(folder, prune=0.1, recipe="float32", teacher=folder / "runs" / "teacher")
    run = _chosen(done)
    assert run.manifest["recovery"]["match_features"] > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prune": 0.3, "prune_macs": 0.3}, "--prune and --prune-macs"),
        ({"prune": 0.3, "sweep": (0.1, 0.2)}, "--prune and --sweep"),
        ({"prune": 0.95}, "must be 0 to 0.9"),
        ({"teacher": Path("runs/other")}, "ask for one with --prune"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_options_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ConvertRequest(Path("runs/shapes"), **options)


def test_the_command_prunes_shows_the_sheet_and_is_quiet(
    runs: Callable[[], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = runs()
    output = folder / "small.hawklet"
    options = "--prune 0.1 --no-baselines --prune-epochs 1 --max-drop 80 --recipe float32 --calibration 8 --budget 24h"
    with pytest.raises(SystemExit) as exit_info:
        main(["convert", str(folder / "runs" / "shapes"), "-o", str(output), *options.split()])
    printed = capfd.readouterr()
    assert exit_info.value.code == 0, printed.err
    assert {v.name for v in Bundle.open(output).manifest.variants} == {"float32-tflite", "float32-onnx"}
    assert "shapes-pruned10 (pruned) *" in printed.out
    assert f"hawklet flash {output}" in printed.out
    assert "the most sensitive:" in printed.err
    assert len(printed.err.splitlines()) < 25, "the libraries' chatter came through"


def test_a_pruned_bundle_is_verified_against_its_own_run_and_counts_from_the_unpruned_one(pruned: Conversion) -> None:
    found, pictures = verify(VerifyRequest(pruned.path), Steps(silent=True))
    assert pictures.run is not None and pictures.run.folder.name == "shapes-pruned30"
    assert {NETWORK, UNPRUNED_ROW} <= {row.name for row in found.rows}


def test_a_sweep_trains_the_rivals_of_a_share_as_long_as_all_stages_before_it_took(
    runs: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes: list[float] = []

    def watched(*arguments: Any) -> Any:
        minutes.append(arguments[4])
        return recover(*arguments)

    monkeypatch.setattr("hawklet_converter.pruning.rivals.recover", watched)
    done = _prune(runs(), sweep=(0.1, 0.2), recipe="float32", baselines=True)
    trained = {point["network"]: point["train_seconds"] for point in done.sheet if point["kind"] == "pruned"}
    assert trained["shapes-pruned20"] > trained["shapes-pruned10"]
    assert minutes[0] * 60 == pytest.approx(trained["shapes-pruned10"])
    assert minutes[-1] * 60 == pytest.approx(trained["shapes-pruned20"])


def test_rivals_of_a_network_that_was_not_trained_are_not_either_and_nothing_breaks(runs: Callable[[], Path]) -> None:
    done = _prune(runs(), prune=0.2, prune_epochs=0, recipe="float32", baselines=True)
    assert {"smaller input", "narrower"} <= {point["kind"] for point in done.sheet}


def test_a_refused_network_is_shown_beside_those_it_was_compared_with(
    runs: Callable[[], Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(work: Work, after: float, before: float) -> None:
        raise BudgetError("it lost too much")

    monkeypatch.setattr("hawklet_converter.convert.require_recovery", refusing)
    folder = runs()
    request = _request(folder, prune=0.3, prune_epochs=0, recipe="float32", baselines=True)
    with pytest.raises(BudgetError, match=r"kept as the run .*shapes-pruned30.* --resume does only the rest"):
        convert(request, Steps())
    assert "shapes-pruned30 (pruned) *" in capsys.readouterr().err
    assert not (folder / "shapes.hawklet").exists()
