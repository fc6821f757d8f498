"""What the training suite measures, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from hawklet_benchmarks.intervals import ratio_interval
from reference_recipe import published_weights, recipe_of
from suite_figures import Figure, Goal, ratio_figure
from suite_rows import Row
from training_clock import Spent
from training_outcome import Outcome, first_time, lasting_time, mean_curve
from training_process import kept_result
from training_task import OURS, REFERENCE, Epochs, Heads, Training
from training_turns import Turns, turns_of

_FLOWERS = "flowers5"
_MOBILENET, _LITE = "mobilenet_v2", "efficientnet_lite0"
_SCRIPTS = {OURS: "training_ours.py", REFERENCE: "training_reference.py"}
_GENTLER = 10
"""What a learning rate for training from random weights is divided by for pretrained ones, as a rule of thumb."""
_NEVER = 999.0
"""Stands for a ratio where an accuracy is not reached; its note says so."""


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int | None = None
    """Ours; None: as ``hawklet train`` has it."""
    reference_epochs: int = 10
    pictures: int | None = None
    """Of each split, at most; None: all."""
    turns: int = 5
    pictures_a_turn: int = 320
    head_epochs: int = 10
    head_rounds: int = 3


QUICK = Scale((0,), epochs=1, reference_epochs=1, pictures=64, turns=1, pictures_a_turn=64, head_rounds=1)
"""To see that everything works; its figures mean nothing."""


@dataclass(frozen=True)
class Bench:
    """What the rows share."""

    data: Path
    """Folder of test data."""
    work: Path
    """Folder of what is finished."""
    scale: Scale

    @property
    def photos(self) -> Path:
        """The folder that is trained on."""
        return self.data / _FLOWERS

    def ours(self, model: str, seed: int, *, pretrained: bool = True) -> Outcome:
        """``hawklet train`` with its defaults."""
        return self._outcome(OURS, model, seed, pretrained, self.scale.epochs, None)

    def reference(self, seed: int, *, pretrained: bool = True, lr: float | None = None) -> Outcome:
        """The reference recipe for MobileNetV2; ``lr`` None: the better one."""
        if lr is None:
            lr = self.better_lr() if pretrained else self.rates()[1]
        return self._outcome(REFERENCE, _MOBILENET, seed, pretrained, self.scale.reference_epochs, lr)

    def rates(self) -> tuple[float, float]:
        """The recipe's learning rate as published for eight processes, and scaled to one."""
        published = recipe_of(_MOBILENET)
        return published.lr, published.for_one_process().lr

    def better_lr(self) -> float:
        """The one that takes the recipe further, on the first seed's test pictures."""
        return max(self.rates(), key=lambda lr: self.reference(self.scale.seeds[0], lr=lr).top1)

    def _outcome(
        self, who: str, model: str, seed: int, pretrained: bool, epochs: int | None, lr: float | None
    ) -> Outcome:
        task = Training(who, model, str(self.photos), seed, pretrained, epochs, lr, self.scale.pictures)
        return Outcome.from_plain(kept_result(_SCRIPTS[who], task, self.work / f"{task.name}.json"))


def accuracy(bench: Bench) -> Iterator[Figure]:
    """Both networks with our defaults, and the recipe on the same splits in between."""
    for model in (_MOBILENET, _LITE):
        published_weights(model)  # or the row is skipped
    mobilenet, reference, lite = [], [], []
    for seed in bench.scale.seeds:
        mobilenet.append(bench.ours(_MOBILENET, seed))
        reference.append(bench.reference(seed))
        lite.append(bench.ours(_LITE, seed))
    yield _accuracy("EfficientNet-Lite0, top-1 on test", lite, Goal(93, 95, True, " %"))
    yield _accuracy("MobileNetV2, top-1 on test", mobilenet, Goal(90, 92, True, " %"))
    epochs = bench.scale.reference_epochs
    yield _accuracy(f"MobileNetV2 by the reference recipe, {epochs} epochs, top-1 on test", reference, None)
    yield _load((*mobilenet, *reference, *lite))


def _accuracy(what: str, outcomes: Sequence[Outcome], goal: Goal | None) -> Figure:
    each = ", ".join(f"{outcome.top1:.1f}" for outcome in outcomes)
    minutes = ", ".join(f"{outcome.whole.wall / 60:.1f}" for outcome in outcomes)
    note = f"seeds {each}; {minutes} minutes; {outcomes[0].note}"
    return Figure(what, mean(outcome.top1 for outcome in outcomes), goal, "" if goal else " %", note)


def _load(outcomes: Sequence[Outcome]) -> Figure:
    return Figure("load of the machine when one of these trainings began, at most", max(o.load for o in outcomes))


def time_to_accuracy(bench: Bench) -> Iterator[Figure]:
    """When we reach what the recipe has come to after its epochs; from pretrained weights, then from random ones."""
    published_weights(_MOBILENET)
    seeds, gentle = bench.scale.seeds, bench.rates()[1] / _GENTLER
    ours = [bench.ours(_MOBILENET, seed) for seed in seeds]
    reference = [bench.reference(seed) for seed in seeds]
    gentler = [bench.reference(seed, lr=gentle) for seed in seeds]
    yield from _against_recipe(ours, reference)
    for lr in bench.rates():
        outcome = bench.reference(seeds[0], lr=lr)
        yield Figure(f"the recipe with lr {lr:g}, seed {seeds[0]}, top-1 on test", outcome.top1, unit=" %")
    yield _meeting(f"time to what the recipe comes to with lr {gentle:g}, ours / its own", ours, gentler, None)
    yield from _from_random(bench)
    yield _load((*ours, *reference, *gentler))


def _against_recipe(ours: Sequence[Outcome], reference: Sequence[Outcome]) -> Iterator[Figure]:
    yield _meeting("time to the recipe's accuracy, ours / its own", ours, reference, Goal(0.25, 0.10, False))
    target, whole, curve = _target(reference), mean_curve(reference)[-1].spent, mean_curve(ours)
    yield Figure("the same in CPU time", _ratio(first_time(curve, target), whole, cpu=True))
    lasting = lasting_time(curve, target)
    yield Figure("the same, not to be below it any more", _ratio(lasting, whole), note=_seconds(lasting))


def _meeting(what: str, ours: Sequence[Outcome], theirs: Sequence[Outcome], goal: Goal | None) -> Figure:
    target, whole = _target(theirs), mean_curve(theirs)[-1].spent
    first = first_time(mean_curve(ours), target)
    each = ", ".join(_seed_ratio(*pair) for pair in zip(ours, theirs, strict=True))
    note = f"{target:.1f} % of test; {_seconds(first)} and {whole.wall:.0f} s; each seed for itself {each}"
    return Figure(what, _ratio(first, whole), goal, note=note)


def _target(outcomes: Sequence[Outcome]) -> float:
    return mean(outcome.top1 for outcome in outcomes)


def _from_random(bench: Bench) -> Iterator[Figure]:
    seed = bench.scale.seeds[0]
    ours, reference = (bench.ours(_MOBILENET, seed, pretrained=False), bench.reference(seed, pretrained=False))
    first, whole = first_time(ours.curve, reference.top1), reference.curve[-1].spent
    note = f"seed {seed}; {reference.top1:.1f} % of test; {_seconds(first)} and {whole.wall:.0f} s"
    yield Figure("time to the recipe's accuracy, both from random weights", _ratio(first, whole), note=note)
    yield Figure("ours from random weights, in the end", ours.top1, unit=" %", note=_seconds(ours.whole))


def _seed_ratio(ours: Outcome, reference: Outcome) -> str:
    first = first_time(ours.curve, reference.top1)
    return "never" if first is None else f"{_ratio(first, reference.curve[-1].spent):.3f}"


def _ratio(ours: Spent | None, theirs: Spent, *, cpu: bool = False) -> float:
    if ours is None:
        return _NEVER
    return ours.cpu / theirs.cpu if cpu else ours.wall / theirs.wall


def _seconds(spent: Spent | None) -> str:
    return "never" if spent is None else f"{spent.wall:.0f} s"


_GOALS = {
    "mobilenet_v2": Goal(2.5, 3.2, True),
    "resnet18": Goal(1.6, 2.0, True),
    "mobilenet_v3_small": Goal(1.6, 2.0, True),
}


def speed(bench: Bench) -> Iterator[Figure]:
    """Pictures a second of both loops, network by network."""
    photos, pictures = str(bench.photos), bench.scale.pictures_a_turn
    for model, goal in _GOALS.items():
        contestants = {
            "recipe": (_SCRIPTS[REFERENCE], Epochs(REFERENCE, model, photos, pictures)),
            "light": (_SCRIPTS[OURS], Epochs(OURS, model, photos, pictures, "light")),
            "medium": (_SCRIPTS[OURS], Epochs(OURS, model, photos, pictures, "medium")),
        }
        turns = turns_of(contestants, bench.scale.turns, bench.work / f"speed-{model}.json")
        yield from _speed_figures(model, turns, goal)


def _speed_figures(model: str, turns: Turns, goal: Goal) -> Iterator[Figure]:
    ratio = ratio_interval([turns.wall["recipe"]], [turns.wall["light"]])
    rates = {name: turns.pictures / median(seconds) for name, seconds in turns.wall.items()}
    in_cpu = median(turns.cpu["recipe"]) / median(turns.cpu["light"])
    note = f"{rates['light']:.1f} and {rates['recipe']:.1f} images/s; {in_cpu:.2f} in CPU time"
    yield ratio_figure(f"{model}: images/s, ours with --augment light / the recipe", ratio, goal, note)
    note = f"{rates['medium']:.1f} images/s"
    yield Figure(f"{model}: the same with --augment medium", rates["medium"] / rates["recipe"], note=note)


def heads(bench: Bench) -> Iterator[Figure]:
    """Epochs of the head on features that are kept, and on such that are computed every time."""
    scale = bench.scale
    task = Heads(_MOBILENET, str(bench.photos), scale.head_epochs, scale.head_rounds, scale.pictures)
    kept = kept_result("training_heads.py", task, bench.work / f"head-{_MOBILENET}.json")
    wall, cpu = kept["wall"], kept["cpu"]
    ratio = ratio_interval([wall["cached"]], [wall["uncached"]])
    in_cpu = median(cpu["cached"]) / median(cpu["uncached"])
    note = f"{median(wall['cached']):.1f} and {median(wall['uncached']):.1f} s; {in_cpu:.3f} in CPU time"
    what = f"{scale.head_epochs} epochs of the head, cached / uncached"
    yield ratio_figure(what, ratio, Goal(0.20, 0.12, False), note)


ROWS: Mapping[int, Row[Bench]] = {
    1: Row("Accuracy on five kinds of flowers", accuracy, (_FLOWERS,)),
    2: Row("Time to the reference recipe's accuracy", time_to_accuracy, (_FLOWERS,)),
    3: Row("Speed of fine-tuning", speed, (_FLOWERS,)),
    4: Row("The head on cached features", heads, (_FLOWERS,)),
}
