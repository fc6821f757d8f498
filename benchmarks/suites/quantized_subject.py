"""Networks as ``hawklet convert`` takes them: their float files, their plans, and the int8 files that come of these."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hawklet.images import read_image
from hawklet.preprocess import preprocess
from hawklet.spec import Floats, Interpolation, ModelFormat, Pixels, PreprocessSpec
from hawklet_converter.float_exports import FloatExport, export_float
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.gather_evidence import gather_evidence
from hawklet_converter.make_plan import PlanMaker
from hawklet_converter.recipes import Attempt
from hawklet_converter.reestimate_batch_norm import reestimate_batch_norm
from hawklet_converter.request import layout_for
from hawklet_converter.verify import logits_of, open_classifier
from hawklet_converter.write_variants import Identity, write_float, write_int8
from hawklet_hardware.target_option import HOST
from hawklet_trainer.models.entry import ModelEntry
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.models.weights import load_pretrained
from hawklet_trainer.training.inputs import as_input

CLASSES = 1000
_CALIBRATES_EVERY = 5
_DRAWN_PICTURES = 8


@dataclass(frozen=True)
class Sample:
    """Real pictures, prepared, in two parts."""

    calibration: Pixels
    """``uint8 [N, H, W, C]``: every fifth."""
    measured: Pixels
    """The others."""
    truth: npt.NDArray[np.int64]
    """Their classes."""


def read_sample(folder: Path, spec: PreprocessSpec) -> Sample:
    """Read pictures whose names begin with the number of their class."""
    paths = sorted(folder.glob("*.jpg"))
    pixels = np.stack([preprocess(read_image(path), spec) for path in paths])
    truth = np.array([int(path.name.split("_")[0]) for path in paths], dtype=np.int64)
    measured = np.arange(len(paths)) % _CALIBRATES_EVERY != 0
    return Sample(pixels[~measured], pixels[measured], truth[measured])


@dataclass(frozen=True, eq=False)
class Subject:
    """One network and everything that the converter makes of it; each file is made once."""

    entry: ModelEntry
    net: nn.Module
    spec: PreprocessSpec
    inputs: torch.Tensor
    """``float32 [N, C, H, W]``: calibration pictures."""

    @functools.cached_property
    def identity(self) -> Identity:
        labels = tuple(str(number) for number in range(CLASSES))
        return Identity(self.entry.name, labels, self.spec, self.entry.zero_point, self.entry.scale)

    @functools.cached_property
    def _folded(self) -> torch.fx.GraphModule:
        return fold_batch_norm(self.net).to(memory_format=torch.channels_last)

    @functools.cached_property
    def exports(self) -> dict[ModelFormat, FloatExport]:
        """The network's own x in, not pixels."""
        return export_float(self._folded, self.spec, self.inputs, tuple(ModelFormat))

    @functools.cached_property
    def _plans(self) -> PlanMaker:
        return PlanMaker(gather_evidence(self._folded, self.exports, self.inputs, self.identity, seed=0))

    @functools.cache  # noqa: B019 -- a subject lives as long as its benchmark
    def float_file(self, model_format: ModelFormat) -> bytes:
        """The float32 variant, as a bundle holds it."""
        return write_float(model_format, self.exports[model_format], self.identity)

    @functools.cache  # noqa: B019
    def int8_file(self, model_format: ModelFormat, attempt: Attempt) -> bytes:
        """The int8 variant that an attempt leads to, as a bundle holds it."""
        planned = self._plans.make(attempt)
        export = self.exports[model_format]
        return write_int8(model_format, export, planned.net, planned.plan, self.identity, layout_for(HOST))

    def logits(self, content: bytes, model_format: ModelFormat, pixels: Pixels) -> Floats:
        """What a file answers through the runtime's own classifier, ``float32 [N, classes]``."""
        return logits_of(open_classifier(content, model_format, self.identity.labels, self.spec), pixels)


def spec_of(entry: ModelEntry) -> PreprocessSpec:
    """How pictures are prepared for a published network."""
    return PreprocessSpec(
        entry.side, entry.side, crop_fraction=entry.crop_fraction, interpolation=Interpolation.REDUCE_BILINEAR
    )


def published(name: str, sample: Sample) -> Subject:
    """A network with its published weights, calibrated on real pictures.

    Raises:
        WeightsError: the weights cannot be had.
    """
    entry = MODELS[name]
    net = entry.build(CLASSES, entry.side, entry.side)
    load_pretrained(net, entry, "pretrained")
    return Subject(entry, net.eval(), spec_of(entry), as_input(sample.calibration, entry.zero_point, entry.scale))


def drawn(name: str) -> Subject:
    """A network with random weights: as good as any for speed and size, once its activations have sensible ranges."""
    entry, spec = MODELS[name], spec_of(MODELS[name])
    torch.manual_seed(0)
    net = entry.build(CLASSES, entry.side, entry.side)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (_DRAWN_PICTURES, entry.side, entry.side, spec.channels), dtype=np.uint8)
    inputs = as_input(pixels, entry.zero_point, entry.scale)
    with torch.no_grad():
        _vary_batch_norms(net)
        reestimate_batch_norm(net, inputs)
    return Subject(entry, net, spec, inputs)


def _vary_batch_norms(net: nn.Module) -> None:
    """Channels of unlike ranges, as training leaves them."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(0.0, 0.2)
