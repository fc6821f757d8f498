"""Under which conditions a number was measured: without them it is only a rumour.

Nothing here names a host, a user or a path.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from hawklet_hardware.detect import detect
from hawklet_hardware.sensors import Throttle, read_sensors

_LIBRARIES = ("numpy", "pillow", "ai-edge-litert", "tflite-runtime", "tensorflow", "onnxruntime", "onnxruntime-gpu")


@dataclass(frozen=True)
class Machine:
    """What does not change while a measurement runs."""

    board: str
    """Profile id, as ``raspberry-pi-5``; ``generic`` elsewhere."""
    board_name: str
    soc: str
    architecture: str
    cores: int
    """Logical processors online."""
    ram_mb: int
    virtual: bool
    """A hypervisor runs beneath."""
    os: str
    """As ``/etc/os-release`` calls it."""
    kernel: str
    python: str
    libraries: Mapping[str, str]
    """Distribution -> version, of those that take part."""
    affinity: tuple[int, ...]
    """CPUs that this process may run on."""


@dataclass(frozen=True)
class Moment:
    """What changes: read before and after the measurement."""

    time: str
    """UTC, ISO 8601."""
    temperatures_c: Mapping[str, float]
    clocks_mhz: Mapping[str, float]
    governor: str
    """Empty: the kernel does not say."""
    throttle: Throttle | None
    """None: the board does not say."""
    load_1min: float
    """Mean number of runnable processes."""
    pressure_cpu_percent: float | None
    """PSI: share of the last 10 s in which some task waited for a CPU, percent; None: the kernel does not say."""
    cpu_ticks: int
    """Jiffies of all CPUs since boot, all states."""
    steal_ticks: int
    """Those that the hypervisor gave to others."""


def read_machine(root: str | os.PathLike[str] = "/") -> Machine:
    """Describe this machine; ``root`` is where ``proc``, ``sys`` and ``etc`` are found, another folder for tests."""
    board = detect(root)
    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(board.cores)
    return Machine(
        board=board.id,
        board_name=board.name,
        soc=board.soc,
        architecture=board.architecture,
        cores=board.cores,
        ram_mb=board.ram_mb,
        virtual=board.virtual,
        os=_os_name(Path(root)),
        kernel=platform.release(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        libraries=dict(_versions()),
        affinity=tuple(sorted(affinity)),
    )


def read_moment(root: str | os.PathLike[str] = "/", path: str | None = None) -> Moment:
    """Read what changes, once; ``root`` and ``path`` as for :func:`hawklet_hardware.sensors.read_sensors`."""
    base = Path(root)
    sensors = read_sensors(root, path)
    ticks = _cpu_ticks(base)
    return Moment(
        time=datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        temperatures_c=sensors.temperatures_c,
        clocks_mhz=sensors.clocks_mhz,
        governor=sensors.governor,
        throttle=sensors.throttle,
        load_1min=_first_number(_text(base / "proc/loadavg")),
        pressure_cpu_percent=_pressure(base),
        cpu_ticks=sum(ticks),
        steal_ticks=ticks[7] if len(ticks) > 7 else 0,
    )


def steal_percent(before: Moment, after: Moment) -> float:
    """Share of CPU time that the hypervisor gave to others between two moments, percent."""
    ticks = after.cpu_ticks - before.cpu_ticks
    return 100 * (after.steal_ticks - before.steal_ticks) / ticks if ticks > 0 else 0.0


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in _LIBRARIES:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _os_name(base: Path) -> str:
    for line in _text(base / "etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"' ")
    return platform.system()


def _cpu_ticks(base: Path) -> list[int]:
    first = _text(base / "proc/stat").partition("\n")[0].split()
    # user nice system idle iowait irq softirq steal; guest times are contained in user and must not count twice.
    return [int(value) for value in first[1:9]] if first[:1] == ["cpu"] else []


def _pressure(base: Path) -> float | None:
    for field in _text(base / "proc/pressure/cpu").partition("\n")[0].split():
        if field.startswith("avg10="):
            return float(field.removeprefix("avg10="))
    return None


def _first_number(text: str) -> float:
    return float(text.split()[0]) if text.split() else 0.0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # another system, or a kernel without it
