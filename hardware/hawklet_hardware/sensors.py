"""How hot, how fast and how throttled the board is at this moment.

Everything is read from sysfs, except the Raspberry Pi's throttle flags, which its firmware tells ``vcgencmd``. What a
board does not tell is None or empty, never guessed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# Bits of `vcgencmd get_throttled`: https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
_PI_FLAGS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
_PI_SINCE_BOOT = 16  # the same four flags, this many bits higher: has happened since boot
_PI_SYSFS = "sys/devices/platform/soc/soc:firmware/get_throttled"
_VCGENCMD_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Throttle:
    """Whether the board slowed itself down."""

    now: tuple[str, ...]
    """What slows it at this moment; empty = nothing."""
    since_boot: tuple[str, ...]
    """What slowed it at any time since it started."""
    source: str
    """Who says so: ``vcgencmd``, ``firmware``, ``cooling devices`` or ``thermal_throttle``."""


@dataclass(frozen=True)
class Sensors:
    """One reading of all sensors."""

    temperatures_c: Mapping[str, float]
    """Zone's name -> degrees Celsius."""
    clocks_mhz: Mapping[str, float]
    """Frequency policy (or ``cpuN``) -> present clock, MHz."""
    governor: str
    """Frequency governor; several, when the clusters differ, with commas; empty = the kernel does not say."""
    throttle: Throttle | None
    """None: this board does not say."""

    @property
    def hottest_c(self) -> float | None:
        """The highest temperature, degrees Celsius."""
        return max(self.temperatures_c.values(), default=None)


def read_sensors(root: str | os.PathLike[str] = "/", path: str | None = None) -> Sensors:
    """Read all sensors once.

    Args:
        root: Where ``sys`` and ``proc`` are found; another folder than ``/`` for tests.
        path: Search path for ``vcgencmd``; None = the environment's ``PATH``.
    """
    base = Path(root)
    policies = sorted((base / "sys/devices/system/cpu/cpufreq").glob("policy*"))
    governors = {_text(policy / "scaling_governor") for policy in policies} - {""}
    return Sensors(
        temperatures_c=_temperatures(base),
        clocks_mhz=dict(_clocks(base, policies)),
        governor=",".join(sorted(governors)),
        throttle=_throttle(base, path),
    )


def decode_pi_throttle(flags: int, source: str = "vcgencmd") -> Throttle:
    """What the bits of ``vcgencmd get_throttled`` mean."""
    return Throttle(
        now=tuple(name for bit, name in _PI_FLAGS.items() if flags >> bit & 1),
        since_boot=tuple(name for bit, name in _PI_FLAGS.items() if flags >> (bit + _PI_SINCE_BOOT) & 1),
        source=source,
    )


def _temperatures(base: Path) -> dict[str, float]:
    """Of zones with the same name the hottest."""
    found: dict[str, float] = {}
    for name, degrees in _zones(base):
        found[name] = max(degrees, found.get(name, degrees))
    return found


def _zones(base: Path) -> Iterator[tuple[str, float]]:
    for zone in sorted((base / "sys/class/thermal").glob("thermal_zone*")):
        # A zone whose sensor is powered down (Jetson's idle engines) fails to read or answers with nonsense.
        millidegrees = _number(zone / "temp")
        if millidegrees is not None and -40_000 < millidegrees < 200_000:
            name = _text(zone / "type") or zone.name
            yield name, millidegrees / 1000


def _clocks(base: Path, policies: list[Path]) -> Iterator[tuple[str, float]]:
    for policy in policies:
        kilohertz = _number(policy / "scaling_cur_freq")
        if kilohertz is not None:
            yield policy.name, kilohertz / 1000
    if not policies:
        # Virtual machines and containers have no cpufreq; x86 kernels print the clock here.
        lines = _text(base / "proc/cpuinfo").splitlines()
        clocks = [line.partition(":")[2].strip() for line in lines if line.startswith("cpu MHz")]
        yield from ((f"cpu{index}", float(value)) for index, value in enumerate(clocks))


def _throttle(base: Path, path: str | None) -> Throttle | None:
    return _from_vcgencmd(path) or _from_pi_firmware(base) or _from_cooling(base) or _from_intel(base)


def _from_vcgencmd(path: str | None) -> Throttle | None:
    program = shutil.which("vcgencmd", path=path)
    if program is None:
        return None
    try:
        answer = subprocess.run(
            [program, "get_throttled"], capture_output=True, text=True, timeout=_VCGENCMD_TIMEOUT_S, check=True
        ).stdout
        return decode_pi_throttle(int(answer.strip().removeprefix("throttled="), 16))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None  # present but without access to the firmware: not in group video, or inside a container


def _from_pi_firmware(base: Path) -> Throttle | None:
    text = _text(base / _PI_SYSFS)
    try:
        return decode_pi_throttle(int(text, 16), "firmware") if text else None
    except ValueError:
        return None


def _from_cooling(base: Path) -> Throttle | None:
    """Passive cooling of processors: a state above 0 means that the kernel holds clocks down (Jetson and others)."""
    active, seen = [], False
    for device in sorted((base / "sys/class/thermal").glob("cooling_device*")):
        kind = _text(device / "type")
        if "cpufreq" not in kind and "devfreq" not in kind and kind != "Processor":
            continue
        seen = True
        if (_number(device / "cur_state") or 0) > 0:
            active.append(f"{kind} held down")
    return Throttle(tuple(dict.fromkeys(active)), (), "cooling devices") if seen else None


def _from_intel(base: Path) -> Throttle | None:
    counters = sorted((base / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))
    counts = [count for counter in counters if (count := _number(counter)) is not None]
    if not counts:
        return None
    times = int(sum(counts))  # told, so that two readings show whether it happened between them
    return Throttle((), (f"throttled {times} times",) if times else (), "thermal_throttle")


def _number(path: Path) -> float | None:
    try:
        return float(_text(path))
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""  # absent, or a sensor that is powered down
