"""Make the baselines of a pruned network: find them by measuring, and train them as long, by the same loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from hawklet.errors import ModelError
from hawklet.spec import PreprocessSpec
from hawklet_converter.kept_work import KeptWork
from hawklet_converter.load_pictures import choose_calibration
from hawklet_converter.pruning.baselines import Baseline, narrower, smaller_input
from hawklet_converter.pruning.network import Network, keep_as_run
from hawklet_converter.pruning.pruner import Pruned, Pruner, Timer
from hawklet_converter.pruning.recover import BY_TIME, Lesson, layers_that_read, recover
from hawklet_converter.pruning.sheet import SMALLER_INPUT
from hawklet_converter.pruning.structure import find_structure, macs_of
from hawklet_converter.reestimate_batch_norm import reestimate_batch_norm
from hawklet_converter.work import Work
from hawklet_trainer.data import load_pixels
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.training.inputs import as_input


class Rivals:
    """Finds and trains networks of the latency of pruned ones.

    Args:
        net: Unpruned.
        teacher: Teaches the pruned network, and these.
        work: The conversion.
        kept: Remembers what is finished.
        pruner: Times networks, and keeps trainings.
    """

    def __init__(self, net: nn.Module, teacher: nn.Module, work: Work, kept: KeptWork, pruner: Pruner) -> None:
        self._net, self._teacher, self._work, self._kept, self._pruner = net, teacher, work, kept, pruner
        self._made: set[str] = set()

    def of(self, net: Pruned, pruned: Network) -> list[Network]:
        """The baselines of one pruned network; those that an earlier one of a sweep has already are left out."""
        work, run = self._work, self._work.run
        with work.steps.step("finding networks of the same latency"), self._pruner.timing() as timer:
            base = timer.base_ms()
            wanted = timer.ms(net.net, run.spec) if work.request.prune_macs else net.share * base
            found = self._kept.once(f"baselines-{pruned.run.name}", lambda: self._find(wanted, base, timer))
        baselines = [Baseline.from_json(entry, run.architecture, run.spec) for entry in found]
        new = [baseline for baseline in baselines if baseline.suffix not in self._made]
        self._made.update(baseline.suffix for baseline in new)
        return [self._train(baseline, pruned.seconds) for baseline in new]

    def _find(self, wanted_ms: float, base_ms: float, timer: Timer) -> list[dict[str, Any]]:
        run = self._work.run

        def measure(architecture: Architecture, spec: PreprocessSpec) -> float | None:
            net = self._build(architecture, spec)
            try:
                macs_of(net, spec)  # refuses pictures of a size that it does not run on
                return timer.ms(net, spec)
            except ModelError as error:
                self._work.steps.note(f"nothing to compare with at {spec.height} px: {error}")
                return None

        found = (
            smaller_input(run.architecture, run.spec, wanted_ms, base_ms, measure),
            narrower(run.architecture, run.spec, wanted_ms, base_ms, measure),
        )
        return [baseline.to_json() for baseline in found if baseline is not None]

    def _build(self, architecture: Architecture, spec: PreprocessSpec) -> nn.Module:
        """The network, with the unpruned one's weights where its widths are the same."""
        run = self._work.run
        net = architecture.build(len(run.labels), spec.height, spec.width, spec.channels).eval()
        if architecture == run.architecture:
            net.load_state_dict(self._net.state_dict())
        return net

    def _train(self, baseline: Baseline, seconds: float) -> Network:
        run, spec = self._work.run, baseline.spec
        net = self._build(baseline.architecture, spec)
        work = replace(self._work, run=replace(run, spec=spec))
        if baseline.kind == SMALLER_INPUT:
            lesson = self._lesson_of_smaller(net, work)
        else:
            lesson = Lesson(self._teacher, (), trained=False)
        checkpoint = self._pruner.checkpoint(f"train-{baseline.suffix}")
        with work.steps.step(f"training the {baseline.kind} network ({baseline.suffix}) as long"):
            training = recover(net, spec, lesson, BY_TIME, seconds / 60.0, checkpoint, work)
        trained, spent = keep_as_run(net, baseline.architecture, baseline.suffix, training, work, self._kept)
        return Network(baseline.kind, trained, spent)

    def _lesson_of_smaller(self, net: nn.Module, work: Work) -> Lesson:
        """Measure batch norms for the smaller pictures, and let the teacher see them in its own size."""
        run = work.run
        photos = choose_calibration(work.photos.items("train"), run.labels, work.request.calibration)
        pixels, _ = load_pixels(photos, run.spec)
        reestimate_batch_norm(net, as_input(pixels, run.pixel_zero_point, run.pixel_scale))
        matched = layers_that_read(find_structure(net, run.spec), {}) if self._teacher is self._net else ()
        size = (self._work.run.spec.height, self._work.run.spec.width)
        return Lesson(self._teacher, matched, enlarged_to=size)
