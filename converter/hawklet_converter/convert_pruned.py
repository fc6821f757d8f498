"""A conversion that prunes first: pruned networks, what they are compared with, and the bundle of the one to take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hawklet import __version__
from hawklet.errors import BudgetError, ModelError, UsageError
from hawklet_converter.against import Against, Conclude
from hawklet_converter.candidate import Candidate
from hawklet_converter.kept_work import KeptWork, digest_of
from hawklet_converter.latency_source import LatencySource
from hawklet_converter.provenance import library_versions
from hawklet_converter.pruning.baselines import kinds_of_baselines
from hawklet_converter.pruning.network import Network, keep_as_run, origin_of
from hawklet_converter.pruning.points import cuts_of, in_words, points_of, require_promise, tried_on
from hawklet_converter.pruning.pruner import Pruned, Pruner, Stage
from hawklet_converter.pruning.rivals import Rivals
from hawklet_converter.pruning.sheet import NARROWER, PRUNED, UNPRUNED, sheet_table, verdict_of
from hawklet_converter.pruning.spending import Spending
from hawklet_converter.request import Conversion, ConvertRequest, Row
from hawklet_converter.steps import Steps
from hawklet_converter.work import Work, load_either
from hawklet_trainer.evaluation.reject_option import RejectRequest
from hawklet_trainer.models.architecture import Architecture, channels_of
from hawklet_trainer.run import convert_command

_SCHEMA = "hawklet-pruning/1"
_CHEAP_RECIPES = ("float32", "float16", "int8-dynamic", "int8-pertensor")
"""Recipes that are compared as such; others begin with int8 and refine it."""

ConvertRun = Callable[[ConvertRequest, Steps, Against | None], Conversion]
"""A conversion that does not prune."""


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
        teacher = _teacher_of(net, work)
        self.folder = work.target.with_name(work.target.name + ".pruning")
        self._kept = KeptWork(self.folder, _SCHEMA, _facts(work, net), resume=work.request.resume)
        self._pruner = Pruner(net, teacher, work, self._kept)
        self._rivals = Rivals(net, teacher, work, self._kept, self._pruner)
        self._top1 = work.accuracy(net)
        self._spending = Spending(work.request.budget_s, self._kept, work.steps.note)
        self._stages: list[tuple[float, Stage]] = []

    def run(self) -> Conversion:
        """Make candidates and what they are compared with, choose, and convert the chosen one as it deserves."""
        request = self._work.request
        unpruned, conversion_s = self._converted(Network(UNPRUNED, self._work.run), self.folder / "unpruned.hawklet")
        cuts = request.sweep or (request.prune_macs or request.prune,)
        networks = len(cuts) * (1 + (kinds_of_baselines(self._work.run.architecture) if request.baselines else 0))
        minutes = self._spending.minutes_each(networks, networks, conversion_s)
        candidates, rivals = self._make(cuts, minutes)
        chosen = self._choose(candidates)
        others = [unpruned, *rivals, *(candidate for candidate in candidates if candidate is not chosen)]
        conversion = self._finish(chosen, others)
        self._kept.discard()
        return conversion

    def _make(self, cuts: Sequence[float], minutes: float) -> tuple[list[Network], list[Network]]:
        """Prune by one share after the other; a sweep ends with the last that can be reached."""
        request, pruned = self._work.request, self._pruner.whole
        candidates: list[Network] = []
        rivals: list[Network] = []
        for cut in cuts:
            try:
                pruned, network = self._prune(pruned, cut, minutes)
            except (BudgetError, ModelError) as error:
                if not candidates:
                    raise
                self._work.steps.note(f"{cut:.0%} is out of reach, and the sweep ends: {error}")
                break
            candidates.append(self._with_files(network) if request.sweep else network)
            if request.baselines:
                rivals += [self._with_files(rival) for rival in self._rivals.of(pruned, network)]
        return candidates, rivals

    def _prune(self, pruned: Pruned, cut: float, minutes: float) -> tuple[Pruned, Network]:
        """One candidate: as many stages as its cut needs, the last with most of the time."""
        work, epochs = self._work, self._work.request.prune_epochs
        shares = self._pruner.stages(pruned.share, 1 - cut)
        before_s = pruned.seconds
        for number, share in enumerate(shares, 1):
            last = number == len(shares)
            title = f"choosing channels for {share:.0%} of {self._what} (stage {number} of {len(shares)})"
            with work.steps.step(title):
                pruned, stage = self._pruner.prune(pruned, share, f"stage-{cut:g}-{number}")
                self._tell(stage)
            self._stages.append((cut, stage))
            # Before anything is trained: a network that could not be kept as a run is refused here.
            architecture = self._architecture(pruned.net)
            some = epochs if last else math.ceil(epochs / (2 * len(shares)))
            spent = (pruned.seconds - before_s) / 60.0
            time_share = minutes - spent if last else minutes / len(shares)
            with work.steps.step("recovering, the unpruned network teaching"):
                training = self._pruner.recover(pruned, some, time_share, f"train-{cut:g}-{number}")
            took = sum(record.seconds for record in training[1].records)
            pruned = replace(pruned, seconds=pruned.seconds + took)
        run, _ = keep_as_run(pruned.net, architecture, f"pruned{cut * 100:g}", training, work, self._kept)
        return pruned, Network(PRUNED, run, pruned.seconds, cut)

    @property
    def _what(self) -> str:
        return "the multiplications" if self._work.request.prune_macs else "the latency"

    def _tell(self, stage: Stage) -> None:
        note, trial, reached = self._work.steps.note, stage.trial, stage.reached
        for name, reason in stage.kept.items():
            note(f"{name} stays whole: {reason}")
        alone = ", ".join(f"{name} {total:.2f}" for name, total in sorted(trial.totals.items(), key=lambda kv: kv[1]))
        groups = ", ".join(f"{count} by {name}" for name, count in trial.counts().items())
        note(f"importance, by what half of each group costs on {trial.pictures} pictures (nats, summed): {alone}")
        note(f"taken group by group, {trial.mixed_total:.2f}: {groups}")
        note(f"the most sensitive: {', '.join(trial.most_sensitive(3))}")
        tries = ", ".join(f"{100 * share:.1f} %" for share in reached.tries)
        note(f"{100 * reached.share:.1f} % of {self._what} remains{f', measured {tries}' if tries else ''}")

    def _architecture(self, net: nn.Module) -> Architecture:
        """What builds a pruned network: the registry's, and the layers that are narrower."""
        run = self._work.run
        plain = replace(run.architecture, channels={})
        whole = plain.build(len(run.labels), run.spec.height, run.spec.width, run.spec.channels)
        return replace(plain, channels=channels_of(net, whole))

    def _with_files(self, network: Network) -> Network:
        return self._converted(network, network.run.folder / f"{network.run.name}.hawklet")[0]

    def _converted(self, network: Network, bundle: Path) -> tuple[Network, float]:
        """Quantize by the first attempt, whatever it loses: it is for comparison; and the seconds that this took."""
        request = self._work.request
        recipe = request.recipe if request.recipe in _CHEAP_RECIPES else "int8"
        first_attempt = replace(
            _plain(request),
            run=network.run.folder,
            output=bundle,
            recipe=recipe,
            max_drop=100.0,
            budget_s=0.0,
            resume=False,
            rejecting=RejectRequest(),
        )

        def convert() -> dict[str, Any]:
            start = time.monotonic()
            rows = self._convert_run(first_attempt, Steps(silent=True), None).rows
            return {"rows": [vars(row) for row in rows], "seconds": time.monotonic() - start}

        with self._work.steps.step(f"quantizing {network.run.name} ({network.kind}) for comparison"):
            made = self._kept.once(f"files-{network.kind.replace(' ', '-')}-{network.run.name}", convert)
        rows = tuple(Row(**row) for row in made["rows"])
        return replace(network, bundle=bundle, rows=rows), float(made["seconds"])

    def _choose(self, candidates: Sequence[Network]) -> Network:
        """Of a sweep, the fastest that keeps the accuracy: the last of those that do."""
        if not self._work.request.sweep:
            return candidates[0]
        allowed = self._top1 - self._work.request.max_drop - 1e-9
        keeping = [network for network in candidates if network.val >= allowed]
        if keeping:
            return keeping[-1]
        nearest = max(candidates, key=lambda network: network.val)
        raise BudgetError(
            f"a pruned network may lose {self._work.request.max_drop:g} points of top-1 (--max-drop), and the nearest "
            f"of {len(candidates)}, {nearest.run.name}, reaches {nearest.val:.1f} of {self._top1:.1f} %; no bundle was "
            "written, the networks are kept as runs; allow a larger --max-drop, or sweep from less"
        )

    def _finish(self, chosen: Network, others: Sequence[Network]) -> Conversion:
        work = self._work
        left = max(self._spending.for_the_last_search, self._spending.left())
        final = replace(_plain(work.request), run=chosen.run.folder, output=work.target, budget_s=left)
        against = Against(self._top1, self._net, self._conclude(chosen, others))
        try:
            conversion = self._convert_run(final, work.steps, against)
        except BudgetError as error:
            self._show_refused(chosen, others)
            raise BudgetError(
                f"{error} (the pruned network is kept as the run {chosen.run.folder}, and all work in {self.folder}: "
                "with another --max-drop, --resume does only the rest)"
            ) from error
        facts = conversion.manifest.provenance["pruning"]
        return replace(conversion, notes=(*conversion.notes, *facts["notes"]), sheet=tuple(facts["points"]))

    def _show_refused(self, chosen: Network, others: Sequence[Network]) -> None:
        """What a refused network was compared with may be what the user needs."""
        if not any(network.kind not in (UNPRUNED, PRUNED) for network in others):
            return
        work, finished = self._work, self._with_files(chosen)
        with work.latency() as latency:
            points = points_of(finished, finished.files(), {}, others, latency, work)
        work.steps.table(sheet_table([point.to_json() for point in points]))
        verdict = verdict_of(points, len(work.pictures.val))
        if verdict is not None:
            work.steps.note(verdict.words(convert_command(Path(verdict.winner.run), work.run.model)))

    def _conclude(self, chosen: Network, others: Sequence[Network]) -> Conclude:
        """Who has the last word before the bundle is written."""
        work, request = self._work, self._work.request

        def conclude(
            files: Mapping[str, bytes], rows: tuple[Row, ...], tried: Sequence[Candidate], latency: LatencySource
        ) -> Mapping[str, Any]:
            finished, more = tried_on(replace(chosen, rows=rows), tried)
            points = points_of(finished, files, more, others, latency, work)
            cuts = cuts_of(points)
            if not request.prune_macs:
                require_promise(cuts, chosen.cut)
            verdict = verdict_of(points, len(work.pictures.val), searched=bool(tried))
            command = convert_command(Path(verdict.winner.run), work.run.model) if verdict else None
            notes = [f"{variant} takes {in_words(cut)} than unpruned" for variant, cut in cuts.items()]
            if verdict is not None and command is not None:
                notes.append(verdict.words(command))
            if any(point.kind == NARROWER for point in points):
                notes.append("narrower networks were trained from random weights: none are published for those widths")
            return {
                "asked": {"latency": 0.0 if request.prune_macs else chosen.cut, "macs": request.prune_macs},
                "from": origin_of(work.run),
                "cuts": cuts,
                "points": [point.to_json() for point in points],
                "recommended": verdict.winner.run if verdict else None,
                "command": command,
                "notes": notes,
                "stages": [stage.summary() for cut, stage in self._stages if cut <= chosen.cut],
                "spent": self._spending.told,
            }

        return conclude


def _plain(request: ConvertRequest) -> ConvertRequest:
    """The same conversion without pruning."""
    return replace(request, prune=0.0, prune_macs=0.0, sweep=(), teacher=None)


def _teacher_of(net: nn.Module, work: Work) -> nn.Module:
    if work.request.teacher is None:
        return net
    run = load_either(work.request.teacher, work.request)
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
            f"{run.pixel_zero_point} and {run.pixel_scale:g}; take one of a family with the same pixels, trained "
            "with the same --imgsz and --fit"
        )
    return run.build()


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
        "--teacher": None if request.teacher is None else origin_of(load_either(request.teacher, request)),
        "--calibration": len(work.pictures.calibration),
        "--target": request.target,
        "--measure-on": request.measure_on or "this machine",
        "--seed": request.seed,
        "threads": torch.get_num_threads(),
        "the versions": {"hawklet": __version__, **library_versions()},
    }
