"""The board that a model is made for: a profile, by the name that ``--target`` takes."""

from __future__ import annotations

import difflib
import platform
from dataclasses import replace

from hawklet.engines import default_threads
from hawklet.errors import UsageError
from hawklet_hardware.boards import BoardProfile, profile_of, profiles
from hawklet_hardware.detect import detect
from hawklet_hardware.target_option import HOST, TARGET_NAMES


def target_named(name: str) -> BoardProfile:
    """The profile of a target.

    Args:
        name: ``host``, or an alias or the id of a profile.

    Returns:
        The profile; that of ``host`` bears this machine's own name, and no more threads than it has cores.

    Raises:
        UsageError: there is no such target; the message names the closest.
    """
    if name == HOST:
        return _this_machine()
    by_name = {known: profile for profile in profiles() for known in (*profile.aliases, profile.id)}
    if name in by_name:
        return by_name[name]
    close = difflib.get_close_matches(name.lower(), [*by_name, HOST], n=1)
    closest = by_name[close[0]].aliases[0] if close and close[0] in by_name else "".join(close)
    hint = f"; did you mean {closest}?" if closest else ""
    raise UsageError(f"--target must be one of {', '.join(TARGET_NAMES)}, got {name}{hint}")


def _this_machine() -> BoardProfile:
    board = detect()
    profile = profile_of(board.model, platform.machine())
    if profile is None:
        raise UsageError(
            f"--target {HOST} needs a processor that the engines have wheels for, this one is {board.architecture}; "
            f"name the board that the model is for: {', '.join(TARGET_NAMES[1:])}"
        )
    return replace(profile, name=board.name, threads=min(profile.threads, default_threads()))
