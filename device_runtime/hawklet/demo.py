"""The whole chain on one machine: cards drawn, trained on, quantized, measured, and watched live.

Each step after the drawing is a command that a user would type; it is printed before it runs, so that it can be
repeated with other photos. The steps meet on files only, and so does the summary, which reads nothing else.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hawklet import demo_table
from hawklet.cards import CARDS, CLASSES, PhotoSet, print_sheet, write_photo_set
from hawklet.errors import DataError, HawkletError, UsageError

Say = Callable[[str], None]
Command = tuple[str, ...]
"""The words of one command, without the leading ``hawklet``."""
Call = Callable[[Command], int]

_MARKER = ".hawklet-demo"
"""Name of the file that says that a folder is the demo's, and may be cleared by it."""

VARIANTS = ("float32-tflite", "int8-tflite", "int8-onnx")
"""The models of the bundle that are measured; the first is the baseline of the comparison."""


@dataclass(frozen=True)
class DemoArgs:
    """What ``hawklet demo`` may be told."""

    out: Path = Path("demo")
    """Folder for everything the demo makes."""
    seed: int = 0
    """Decides the photos, the split and the training; the live cards are drawn with another seed."""
    per_class: int = 160
    """Photos of each card, and of no card."""
    shown: int = 20
    """Cards shown to the live model."""

    def __post_init__(self) -> None:
        if self.per_class < 20:
            raise UsageError(f"the demo needs 20 photos per class to split, got {self.per_class}; set --per-class 160")
        if self.seed < 0:
            raise UsageError(f"a seed must be 0 or more, got {self.seed}; set --seed 0")
        if not 1 <= self.shown <= 1000:
            raise UsageError(f"the demo shows 1 to 1000 cards live, got {self.shown}; set --shown 20")

    @property
    def photos(self) -> Path:
        return self.out / "photos"

    @property
    def run(self) -> Path:
        return self.out / "cards"

    @property
    def bundle(self) -> Path:
        return self.out / "cards.hawklet"

    @property
    def report(self) -> Path:
        return self.out / "report.html"

    @property
    def live(self) -> Path:
        return self.out / "live.jsonl"

    def result(self, variant: str) -> Path:
        return self.out / f"{variant}.json"


@dataclass(frozen=True)
class _Step:
    title: str
    commands: tuple[Command, ...]


def _steps(args: DemoArgs) -> tuple[_Step, ...]:
    bundle = str(args.bundle)
    camera = f"synthetic://cards?seed={args.seed + 1000}&seconds=2.5&shown={args.shown}"
    return (
        _Step("fine-tune MobileNetV2 from ImageNet weights", (_train(args),)),
        _Step("prune, quantize to int8, verify, bundle", (_convert(args),)),
        _Step(
            "benchmark float32 against int8",
            (
                *(("bench", bundle, "--variant", name, "-o", str(args.result(name))) for name in VARIANTS),
                ("compare", *(str(args.result(name)) for name in VARIANTS), "--html", str(args.report)),
            ),
        ),
        _Step(
            f"classify {args.shown} cards live, shown by a synthetic camera",
            (("run", bundle, "--source", camera, "--jsonl", str(args.live)),),
        ),
    )


def _train(args: DemoArgs) -> Command:
    # No flips: they would turn a left arrow into a right one. Nothing cropped away: a card may be near the edge.
    varied = ("--no-flip", "--augment", "light", "--crop-fraction", "1.0")
    long = ("--head-epochs", "30", "--epochs", "4", "--batch", "16")
    place = ("--seed", str(args.seed), "--out", str(args.out), "--name", args.run.name)
    return ("train", str(args.photos), "--model", "mobilenet_v2", *varied, *long, *place)


def _convert(args: DemoArgs) -> Command:
    pruned = ("--prune", "0.3", "--prune-epochs", "4", "--no-baselines")
    return ("convert", str(args.run), *pruned, "--max-drop", "2.0", "--seed", str(args.seed), "-o", str(args.bundle))


def call_hawklet(command: Command) -> int:
    """Run one hawklet command as a process of its own and return its exit code.

    It writes to our own terminal, so that its progress shows as if it had been typed.
    """
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "hawklet", *command], check=False).returncode


def run_demo(args: DemoArgs, say: Say, call: Call = call_hawklet) -> None:
    """Run the chain and end with a table; everything is written under ``args.out``.

    Args:
        args: What to do.
        say: Prints one line.
        call: Runs one hawklet command and returns its exit code.

    Raises:
        HawkletError: a step failed; the message names the command to repeat.
        DataError: the folder holds something that no demo made.
    """
    started = time.monotonic()
    steps = _steps(args)
    _clear(args)
    say(f"step 1 of {len(steps) + 1}: draw {args.per_class} photos of each of {len(CARDS)} cards, and of none")
    _draw(args, say)
    for number, step in enumerate(steps, 2):
        begun = time.monotonic()
        say(f"\nstep {number} of {len(steps) + 1}: {step.title}")
        for command in step.commands:
            _repeatable(command, say, call)
        say(f"-- {_spell(time.monotonic() - begun)}; {_spell(time.monotonic() - started)} since the start")
    _conclude(args, say)
    say(f"\nthe whole chain took {_spell(time.monotonic() - started)}")


def _clear(args: DemoArgs) -> None:
    """Claim the folder, and remove what an earlier demo left but the photos, so that the table never mixes two."""
    marker = args.out / _MARKER
    if args.out.exists() and not marker.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise DataError(
            f"the demo needs a folder of its own, and {args.out} holds something else; choose another with --out"
        )
    args.out.mkdir(parents=True, exist_ok=True)
    marker.touch()
    shutil.rmtree(args.run, ignore_errors=True)
    for path in (args.bundle, args.report, args.live, *map(args.result, VARIANTS)):
        path.unlink(missing_ok=True)


def _draw(args: DemoArgs, say: Say) -> None:
    begun = time.monotonic()
    print_sheet(args.out / "cards.pdf")
    photos = PhotoSet(args.per_class, args.seed)
    drawn = write_photo_set(args.photos, photos, workers=os.cpu_count() or 1, progress=_reporter(say))
    if not drawn:
        say(f"   {args.photos} is there already")
    say(f"-- {_spell(time.monotonic() - begun)}; {args.per_class * len(CLASSES)} photos in {args.photos}")


def _reporter(say: Say) -> Callable[[int, int], None]:
    """Report every tenth of the way: often enough for a terminal, seldom enough for a log."""

    def report(done: int, total: int) -> None:
        tenth = max(1, total // 10)
        if done % tenth == 0 and done:
            say(f"   {done:5d} of {total} photos")

    return report


def _repeatable(command: Command, say: Say, call: Call) -> None:
    say("$ hawklet " + " ".join(_quoted(word) for word in command))
    code = call(command)
    if code != 0:
        raise HawkletError(
            f"every step of the demo must succeed, and 'hawklet {command[0]}' ended with exit code {code} "
            "(its message is above); once that is mended, run the demo again, or that command alone"
        )


def _conclude(args: DemoArgs, say: Say) -> None:
    columns = demo_table.read_columns(args.bundle, {name: args.result(name) for name in VARIANTS})
    say("")
    for line in demo_table.lay_out(columns, demo_table.read_live(args.live)):
        say(line)
    say(f"""
report   {args.report.resolve()}
bundle   {args.bundle.resolve()}
cards    {(args.out / "cards.pdf").resolve()} (print them and hold them before a camera)

next, put it on a real Raspberry Pi, where the golden frames are replayed and it starts at the camera:
  {_program()} flash {_quoted(str(args.bundle))} pi@raspberrypi.local""")


def _program() -> str:
    """How the user calls us: by name, or by path where the environment is not activated."""
    beside = Path(sys.executable).with_name("hawklet")
    found = shutil.which("hawklet")
    if not beside.exists() or (found and Path(found).resolve() == beside.resolve()):
        return "hawklet"
    return _quoted(os.path.relpath(beside))


def _quoted(word: str) -> str:
    return shlex.quote(word)


def _spell(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
