"""A run for MLflow: an SQLite file and a folder of artefacts, both on this machine."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

EXPERIMENT = "fedgraft"
_LONGEST, _PARAMETERS, _METRICS = 6000, 100, 1000
"""MLflow's limits: letters of a parameter; parameters and figures in one call."""
_STRANGE = re.compile(r"[^\w\-./ ]")
"""What its names may not hold."""


class MLflow:
    """A run of the experiment ``fedgraft`` in ``mlflow.db`` of a folder.

    Args:
        name: the run's name.
    """

    def __init__(self, folder: Path, name: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported: nothing is sent
        import mlflow.entities  # an extra, and seconds to import
        from mlflow.tracking import MlflowClient

        folder.mkdir(parents=True, exist_ok=True)
        self._kinds = mlflow.entities
        for each in ("mlflow", "alembic"):
            logging.getLogger(each).setLevel(logging.WARNING)
        self._client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
        known = self._client.get_experiment_by_name(EXPERIMENT)
        place = (folder / "artefacts").as_uri()
        number = self._client.create_experiment(EXPERIMENT, place) if known is None else known.experiment_id
        self._run: str = self._client.create_run(number, run_name=name).info.run_id

    def parameters(self, values: Mapping[str, str]) -> None:
        found = [self._kinds.Param(_STRANGE.sub("_", name), value[:_LONGEST]) for name, value in values.items()]
        self._log(found, _PARAMETERS, "params")

    def figures(self, values: Mapping[str, float], round_: int) -> None:
        now = int(time.time() * 1000)
        found = [self._kinds.Metric(_STRANGE.sub("_", name), value, now, round_) for name, value in values.items()]
        self._log(found, _METRICS, "metrics")

    def _log(self, found: Sequence[Any], most: int, what: str) -> None:
        for start in range(0, len(found), most):
            self._client.log_batch(self._run, **{what: found[start : start + most]})

    def artefacts(self, files: Mapping[str, Path]) -> None:
        for name, path in files.items():
            if path.is_dir():
                self._client.log_artifacts(self._run, str(path), name)
            else:
                self._client.log_artifact(self._run, str(path))

    def close(self, completed: bool) -> None:
        self._client.set_terminated(self._run, "FINISHED" if completed else "FAILED")
