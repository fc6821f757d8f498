"""Make a network faster by a wanted share of its measured time: stage by stage, each pruned, mended and taught."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import nn

from hawklet.errors import ModelError
from hawklet.preprocess import preprocess
from hawklet.safefiles import write_bytes
from hawklet.spec import ModelFormat, Pixels, PreprocessSpec
from hawklet_converter.kept_work import KeptWork
from hawklet_converter.latency_source import LatencySource
from hawklet_converter.load_pictures import choose_calibration
from hawklet_converter.pruning.cost import CostModel, Workload, macs_alone
from hawklet_converter.pruning.importance import Examples
from hawklet_converter.pruning.reach import Reached, learn_cost, reach_latency, reach_macs
from hawklet_converter.pruning.recover import Lesson, layers_that_read, recover
from hawklet_converter.pruning.repair import repair
from hawklet_converter.pruning.structure import Structure, find_structure, head_name, remove_channels
from hawklet_converter.pruning.time_structure import rough_int8_tflite
from hawklet_converter.pruning.trial import Trial, run_trial
from hawklet_converter.request import layout_for
from hawklet_converter.work import Work
from hawklet_trainer.available_memory import available_memory
from hawklet_trainer.data import load_pixels
from hawklet_trainer.models.tied_weights import untied
from hawklet_trainer.training.distil import MatchedLayer
from hawklet_trainer.training.terms import History, TrainConfig

_STAGE = 0.4
"""More of the time than this is not cut at once: what matters is asked anew of the network that has recovered."""
_SENSITIVE = 5
"""Groups that are named as the most sensitive."""
_EXAMPLES = 128
"""Pictures that channels are judged on."""
_FITTED, _FITTED_MOST, _FITTED_AT_LEAST = 256, 1024, 64
"""Pictures that layers are fitted on: what is worth its time in every network, what still helps in a small one, and
what there is always room for."""
_MACS = 6e11
"""Multiplications that one pass over more pictures than the first of these may take."""
_MEMORY_SHARE, _MEMORY_MOST = 0.25, 5 << 30
"""Of the memory that is available, and in bytes: what the largest map of these pictures may take. Two or three such
maps are held at a time."""
_ROUGH_PICTURES = 8
_WHOLE = "whole"


@dataclass(frozen=True)
class Pruned:
    """A network on its way to fewer channels."""

    net: nn.Module
    matched: tuple[MatchedLayer, ...] | None
    """What its layers read, in channels of the unpruned network; None: it is that network."""
    share: float
    """Of the unpruned network's time (or MACs) that remains."""
    seconds: float = 0.0
    """Of training, over all stages."""


@dataclass(frozen=True)
class Stage:
    """How one stage went, for the report."""

    wanted: float
    """Share that should remain."""
    reached: Reached
    trial: Trial
    kept: Mapping[str, str]
    """Groups that stay whole, with the reason."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "wanted": self.wanted,
            "reached": vars(self.reached),
            "trial": self.trial.to_json(),
            "kept": dict(self.kept),
        }

    def summary(self) -> dict[str, Any]:
        """What a bundle tells of it: plain JSON types, without what only pruning on needs."""
        trial, counts = self.trial, self.trial.counts()
        reasons = sorted(set(self.kept.values()))
        return {
            "wanted": self.wanted,
            "share": self.reached.share,
            "tries": list(self.reached.tries),
            "pictures": trial.pictures,
            "criteria": [
                {"name": name, "total": total, "groups": counts.get(name, 0)}
                for name, total in sorted(trial.totals.items(), key=lambda item: item[1])
            ],
            "mixed": trial.mixed_total,
            "sensitive": trial.most_sensitive(_SENSITIVE),
            "groups": [
                {
                    "name": name,
                    "criterion": trial.chosen[name],
                    "half_costs": round(trial.curves[name].at(0.5), 4),
                    "before": len(trial.order[name]),
                    "after": after,
                }
                for name, after in self.reached.widths.items()
            ],
            "kept": [{"reason": why, "groups": [n for n, its in self.kept.items() if its == why]} for why in reasons],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Stage:
        """Read :meth:`to_json` back."""
        reached = Reached(**data["reached"])
        return cls(data["wanted"], reached, Trial.from_json(data["trial"]), data["kept"])


class Pruner:
    """Prunes one run's network; what is finished is kept, so that an interrupt costs an epoch at most.

    Args:
        net: Unpruned.
        teacher: Teaches what was pruned; the same network, or that of another run.
        work: The run, its pictures and the request.
        kept: Where finished parts are.
    """

    def __init__(self, net: nn.Module, teacher: nn.Module, work: Work, kept: KeptWork) -> None:
        self._net, self._teacher, self._work, self._kept = net, teacher, work, kept
        self._by_macs = bool(work.request.prune_macs)
        self._cost: CostModel | None = None

    @property
    def whole(self) -> Pruned:
        """Where pruning starts."""
        return Pruned(self._net, None, 1.0)

    def stages(self, start: float, wanted: float) -> list[float]:
        """Shares that remain after each stage, from ``start`` to ``wanted``, in equal steps."""
        count = max(1, math.ceil((start - wanted) / _STAGE - 1e-9))
        return [start + (wanted - start) * (number + 1) / count for number in range(count)]

    def prune(self, before: Pruned, wanted: float, name: str) -> tuple[Pruned, Stage]:
        """Remove channels until ``wanted`` of the time remains, and let the layers behind them make up for them.

        Args:
            before: Where to go on; left alone.
            wanted: Share of the unpruned network's time, or MACs, that shall remain.
            name: Of the stage, for what is kept.

        Raises:
            ModelError: the network cannot be pruned.
            BudgetError: it cannot be made that fast.
        """
        spec = self._work.run.spec
        structure = find_structure(before.net, spec)
        made = self._kept.once(name, lambda: self._choose(before, structure, wanted).to_json())
        stage = Stage.from_json(made)
        removal = stage.trial.removal(structure, stage.reached.widths)
        net = remove_channels(before.net, spec, removal)
        self._repair(net, before.net, structure, removal, self._kept.folder / f"{name}.safetensors")
        matched = _in_channels_of_the_first(before.matched, layers_that_read(structure, removal))
        return Pruned(net, matched, stage.reached.share, before.seconds), stage

    def recover(self, pruned: Pruned, epochs: int, minutes: float, name: str) -> tuple[TrainConfig, History]:
        """Teach it, in place. Features are matched where the teacher is the unpruned network."""
        matched = pruned.matched if self._teacher is self._net else None
        lesson = Lesson(self._teacher, matched or ())
        return recover(pruned.net, self._work.run.spec, lesson, epochs, minutes, self.checkpoint(name), self._work)

    def checkpoint(self, name: str) -> Path:
        """Where a training keeps its epochs."""
        return self._kept.folder / f"{name}.safetensors"

    def _choose(self, before: Pruned, structure: Structure, wanted: float) -> Stage:
        work = self._work
        trial = run_trial(before.net, work.run.spec, structure, self._examples(_EXAMPLES))
        if self._by_macs:
            first = find_structure(self._net, work.run.spec)
            total = macs_alone(Workload(first)).ms(first.widths())
            reached = reach_macs(structure, macs_alone(Workload(structure)), trial.curves, wanted * total)
            return Stage(wanted, replace(reached, share=reached.share / total), trial, structure.kept)
        with self.timing() as timer:

            def measure(widths: Mapping[str, int]) -> float:
                net = remove_channels(before.net, work.run.spec, trial.removal(structure, widths))
                return timer.ms(net, work.run.spec)

            base = timer.base_ms()
            cost = self._learned_cost(structure, measure, before.share * base)
            reached = reach_latency(structure, cost, trial.curves, wanted, base, measure)
        return Stage(wanted, reached, trial, structure.kept)

    def _learned_cost(self, structure: Structure, measure: Any, whole_ms: float) -> CostModel:
        """What a multiplication takes does not change from stage to stage."""
        if self._cost is None:
            self._cost = learn_cost(structure, measure, whole_ms)
        return CostModel(Workload(structure), self._cost.weights)

    def _repair(
        self, net: nn.Module, whole: nn.Module, structure: Structure, removal: Mapping[str, Sequence[int]], path: Path
    ) -> None:
        """Let layers make up for what they lost, as far as pictures' maps have room in memory."""
        if path.is_file():
            net.load_state_dict(load(path.read_bytes()))
            return
        examples = self._to_fit_on(structure)
        classes = set(examples.truth.tolist())
        # A head that is fitted to some classes alone forgets the others.
        leave = () if len(classes) == len(self._work.run.labels) else (head_name(whole),)
        self._work.steps.note(f"layers make up for what is gone, fitted on {len(examples.truth)} pictures")
        repair(net, whole, structure, removal, examples.inputs, leave)
        write_bytes(path, save(untied(net.state_dict())))

    def _to_fit_on(self, structure: Structure) -> Examples:
        """As many pictures as help and have room; mirrored ones too where the run mirrored its pictures.

        In powers of two, so that a little more or less free memory does not make another network.
        """
        affordable = int(_MACS / (1e6 * macs_alone(Workload(structure)).ms(structure.widths())))
        largest = 4 * max(layer.values for layer in structure.layers)
        room = max(_FITTED_AT_LEAST, int(min(_MEMORY_MOST, _MEMORY_SHARE * available_memory())) // largest)
        most = min(room, max(_FITTED, min(_FITTED_MOST, affordable)))
        count = 1 << (most.bit_length() - 1)
        if not self._work.run.config().flip:
            return self._examples(count).first(count)
        different = max(count // 2, min(count, len(self._work.run.labels)))  # every class before any mirror image
        shown = self._examples(different).first(different)
        mirrored = shown.first(count - different)
        inputs = torch.cat([shown.inputs, mirrored.inputs.flip(-1)])
        return Examples(inputs, torch.cat([shown.truth, mirrored.truth]))

    def _examples(self, count: int) -> Examples:
        """Training pictures of all classes, in mixed order."""
        work = self._work
        train = work.photos.items("train")
        wanted = min(len(train), max(count, len(work.photos.labels)))
        chosen = choose_calibration(train, work.photos.labels, wanted)
        mixed = [chosen[i] for i in np.random.default_rng(0).permutation(len(chosen))]
        pixels, truth = load_pixels(mixed, work.run.spec)
        return Examples(work.as_input(pixels), torch.from_numpy(truth))

    @contextlib.contextmanager
    def timing(self) -> Iterator[Timer]:
        """Times networks against the unpruned one, where the conversion measures."""
        work = self._work
        path = self._kept.folder / "whole.tflite"
        if not path.is_file():
            write_bytes(path, rough_file(self._net, work.run.spec, work))
        with work.latency() as latency:
            yield Timer(latency, path.read_bytes(), work, self._kept)


class Timer:
    """Times rough int8 files in turns with the unpruned network's.

    Args:
        latency: Where.
        whole: The unpruned network's file.
        work: For pictures and names.
        kept: Remembers what the unpruned network took.
    """

    def __init__(self, latency: LatencySource, whole: bytes, work: Work, kept: KeptWork) -> None:
        self._latency, self._work, self._kept = latency, work, kept
        self._whole = (ModelFormat.TFLITE, whole)

    def base_ms(self) -> float:
        """Milliseconds of the unpruned network's file, measured once for all stages."""
        return float(self._kept.once("base", self._measure_base))

    def ms(self, net: nn.Module, spec: PreprocessSpec) -> float:
        """Milliseconds of a network's file: its ratio to the unpruned one's, times what that one took at first."""
        content = rough_file(net, spec, self._work)
        picture = picture_for(self._work, spec) if spec != self._work.run.spec else None
        ratio = self._latency.ratio((ModelFormat.TFLITE, content), self._whole, picture)
        if ratio is None:
            raise self._does_not_run("one does not")
        return ratio * self.base_ms()

    def _measure_base(self) -> float:
        times = self._latency.measure({_WHOLE: self._whole})
        if _WHOLE not in times:
            raise self._does_not_run("the unpruned network's does not")
        return times[_WHOLE]

    def _does_not_run(self, which: str) -> ModelError:
        why = "; ".join(self._latency.doubts) or "no reason was given"
        return ModelError(
            f"pruning needs int8 files that run where latency is measured ({self._latency.where}), and {which}: {why}"
        )


def rough_file(net: nn.Module, spec: PreprocessSpec, work: Work) -> bytes:
    """A network's int8 file, good enough to be timed."""
    work_pictures = work.pictures.calibration[:: max(1, len(work.pictures.calibration) // _ROUGH_PICTURES)]
    inputs = work.as_input(work_pictures)
    if spec != work.run.spec:
        inputs = torch.nn.functional.interpolate(inputs, (spec.height, spec.width), mode="bilinear")
    identity = replace(work.identity, spec=spec)
    return rough_int8_tflite(net, inputs, identity, layout_for(work.request.target))


def picture_for(work: Work, spec: PreprocessSpec) -> Pixels:
    """A validation picture prepared for another input, ``uint8 [H, W, C]``."""
    picture = work.pictures.val[0]
    return preprocess(np.repeat(picture, spec.planes // picture.shape[2], axis=2), spec)  # grey in three channels


def _in_channels_of_the_first(
    before: Sequence[MatchedLayer] | None, now: tuple[MatchedLayer, ...]
) -> tuple[MatchedLayer, ...]:
    """Say what layers read in the channels of the unpruned network, where those of an earlier stage are known.

    A layer that is not named now reads what it read before: its channels have become too few to lose any.
    """
    if before is None:
        return now
    first = {matched.layer: matched for matched in before}
    later = {m.layer: replace(m, channels=tuple(first[m.layer].channels[c] for c in m.channels)) for m in now}
    return tuple((first | later).values())
