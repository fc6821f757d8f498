"""MLflow: a run on a tracking server, with parameters, figures per epoch, the report and the best weights."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hawklet.errors import MissingDependencyError, OutputError
from hawklet.safefiles import write_json
from hawklet_trainer.finish import TrainResult
from hawklet_trainer.run import BEST
from hawklet_trainer.trackers.mlflow_address import MlflowAddress
from hawklet_trainer.trackers.tracker import Settings, Tracker, figures_of, results_of
from hawklet_trainer.training.terms import EpochRecord

RUN_FILE = "mlflow.json"
"""In the run folder: which run on the server is this one's, so that going on goes on there too."""
_EXPERIMENT = "hawklet"
"""Unless MLFLOW_EXPERIMENT_NAME says otherwise."""
_LONGEST_VALUE = 500
"""Letters of a parameter that every server takes."""
_ALWAYS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
"""Nothing is told to others than the server that was named, and its address is not printed with what may be in it."""
_UNLESS_SET = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""MLflow's own are 7 and 120 seconds; what failed is tried again with the next epoch anyway."""


class MlflowTracker(Tracker):
    """A run on an MLflow server.

    Args:
        address: Of the server.
        folder: The run folder; its name is the run's name.

    Raises:
        MissingDependencyError: MLflow is not installed.
    """

    def __init__(self, address: MlflowAddress, folder: Path):
        self.name = f"MLflow at {address.shown}"
        self._address = address
        self._folder = folder
        os.environ.update(_ALWAYS | dict(address.credentials))
        for name, value in _UNLESS_SET.items():
            os.environ.setdefault(name, value)
        require_mlflow()
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "urllib3"):  # which would write between the lines of the terminal
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._client_class: Any = MlflowClient
        self._client: Any = None
        self._run = ""

    def begin(self, settings: Settings) -> None:
        with self._mapped():
            self._client = self._client_class(tracking_uri=self._address.uri)
            known = self._known_run()
            if known:
                self._client.update_run(known, status="RUNNING")
                self._run = known
                return
            self._run = self._run or self._new_run()  # it is there already where only the next line failed
            self._client.log_batch(self._run, params=_parameters(settings))
        write_json(self._folder / RUN_FILE, {"run_id": self._run})

    def epoch(self, record: EpochRecord) -> None:
        with self._mapped():
            self._client.log_batch(self._run, metrics=_metrics(figures_of(record), record.epoch))

    def end(self, result: TrainResult | None) -> None:
        with self._mapped():
            if result is not None:
                self._client.log_batch(self._run, metrics=_metrics(results_of(result), result.history.best_epoch))
                self._client.log_artifact(self._run, str(self._folder / "report.html"))
                self._client.log_artifact(self._run, str(self._folder / BEST), "weights")
            self._client.set_terminated(self._run, "KILLED" if result is None else "FINISHED")

    def _new_run(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _EXPERIMENT
        experiment = self._client.get_experiment_by_name(name)
        identity = experiment.experiment_id if experiment else self._client.create_experiment(name)
        return str(self._client.create_run(identity, run_name=self._folder.name).info.run_id)

    def _known_run(self) -> str:
        """The run on this server that the folder was told of before; empty where there is none, or not any more."""
        path = self._folder / RUN_FILE
        if not path.is_file():
            return ""
        from mlflow.exceptions import MlflowException

        identity = str(json.loads(path.read_text(encoding="utf-8"))["run_id"])
        try:
            self._client.get_run(identity)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return ""
        return identity

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """Whatever MLflow and what it stands on raise becomes an OutputError without secrets."""
        try:
            yield
        except Exception as error:  # it stands on servers, stores and plug-ins of other people's
            raise OutputError(f"{self.name} could not be told ({_reason(error, self._address)})") from error


def require_mlflow() -> None:
    """Refuse to track by a package that is not installed.

    Raises:
        MissingDependencyError: it is not.
    """
    if importlib.util.find_spec("mlflow") is None:  # without importing it, which takes a second
        raise MissingDependencyError.for_extra("mlflow", "mlflow", "--mlflow")


def _reason(error: BaseException, address: MlflowAddress) -> str:
    """What went wrong, in MLflow's own words only where these cannot repeat a secret."""
    root = error
    while root.__cause__ or root.__context__:
        root = root.__cause__ or root.__context__ or root
    if isinstance(root, OSError) and root.strerror:
        return root.strerror
    code = getattr(error, "error_code", type(root).__name__)
    return str(code) if address.secret else f"{code}: {' '.join(str(error).split())[:200]}"


def _parameters(settings: Settings) -> list[Any]:
    from mlflow.entities import Param

    return [Param(key, str(value)[:_LONGEST_VALUE]) for key, value in settings.items()]


def _metrics(figures: Mapping[str, float], epoch: int) -> list[Any]:
    from mlflow.entities import Metric

    now = round(1000 * time.time())
    return [Metric(name, value, now, epoch) for name, value in figures.items()]
