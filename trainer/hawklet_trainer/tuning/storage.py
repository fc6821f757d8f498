"""Where a study's trials are written down: a database, of which no password reaches a terminal or a file."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from hawklet.errors import MissingDependencyError, StudyError, UsageError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

DATABASE = "study.db"
_HEARTBEAT_S, _GRACE_S = 30, 120
"""A running trial of which nothing was heard for this long has died with its process."""
_OPENINGS, _PAUSE_S = 5, 0.5


def require_optuna() -> None:
    """Refuse to go on without the optional dependency, and quieten it: what it would tell, hawklet tells.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingDependencyError.for_extra("optuna", "tune", "hawklet tune") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    optuna.logging.disable_default_handler()
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def storage_url(given: str | None, folder: Path) -> Any:
    """The database's URL (of SQLAlchemy): the given one, or that of a file in the study's folder.

    Raises:
        UsageError: it is no URL of a database. The message does not hold it.
    """
    from sqlalchemy import URL
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    if given is None:
        return URL.create("sqlite", database=str((folder / DATABASE).resolve()))
    try:
        url = make_url(given)
        url.get_dialect()
    except ImportError as error:
        raise _no_driver(url.drivername) from error
    except (ArgumentError, ValueError):
        raise UsageError(
            "--storage must be the URL of a database, as postgresql://user@host/database or sqlite:////path/study.db"
        ) from None  # the cause may hold the URL, and --debug would show it
    return url


def described(url: Any) -> str:
    """A database's kind and place, without user, password or parameters."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"{url.get_backend_name()} on {url.host or 'this machine'}, database {url.database}"


def open_storage(url: Any) -> RDBStorage:
    """Open a database, and make its tables where it has none.

    Trials whose process died are found by their heartbeats, and are tried once more.

    Raises:
        StudyError: it cannot be reached.
        MissingDependencyError: its driver is not installed.
    """
    from sqlalchemy.exc import SQLAlchemyError

    with naming_failures(url):
        for _ in range(_OPENINGS - 1):
            try:
                return _open(url)
            except SQLAlchemyError as error:
                if not _another_makes_tables(error):
                    raise
            time.sleep(_PAUSE_S)
        return _open(url)


def _open(url: Any) -> RDBStorage:
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback

    return RDBStorage(
        # Written anew, so that it has no braces, which Optuna would take for a template.
        url.render_as_string(hide_password=False),
        heartbeat_interval=_HEARTBEAT_S,
        grace_period=_GRACE_S,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=1),
    )


def _another_makes_tables(error: Exception) -> bool:
    """Whether a machine that begins at the same moment came first, with a table or with a row."""
    from sqlalchemy.exc import IntegrityError

    return isinstance(error, IntegrityError) or "already exists" in str(error)


@contextlib.contextmanager
def naming_failures(url: Any) -> Iterator[None]:
    """Map what a database fails with to errors of ours.

    Raises:
        StudyError: it cannot be reached, or is in no state to be used.
        MissingDependencyError: its driver is not installed.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except ImportError as error:
        if isinstance(error, MissingDependencyError) or "DB access module" not in str(error):
            raise
        raise _no_driver(url.drivername) from error
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = getattr(error.__cause__ or error, "orig", None) or error.__cause__ or error
        raise StudyError(
            f"a study's storage must be reachable, which {described(url)} is not: {_without_secrets(str(cause), url)}; "
            "trials that are done are kept, and the same command goes on"
        ) from None  # as above


def _no_driver(driver: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"--storage of kind {driver} needs a driver that SQLAlchemy finds, such as psycopg2-binary for postgresql or "
        "pymysql for mysql+pymysql; install it with pip"
    )


def _without_secrets(text: str, url: Any) -> str:
    password = None if url.password is None else str(url.password)
    for secret in filter(None, (url.render_as_string(hide_password=False), password)):
        for written in (secret, quote(secret), quote_plus(secret), quote(secret, safe="")):
            text = text.replace(written, "***")
    return " ".join(text.split())[:200]
