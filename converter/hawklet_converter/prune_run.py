"""Prune a run's network and train it until it has recovered, or refuse it."""

from __future__ import annotations

from torch import nn

from hawklet.errors import BudgetError
from hawklet_converter.prune_channels import parameters, prune_channels
from hawklet_converter.reestimate_batch_norm import reestimate_batch_norm
from hawklet_converter.steps import Steps
from hawklet_converter.work import Work
from hawklet_trainer.loop import EpochRecord, Progress, fine_tune


class _Recovery(Progress):
    """Says how far the recovery from pruning is."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def epoch(self, record: EpochRecord, net: nn.Module, best: bool) -> None:
        self._steps.note(f"epoch {record.epoch:2d}  val top-1 {record.val_top1:5.1f} %  {record.seconds:6.1f} s")


def prune_run(net: nn.Module, work: Work) -> nn.Module:
    """Remove channels and train on, the unpruned network teaching; the given network is left alone."""
    request, run, steps = work.request, work.run, work.steps
    pruned = prune_channels(net, run.spec, request.prune)
    reestimate_batch_norm(pruned, work.as_input(work.pictures.calibration))
    steps.note(f"{parameters(net) / 1e6:.2f} -> {parameters(pruned) / 1e6:.2f} million parameters")
    # Flips and crops as in training: what made a left arrow a left arrow must hold here too.
    config = run.config(
        epochs=request.prune_epochs,
        minutes=None,
        freeze_batch_norm=False,  # fewer channels come in, so the statistics are other ones
        accuracy_first=True,  # --max-drop is a promise in points of top-1
        seed=request.seed,
    )
    zp, scale = run.pixel_zero_point, run.pixel_scale
    history = fine_tune(pruned, work.photos, run.spec, zp, scale, config, teacher=net, progress=_Recovery(steps))
    steps.note(f"val top-1 {history.best_val_top1:.1f} % after recovery")
    return pruned


def require_recovery(work: Work, after: float, before: float) -> None:
    """Refuse a pruned network that lost more than the budget, before time is spent on quantizing it.

    Raises:
        BudgetError: it did; top-1 in percent.
    """
    allowed, pictures = work.request.max_drop, len(work.pictures.val)
    if before - after > allowed + 1e-9:
        raise BudgetError(
            f"a pruned network may lose {allowed:g} points of top-1 (--max-drop), and this one lost "
            f"{before - after:.1f} of {before:.1f} % on {pictures} validation pictures (one picture is "
            f"{100 / pictures:.1f} points) before it was even quantized; nothing was written; try less --prune, more "
            "--prune-epochs, or allow a larger --max-drop"
        )
