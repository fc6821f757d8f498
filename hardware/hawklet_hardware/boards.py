"""The boards hawklet knows: facts from ``boards/*.toml``, checked when they are read."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from hawklet.errors import MissingDependencyError, UsageError
from hawklet.spec import ModelFormat


@dataclass(frozen=True)
class BoardProfile:
    """What is well known of one kind of board."""

    id: str
    """As ``raspberry-pi-5``; also what a benchmark result names the board."""
    name: str
    """As people say it."""
    aliases: tuple[str, ...]
    """Short names, as ``--target`` takes them; the first is the one that is shown."""
    match: tuple[str, ...]
    """Parts of ``/proc/device-tree/model`` that mean this board; empty for generic profiles."""
    soc: str
    cores: int | None
    """Processor cores; None: varies."""
    ram_mb: tuple[int, ...]
    """Sizes it is sold with, MiB; empty: varies."""
    arch: tuple[str, ...]
    """``uname -m`` of the systems that hawklet runs on there."""
    os: tuple[str, ...]
    """Systems, recommended first."""
    python: Mapping[str, str]
    """System -> its Python."""
    camera: str
    """``--source`` of the usual camera."""
    engine: ModelFormat
    """What to install when the bundle has models for both."""
    threads: int
    """Threads that a classifier of this size gains from."""
    onnx_activation: str
    """``S8`` or ``U8``: activation type that ONNX Runtime runs fastest there."""
    delegate: Mapping[ModelFormat, tuple[str, ...]]
    """Format -> what may be assumed to execute its models there, in the order it is tried."""
    supported: bool
    """False where no current hawklet runs; the notes say why."""
    notes: tuple[str, ...]


def read_profiles() -> list[dict[str, Any]]:
    """Every board profile as its file has it, ordered by file name.

    Raises:
        MissingDependencyError: Python 3.10 without ``tomli``, which reads the files there.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError as error:
            raise MissingDependencyError.for_extra("tomli", "bench", "reading board profiles on Python 3.10") from error
    folder = resources.files("hawklet_hardware") / "boards"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    return [tomllib.loads(entry.read_text(encoding="utf-8")) for entry in files]


@functools.cache
def profiles() -> tuple[BoardProfile, ...]:
    """All profiles, ordered by file name.

    Raises:
        UsageError: a file lacks a field, or has one of another type.
    """
    return tuple(parse_profile(data) for data in read_profiles())


def parse_profile(data: Mapping[str, Any]) -> BoardProfile:
    """One profile from the content of its file.

    Raises:
        UsageError: a field is missing, unknown or malformed.
    """
    fields = dict(data)
    try:
        profile = BoardProfile(
            id=str(fields.pop("id")),
            name=str(fields.pop("name")),
            aliases=_strings(fields.pop("aliases")),
            match=_strings(fields.pop("match")),
            soc=str(fields.pop("soc")),
            cores=_optional_int(fields.pop("cores", None)),
            ram_mb=tuple(int(size) for size in fields.pop("ram_mb")),
            arch=_strings(fields.pop("arch")),
            os=_strings(fields.pop("os")),
            python={str(system): str(version) for system, version in fields.pop("python").items()},
            camera=str(fields.pop("camera")),
            engine=ModelFormat(fields.pop("engine")),
            threads=int(fields.pop("threads")),
            onnx_activation=str(fields.pop("onnx_activation")),
            delegate={ModelFormat(name): _strings(names) for name, names in fields.pop("delegate").items()},
            supported=bool(fields.pop("supported", True)),
            notes=_strings(fields.pop("notes")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"a board profile needs every field of BoardProfile, {data.get('id')} fails: {error!r}"
        ) from error
    if fields or profile.onnx_activation not in ("S8", "U8") or set(profile.python) - set(profile.os):
        raise UsageError(
            f"a board profile has known fields, onnx_activation S8 or U8 and a Python per system of its own, got {data}"
        )
    if not profile.aliases or set(profile.delegate) != set(ModelFormat) or not all(profile.delegate.values()):
        raise UsageError(f"a board profile has an alias and a delegate for every format, got {data}")
    return profile


def profile_of(model: str, machine: str) -> BoardProfile | None:
    """The profile of a board, as its firmware and kernel name it.

    Args:
        model: Content of ``/proc/device-tree/model``; empty where there is none.
        machine: As ``uname -m`` says it.

    Returns:
        The profile with the longest matching part; else the generic one of that architecture; else None.
    """
    matches = [(len(part), profile) for profile in profiles() for part in profile.match if part in model]
    if matches:
        return max(matches, key=lambda pair: pair[0])[1]
    return next((profile for profile in profiles() if not profile.match and machine in profile.arch), None)


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"a list of strings was expected, got {value!r}")
    return tuple(value)


def _optional_int(value: Any) -> int | None:
    return None if value is None else int(value)
