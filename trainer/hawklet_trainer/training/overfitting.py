"""What the curves of a training say that a person should know: overfitting, underfitting, nothing made
better, too little val to tell.

Losses on train and val are not comparable: one is smoothed, of augmented and perhaps mixed pictures, and may hold a
teacher's share. So each is compared with itself only, in the manner of L. Prechelt's generalization loss ("Early
Stopping - But When?", 1998): overfitting is that one goes on falling while the other has risen above its lowest by more
than chance. Accuracies are comparable one way round: a network that names augmented pictures more often than plain ones
that it has not seen knows them by heart, whatever their augmentation made harder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hawklet_trainer.augment import Augment
from hawklet_trainer.evaluation.intervals import Interval, wilson
from hawklet_trainer.training.terms import EpochRecord, History, TrainConfig

AGREEING = 3
"""Epochs in a row that must show the same before it is named."""
_MOVED = 0.05
"""Share of itself by which the loss on val must have moved for that to mean anything."""
_PICTURE_NATS = 2.0
"""What one picture costs that was named rightly and surely and now is not; a loss on val is not known better."""
_GAP = 10.0
"""Least distance between accuracies on train and val, points."""
_ONE_SIDED = 1.645
"""Standard errors that chance stays below 95 times of 100."""
_FELL = 0.99
"""Share of a loss on train below which it has fallen."""
_DROPOUT = 0.3
"""Share of hidden features worth trying."""
_FEW = 50
"""With fewer val pictures an accuracy of 90 % may as well be one of less than 79 %."""


@dataclass(frozen=True)
class Finding:
    """One thing that the curves say."""

    kind: str
    """``overfitting``, ``underfitting``, ``no-better`` or ``small-val``."""
    text: str
    """One line: what was seen, and what to try."""


@dataclass(frozen=True)
class Val:
    """The pictures that epochs are judged on."""

    pictures: int
    commonest: float
    """Accuracy of always naming the commonest class, percent."""
    of_fold: bool = False
    """Whether a cross-validation trains, which needs not be advised then."""

    @classmethod
    def of(cls, label_indices: Sequence[int], of_fold: bool = False) -> Val:
        """From each picture's class."""
        commonest = 100.0 * float(np.bincount(label_indices).max()) / len(label_indices)
        return cls(len(label_indices), commonest, of_fold)

    def interval(self, top1: float) -> Interval:
        """Where an accuracy in percent may truly lie; all right is not taken for certain."""
        return wilson(top1 / 100.0 * self.pictures, self.pictures)


def read_curves(
    records: Sequence[EpochRecord], val: Val, config: TrainConfig, ended: History | None = None
) -> list[Finding]:
    """What a training's epochs say so far.

    Args:
        records: As results.csv has them; those that were not judged are left out.
        val: What they were judged on.
        config: How it was trained; decides what is worth trying.
        ended: What ended it, and which epoch it keeps; None: it goes on.
    """
    curve = [_as_judged(record) for record in records if math.isfinite(record.val_loss)]
    if not curve:
        return []
    nothing_learned = _nothing_learned(curve, val, ended is not None)
    found = [_parting(curve, val, config, ended is not None), nothing_learned]
    if ended is not None:
        no_better = None if nothing_learned else _no_better(curve, ended)
        found += [no_better or _still_falling(curve, val, ended.stopped_by), _small(val, ended)]
    return [finding for finding in found if finding is not None]


def _as_judged(record: EpochRecord) -> EpochRecord:
    """With the loss that epochs are compared by: a network that is only surer of itself than it should be has learned
    nothing by heart, and its temperature is fitted in the end."""
    return record if math.isnan(record.val_judged) else replace(record, val_loss=record.val_judged)


def _parting(curve: list[EpochRecord], val: Val, config: TrainConfig, ended: bool) -> Finding | None:
    by_loss, by_accuracy = _rising(curve, val), _knowing_by_heart(curve, val, ended)
    if by_loss is None and by_accuracy is None:
        return None
    since = min(epoch for epoch, _ in filter(None, (by_loss, by_accuracy)))
    seen = "; ".join(text for _, text in filter(None, (by_loss, by_accuracy)))
    return Finding("overfitting", f"train and val part ways since epoch {since}: {seen}; try {_against(config, since)}")


def _rising(curve: list[EpochRecord], val: Val) -> tuple[int, str] | None:
    """Since when the loss on val rises while that on train falls, and how that reads."""
    lowest = min(range(len(curve)), key=lambda i: curve[i].val_loss)
    best, after = curve[lowest], curve[lowest + 1 :]
    losses = [record.val_loss for record in after]
    if len(after) < AGREEING or not _trends_upward(losses):
        return None
    began = best.train_loss if best.epoch else after[0].train_loss  # that of the head is another loss
    fell = float(np.mean([record.train_loss for record in after[-AGREEING:]])) < _FELL * began
    if not fell or min(losses[-AGREEING:]) < best.val_loss + _chance(best.val_loss, val):
        return None
    last = curve[-1]
    return best.epoch, (
        f"by epoch {last.epoch} the loss that val is judged by rose from {best.val_loss:.3f} to {last.val_loss:.3f}, "
        f"while that on train fell from {began:.3f} to {last.train_loss:.3f}"
    )


def _chance(val_loss: float, val: Val) -> float:
    """How far a loss on val moves without that meaning anything."""
    return max(_MOVED * val_loss, _PICTURE_NATS / val.pictures)


def _trends_upward(values: list[float]) -> bool:
    """Whether later ones are greater than earlier ones more often than chance has it: H. Mann's test ("Nonparametric
    Tests Against Trend", 1945), one-sided at 5 %, by the normal approximation."""
    count = len(values)
    ordered = sum(float(np.sign(b - a)) for i, a in enumerate(values) for b in values[i + 1 :])
    return ordered - 1.0 > _ONE_SIDED * math.sqrt(count * (count - 1) * (2 * count + 5) / 18.0)


def _knowing_by_heart(curve: list[EpochRecord], val: Val, ended: bool) -> tuple[int, str] | None:
    """Since when accuracy on train is far above that on val, which gets no better, and how that reads."""
    lowest = min(range(len(curve)), key=lambda i: curve[i].val_loss)
    if not ended and len(curve) - 1 - lowest < AGREEING:
        return None
    apart: list[EpochRecord] = []
    for record in reversed(curve):
        if not record.train_top1 > max(record.val_top1 + _GAP, val.interval(record.val_top1).high):  # NaN is not
            break
        apart.append(record)
    if len(apart) < AGREEING:
        return None
    last = curve[-1]
    return apart[-1].epoch, (
        f"{last.train_top1:.1f} % of train is named rightly, however its pictures are augmented, and "
        f"{last.val_top1:.1f} % of val"
    )


def _against(config: TrainConfig, since: int) -> str:
    """What may help against overfitting that is not done yet."""
    remedies = ["more pictures"]
    if config.augment in (Augment.NONE, Augment.LIGHT, Augment.MEDIUM):
        remedies.append("--augment strong")
    if config.dropout is None or config.dropout < _DROPOUT:
        remedies.append(f"--dropout {_DROPOUT:g}")
    fewer = max(1, since)
    if fewer < config.epochs:
        remedies.append(f"fewer epochs (--epochs {fewer})")
    return f"{', '.join(remedies)} or a lower --lr"


def _nothing_learned(curve: list[EpochRecord], val: Val, ended: bool) -> Finding | None:
    learning = [record for record in curve if record.epoch]
    if len(learning) < (AGREEING if ended else 2 * AGREEING):
        return None
    best = max(record.val_top1 for record in curve)
    trains = max((r.train_top1 for r in learning if math.isfinite(r.train_top1)), default=0.0)
    if best > val.interval(val.commonest).high or trains > val.commonest + _GAP:
        return None
    return Finding(
        "underfitting",
        f"nothing is learned: {best:.1f} % of val at best, where naming the commonest class alone gives "
        f"{val.commonest:.1f} %; try another --lr (ten times more, ten times less), pretrained --weights, "
        "--augment light, and look whether the classes are what they are called (hawklet data show)",
    )


def _still_falling(curve: list[EpochRecord], val: Val, stopped_by: str) -> Finding | None:
    """Whether the limit came while val was getting better; mostly it is not, since the rate comes down to zero."""
    learning = [record for record in curve if record.epoch]
    if stopped_by not in ("epochs", "minutes") or len(learning) <= AGREEING or learning[-1].val_top1 == 100.0:
        return None
    before, last = learning[-1 - AGREEING], learning[-1]
    fell = before.val_loss - last.val_loss
    if last.val_loss > min(record.val_loss for record in curve) or fell < 2.0 * _chance(before.val_loss, val):
        return None
    return Finding(
        "underfitting",
        f"val was still getting better when the {stopped_by} were over: its loss fell from {before.val_loss:.3f} to "
        f"{last.val_loss:.3f} in the last {AGREEING} epochs; try more --{stopped_by}",
    )


def _no_better(curve: list[EpochRecord], ended: History) -> Finding | None:
    """Whether what fine-tuning began with is what is kept."""
    if ended.best_epoch or curve[0].epoch or len(curve) == 1:
        return None
    return Finding(
        "no-better",
        f"fine-tuning made nothing better: no epoch did better on val than epoch 0, which it began with and which is "
        f"kept (loss {curve[0].val_loss:.3f}, {ended.best_val_top1:.1f} %); try a lower --lr, or leave fine-tuning out "
        "(--epochs 0)",
    )


def _small(val: Val, ended: History) -> Finding | None:
    if val.pictures >= _FEW:
        return None
    top1 = ended.best_val_top1
    true = val.interval(top1)
    way_out = "add pictures" if val.of_fold else "add pictures, or see hawklet crossval"
    return Finding(
        "small-val",
        f"val is too small to tell: of {val.pictures} {'pictures' if val.pictures > 1 else 'picture'} each is "
        f"{100.0 / val.pictures:.1f} points, and {top1:.0f} % there may as well be {true.low:.0f} % or "
        f"{true.high:.0f} % of others; {way_out}",
    )
