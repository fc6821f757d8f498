"""Bundles of models that other people made."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import tiny_models
from hawklet.bundle import Bundle, Manifest
from hawklet.classifier import Classifier
from hawklet.errors import BudgetError, DataError, ModelError, UsageError
from hawklet.golden import replay
from hawklet.spec import ModelFormat, OutputKind, Precision
from hawklet_converter.package import PackageRequest, package
from hawklet_converter.precision_of import precision_of


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


def test_two_files_of_one_precision_and_format_are_refused(
    models: tuple[Path, Path], labels: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="two of float32-tflite"):
        package(PackageRequest((models[0], models[0]), labels, output=tmp_path / "made.hawklet"))


def test_a_file_that_is_no_bundle_is_not_replaced(models: tuple[Path, Path], labels: Path) -> None:
    with pytest.raises(UsageError, match="is none"):
        package(PackageRequest(models, labels, output=labels))
    assert labels.read_text().startswith("red")


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
    assert precision_of(_onnx_with_quantized(operators), ModelFormat.ONNX) is expected


def _onnx_with_quantized(inputs: tuple[str, ...]) -> bytes:
    """A MatMul whose named inputs come out of DequantizeLinear."""
    from onnx import TensorProto, helper

    names = [f"real_{name}" if name in inputs else name for name in ("pixels", "weights")]
    nodes = [helper.make_node("DequantizeLinear", [name, "scale"], [f"real_{name}"]) for name in inputs]
    nodes.append(helper.make_node("MatMul", names, ["out"]))
    graph = helper.make_graph(nodes, "g", [], [], [helper.make_tensor("scale", TensorProto.FLOAT, [], [1.0])])
    return bytes(helper.make_model(graph).SerializeToString())
