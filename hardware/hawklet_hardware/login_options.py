"""Options of every command that logs in to a board, declared once; importing them imports no SSH library."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hawklet.errors import MissingDependencyError
from hawklet.option_types import NumberRange

if TYPE_CHECKING:
    from hawklet_hardware.ssh import Login

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_OPTIONS = (
    click.option("--identity", "-i", type=_FILE, metavar="FILE", help="Private key to log in with."),
    click.option("--known-hosts", type=click.Path(path_type=Path), metavar="FILE", help="Host keys on record."),
    click.option(
        "--accept-new-host-key", is_flag=True, help="Show and store the key of a board seen for the first time."
    ),
    click.option("--ssh-config", type=_FILE, metavar="FILE", help="Instead of ~/.ssh/config."),
    click.option(
        "--connect-timeout",
        type=NumberRange(0.1, 3600),
        default=15.0,
        show_default=True,
        metavar="SECONDS",
        help="For connecting, and for logging in.",
    ),
)


LOGIN_OPTIONS = ("identity", "known_hosts", "accept_new_host_key", "ssh_config", "connect_timeout")
"""Names of the values that :func:`login_from` reads."""


def login_options(command: _Command) -> _Command:
    """Give a command the options that :func:`login_from` reads."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def login_from(options: Mapping[str, Any]) -> Login:
    """How to log in, by the values of :func:`login_options`; on a terminal, a password may be asked for."""
    from hawklet_hardware.ssh import SSH_CONFIG, Login

    return Login(
        identity=options["identity"],
        known_hosts=options["known_hosts"],
        accept_new_host_key=options["accept_new_host_key"],
        ssh_config=options["ssh_config"] or SSH_CONFIG,
        connect_timeout=options["connect_timeout"],
        ask=_ask_secret if sys.stdin.isatty() else None,
    )


def require_ssh(command: str) -> None:
    """Refuse to go on without the SSH library.

    Args:
        command: What needs it, as ``hawklet flash``.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import hawklet_hardware.ssh  # noqa: F401 -- imported to see whether it can be
    except ModuleNotFoundError as error:
        raise MissingDependencyError.for_extra(str(error.name), "flash", command) from error


def _ask_secret(prompt: str) -> str:
    answer: str = click.prompt(prompt, hide_input=True, err=True)
    return answer
