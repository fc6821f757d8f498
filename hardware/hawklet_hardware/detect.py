"""Which board is this? Read from the device tree, else from the processor's own description."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from hawklet_hardware.boards import profile_of

GENERIC = "generic"
"""``Board.id`` of a machine that no profile matches."""


@dataclass(frozen=True)
class Board:
    """The machine this runs on."""

    id: str
    """Of the matching profile, as ``raspberry-pi-5`` or ``x86-64``; else ``generic``."""
    name: str
    """As people say it: the profile's name, else the firmware's word, else the processor's."""
    model: str
    """As the firmware says it; empty where there is no device tree."""
    soc: str
    """System on chip as the device tree names it, as ``bcm2712``; else the processor's name."""
    architecture: str
    """As ``uname -m`` says it."""
    cores: int
    """Logical processors that are online."""
    ram_mb: int
    """Memory that the kernel manages, MiB."""
    virtual: bool
    """A hypervisor runs beneath: timings are then another's to disturb."""


def detect(root: str | os.PathLike[str] = "/", machine: str | None = None) -> Board:
    """Recognise the board.

    Args:
        root: Where ``proc`` and ``sys`` are found; another folder than ``/`` for tests.
        machine: As ``uname -m`` says it; None = ask.

    Raises:
        MissingDependencyError: Python 3.10 without ``tomli``, which reads the profiles there.
    """
    base = Path(root)
    model = _text(base / "proc/device-tree/model")
    cpuinfo = _text(base / "proc/cpuinfo")
    architecture = machine or platform.machine()
    profile = profile_of(model, architecture)
    processor = _cpuinfo_value(cpuinfo, "model name")
    soc = _soc(_text(base / "proc/device-tree/compatible")) or processor
    own_name = model or processor or architecture
    return Board(
        id=profile.id if profile else GENERIC,
        name=profile.name if profile and profile.match else own_name,
        model=model,
        soc=soc,
        architecture=architecture,
        cores=_cores(_text(base / "sys/devices/system/cpu/online")),
        ram_mb=_ram_mb(_text(base / "proc/meminfo")),
        virtual="hypervisor" in _cpuinfo_value(cpuinfo, "flags").split(),
    )


def has_matrix_tiles(root: str | os.PathLike[str] = "/") -> bool:
    """Whether this x86 processor multiplies whole tiles of int8 (Intel AMX); ``root`` as :func:`detect` has it."""
    return "amx_int8" in _cpuinfo_value(_text(Path(root) / "proc/cpuinfo"), "flags").split()


def _soc(compatible: str) -> str:
    # Most specific first, the chip last: "raspberrypi,5-model-b\0brcm,bcm2712\0".
    names = [name for name in compatible.split("\0") if name]
    return names[-1].partition(",")[2] or names[-1] if names else ""


def _cpuinfo_value(cpuinfo: str, key: str) -> str:
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _cores(online: str) -> int:
    """Length of a kernel CPU list such as ``0-3,6``; Python's own count where there is none."""
    try:
        bounds = [part.split("-") for part in online.strip().split(",")]
        return sum(int(bound[-1]) - int(bound[0]) + 1 for bound in bounds)
    except ValueError:
        return os.cpu_count() or 1


def _ram_mb(meminfo: str) -> int:
    value = _cpuinfo_value(meminfo, "MemTotal").removesuffix("kB").strip()
    return int(value) // 1024 if value.isdigit() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").rstrip("\0\n ")
    except OSError:
        return ""  # absent on this kind of machine
