"""What the steps of one conversion share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from hawklet.classifier import Classifier
from hawklet.errors import RunError
from hawklet.spec import ModelFormat, Pixels
from hawklet_converter.latency_source import LatencySource, on_a_board, on_this_machine
from hawklet_converter.load_pictures import Pictures
from hawklet_converter.request import ConvertRequest
from hawklet_converter.steps import Steps
from hawklet_converter.verify import open_classifier
from hawklet_converter.write_variants import Identity
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.evaluation.metrics import accuracy_of
from hawklet_trainer.evaluation.unknown import UnknownPictures
from hawklet_trainer.run import Run, load_run
from hawklet_trainer.training.inputs import as_input


@dataclass(frozen=True)
class Work:
    """What the steps of one conversion share."""

    request: ConvertRequest
    run: Run
    photos: PhotoSet
    pictures: Pictures
    target: Path
    steps: Steps
    threads: int
    """CPU threads that training may take."""
    no_class: UnknownPictures | None = None
    """Pictures of no class, to try the rules for saying nothing on."""

    @property
    def identity(self) -> Identity:
        run = self.run
        return Identity(run.name, run.labels, run.spec, run.pixel_zero_point, run.pixel_scale)

    def as_input(self, pixels: Pixels) -> torch.Tensor:
        return as_input(pixels, self.run.pixel_zero_point, self.run.pixel_scale)

    def accuracy(self, net: nn.Module) -> float:
        """Top-1 of a network on the validation pictures, percent."""
        known = self.pictures
        return accuracy_of(net, known.val, known.val_truth, self.run.pixel_zero_point, self.run.pixel_scale)

    def open(self, content: bytes, model_format: ModelFormat) -> Classifier:
        return open_classifier(content, model_format, self.run.labels, self.run.spec)

    def _open_at(self, content: bytes, model_format: ModelFormat, picture: Pixels) -> Classifier:
        spec = replace(self.run.spec, height=picture.shape[0], width=picture.shape[1])
        return open_classifier(content, model_format, self.run.labels, spec)

    @contextlib.contextmanager
    def latency(self) -> Iterator[LatencySource]:
        """Where files are timed."""
        request, picture = self.request, self.pictures.val[0]
        if request.measure_on is None:
            yield on_this_machine(picture, self._open_at)
            return
        with on_a_board(request.measure_on, picture, request.access, self.steps.note) as source:
            yield source


def load_either(folder: Path, request: ConvertRequest) -> Run:
    """Read the run or its teacher: with a teacher, ``--model`` belongs to whichever of the two was trained with it.

    Raises:
        RunError: it is no run, or one that names code which was not typed.
        UsageError: there is no teacher, and ``--model`` is not the run's.
    """
    if request.teacher is None or request.model is None:
        return load_run(folder, request.model)
    try:
        return load_run(folder)
    except RunError:
        return load_run(folder, request.model)
