"""What pruning keeps, cuts and costs, against networks of the same latency that nobody had to prune.

Run: ``python benchmarks/suites/pruning.py --work FOLDER [--rows 1,2] [--data FOLDER] [-o FILE.json] [--page FILE.md]``

Every seed that is finished is kept in the work folder. A row whose data is absent is skipped, saying so. Ends with exit
code 1 when a required figure is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from hawklet.errors import HawkletError
from hawklet_benchmarks.conditions import read_moment
from pruning_cases import CASES, SEEDS, Case, Outcome, outcome_of
from suite_figures import Figure, Goal, Page, Results, record_row, table_of

PAGE = Page(
    "hawklet-pruning/1",
    (
        "# Pruning: the measured figures",
        "",
        "Written by `make benchmark-pruning`, kept exactly as measured: what was missed is here too. *must* is what",
        "this project requires of itself, *aim* what it would like; the last column says which is reached.",
        "",
        "- Seeds are of the split where the data has none, of training, and of pruning. Means; each seed in brackets.",
        "- Accuracy: int8 TFLite files, top-1 on the test pictures, which decide nothing before. Of the flowers there",
        "  are 250, so one is 0.4 points, and the standard error of a difference about 2 points a seed.",
        "- Latency: CPU time of the int8 TFLite file, 1 thread, in turns with that of the unpruned network.",
        "- The baselines got the training time of the pruned network, its teacher and its loop. The unpruned network",
        "  at a smaller input began with its trained weights, the narrower one with random ones: none are published.",
        "- ResNet18 was trained from random weights on the cards of `hawklet demo`, since its published ones were out",
        "  of reach. MobileNetV2 began with those of torchvision.",
        "- Wall times are of a machine that others use as well, so they are pessimistic.",
    ),
)
_EVERY = Goal(0, 0, False)


def main() -> int:
    """Measure, print, keep, and say by the exit code whether every required figure is reached."""
    arguments = _parse()
    results, missed = Results(PAGE, arguments.output, arguments.page), False
    for number in arguments.rows:
        case = CASES[number]
        print(f"\n{number}. {case.title}", flush=True)
        if case.needs and not (arguments.data / case.needs).is_dir():
            print(f"skipped: {arguments.data} has no {case.needs}")
            continue
        before, start = read_moment(), time.monotonic()
        try:
            outcomes = [outcome_of(case, arguments.data, arguments.work, seed) for seed in arguments.seeds]
        except HawkletError as error:
            print(f"pruning: {error}", file=sys.stderr)
            return error.exit_code
        figures = _figures(case, outcomes)
        print(table_of(figures), flush=True)
        title = f"{case.title}; seeds {', '.join(map(str, arguments.seeds))}"
        results.put(number, record_row(title, figures, before, time.monotonic() - start))
        missed |= any(figure.verdict == "MISSED" for figure in figures)
    return 1 if missed else 0


def _figures(case: Case, outcomes: Sequence[Outcome]) -> list[Figure]:
    promised = 100 * case.cut
    least, most = Goal(promised - 2, promised - 2, True, " %"), Goal(promised + 5, promised + 5, False, " %")
    cuts = [100 * outcome.cuts["int8-tflite"] for outcome in outcomes]
    onnx = [100 * outcome.cuts["int8-onnx"] for outcome in outcomes]
    flowers = case.needs is not None
    against = Goal(-1.0, 0.0, True, " points") if case.name == "resnet18" else Goal(-0.5, 0.5, True, " points")
    per_mac = [outcome.cuts["int8-tflite"] / outcome.macs_cut for outcome in outcomes]
    return [
        Figure("int8 TFLite latency cut, least of the seeds", min(cuts), least, note=_each(cuts, " %")),
        Figure("int8 TFLite latency cut, most of the seeds", max(cuts), most, note=_each(cuts, " %")),
        Figure(
            "int8 ONNX latency cut, least of the seeds", min(onnx), Goal(0.1, 0.1, True, " %"), note=_each(onnx, " %")
        ),
        _mean(
            "int8 accuracy minus the unpruned int8 network's",
            [outcome.against_unpruned for outcome in outcomes],
            Goal(-1.5, -0.5, True, " points"),
            f"{_each([o.pruned for o in outcomes], ' %')} against {_each([o.unpruned for o in outcomes], ' %')}",
        ),
        _mean("the same minus the better baseline", [outcome.against_rivals for outcome in outcomes], against),
        *_rival_figures(outcomes),
        _mean("latency cut / MAC cut", per_mac, Goal(0.6, 0.75, True)),
        Figure("layers with channels that are no multiple of 8", sum(o.odd_widths for o in outcomes), _EVERY),
        Figure(
            "wall time, trained run to bundle, longest of the seeds",
            max(outcome.minutes for outcome in outcomes),
            Goal(25, 12, False, " min") if flowers else None,
            unit=" min",
            note=_each([outcome.minutes for outcome in outcomes], " min"),
        ),
    ]


def _rival_figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    kinds = sorted({kind for outcome in outcomes for kind in outcome.rivals})
    return [
        _mean(
            f"baseline: {kind}, accuracy",
            [outcome.rivals[kind][0] for outcome in outcomes],
            None,
            f"latency {_each([outcome.rivals[kind][1] for outcome in outcomes], '', 2)} of the pruned network's",
            unit=" %",
        )
        for kind in kinds
    ]


def _mean(what: str, values: Sequence[float], goal: Goal | None, note: str = "", *, unit: str = "") -> Figure:
    places = 2 if goal is not None and not goal.unit else 1
    return Figure(what, mean(values), goal, unit, "; ".join(part for part in (_each(values, "", places), note) if part))


def _each(values: Sequence[float], unit: str, places: int = 1) -> str:
    return ", ".join(f"{value:.{places}f}" for value in values) + unit


def _parse() -> argparse.Namespace:
    rows = "\n".join(f"  {number}  {case.title}" for number, case in CASES.items())
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n\n")[0],
        epilog=f"rows:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=_numbers, default=list(CASES), metavar="1,2", help="which rows; default: all")
    parser.add_argument(
        "--seeds", type=_numbers, default=list(SEEDS), metavar="0,1,2", help="which seeds; default: three"
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of test data")
    parser.add_argument("--work", type=Path, required=True, help="folder for runs and finished seeds")
    parser.add_argument("-o", "--output", type=Path, help="keep the figures in this JSON file, row by row")
    parser.add_argument("--page", type=Path, help="write the kept figures as this Markdown page")
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
