"""MLflow: a search is a run there, and each of its trials a run below it, with its genes, metrics and curves.

MLflow itself is asked what it has. A trial whose run has not been closed was being written when this process was
killed: it is removed and written again.
"""

import contextlib
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from nas_jax.metrics import with_metrics_beside
from nas_jax.trackers.base import Ended, Held, TrackedRun, budget_of, check_installed, curves, flatten, numbers
from nas_jax.trial import Stage

T = TypeVar("T")

_RUN, _TRIAL, _FRONT, _PARENT = "nas_jax.run", "nas_jax.trial", "nas_jax.front", "mlflow.parentRunId"  # tags
_MAX_METRICS, _MAX_PARAMS = 1000, 100  # of one request
_MAX_LENGTH = 5000  # of a tag's value
# MLflow's own patience with a server, 120 seconds and 7 tries again, would hold up the search.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}


@dataclass(frozen=True)
class MLflow:
    """Logs to MLflow.

    Args:
        tracking_uri: A server, or a database such as "sqlite:///mlflow.db". "" for what MLFLOW_TRACKING_URI says, or
            else MLflow's default.
        experiment: Where the runs go; made if need be.

    Raises:
        ValueError: MLflow is not installed.
    """

    tracking_uri: str = ""
    experiment: str = "nas_jax"

    def __post_init__(self) -> None:
        check_installed("mlflow")

    def begin(self, run: TrackedRun) -> "_Writer":
        return _Writer(self, run)


class _Writer:
    def __init__(self, settings: MLflow, run: TrackedRun) -> None:
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = MlflowClient(settings.tracking_uri or None)
        self._run = run
        self._experiment = self._experiment_id(settings.experiment)
        found = self._search(f"tags.`{_RUN}` = '{run.id}'")
        self._parent = found[0] if found else self._create_parent()
        self._id: str = self._parent.info.run_id
        self.held = self._held()
        self._points = {stage: self._steps(f"{stage}/trial") for stage in get_args(Stage)}
        self._is_running = False
        if not self.held.is_complete:
            self._run_again()

    def _run_again(self) -> None:
        if not self._is_running:
            self._client.update_run(self._id, status="RUNNING")
            self._is_running = True

    def trial(self, ended: Ended) -> None:
        self._run_again()
        trial = ended.trial
        if ended.position not in self._points[trial.stage]:
            point = numbers(with_metrics_beside({"trial": trial.id, **ended.so_far}, ended.points))
            self._log(self._id, _metrics(point, ended.position, prefix=f"{trial.stage}/"))
        seconds = numbers(trial.seconds or {})
        tags = {_PARENT: self._id, _TRIAL: str(trial.id), "stage": trial.stage, "architecture": trial.description}
        tags |= {name: str(number) for name, number in budget_of(trial).items()}
        tags |= {} if trial.error is None else {"error": trial.error}
        now = round(1000 * time.time())
        child = self._client.create_run(
            self._experiment,
            start_time=now - round(1000 * sum(seconds.values())),
            tags={name: value[:_MAX_LENGTH] for name, value in tags.items()},
            run_name=f"{trial.stage} {trial.id}",
        ).info.run_id
        logged = _metrics(numbers(trial.metrics or {}), 0) + _metrics(seconds, 0, prefix="seconds/")
        for name, values in curves(trial).items():
            for epoch, value in enumerate(values, start=1):
                logged += _metrics(numbers({name: value}), epoch, prefix="curve/")
        self._log(child, logged, ended.genes)
        self._client.set_terminated(child, "FINISHED" if trial.status == "finished" else "FAILED", end_time=now)

    def round(self, position: int, quality: Mapping[str, float]) -> None:
        self._log(self._id, _metrics(numbers(quality), position, prefix="surrogate/"))

    def end(self, metrics: Mapping[str, Any], front: Sequence[Mapping[str, str]]) -> None:
        on_front = {row["trial"] for row in front}
        for child in self._search(f"tags.`{_PARENT}` = '{self._id}'") if on_front else ():
            if child.data.tags[_TRIAL] in on_front:
                self._client.set_tag(child.info.run_id, _FRONT, "true")
            elif _FRONT in child.data.tags:  # of a search that was shorter
                self._client.delete_tag(child.info.run_id, _FRONT)
        self._log(self._id, _metrics(numbers(flatten(metrics)), 0, prefix="winner/"))
        self._client.set_terminated(self._id, "FINISHED")

    def close(self) -> None:
        if self._client.get_run(self._id).info.status == "RUNNING":
            self._client.set_terminated(self._id, "KILLED")

    def _experiment_id(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            with contextlib.suppress(MlflowException):  # another process was faster
                return self._client.create_experiment(name)
            experiment = self._client.get_experiment_by_name(name)
        return experiment.experiment_id

    def _create_parent(self) -> Any:
        parent = self._client.create_run(self._experiment, tags={_RUN: self._run.id}, run_name=self._run.title)
        self._log(parent.info.run_id, [], flatten(self._run.config))
        return parent

    def _held(self) -> Held:
        trials = set()
        for child in self._search(f"tags.`{_PARENT}` = '{self._id}'"):
            if child.info.status in ("FINISHED", "FAILED"):
                trials.add(int(child.data.tags[_TRIAL]))
            else:
                self._client.delete_run(child.info.run_id)
        num_assessed = max(self._steps(f"surrogate/{self._run.objectives.metrics[0]}/tau"), default=0)
        return Held(frozenset(trials), num_assessed, is_complete=self._parent.info.status == "FINISHED")

    def _search(self, query: str) -> list[Any]:
        runs: list[Any] = []
        token: str | None = ""
        while token is not None:
            page = self._client.search_runs([self._experiment], query, max_results=1000, page_token=token or None)
            runs += page
            token = page.token or None
        return runs

    def _steps(self, metric: str) -> set[int]:
        return {point.step for point in self._client.get_metric_history(self._id, metric)}

    def _log(self, run_id: str, metrics: Sequence[Any], params: Mapping[str, Any] | None = None) -> None:
        from mlflow.entities import Param

        listed = [Param(_key(name), str(value)) for name, value in (params or {}).items()]
        for some in _batches(metrics, _MAX_METRICS):
            self._client.log_batch(run_id, metrics=some)
        for some in _batches(listed, _MAX_PARAMS):
            self._client.log_batch(run_id, params=some)


def _metrics(values: Mapping[str, float], step: int, prefix: str = "") -> list[Any]:
    from mlflow.entities import Metric

    now = round(1000 * time.time())
    return [Metric(_key(prefix + name), value, now, step) for name, value in values.items()]


def _key(name: str) -> str:
    """A name with the characters that MLflow allows."""
    return re.sub(r"[^\w\-. /]", "_", name)


def _batches(items: Sequence[T], num: int) -> Iterator[Sequence[T]]:
    return (items[start : start + num] for start in range(0, len(items), num))


make = MLflow
