"""Where a server is: what is taken, what is shown, and that no password is."""

from __future__ import annotations

import pytest

from hawklet.errors import UsageError
from hawklet_trainer.trackers.mlflow_address import mlflow_address


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://localhost:5000", "http://localhost:5000"),
        ("https://host/mlflow", "https://host/mlflow"),
        ("file:///data/mlruns", "file:///data/mlruns"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("databricks", "databricks"),
        ("postgresql+psycopg2://ann:s3cret@db:5432/runs?sslkey=s3cret", "postgresql+psycopg2://db:5432/runs"),
    ],
)
def test_an_address_is_taken_and_shown_without_what_is_secret(uri: str, shown: str) -> None:
    address = mlflow_address(uri)
    assert (address.uri, address.shown) == (uri, shown)
    assert "s3cret" not in repr(address)


def test_a_password_of_http_is_kept_apart_from_the_address() -> None:
    address = mlflow_address("https://ann:p%40ss@host:8080/base")
    assert address.uri == address.shown == "https://host:8080/base" and not address.secret
    assert address.credentials == {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "p@ss"}
    assert "p@ss" not in repr(address) and "ann" not in repr(address)


def test_without_a_uri_that_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker:5000")
    assert mlflow_address("").uri == "http://tracker:5000"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(UsageError, match="MLFLOW_TRACKING_URI, which is not set; say one"):
        mlflow_address("")


@pytest.mark.parametrize("uri", ["photos", "./mlruns", "ftp://host", "http:", "http://ann:s3/cret@host", "http://h:x@"])
def test_what_is_no_address_is_refused_without_repeating_it(uri: str) -> None:
    with pytest.raises(UsageError, match="--mlflow takes a tracking URI") as error:
        mlflow_address(uri)
    assert "cret" not in str(error.value)
