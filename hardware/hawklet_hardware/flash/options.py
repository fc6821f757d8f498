"""What the user asked of a flash, one record per concern."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hawklet.errors import UsageError
from hawklet.spec import ModelFormat

DEFAULT_PREFIX = ".local/share/hawklet"
"""Under the home folder of the account on the board."""
LONGEST_WATCH_S = 3600.0


class ServiceChoice(str, Enum):
    """Which systemd unit keeps the model running."""

    AUTO = "auto"
    """The system's for root, else the user's; none, and said so, where systemd does not run."""
    USER = "user"
    SYSTEM = "system"
    NONE = "none"


@dataclass(frozen=True)
class EnvironmentOptions:
    """How hawklet itself gets onto the board."""

    engine: ModelFormat | None = None
    """None = what suits the board and the bundle."""
    wheel: Path | None = None
    """None = built from the checkout, or fetched in this version."""
    wheelhouse: Path | None = None
    """Folder of wheels that is shipped along; the board then fetches nothing."""
    python: str | None = None
    """An interpreter on the board that has hawklet and an engine already; then no environment is made."""

    def __post_init__(self) -> None:
        if self.python and (self.wheel or self.wheelhouse):
            raise UsageError("--python uses an interpreter as it is, so --wheel and --wheelhouse have no use with it")
        if self.python and not self.python.startswith("/"):
            raise UsageError(f"--python must be an absolute path on the board, got {self.python}")
        if self.wheelhouse and not list(self.wheelhouse.glob("*.whl")):
            raise UsageError(f"--wheelhouse must be a folder with .whl files, got {self.wheelhouse}")


@dataclass(frozen=True)
class RunOptions:
    """What runs on the board afterwards."""

    source: str | None = None
    """None = the usual camera of the board."""
    arguments: tuple[str, ...] = ()
    """Further arguments of ``hawklet run``."""
    service: ServiceChoice = ServiceChoice.AUTO
    watch_s: float = 10.0
    """How long the service must stay up for the flash to count, seconds."""


@dataclass(frozen=True)
class FlashOptions:
    """All of it."""

    environment: EnvironmentOptions = EnvironmentOptions()
    run: RunOptions = RunOptions()
    prefix: str = DEFAULT_PREFIX
    """hawklet's folder on the board; relative to the home folder, or absolute."""
    keep: int = 3
    """Releases that stay on the board, with the new one."""
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.keep < 1 or not 0 <= self.run.watch_s <= LONGEST_WATCH_S:
            raise UsageError(
                f"--keep must be at least 1 and --watch 0 to {LONGEST_WATCH_S:g} seconds, got {self.keep} and "
                f"{self.run.watch_s:g}"
            )
        object.__setattr__(self, "prefix", checked_prefix(self.prefix))


def checked_prefix(text: str) -> str:
    """What ``--prefix`` names, as :func:`hawklet_hardware.flash.probe.probe` takes it.

    Raises:
        UsageError: it is no folder of hawklet's own.
    """
    prefix = text.removeprefix("~/")
    if not prefix.isprintable() or prefix.strip("/") in ("", ".", "~") or ".." in prefix.split("/"):
        raise UsageError(f"--prefix must name a folder of hawklet's own on the board, got {text!r}")
    return prefix.rstrip("/")
