"""Where an MLflow server is, and what of that may be shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from hawklet.errors import UsageError

URI_VARIABLE = "MLFLOW_TRACKING_URI"
_URI = re.compile(r"databricks(://\S+)?|(https?|file|sqlite|mysql|postgresql|mssql)(\+\w+)?:\S+")
_TAKEN = "--mlflow takes a tracking URI (http:, https:, file:, sqlite:, mysql:, postgresql:, mssql:, or databricks)"
_WAY_OUT = "such as --mlflow http://localhost:5000"


@dataclass(frozen=True)
class MlflowAddress:
    """A tracking URI, the password kept apart from it where it is one of HTTP."""

    uri: str = field(repr=False)
    """What MLflow is given."""
    shown: str
    """Without user, password and query."""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment variables from which MLflow takes user and password."""

    @property
    def secret(self) -> bool:
        """Whether :attr:`uri` itself may hold one, so that MLflow's own words must not be shown."""
        return "@" in self.uri or "?" in self.uri


def mlflow_address(given: str) -> MlflowAddress:
    """Read what ``--mlflow`` was given; empty: what MLFLOW_TRACKING_URI says.

    Raises:
        UsageError: it is no URI, or none is said; it is not repeated in the message, since it may hold a password.
    """
    uri = given or os.environ.get(URI_VARIABLE, "")
    if not uri:
        raise UsageError(f"--mlflow without a URI takes that in {URI_VARIABLE}, which is not set; say one, {_WAY_OUT}")
    if not _URI.fullmatch(uri):
        raise UsageError(f"{_TAKEN}, got something else; say one, {_WAY_OUT}, or PHOTOS before --mlflow")
    try:
        return _address(uri)
    except ValueError as error:
        raise UsageError(
            f"{_TAKEN}, {_WAY_OUT}, got one that cannot be read; letters such as @, / and # in a "
            "password are written %40, %2F and %23"
        ) from error


def _address(uri: str) -> MlflowAddress:
    parts = urlsplit(uri)
    if "@" in parts.path + parts.query + parts.fragment:
        raise ValueError("a password that is not encoded")
    if parts.scheme in ("http", "https") and not parts.hostname:
        raise ValueError("no host")
    port = f":{parts.port}" if parts.port else ""
    host = f"{parts.hostname or ''}{port}"
    shown = f"{parts.scheme}://{host}{parts.path}" if parts.scheme else parts.path
    if parts.scheme not in ("http", "https") or parts.username is None:
        return MlflowAddress(uri, shown)
    named = {"MLFLOW_TRACKING_USERNAME": parts.username, "MLFLOW_TRACKING_PASSWORD": parts.password or ""}
    plain = parts._replace(netloc=host).geturl()
    return MlflowAddress(plain, shown, {name: unquote(value) for name, value in named.items()})
