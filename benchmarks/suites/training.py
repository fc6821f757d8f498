"""What training is worth: accuracy, time to an accuracy, and speed, against torchvision's reference recipe.

Run: ``python benchmarks/suites/training.py --work FOLDER [--rows 1,3] [--data FOLDER] [-o FILE] [--page FILE]``

Every training that is finished is kept in the work folder; remove it there to have it measured anew. Rows whose data or
weights are absent are skipped, saying so. Ends with exit code 1 when a required figure is missed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from suite_figures import Page
from suite_rows import parser_of, run_rows
from training_process import THREADS
from training_rows import QUICK, ROWS, Bench, Scale

PAGE = Page(
    "hawklet-training/1",
    (
        "# Training: the measured figures",
        "",
        "Written by `make benchmark-training`, kept exactly as measured: what was missed is here too. *must* is",
        "what this project requires of itself, *aim* what it would like; the last column says which is reached.",
        "",
        "- Photos: five kinds of flowers, 700 to learn from, of which each seed makes another 105 val, and 250 test",
        "  pictures, which decide nothing. All are 224 x 224 and some are labelled wrongly. One test picture is 0.4",
        "  points; the standard error of one seed's accuracy is about 2 points.",
        "- Ours is `hawklet train` with its defaults. The minutes are of its whole process, report included.",
        "- The peer is the recipe of torchvision's `references/classification`, written in our own words, as its",
        "  README has it for MobileNetV2: SGD, momentum 0.9, weight decay 4e-5, the learning rate times 0.98 after",
        "  every epoch, batches of 32, random resized crops and mirror images of pictures that two processes decode",
        "  by Pillow in every epoch, float32 in torch's own memory layout. The README's learning rate, 0.045, is",
        "  for eight processes, and it says to scale it for other numbers: 0.045 / 8 for the one here. Both were",
        "  measured; the one that is better for the recipe counts. Both are meant for random weights, so a tenth",
        "  of the scaled one is measured too, which the README does not say.",
        "- Its script cannot start from pretrained weights of another number of classes. So the peer starts as its",
        "  users do, from the pretrained network with a new last layer; the pretrained weights are the same as",
        "  ours. What comes of random weights is measured too. Its log, its two checkpoints an epoch and its top-5",
        "  accuracy, which only cost it time, are left out.",
        "- Time is on the wall and from the start of a process on: imports, checking pictures, trials of speed, the",
        "  head, reading, judging on val after every epoch, writing. Measuring on test is left out for both. Where",
        "  the recipe is after its epochs is the mean of its seeds; when we are there, that of the mean of our",
        "  curves, of the weights that would be kept at that moment.",
        "- Both are measured on the same pixels in float32, each with its own normalization.",
        "- Images a second: epochs of 320 pictures in turns, each loop in a process of its own that waits while",
        "  others train, the median of five. From the start of an epoch until its last step: reading, augmenting,",
        "  the step, the running average, clipping. Networks have random weights, batch norms learn in both. The",
        "  recipe reads each JPEG anew, ours keeps decoded pixels. `light`, the default, does what the recipe does,",
        "  and a little of brightness, contrast and saturation.",
        "- ResNet18 and MobileNetV3 get the script's plain SGD and augmentation, not the README's RMSprop and",
        "  AutoAugment for MobileNetV3, which are slower.",
        "- The head without the cache: the same steps on the same pictures, the frozen network running over every",
        "  batch.",
        f"- {THREADS} threads for all; `hawklet train` has waiting threads sleep, the recipe has them wait as torch",
        "  does.",
    ),
)


def main() -> int:
    """Measure, print, keep, and say by the exit code whether every required figure is reached."""
    parser = parser_of(__doc__, ROWS)
    parser.add_argument("--work", type=Path, required=True, help="folder of runs and of what is finished")
    parser.add_argument("--quick", action="store_true", help="see in minutes that everything works; measures nothing")
    arguments = parser.parse_args()
    if arguments.quick and (arguments.output or arguments.page):
        parser.error("--quick measures nothing that may be kept; leave -o and --page out")
    scale = QUICK if arguments.quick else Scale()
    work = arguments.work / "quick" if arguments.quick else arguments.work
    return run_rows(arguments, PAGE, ROWS, Bench(arguments.data, work, scale))


if __name__ == "__main__":
    sys.exit(main())
