"""What a board runs, and going back to what it ran before."""

from __future__ import annotations

from hawklet.errors import FlashError
from hawklet_hardware.flash.flasher import activate
from hawklet_hardware.flash.lock import flash_lock
from hawklet_hardware.flash.probe import BoardState, probe
from hawklet_hardware.flash.releases import Release
from hawklet_hardware.ssh import Connection, Login, Target


def status(target: Target, login: Login, prefix: str) -> BoardState:
    """What is on a board; changes nothing.

    Raises:
        FlashError: it cannot be reached, or is no Linux.
    """
    with Connection(target, login) as connection:
        return probe(connection, prefix)


def rollback(target: Target, login: Login, prefix: str, watch_s: float) -> Release:
    """Make the release before the current one current again, with the same checks as a flash.

    A second call goes back one further; the history is not rewritten.

    Raises:
        FlashError: there is none to go back to, or it fails its check; the board runs what it ran.
    """
    with Connection(target, login) as connection:
        state = probe(connection, prefix)
        release = _before(state)
        scope = state.service_scopes[0] if state.service_scopes else None
        with flash_lock(connection, release.python, state):
            activate(connection, release, state, scope, watch_s, keep=len(state.history), newest=False)
    return release


def _before(state: BoardState) -> Release:
    kept = list(state.history)
    position = kept.index(state.current) if state.current in kept else len(kept)
    release = state.release(kept[position - 1]) if position else None
    if release is None:
        raise FlashError(f"there must be an older release to go back to, the board keeps none under {state.prefix}")
    return release
