"""Hawklet itself, as the one wheel that is shipped to a board."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hawklet
from hawklet import __version__
from hawklet.errors import FlashError, UsageError

_TIMEOUT_S = 300


def checkout() -> Path | None:
    """The source checkout that this hawklet runs from; None when it is installed from a wheel."""
    root = Path(hawklet.__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "device_runtime" / "hawklet").is_dir() else None


def find_wheel(given: Path | None, out: Path) -> Path:
    """The wheel to ship: the one given; else built from the checkout this runs from; else this version from the index.

    A build is reproducible, so an unchanged checkout gives the same bytes, and a board keeps its environment.

    Args:
        given: A wheel file, or None.
        out: Folder for a wheel that has to be made or fetched.

    Raises:
        UsageError: what was given is no hawklet wheel.
        FlashError: it cannot be built or fetched.
    """
    if given is not None:
        if not (given.is_file() and given.name.startswith("hawklet-") and given.suffix == ".whl"):
            raise UsageError(f"--wheel must name a file hawklet-VERSION-py3-none-any.whl, got {given}")
        return given
    source = checkout()
    if source is not None:
        _call([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)], source, "building the wheel")
    else:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        words = [*pip, "--no-deps", "--only-binary=:all:", "--dest", str(out), f"hawklet=={__version__}"]
        _call(words, out, f"fetching hawklet {__version__}")
    built = sorted(out.glob("hawklet-*.whl"))
    if len(built) != 1:
        raise FlashError(f"one hawklet wheel was to be made, got {len(built)}; name one with --wheel FILE")
    return built[0]


def wheel_version(wheel: Path) -> str:
    """The version in a wheel's file name."""
    return wheel.name.split("-")[1]


def _call(command: list[str], folder: Path, what: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise FlashError(f"{what} took longer than {_TIMEOUT_S} s; name one with --wheel FILE") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise FlashError(f"{what} failed: {''.join(last)}; name one with --wheel FILE")
