"""Bundles of models that other people made."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

import tiny_models
from hawklet.bundle import Bundle, Manifest
from hawklet.classifier import Classifier
from hawklet.errors import BudgetError, DataError, ModelError, UsageError
from hawklet.golden import replay
from hawklet.spec import ModelFormat, OutputKind, Precision
from hawklet_converter import tflite_file
from hawklet_converter.inspect import inspect_model
from hawklet_converter.inspect.claims import check_claims, claim_of
from hawklet_converter.inspect.facts import Severity
from hawklet_converter.package import PackageRequest, package
from hawklet_converter.package_commands import show
from hawklet_converter.request import Conversion


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path]:
    """The same classifier in both formats."""
    tflite, onnx = tmp_path / "colours.tflite", tmp_path / "colours.onnx"
    tflite.write_bytes(tiny_models.colour_tflite())
    onnx.write_bytes(tiny_models.colour_onnx())
    return tflite, onnx


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    file = tmp_path / "labels.txt"
    file.write_text("\n".join(tiny_models.LABELS))
    return file


def test_two_formats_become_one_bundle_that_proves_itself_and_classifies(
    models: tuple[Path, Path], labels: Path, tmp_path: Path
) -> None:
    made = package(PackageRequest(models, labels, output=tmp_path / "made.hawklet"))
    bundle = Bundle.open(made.path)
    assert [variant.name for variant in bundle.manifest.variants] == ["float32-tflite", "float32-onnx"]
    for variant in bundle.manifest.variants:
        assert variant.output is OutputKind.LOGITS
        assert variant.accuracy is None
        assert replay(bundle, variant.name).passed
        classifier = Classifier.from_bundle(bundle, variant=variant.name)
        assert classifier.classify(tiny_models.solid("green")).top.label == "green"


def test_folders_named_as_labels_measure_every_variant(models: tuple[Path, Path], labels: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for folder, colour in (("red", "red"), ("green", "green"), ("blue", "red"), ("red", "red")):
        (photos / folder).mkdir(parents=True, exist_ok=True)
        number = len(list((photos / folder).iterdir()))
        Image.fromarray(tiny_models.solid(colour)).save(photos / folder / f"{number}.png")
    made = package(PackageRequest(models, labels, photos=photos, output=tmp_path / "made.hawklet"))
    assert [variant.accuracy for variant in made.manifest.variants] == [75.0, 75.0]
    assert len(Bundle.open(made.path).golden().inputs) == 4


def test_a_folder_that_is_no_label_is_refused_by_name(models: tuple[Path, Path], labels: Path, tmp_path: Path) -> None:
    (tmp_path / "photos" / "purple").mkdir(parents=True)
    with pytest.raises(DataError, match="purple"):
        package(PackageRequest(models, labels, photos=tmp_path / "photos", output=tmp_path / "made.hawklet"))


def test_labels_that_do_not_match_the_outputs_leave_no_bundle(models: tuple[Path, Path], tmp_path: Path) -> None:
    labels = tmp_path / "two.txt"
    labels.write_text("red\ngreen")
    with pytest.raises(ModelError, match="2 labels for 3 outputs"):
        package(PackageRequest(models, labels, output=tmp_path / "made.hawklet"))
    assert not (tmp_path / "made.hawklet").exists()


def test_labels_that_occur_twice_are_told_apart_and_that_is_said(models: tuple[Path, Path], tmp_path: Path) -> None:
    labels = tmp_path / "cranes.txt"
    labels.write_text("crane\ngreen\ncrane")
    made = package(PackageRequest(models, labels, output=tmp_path / "made.hawklet"))
    assert made.manifest.labels == ("crane (0)", "green", "crane (2)")
    assert "crane" in made.notes[0]


def _lies(bundle: Bundle) -> list[str]:
    """What ``hawklet inspect`` would say the manifest claims wrongly."""
    found = []
    for variant in bundle.manifest.variants:
        content = bundle.read(variant.file)
        facts = inspect_model(content, variant.format)
        found += check_claims(variant, bundle.manifest, facts, len(content))
    return [finding.text for finding in found if finding.severity is Severity.WRONG]


def _with_labels(folder: Path, *labels: str) -> Path:
    """A file that has labels inside."""
    model = tflite_file.read_model(tiny_models.colour_tflite())
    file = folder / "labelled.tflite"
    file.write_bytes(tflite_file.add_metadata(model, "labelled", labels, 0.0, 1.0, 3))
    return file


def test_a_packaged_bundle_is_what_it_claims_whatever_its_labels(labels: Path, tmp_path: Path) -> None:
    file = _with_labels(tmp_path, "crane", "green", "crane")
    for given in (None, labels):
        made = package(PackageRequest((file,), given, output=tmp_path / "made.hawklet"))
        assert _lies(Bundle.open(made.path)) == []


def test_a_packaged_int8_file_names_what_it_computes_in_float(converted: Conversion, tmp_path: Path) -> None:
    source = Bundle.open(converted.path)
    files = []
    for variant in source.manifest.variants:
        files.append(tmp_path / variant.file.rpartition("/")[2])
        files[-1].write_bytes(source.read(variant.file))
    made = package(PackageRequest(tuple(files), output=tmp_path / "made.hawklet"))
    packaged = Bundle.open(made.path)
    assert _lies(packaged) == []
    for variant in source.manifest.variants:
        assert packaged.variant(variant.name).float_ops == variant.float_ops


def test_a_model_whose_weights_lie_in_another_file_is_refused(tmp_path: Path, labels: Path) -> None:
    model = onnx.load_from_string(tiny_models.colour_onnx())
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    file = tmp_path / "split.onnx"
    onnx.save(model, file, save_as_external_data=True, size_threshold=0)
    with pytest.raises(ModelError, match="keeps its weights in another file"):
        package(PackageRequest((file,), labels, output=tmp_path / "made.hawklet"))
    assert not (tmp_path / "made.hawklet").exists()


def test_two_files_of_one_precision_and_format_are_refused(
    models: tuple[Path, Path], labels: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="two of float32-tflite"):
        package(PackageRequest((models[0], models[0]), labels, output=tmp_path / "made.hawklet"))


def test_a_bundle_that_was_there_is_replaced_and_that_is_said(
    models: tuple[Path, Path], labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = PackageRequest(models, labels, output=tmp_path / "made.hawklet")
    show(package(request))
    assert "replaced" not in capsys.readouterr().out
    show(package(request))
    assert "made.hawklet; replaced the bundle that was there" in capsys.readouterr().out


def test_a_file_that_is_no_bundle_is_not_replaced(models: tuple[Path, Path], labels: Path) -> None:
    with pytest.raises(UsageError, match="is none"):
        package(PackageRequest(models, labels, output=labels))
    assert labels.read_text().startswith("red")


def test_a_folder_of_models_is_no_model(models: tuple[Path, Path], labels: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        package(PackageRequest((models[0].parent,), labels, output=tmp_path / "made.hawklet"))


def test_what_was_measured_can_be_refused_before_anything_is_written(
    models: tuple[Path, Path], labels: Path, tmp_path: Path
) -> None:
    def refuse(manifest: Manifest) -> None:
        raise BudgetError(manifest.name)

    with pytest.raises(BudgetError, match="colours"):
        package(PackageRequest(models, labels, output=tmp_path / "made.hawklet", approve=refuse))
    assert not (tmp_path / "made.hawklet").exists()


@pytest.mark.parametrize("operators", [("weights",), ("weights", "pixels")])
def test_quantized_weights_alone_are_never_called_int8(operators: tuple[str, ...]) -> None:
    expected = Precision.INT8 if "pixels" in operators else Precision.DYNAMIC_INT8
    assert claim_of(inspect_model(_onnx_with_quantized(operators), ModelFormat.ONNX).precision) is expected


def _onnx_with_quantized(inputs: tuple[str, ...]) -> bytes:
    """A MatMul whose named inputs come out of DequantizeLinear."""
    from onnx import TensorProto, helper

    names = [f"real_{name}" if name in inputs else name for name in ("pixels", "weights")]
    nodes = [helper.make_node("DequantizeLinear", [name, "scale"], [f"real_{name}"]) for name in inputs]
    nodes.append(helper.make_node("MatMul", names, ["out"]))
    constants = [
        helper.make_tensor("scale", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("weights", TensorProto.INT8 if "weights" in inputs else TensorProto.FLOAT, [2, 2], [1] * 4),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.INT8 if "pixels" in inputs else 1, [1, 2])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 2])
    graph = helper.make_graph(nodes, "g", [pixels], [out], constants)
    return bytes(helper.make_model(graph).SerializeToString())
