from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tiny_models
from hawklet.classifier import NORMALIZATIONS
from hawklet.engines import PixelFeed, default_threads, format_of, is_available, open_engine, transform_of
from hawklet.engines.tflite_metadata import read_metadata
from hawklet.errors import MissingDependencyError, ModelError, UsageError
from hawklet.spec import InputTransform, ModelFormat

PIXELS = np.random.default_rng(3).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def _fed(
    dtype: type[np.generic],
    layout: str,
    transform: InputTransform | None = None,
    quantization: tuple[float, int] | None = None,
) -> np.ndarray:
    shape = (1, 3, 16, 16) if layout == "NCHW" else (1, 16, 16, 3)
    buffer = np.zeros(shape, dtype=dtype)
    PixelFeed(np.dtype(dtype), layout, 3, transform, quantization).write(PIXELS, buffer)
    return buffer[0].transpose(1, 2, 0) if layout == "NCHW" else buffer[0]


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_integer_inputs_take_the_pixel_bytes(layout: str) -> None:
    assert (_fed(np.uint8, layout) == PIXELS).all()
    assert (_fed(np.int8, layout).astype(int) == PIXELS.astype(int) - 128).all()


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_float_inputs_are_normalized_per_channel(layout: str) -> None:
    transform = InputTransform((123.0, 116.0, 103.0), (58.0, 57.0, 59.0))
    expected = (PIXELS.astype(np.float64) - transform.mean) / transform.std
    assert np.allclose(_fed(np.float32, layout, transform), expected, atol=1e-5)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_an_integer_input_of_normalized_values_is_quantized(layout: str) -> None:
    imagenet = NORMALIZATIONS["imagenet"]
    expected = np.clip(np.rint((PIXELS - np.array(imagenet.mean)) / imagenet.std / 0.0187 - 14), -128, 127)
    assert np.abs(_fed(np.int8, layout, imagenet, (0.0187, -14)) - expected).max() <= 1


def test_an_integer_input_whose_steps_are_pixels_takes_the_pixels() -> None:
    assert (_fed(np.uint8, "NHWC", NORMALIZATIONS["-1..1"], (1 / 128, 128)) == PIXELS).all()


def test_a_normalization_that_cannot_be_honoured_is_refused() -> None:
    imagenet = NORMALIZATIONS["imagenet"]
    with pytest.raises(UsageError, match="drop --normalize"):
        PixelFeed(np.dtype(np.uint8), "NCHW", 3, imagenet)
    with pytest.raises(UsageError, match="each of the 1 channels, got 3"):
        PixelFeed(np.dtype(np.float32), "NCHW", 1, imagenet)


@pytest.mark.parametrize(
    "stated",
    [
        {"mean": "1"},
        {"mean": "0.485, 0.456, 0.406", "std": "0.229, 0.224, 0.225"},
        {"mean": "x", "std": "y"},
        {"mean": "1,2", "std": "3"},
        {"mean": "nan", "std": "1"},
    ],
)
def test_a_normalization_that_is_none_is_not_guessed(stated: dict[str, str]) -> None:
    assert transform_of(stated) is None
    assert transform_of({"mean": "[127.5]", "std": " 127.5"}) == InputTransform((127.5,), (127.5,))


def test_a_float_input_without_a_stated_normalization_is_refused() -> None:
    with pytest.raises(UsageError, match="--normalize"):
        PixelFeed(np.dtype(np.float32), "NHWC", 3, None)
    with pytest.raises(ModelError, match="int64"):
        PixelFeed(np.dtype(np.int64), "NHWC", 3, None)


@pytest.mark.parametrize(
    ("model_format", "model"),
    [(ModelFormat.TFLITE, tiny_models.colour_tflite), (ModelFormat.ONNX, tiny_models.colour_onnx)],
)
def test_an_engine_says_what_it_is_and_refuses_another_shape(
    model_format: ModelFormat, model: object, tmp_path: Path
) -> None:
    content = model()  # type: ignore[operator]  # a parametrized function
    path = tmp_path / f"m.{model_format.value}"
    path.write_bytes(content)
    for source in (content, path):
        engine = open_engine(source, model_format, threads=1)
        assert engine.info.input_shape == (16, 16, 3)
        assert engine.info.classes == 3
        assert engine.info.threads == 1
        assert any(name in engine.info.runtime for name in ("litert", "tflite", "onnxruntime"))
        first = engine.infer(PIXELS)
        assert first is not engine.infer(np.zeros_like(PIXELS)), "outputs must not share memory"
        assert np.allclose(first, PIXELS.mean(axis=(0, 1)) * 20 / 255, atol=1e-3)
        with pytest.raises(ModelError, match=r"\[16, 16, 3\]"):
            engine.infer(np.zeros((8, 8, 3), dtype=np.uint8))


def test_opening_a_model_leaves_the_terminal_quiet(tiny_bundle: Path) -> None:
    code = f"from hawklet import Classifier; Classifier.open({str(tiny_bundle)!r})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout + result.stderr == ""


def test_the_suffix_names_the_format() -> None:
    assert format_of("a/b.TFLITE") is ModelFormat.TFLITE
    with pytest.raises(UsageError, match=r"\.tflite or \.onnx"):
        format_of("model.pt")


def test_an_insisted_on_library_that_is_absent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAWKLET_TFLITE", "tflite-runtime-that-is-absent")
    assert not is_available(ModelFormat.TFLITE)
    with pytest.raises(MissingDependencyError, match="tflite-runtime-that-is-absent"):
        open_engine(tiny_models.colour_tflite(), ModelFormat.TFLITE)


def test_threads_default_to_at_most_four() -> None:
    assert 1 <= default_threads() <= 4


def test_a_model_without_metadata_says_nothing_and_damage_is_survived() -> None:
    model = tiny_models.colour_tflite()
    assert read_metadata(model) == {}
    for cut in range(8, len(model), 37):
        read_metadata(model[:cut])


@pytest.mark.shared_data
def test_metadata_of_other_peoples_models_is_read(shared_data: Path) -> None:
    flowers = read_metadata((shared_data / "models" / "automl_labeler_model.tflite").read_bytes())
    assert flowers["labels"].split() == ["daisy", "dandelion", "roses", "sunflowers", "tulips"]
    mobilenet = read_metadata((shared_data / "models" / "mobilenet_v1_0.25_224_1_metadata_1.tflite").read_bytes())
    assert mobilenet["labels"].startswith("background\ntench")
    assert float(mobilenet["mean"]) == pytest.approx(127.5)
    assert float(mobilenet["std"]) == pytest.approx(127.5)
