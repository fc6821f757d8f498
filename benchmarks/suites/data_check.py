"""What ``hawklet data check`` takes, and what it finds of faults that were planted in real pictures."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hawklet.errors import HawkletError
from hawklet.images import read_image
from hawklet_trainer.data.checking import Checked, CheckOptions, check_photos
from planted_faults import Planted, plant, real_pictures
from suite_figures import Figure, Goal
from synthetic_photos import HEIGHT, WIDTH, write_photos

_SIZES = (10_000, 30_000, 100_000)
_SPEED = Goal(200, 500, True, " pictures/s")
_FLAT = Goal(8, 4, False, " kB")
_LINEAR = Goal(1.3, 1.1, False)
_FOUND, _FALSE = Goal(95, 99, True, " %"), Goal(1, 0.3, False, " %")
_FOUND_LABELS = Goal(60, 80, True, " %")
_REAL = 2000
_NO_COLOUR = 8
"""Levels that the channels of a grey picture differ by at most: what a JPEG encoder adds."""
FINDINGS = {
    "cut short": ("cut_short", "damaged"),
    "end lost": ("lost_end", "cut_short", "damaged"),
    "wrong suffix": ("wrong_suffix",),
    "EXIF wrong": ("exif_wrong",),
    "EXIF turned": ("exif_turned",),
    "grey": ("grey",),
    "dark": ("dark",),
    "over-exposed": ("over_exposed",),
    "blurred": ("blurred",),
    "equal file": ("equal_across_splits",),
    "encoded anew": ("near_across_splits",),
    "resized": ("near_across_splits",),
    "cropped": ("near_across_splits",),
    "brightened": ("near_across_splits",),
    "mirrored": ("turned_across_splits",),
    "label": ("label_errors",),
}
"""Fault -> findings that name it."""


def check_speed(work: Path) -> Iterator[Figure]:
    """Check drawn photos, some numbers of them, each in a process of its own."""
    seconds, mib = {}, {}
    for count in _SIZES:
        index = write_photos(work / "drawn", count)
        seconds[count], mib[count] = _in_own_process(index)
    few, _, many = _SIZES
    speed, slow = many / seconds[many], seconds[many] / seconds[few] * few / many
    each = ", ".join(f"{count:,}: {mib[count]:.0f} MiB, {seconds[count]:.0f} s" for count in _SIZES)
    yield Figure(
        f"JPEGs of {WIDTH} x {HEIGHT} checked on one core", speed, _SPEED, note=f"{seconds[many]:.0f} s of CPU"
    )
    yield Figure(f"CPU per picture, {many:,} pictures / {few:,}", slow, _LINEAR, note=each)
    grown = (mib[many] - mib[few]) * 1024 / (many - few)
    decoded = WIDTH * HEIGHT * 3 / 1000
    yield Figure("peak memory for each further picture", grown, _FLAT, note=f"decoded it has {decoded:.0f} kB")


def _in_own_process(index: Path) -> tuple[float, float]:
    """Seconds of CPU and the largest resident set, MiB, of a check without labels by one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, __file__, str(index)], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise HawkletError(f"checking {index} ended with exit code {done.returncode}: {done.stderr.strip()}")
    seconds, mib = done.stdout.split()
    return float(seconds), float(mib)


def _measure_here(index: Path) -> None:
    """What :func:`_in_own_process` reads. The kernel's own figure would begin with the memory of who started us."""
    check_photos(index, CheckOptions(labels=False, workers=1))
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    print(time.process_time(), kib / 1024)


def planted_faults(data: Path, work: Path, seed: int = 0) -> Iterator[Figure]:
    """Plant faults in 2,000 real pictures, and count what is found of them and what else is called so."""
    rows = real_pictures(data, work / "real", _REAL, seed)
    options = CheckOptions(labels=True, seed=seed)
    before = named(check_photos(Planted(rows).write(work / "before"), options))
    planted = plant(rows, work / "planted", seed)
    checked = check_photos(planted.write(work / "planted"), options)
    total, now = len(planted.rows), named(checked)
    for fault, paths in planted.by_fault.items():
        goal = _FOUND_LABELS if fault == "label" else _FOUND
        found = paths & called(now, fault)
        yield Figure(f"{fault}: found", 100 * len(found) / len(paths), goal, note=f"{len(found)} of {len(paths)}")
    for finding in sorted({name for names in FINDINGS.values() for name in names}):
        meant = {path for fault, paths in planted.by_fault.items() if finding in FINDINGS[fault] for path in paths}
        others = now.get(finding, set()) - meant - _originals(checked, finding, meant)
        right = {path for path in others if finding == "grey" and _is_grey(path)}
        wrong = others - right
        note = f"{len(wrong)} of {total}; {len(wrong & before.get(finding, set()))} of them before anything was planted"
        note += f"; {len(right)} more have no colour in any pixel" if right else ""
        yield Figure(f"{finding}: others that are called so", 100 * len(wrong) / total, _FALSE, note=note)


def _is_grey(path: Path) -> bool:
    """Whether a picture is grey pixel for pixel, as some of the real ones are."""
    pixels = read_image(path).astype(np.int16)
    return bool(np.quantile(pixels.max(axis=2) - pixels.min(axis=2), 0.99) <= _NO_COLOUR)


def named(checked: Checked) -> dict[str, set[Path]]:
    """Finding -> pictures that it is about."""
    places = checked.evidence.catalogue.places
    return {
        finding.rule.name: {places[position].path for position in finding.concerned()} for finding in checked.findings
    }


def called(by_finding: dict[str, set[Path]], fault: str) -> set[Path]:
    """Pictures that are called what they should be for having a fault."""
    return {path for finding in FINDINGS[fault] for path in by_finding.get(finding, set())}


def _originals(checked: Checked, finding: str, copies: set[Path]) -> set[Path]:
    """What planted copies are copies of, by the sets that they are found in."""
    places = checked.evidence.catalogue.places
    sets = [found.found.sets for found in checked.findings if found.rule.name == finding]
    return {
        places[position].path
        for of_finding in sets
        for members in of_finding
        if any(places[position].path in copies for position in members)
        for position in members
    }


if __name__ == "__main__":
    _measure_here(Path(sys.argv[1]))
