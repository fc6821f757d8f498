"""A conversion that prunes first: pruned networks, what they are compared with, and the bundle of the one to take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hawklet import __version__
from hawklet.bundle import Bundle
from hawklet.errors import BudgetError, ModelError, UsageError
from hawklet.safefiles import sha256_of
from hawklet.spec import ModelFormat
from hawklet_converter.against import Against
from hawklet_converter.kept_work import KeptWork, digest_of
from hawklet_converter.latency_source import LatencySource
from hawklet_converter.load_pictures import choose_calibration
from hawklet_converter.measure_rows import times_count
from hawklet_converter.pack import format_of
from hawklet_converter.provenance import library_versions
from hawklet_converter.pruning.baselines import NARROWER, SMALLER_INPUT, Baseline, narrower, smaller_input
from hawklet_converter.pruning.pruner import Pruned, Pruner, Stage, Timer, picture_for
from hawklet_converter.pruning.recover import Lesson, layers_that_read, recover
from hawklet_converter.pruning.sheet import PRUNED, UNPRUNED, Point, verdict_of
from hawklet_converter.pruning.spending import Spending
from hawklet_converter.pruning.structure import find_structure, macs_of
from hawklet_converter.reestimate_batch_norm import reestimate_batch_norm
from hawklet_converter.request import Conversion, ConvertRequest, Row
from hawklet_converter.steps import Steps
from hawklet_converter.work import Work
from hawklet_trainer.architecture import Architecture, channels_of
from hawklet_trainer.data import load_pixels
from hawklet_trainer.finish import finish_run
from hawklet_trainer.loop import History, TrainConfig, as_input
from hawklet_trainer.run import BEST, Run, load_run, new_run_folder
from hawklet_trainer.weights import LoadedWeights

_SCHEMA = "hawklet-pruning/1"
_MISSED = 0.02
"""The finished file may miss the promised cut by this share of the unpruned file's time."""

ConvertRun = Callable[[ConvertRequest, Steps, Against | None], Conversion]
"""A conversion that does not prune."""


@dataclass(frozen=True)
class _Made:
    """A network that was trained here, as a run."""

    kind: str
    run: Run
    seconds: float
    """Of training."""
    bundle: Path | None
    """Its files, where it has been converted."""
    rows: tuple[Row, ...] = ()


def convert_pruned(net: nn.Module, work: Work, convert_run: ConvertRun) -> Conversion:
    """Prune a run's network by what its int8 file takes, compare it, and write the bundle of the one chosen.

    Args:
        net: The run's.
        work: The conversion.
        convert_run: Converts runs that need no pruning.

    Raises:
        ModelError: the network cannot be pruned.
        BudgetError: it cannot be made as fast as asked for, or loses more than ``max_drop``; no bundle is written.
    """
    conversion = _PrunedConversion(net, work, convert_run)
    try:
        return conversion.run()
    except KeyboardInterrupt:
        work.steps.note(f"what is finished is kept in {conversion.folder}; --resume goes on from there")
        raise


class _PrunedConversion:
    def __init__(self, net: nn.Module, work: Work, convert_run: ConvertRun) -> None:
        self._net, self._work, self._convert_run = net, work, convert_run
        self._teacher = _teacher_of(net, work)
        folder = work.target.with_name(work.target.name + ".pruning")
        self._kept = KeptWork(folder, _SCHEMA, _facts(work, net), resume=work.request.resume)
        self._pruner = Pruner(net, self._teacher, work, self._kept)
        self._top1 = work.accuracy(net)
        self._spending = Spending(work.request.budget_s, self._kept, work.steps.note)
        self._stages: list[Stage] = []
        self._compared: set[str] = set()

    @property
    def folder(self) -> Path:
        """Where finished parts are kept."""
        return self._kept.folder

    def run(self) -> Conversion:
        work, request = self._work, self._work.request
        cuts = request.sweep or (request.prune_macs or request.prune,)
        start = time.monotonic()
        unpruned = self._converted(_Made(UNPRUNED, work.run, 0.0, None), self._kept.folder / "unpruned.hawklet")
        one_conversion_s = time.monotonic() - start
        networks = len(cuts) * (3 if request.baselines else 1)
        minutes = self._spending.minutes_each(networks, networks, one_conversion_s)
        made: list[_Made] = [unpruned]
        candidates: list[_Made] = []
        pruned = self._pruner.whole
        for cut in cuts:
            pruned, run = self._prune(pruned, cut, minutes)
            candidates.append(run)
            if request.sweep:
                candidates[-1] = self._converted(run, run.run.folder / f"{run.run.name}.hawklet")
            if request.baselines:
                made += self._baselines(pruned, run)
        chosen = self._choose(candidates)
        others = [*made, *(candidate for candidate in candidates if candidate is not chosen)]
        conversion = self._finish(chosen, others)
        self._kept.discard()
        return conversion

    def _prune(self, pruned: Pruned, cut: float, minutes: float) -> tuple[Pruned, _Made]:
        """One candidate: as many stages as its cut needs, the last with most of the time."""
        work, epochs = self._work, self._work.request.prune_epochs
        shares = self._pruner.stages(pruned.share, 1 - cut)
        seconds = 0.0
        for number, share in enumerate(shares, 1):
            name = f"{cut:g}-{number}"
            last = number == len(shares)
            with work.steps.step(
                f"choosing channels for {share:.0%} of {self._what} (stage {number} of {len(shares)})"
            ):
                pruned, stage = self._pruner.prune(pruned, share, f"stage-{name}")
                self._tell(stage)
            self._stages.append(stage)
            # Before anything is trained: a network that could not be kept as a run is refused here.
            architecture = replace(work.run.architecture, channels=self._channels(pruned.net))
            part = 1.0 / len(shares) if not last else 1.0 - seconds / 60.0 / minutes
            with work.steps.step("recovering, the unpruned network teaching"):
                some = epochs if last else math.ceil(epochs / (2 * len(shares)))
                config, history = self._pruner.recover(pruned, some, max(0.1, minutes * part), f"train-{name}")
            seconds += sum(record.seconds for record in history.records)
        run = self._as_run(pruned.net, architecture, work, f"pruned{cut * 100:g}", config, history, seconds)
        return pruned, _Made(PRUNED, run, seconds, None)

    @property
    def _what(self) -> str:
        return "the multiplications" if self._work.request.prune_macs else "the latency"

    def _tell(self, stage: Stage) -> None:
        note, trial = self._work.steps.note, stage.trial
        for name, reason in stage.kept.items():
            note(f"{name} stays whole: {reason}")
        alone = ", ".join(f"{name} {total:.2f}" for name, total in sorted(trial.totals.items(), key=lambda kv: kv[1]))
        groups = ", ".join(f"{count} by {name}" for name, count in trial.counts().items())
        note(f"importance, by what half of each group costs on {trial.pictures} pictures (nats, summed): {alone}")
        note(f"taken group by group, {trial.mixed_total:.2f}: {groups}")
        note(f"the most sensitive: {', '.join(trial.most_sensitive(3))}")
        reached = stage.reached
        tries = f", measured {', '.join(f'{share:.1%}' for share in reached.tries)}" if reached.tries else ""
        note(f"{reached.share:.1%} of {self._what} remains{tries}")

    def _channels(self, net: nn.Module) -> Mapping[str, tuple[int, int]]:
        run = self._work.run
        plain = replace(run.architecture, channels={}).build(len(run.labels), run.spec.height, run.spec.width)
        return channels_of(net, plain)

    def _as_run(
        self,
        net: nn.Module,
        architecture: Architecture,
        work: Work,
        suffix: str,
        config: TrainConfig,
        history: History,
        seconds: float,
    ) -> Run:
        """Keep a network as a run beside the one it was made of."""
        run = work.run
        parent = run.folder.parent
        name = self._kept.once(f"run-{suffix}", lambda: new_run_folder(parent, f"{run.name}-{suffix}").name)
        origin = {"folder": str(run.folder), "weights_sha256": _weights_digest(run)}
        begins_anew = architecture.width != run.architecture.width
        options = {"made_by": "hawklet convert", "from": origin["folder"], "prune_epochs": work.request.prune_epochs}
        finish_run(
            parent / name,
            net,
            architecture,
            work.photos,
            work.run.spec,
            run.pixel_zero_point,
            run.pixel_scale,
            config,
            history,
            history.records,
            options,
            LoadedWeights("none", "") if begins_anew else LoadedWeights(**run.manifest["weights"]),
            seconds,
            {"made_from": origin},
        )
        return load_run(parent / name, work.request.model)

    def _baselines(self, net: Pruned, pruned: _Made) -> list[_Made]:
        work, run = self._work, self._work.run
        with work.steps.step("finding networks of the same latency"), self._pruner.timing() as timer:
            base = timer.base_ms()
            wanted = timer.ms(net.net, run.spec) if work.request.prune_macs else net.share * base
            found = self._kept.once(f"baselines-{pruned.run.name}", lambda: self._find(wanted, base, timer))
        made = []
        for entry in found:
            spec = replace(run.spec, height=entry["height"], width=entry["width"])
            architecture = replace(run.architecture, width=entry["multiplier"])
            baseline = Baseline(entry["kind"], architecture, spec, entry["ms"])
            if baseline.suffix not in self._compared:  # a sweep may meet the same one twice
                self._compared.add(baseline.suffix)
                made.append(self._train_baseline(baseline, pruned.seconds))
        return made

    def _find(self, wanted_ms: float, base_ms: float, timer: Timer) -> list[dict[str, Any]]:
        run = self._work.run

        def measure(architecture: Architecture, spec: Any) -> float:
            net = architecture.build(len(run.labels), spec.height, spec.width).eval()
            if architecture == run.architecture:
                net.load_state_dict(self._net.state_dict())
            macs_of(net, spec)  # refuses pictures of a size that it does not run on
            return timer.ms(net, spec)

        try:
            smaller = smaller_input(run.architecture, run.spec, wanted_ms, base_ms, measure)
        except ModelError as error:
            smaller = None
            self._work.steps.note(f"there is no smaller input to compare with: {error}")
        found = [smaller, narrower(run.architecture, run.spec, wanted_ms, base_ms, measure)]
        return [
            {
                "kind": baseline.kind,
                "height": baseline.spec.height,
                "width": baseline.spec.width,
                "multiplier": baseline.architecture.width,
                "ms": baseline.ms,
            }
            for baseline in found
            if baseline is not None
        ]

    def _train_baseline(self, baseline: Baseline, seconds: float) -> _Made:
        """The same training time, the same teacher, the same loop."""
        run, spec = self._work.run, baseline.spec
        net = baseline.architecture.build(len(run.labels), spec.height, spec.width).eval()
        smaller = baseline.kind == SMALLER_INPUT
        work = replace(self._work, run=replace(run, spec=spec)) if smaller else self._work
        if smaller:
            net.load_state_dict(self._net.state_dict())
            photos = choose_calibration(work.photos.items("train"), run.labels, work.request.calibration)
            pixels, _ = load_pixels(photos, spec)
            reestimate_batch_norm(net, as_input(pixels, run.pixel_zero_point, run.pixel_scale))
        same = smaller and self._teacher is self._net
        features = layers_that_read(find_structure(net, spec), {}) if same else ()
        enlarged = (run.spec.height, run.spec.width) if smaller else None
        lesson = Lesson(self._teacher, features, enlarged, trained=smaller, gently=smaller)
        name = f"{baseline.kind.replace(' ', '-')}-{baseline.suffix}"
        title = f"training the {baseline.kind} network ({baseline.suffix}) as long"
        with work.steps.step(title):
            checkpoint = self._pruner.checkpoint(f"train-{name}")
            config, history = recover(net, spec, lesson, _MANY_EPOCHS, seconds / 60.0, checkpoint, work)
        spent = sum(record.seconds for record in history.records)
        trained = self._as_run(net, baseline.architecture, work, baseline.suffix, config, history, spent)
        return self._converted(_Made(baseline.kind, trained, spent, None), trained.folder / f"{trained.name}.hawklet")

    def _converted(self, made: _Made, bundle: Path) -> _Made:
        """Quantize by the first attempt, whatever it loses: it is for comparison."""
        request = self._work.request
        recipe = request.recipe if request.recipe in _CHEAP_RECIPES else "int8"
        rough = replace(
            _plain(request),
            run=made.run.folder,
            output=bundle,
            recipe=recipe,
            max_drop=100.0,
            budget_s=0.0,
            resume=False,
        )

        def convert() -> list[dict[str, Any]]:
            rows = self._convert_run(rough, Steps(silent=True), None).rows
            return [vars(row) for row in rows]

        with self._work.steps.step(f"quantizing {made.run.name} ({made.kind}) for comparison"):
            rows = self._kept.once(f"rows-{made.kind.replace(' ', '-')}-{made.run.name}", convert)
        return replace(made, bundle=bundle, rows=tuple(Row(**row) for row in rows))

    def _choose(self, candidates: Sequence[_Made]) -> _Made:
        """The fastest that keeps the accuracy; the last, which is the fastest, where none does."""
        if len(candidates) == 1:
            return candidates[0]
        allowed = self._top1 - self._work.request.max_drop - 1e-9
        keeping = [made for made in candidates if min(_quantized(made.rows), key=_val).val >= allowed]
        if not keeping:
            nearest = max(candidates, key=lambda made: min(_quantized(made.rows), key=_val).val)
            raise BudgetError(
                f"a pruned network may lose {self._work.request.max_drop:g} points of top-1 (--max-drop), and the "
                f"nearest of {len(candidates)}, {nearest.run.name}, reaches "
                f"{min(_quantized(nearest.rows), key=_val).val:.1f} of {self._top1:.1f} %; no bundle was written, the "
                "networks are kept as runs; allow a larger --max-drop, or sweep from less"
            )
        return keeping[-1]

    def _finish(self, chosen: _Made, others: Sequence[_Made]) -> Conversion:
        work, request = self._work, self._work.request
        conclude = self._concluding(chosen, others)
        left = max(1.0, self._spending.left())
        final = replace(_plain(request), run=chosen.run.folder, output=work.target, budget_s=left)
        try:
            conversion = self._convert_run(final, work.steps, Against(self._top1, self._net, conclude))
        except BudgetError as error:
            raise BudgetError(f"{error} (the pruned network is kept as the run {chosen.run.folder})") from error
        facts = conversion.manifest.provenance["pruning"]
        notes = (*conversion.notes, *facts["notes"])
        return replace(conversion, notes=notes, sheet=tuple(facts["points"]))

    def _concluding(self, chosen: _Made, others: Sequence[_Made]) -> Callable[..., Mapping[str, Any]]:
        def conclude(files: Mapping[str, bytes], rows: tuple[Row, ...], latency: LatencySource) -> Mapping[str, Any]:
            points = self._points(replace(chosen, rows=rows), files, others, latency)
            cuts = self._cuts(points)
            verdict = verdict_of(points, len(self._work.pictures.val))
            notes = [f"{name} takes {cut:.1%} less time than unpruned" for name, cut in cuts.items()]
            if verdict is not None:
                notes.append(verdict.words)
            if any(point.kind == NARROWER for point in points):
                notes.append("narrower networks were trained from random weights: none are published for those widths")
            return {
                "asked": {"latency": self._work.request.prune, "macs": self._work.request.prune_macs},
                "from": {"folder": str(self._work.run.folder), "weights_sha256": _weights_digest(self._work.run)},
                "cuts": cuts,
                "points": [point.to_json() for point in points],
                "recommended": verdict.winner.run if verdict else chosen.run.folder.as_posix(),
                "notes": notes,
                "stages": [stage.to_json() for stage in self._stages],
                "spent": self._spending.told,
            }

        return conclude

    def _points(
        self, chosen: _Made, files: Mapping[str, bytes], others: Sequence[_Made], latency: LatencySource
    ) -> list[Point]:
        """A point for every file of every network, all timed in one call."""
        contents = {(chosen.run.name, variant): content for variant, content in files.items()}
        networks = {chosen.run.name: chosen, **{made.run.name: made for made in others}}
        for made in others:
            if made.bundle is not None:
                bundle = Bundle.open(made.bundle)
                contents |= {(made.run.name, v.name): bundle.read(v.file) for v in bundle.manifest.variants}
        keys = {f"{network} {variant}": (network, variant) for network, variant in contents}
        run_spec = self._work.run.spec
        pictures = {
            key: picture_for(self._work, networks[network].run.spec)
            for key, (network, _) in keys.items()
            if networks[network].run.spec != run_spec
        }
        times = latency.measure(
            {key: (format_of(variant), contents[network, variant]) for key, (network, variant) in keys.items()},
            pictures,
        )
        macs = {name: macs_of(made.run.build(), made.run.spec) for name, made in networks.items()}
        return [
            Point(
                network=name,
                kind=made.kind,
                variant=row.variant,
                ms=times.get(f"{name} {row.variant}"),
                val=row.val,
                test=row.test,
                bytes=row.bytes,
                macs=macs[name],
                side=made.run.spec.height,
                width=made.run.architecture.width,
                run=str(made.run.folder),
                train_seconds=made.seconds,
                chosen=made is chosen,
            )
            for name, made in networks.items()
            for row in made.rows
        ]

    def _cuts(self, points: Sequence[Point]) -> dict[str, float]:
        """Share of the unpruned file's time that each file of the chosen network saves; refuses a broken promise."""
        whole = {point.variant: point.ms for point in points if point.kind == UNPRUNED}
        cuts = {}
        for point in points:
            before = whole.get(point.variant)
            if point.chosen and point.ms is not None and before:
                cuts[point.variant] = 1 - point.ms / before
        request = self._work.request
        measured = [cut for variant, cut in cuts.items() if _is_promised(variant)]
        if request.prune and measured and measured[0] < request.prune - _MISSED and times_count(request):
            raise BudgetError(
                f"pruning must cut {request.prune:.0%} of the measured latency (--prune), and the finished int8 file "
                f"takes {measured[0]:.1%} less than the unpruned one; no bundle was written; try --recipe int8 if "
                "layers were left in float, or ask for less"
            )
        return cuts


_CHEAP_RECIPES = ("float32", "float16", "int8-dynamic", "int8-pertensor")
"""Recipes that are compared as such; others begin with int8 and refine it."""
_MANY_EPOCHS = 1000
"""Baselines end by their time."""


def _is_promised(variant: str) -> bool:
    """The int8 TFLite file is what was measured on the way."""
    return variant == f"int8-{ModelFormat.TFLITE.value}"


def _plain(request: ConvertRequest) -> ConvertRequest:
    """The same conversion without pruning."""
    return replace(request, prune=0.0, prune_macs=0.0, sweep=(), teacher=None)


def _quantized(rows: Sequence[Row]) -> list[Row]:
    """Files that are not float32, or all where there are no others."""
    return [row for row in rows if not row.variant.startswith("float32")] or list(rows)


def _val(row: Row) -> float:
    return row.val


def _teacher_of(net: nn.Module, work: Work) -> nn.Module:
    if work.request.teacher is None:
        return net
    run = load_run(work.request.teacher, work.request.model)
    ours = work.run
    if run.labels != ours.labels:
        raise UsageError(
            f"a teacher (--teacher) must know the same classes, {', '.join(ours.labels[:5])}; "
            f"{run.folder} knows {', '.join(run.labels[:5])}"
        )
    if (run.spec, run.pixel_zero_point, run.pixel_scale) != (ours.spec, ours.pixel_zero_point, ours.pixel_scale):
        raise UsageError(
            f"a teacher (--teacher) must take the same pictures: the run's {ours.spec}, pixel zero point "
            f"{ours.pixel_zero_point} and scale {ours.pixel_scale:g}; {run.folder} takes {run.spec}, "
            f"{run.pixel_zero_point} and {run.pixel_scale:g}; train it with the same --imgsz and --fit"
        )
    return run.build()


def _weights_digest(run: Run) -> str:
    return sha256_of(run.folder / BEST)


def _facts(work: Work, net: nn.Module) -> dict[str, Any]:
    """What kept parts depend on, by the words that tell a user which of it has changed."""
    request = work.request
    return {
        "the network": digest_of(tensor.numpy() for tensor in net.state_dict().values()),
        "the pictures": work.photos.digest,
        "--prune": [request.prune, request.prune_macs, list(request.sweep)],
        "--prune-epochs": request.prune_epochs,
        "--no-baselines": not request.baselines,
        "--recipe": request.recipe,
        "--teacher": None if request.teacher is None else _weights_digest(load_run(request.teacher, request.model)),
        "--calibration": len(work.pictures.calibration),
        "--target": request.target,
        "--measure-on": request.measure_on or "this machine",
        "--seed": request.seed,
        "threads": torch.get_num_threads(),
        "the versions": {"hawklet": __version__, **library_versions()},
    }
