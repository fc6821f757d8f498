"""What the converter's int8 files are worth: agreement, latency, sizes, and what making them takes.

Run: ``python benchmarks/suites/quantization.py [--rows 1,5] [--data FOLDER] [-o FILE.json] [--page FILE.md]``

Rows whose data or weights are absent are skipped, saying so. Ends with exit code 1 when a required figure is missed.
"""

from __future__ import annotations

import sys

from hawklet_trainer.threads import one_thread
from quantization_rows import ROWS, Bench
from suite_figures import Page
from suite_rows import parser_of, run_rows

PAGE = Page(
    "hawklet-quantization/1",
    (
        "# Quantization: the measured figures",
        "",
        "Written by `make benchmark-quantization`, kept exactly as measured: what was missed is here too. *must* is",
        "what this project requires of itself, *aim* what it would like; the last column says which is reached.",
        "",
        "- Pictures: 500, one of every second ImageNet class; every fifth calibrates, the other 400 are measured. They",
        "  are probably training pictures of the networks, so agreement with the float file is the figure; a top-1 on",
        "  them is no validation accuracy. One picture is 0.25 %.",
        "- Latency: CPU time of the bare inference, 1 thread, contestants taking turns: the ratio of medians, its 95 %",
        "  interval, and both medians. The files are those of a bundle: `uint8` pixels in, `float32` logits out.",
        "- The libraries' own ways to int8 get the network as it was published, with its own normalization, and are",
        "  judged by its own float answers.",
        "- Wall times are of a machine that others use as well (see the load of each row), so they are pessimistic.",
    ),
)


def main() -> int:
    """Measure, print, keep, and say by the exit code whether every required figure is reached."""
    parser = parser_of(__doc__, ROWS)
    parser.add_argument("--rounds", type=int, default=40, help="of latency measurements")
    arguments = parser.parse_args()
    return run_rows(arguments, PAGE, ROWS, Bench(arguments.data, arguments.rounds), one_thread)


if __name__ == "__main__":
    sys.exit(main())
