"""What measuring candidates gives: their times, or why there are none, and under which conditions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from hawklet.errors import FlashError, UsageError
from hawklet.spec import ModelFormat, Pixels
from hawklet_hardware.sensors import Sensors, Throttle

Candidates = Mapping[str, tuple[ModelFormat, bytes]]
"""Name -> the format and the bytes of a model file."""

LONGEST_ROUNDS = 10_000
_OTHERS_PERCENT = 5.0
"""Share of the processor used by others from which on it is worth a warning."""


@dataclass(frozen=True)
class Latency:
    """What one inference of a candidate takes, from pixels in memory to the output vector."""

    cpu_ms: tuple[float, ...]
    """CPU time of the process with all its threads, one entry a round."""
    wall_ms: tuple[float, ...]
    """Elapsed time, one entry a round."""
    runtime: str
    """Library and version, as ``ai-edge-litert 2.3.0``."""
    accelerator: str
    """What executes the graph, as the engine says it: ``XNNPACK (CPU)``, ``CUDAExecutionProvider``."""
    in_turns: bool
    """False: its process died beside the others (of memory, mostly), so it was measured alone, after them."""

    @property
    def rounds(self) -> int:
        """How many times it was measured."""
        return len(self.cpu_ms)

    @property
    def median_cpu_ms(self) -> float:
        """Half the rounds took no more CPU time, milliseconds."""
        return median(self.cpu_ms)

    @property
    def median_wall_ms(self) -> float:
        """Half the rounds took no longer, milliseconds."""
        return median(self.wall_ms)

    @property
    def cpu_quartiles_ms(self) -> tuple[float, float]:
        """The middle half of the rounds lies between these, milliseconds of CPU time."""
        return _quartiles(self.cpu_ms)

    @property
    def wall_quartiles_ms(self) -> tuple[float, float]:
        """The middle half of the rounds lies between these, milliseconds."""
        return _quartiles(self.wall_ms)


@dataclass(frozen=True)
class Conditions:
    """Where and how it was measured."""

    board: str
    """As people say it, with its system."""
    profile: str | None
    """Id of the board's profile; None: it is of no known kind."""
    python: str
    engines: Mapping[str, str]
    """Format -> library and version."""
    threads: int
    before: Sensors
    after: Sensors
    others_percent: float
    """Share of all processor time that other programs used meanwhile."""
    services: tuple[str, ...] = ()
    """Scopes (``user``, ``system``) whose hawklet.service was active."""

    @property
    def throttled(self) -> tuple[str, ...]:
        """What held the board back while it was measured; empty: nothing that it tells of."""
        earlier = self.before.throttle.since_boot if self.before.throttle else ()
        moments = [moment.throttle for moment in (self.before, self.after) if moment.throttle]
        now = [flag for throttle in moments for flag in throttle.now]
        since = [flag for throttle in moments[1:] for flag in throttle.since_boot if flag not in earlier]
        return tuple(dict.fromkeys([*now, *since]))

    def warnings(self) -> Iterator[str]:
        """Why the numbers may be worth less, each with what to do about it."""
        for scope in self.services:
            command = "systemctl --user" if scope == "user" else "sudo systemctl"
            yield (
                f"hawklet.service ({scope}) runs on the board and competes for its processor, so the times are too "
                f"long; there: {command} stop hawklet, measure again, then {command} start hawklet"
            )
        if self.throttled:
            flags = ", ".join(self.throttled)
            yield f"the board was held back ({flags}); cool it, check its power supply, measure again"
        if self.others_percent > _OTHERS_PERCENT and not self.services:
            yield (
                f"other programs used {self.others_percent:.0f} % of the processor meanwhile; stop them and measure "
                "again, or compare CPU times"
            )
        if self.before.governor == "powersave":
            yield "the clock is held low (governor powersave); there: sudo cpupower frequency-set -g performance"

    def __str__(self) -> str:
        engines = ", ".join(self.engines.values())
        words = [self.board, engines, f"{self.threads} thread{'s' * (self.threads != 1)}"]
        if self.before.governor:
            words.append(f"governor {self.before.governor}")
        if self.before.hottest_c is not None and self.after.hottest_c is not None:
            words.append(f"{self.before.hottest_c:.0f} to {self.after.hottest_c:.0f} degrees Celsius")
        if self.before.throttle:
            words.append(f"throttled: {', '.join(self.throttled) or 'no'}")
        return "; ".join(words)


@dataclass(frozen=True)
class Measurement:
    """All of it. A candidate is in ``latencies`` or in ``refused``, never in both."""

    latencies: Mapping[str, Latency]
    refused: Mapping[str, str]
    """Candidate -> why it does not run there: the engine's own words, or how it killed its process."""
    conditions: Conditions


def check_request(candidates: Candidates, picture: Pixels, threads: int, rounds: int) -> None:
    """Refuse what cannot be measured.

    Raises:
        UsageError: no candidate, a picture of another type, or numbers out of range.
    """
    if not candidates:
        raise UsageError("measuring needs at least one candidate, got none")
    if picture.dtype != "uint8" or picture.ndim != 3:
        raise UsageError(f"the picture must be uint8 [H, W, C], got {picture.dtype} {list(picture.shape)}")
    if not 1 <= threads <= 1024 or not 2 <= rounds <= LONGEST_ROUNDS:
        raise UsageError(f"threads must be 1..1024 and rounds 2..{LONGEST_ROUNDS}, got {threads} and {rounds}")


def contents_by_digest(
    candidates: Candidates, picture: Pixels
) -> tuple[dict[str, bytes], dict[str, tuple[str, str]], str]:
    """The files of a measurement, named by their sha256, so that equal ones are sent once.

    Returns:
        Digest -> content; candidate -> format and digest; the picture's digest, which is of its raw bytes.
    """
    digests = {name: hashlib.sha256(content).hexdigest() for name, (_, content) in candidates.items()}
    contents = {digests[name]: content for name, (_, content) in candidates.items()}
    pixels = picture.tobytes()
    of_picture = hashlib.sha256(pixels).hexdigest()
    files = {name: (model_format.value, digests[name]) for name, (model_format, _) in candidates.items()}
    return {**contents, of_picture: pixels}, files, of_picture


def measurement_from(
    report: Mapping[str, Any], *, board: str, profile: str | None, threads: int, services: tuple[str, ...] = ()
) -> Measurement:
    """What the board's half reported.

    Raises:
        FlashError: it is nothing of the kind.
    """
    try:
        latencies = {str(name): _latency(data) for name, data in report["latencies"].items()}
        refused = {str(name): str(reason) for name, reason in report["refused"].items()}
        conditions = Conditions(
            board=board,
            profile=profile,
            python=str(report["python"]),
            engines={str(name): str(version) for name, version in report["engines"].items()},
            threads=threads,
            before=_sensors(report["before"]),
            after=_sensors(report["after"]),
            others_percent=float(report["others_percent"]),
            services=services,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FlashError(
            f"the board's half must report times and conditions, this report has none: {error!r}"
        ) from error
    return Measurement(latencies, refused, conditions)


def _latency(data: Mapping[str, Any]) -> Latency:
    return Latency(
        tuple(float(ms) for ms in data["cpu_ms"]),
        tuple(float(ms) for ms in data["wall_ms"]),
        str(data["runtime"]),
        str(data["accelerator"]),
        bool(data["in_turns"]),
    )


def _sensors(data: Mapping[str, Any]) -> Sensors:
    throttle = data["throttle"]
    return Sensors(
        dict(data["temperatures_c"]),
        dict(data["clocks_mhz"]),
        str(data["governor"]),
        Throttle(tuple(throttle["now"]), tuple(throttle["since_boot"]), str(throttle["source"])) if throttle else None,
    )


def _quartiles(values: tuple[float, ...]) -> tuple[float, float]:
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high
