"""A classifier: a bundle, or a bare model of anyone's, ready to name pictures."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hawklet.acceptance import Acceptance, energy_of
from hawklet.bundle import Bundle, Variant
from hawklet.engines import Engine, EngineInfo, format_of, is_available, open_engine
from hawklet.errors import MissingDependencyError, ModelError, UsageError
from hawklet.preprocess import preprocess
from hawklet.smoothing import Smoother
from hawklet.spec import (
    Classification,
    Fit,
    Floats,
    InputTransform,
    Interpolation,
    OutputKind,
    Pixels,
    Prediction,
    PreprocessSpec,
    Rejection,
    Timings,
)

NORMALIZATIONS: dict[str, InputTransform] = {
    "0..255": InputTransform((0.0,), (1.0,)),
    "0..1": InputTransform((0.0,), (255.0,)),
    "-1..1": InputTransform((127.5,), (127.5,)),
    "imagenet": InputTransform((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}
"""What ``--normalize`` accepts: the range (or statistics) a float-input model expects of pixels."""


class Classifier:
    """Names pictures.

    Use :meth:`open`, or build one from an engine and what to do around it.

    Args:
        engine: The loaded model.
        labels: One name per output, in order.
        spec: How a picture becomes the model's input.
        output: What the model's outputs are; PROBABILITIES are taken as they come.
        temperature: Divides logits before the softmax.
        acceptance: Which answers are accepted; None = all. It may be replaced at any time.

    Raises:
        ModelError: labels or preprocessing do not fit the model, or it answers in probabilities, which have no energy
            to tell the unknown by.
    """

    def __init__(
        self,
        engine: Engine,
        labels: Sequence[str],
        spec: PreprocessSpec,
        *,
        output: OutputKind = OutputKind.LOGITS,
        temperature: float = 1.0,
        acceptance: Acceptance | None = None,
        name: str = "model",
        variant: Variant | None = None,
    ) -> None:
        if len(labels) != engine.info.classes:
            raise ModelError(
                f"the labels must match the model's outputs one to one, got {len(labels)} labels for "
                f"{engine.info.classes} outputs; give the model's own list with --labels"
            )
        wanted = (spec.height, spec.width, spec.channels)
        if wanted != engine.info.input_shape:
            raise ModelError(f"preprocessing makes {list(wanted)} but the model takes {list(engine.info.input_shape)}")
        self.labels = tuple(labels)
        self.spec = spec
        self.name = name
        self.variant = variant
        self._engine = engine
        self._output = output
        self._temperature = temperature
        self._inverse_temperature = np.float32(1.0 / temperature)
        self.acceptance = acceptance or Acceptance()
        if self.acceptance.unknown is not None and output is OutputKind.PROBABILITIES:
            raise ModelError(
                f"the unknown is told by the energy of logits, and {name} answers in probabilities, which have none"
            )

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        variant: str | None = None,
        labels: str | os.PathLike[str] | None = None,
        fit: Fit | None = None,
        crop_fraction: float = 1.0,
        normalize: str | None = None,
        threads: int | None = None,
    ) -> Classifier:
        """Open a bundle (``.hawklet`` or its unpacked folder) or a bare ``.tflite`` / ``.onnx``.

        Args:
            path: The file or folder.
            variant: Bundles only: which model of it; None = the first whose engine is installed.
            labels: Bare models only: a text file with one label a line; None = those inside the file.
            fit: Bare models only; None = SQUASH, as most such models were trained for.
            crop_fraction: Bare models with Fit.CROP only.
            normalize: Bare float-input models only: a key of :data:`NORMALIZATIONS`; None = the file's metadata.
            threads: CPU threads; None = all, at most 4.

        Raises:
            HawkletError: the file cannot be opened as a classifier; the message says why and what to do.
        """
        location = Path(path)
        if not location.exists():
            raise UsageError(f"there is no bundle or model at {location}")
        if location.is_dir() or location.suffix.lower() == ".hawklet":
            if labels or fit or normalize:
                raise UsageError(
                    "a bundle carries its own labels and preprocessing; drop --labels, --fit and --normalize"
                )
            return cls.from_bundle(Bundle.open(location), variant=variant, threads=threads)
        if variant:
            raise UsageError(f"--variant picks a model of a bundle, and {location.name} is a bare model")
        return _open_bare(location, labels, fit or Fit.SQUASH, crop_fraction, normalize, threads)

    @classmethod
    def from_bundle(cls, bundle: Bundle, *, variant: str | None = None, threads: int | None = None) -> Classifier:
        """Open one variant of a bundle; None = the first whose engine is installed."""
        chosen = bundle.variant(variant) if variant else _first_available(bundle)
        manifest = bundle.manifest
        transform = None
        if chosen.mean is not None and chosen.std is not None:
            transform = InputTransform(chosen.mean, chosen.std)
        engine = open_engine(bundle.read(chosen.file), chosen.format, threads=threads, transform=transform)
        return cls(
            engine,
            manifest.labels,
            manifest.preprocess,
            output=chosen.output,
            temperature=manifest.temperature,
            acceptance=manifest.acceptance,
            name=manifest.name,
            variant=chosen,
        )

    @property
    def engine(self) -> Engine:
        """The loaded model."""
        return self._engine

    @property
    def engine_info(self) -> EngineInfo:
        """What executes the model, and the model's own shapes."""
        return self._engine.info

    @property
    def output(self) -> OutputKind:
        """What the model's outputs are."""
        return self._output

    def prepare(self, image: Pixels) -> Pixels:
        """The model's input for a picture: see :func:`hawklet.preprocess.preprocess`."""
        return preprocess(image, self.spec)

    def raw_output(self, pixels: Pixels) -> Floats:
        """The model's own output, ``float32 [classes]``, for prepared ``pixels``."""
        return self._engine.infer(pixels)

    def probabilities(self, raw: Floats) -> Floats:
        """Calibrated probabilities, ``float32 [classes]``, of a raw output."""
        if self._output is OutputKind.PROBABILITIES:
            return raw
        scaled = raw * self._inverse_temperature
        exponent = np.exp(scaled - scaled.max())
        return np.asarray(exponent / exponent.sum(), dtype=np.float32)

    def decide(
        self, raw: Floats, top_k: int = 5, smooth: Smoother | None = None
    ) -> tuple[tuple[Prediction, ...], Rejection | None]:
        """What a raw output says.

        Args:
            raw: The model's own output, ``float32 [classes]``.
            top_k: How many predictions to return at most.
            smooth: Puts averages in place of this picture's own scores and energy; what is accepted is judged by them.

        Returns:
            The predictions, best first, and why the best is not accepted; None: it is.

        Raises:
            ModelError: the output holds what is no number.
        """
        if not np.isfinite(raw).all():
            raise ModelError(
                f"{self.name} must answer in numbers, got NaN or infinity; is it damaged, or its --normalize?"
            )
        scores = self.probabilities(raw)
        if smooth is not None:
            scores = smooth(scores)
        order = _top(scores, top_k)
        predictions = tuple(Prediction(self.labels[i], i, float(scores[i])) for i in order)
        best = predictions[0]
        return predictions, self.acceptance.judge(best.label, best.score, self._energy(raw, smooth))

    def _energy(self, raw: Floats, smooth: Smoother | None) -> float | None:
        if self.acceptance.unknown is None:
            return None
        energy = float(energy_of(raw, self._temperature))
        return energy if smooth is None else smooth.energy(energy)

    def classify(self, image: Pixels, top_k: int = 5, smooth: Smoother | None = None) -> Classification:
        """Name a picture.

        Args:
            image: ``uint8 [H, W, spec.planes]``, RGB (and a fourth plane), 0..255, upright, any size.
            top_k: How many predictions to return at most.
            smooth: See :meth:`decide`.

        Returns:
            The predictions, best first, and where the time went.
        """
        start = time.perf_counter()
        pixels = self.prepare(image)
        prepared = time.perf_counter()
        raw = self.raw_output(pixels)
        inferred = time.perf_counter()
        predictions, rejection = self.decide(raw, top_k, smooth)
        end = time.perf_counter()
        timings = Timings((prepared - start) * 1e3, (inferred - prepared) * 1e3, (end - inferred) * 1e3)
        return Classification(predictions, timings, rejection)

    def close(self) -> None:
        """Release the engine."""
        self._engine.close()


def _top(scores: Floats, k: int) -> list[int]:
    # A stable sort: equal scores keep the order of the labels, on every machine.
    return [int(i) for i in np.argsort(-scores, kind="stable")[: max(1, k)]]


def _first_available(bundle: Bundle) -> Variant:
    for variant in bundle.manifest.variants:
        if is_available(variant.format):
            return variant
    preferred = bundle.manifest.variants[0].format.value
    raise MissingDependencyError.for_extra("a runtime of its models' format", preferred, "running a bundle")


def _open_bare(
    path: Path,
    labels_file: str | os.PathLike[str] | None,
    fit: Fit,
    crop_fraction: float,
    normalize: str | None,
    threads: int | None,
) -> Classifier:
    if normalize is not None and normalize not in NORMALIZATIONS:
        raise UsageError(f"--normalize must be one of {', '.join(NORMALIZATIONS)}, got {normalize}")
    transform = NORMALIZATIONS[normalize] if normalize else None
    engine = open_engine(path, format_of(path), threads=threads, transform=transform)
    height, width, channels = engine.info.input_shape
    spec = PreprocessSpec(height, width, fit, crop_fraction, Interpolation.BILINEAR, channels)
    return Classifier(engine, _labels_for(engine.info, labels_file), spec, output=_output_kind(engine), name=path.stem)


def read_labels(path: str | os.PathLike[str]) -> list[str]:
    """Labels from a text file, one a line; a leading ``number`` as some lists carry is dropped.

    Raises:
        UsageError: the file cannot be read or is empty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--labels must name a UTF-8 text file with one label a line, got {path}: {error}") from error
    return _split_labels(text)


def _split_labels(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [line.split(maxsplit=1) for line in lines]
    are_numbered = bool(lines) and all(len(p) == 2 and p[0].rstrip(":").isdigit() for p in numbered)
    if are_numbered and [int(p[0].rstrip(":")) for p in numbered] == list(range(len(lines))):
        return [p[1] for p in numbered]
    return lines


def _labels_for(info: EngineInfo, labels_file: str | os.PathLike[str] | None) -> list[str]:
    if labels_file is not None:
        return read_labels(labels_file)
    if "labels" in info.metadata:
        return _split_labels(info.metadata["labels"])
    raise UsageError(f"this model carries no labels; give a text file with {info.classes} lines: --labels FILE")


def _output_kind(engine: Engine) -> OutputKind:
    """Probabilities or logits? Told by what the model answers to black, grey and white."""
    if engine.info.output_is_probability_grid:
        return OutputKind.PROBABILITIES
    for level in (0, 128, 255):
        output = engine.infer(np.full(engine.info.input_shape, level, dtype=np.uint8))
        if output.min() < 0 or abs(float(output.sum()) - 1.0) > 0.02:
            return OutputKind.LOGITS
    return OutputKind.PROBABILITIES
