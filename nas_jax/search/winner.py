"""The winner of a run: chosen, exported, timed, and the outcome of it all."""

from collections.abc import Mapping
from pathlib import Path

from nas_jax.best_file import read_best
from nas_jax.errors import UserError
from nas_jax.executors.calling import call_where_trials_run
from nas_jax.listeners import Outcome
from nas_jax.run import Run
from nas_jax.search.export import Trained, export_genome, export_network
from nas_jax.search.finalists import choose_winner, find_baselines
from nas_jax.search.latency import write_latency
from nas_jax.spaces.base import NetworkSpace
from nas_jax.trial import CONTENDERS, Stage, Trial


def export_winner(run: Run) -> None:
    """Chooses the winner, measures it on the test split and writes it to `best/`, unless that was done.

    Of several objectives each point of the front is written before, to `front/` under the id of its trial, so that it
    is there where the rule of the choice names none of them. A network is measured where it was trained.

    Raises:
        UserError: no finalist was measured, or none is what the rule names.
    """
    parts, contenders = run.parts, run.store.trials(*CONTENDERS)
    if len(parts.objectives) > 1:
        run.front.mkdir(exist_ok=True)
        for trial in parts.objectives.front(contenders):
            if not (folder := run.front / str(trial.id)).exists():
                _export(run, folder, trial, {})
    if not run.best.exists():
        winner = choose_winner(parts.objectives, contenders, parts.finals.settings.choice)
        _export(run, run.best, winner, find_baselines(parts, run.store.trials()))


def _export(run: Run, folder: Path, winner: Trial, baselines: Mapping[Stage, Trial]) -> None:
    """Writes a trial to a folder."""
    parts, space = run.parts, run.parts.space
    if isinstance(space, NetworkSpace) and parts.problem is not None and parts.finals.recipe is not None:
        sections = run.config["space"], run.config["task"]
        trained = Trained(space, parts.problem, parts.finals.recipe, run.checkpoint_dir, *sections)
        call_where_trials_run(parts.finals.evaluator, export_network, folder, trained, winner, baselines)
    else:
        cost = sum(parts.search.budgets.costs(run.store.trials("search")))
        export_genome(folder, run.config["space"], parts.finals.evaluator, winner, baselines, cost)


def measure_latency(run: Run) -> None:
    """Times the exported network, if one was trained, where it was trained.

    Raises:
        UserError: nothing was exported.
    """
    if run.parts.finals.recipe is not None:
        check_exported(run, "latency")
        allow = [run.config[section]["name"] for section in ("space", "task")]
        call_where_trials_run(run.parts.finals.evaluator, write_latency, run.best, allow)


def check_exported(run: Run, stage: str) -> None:
    """Raises UserError if there is no `best/` yet, which `stage` needs."""
    if not run.best.exists():
        raise UserError(f"stages: {stage} needs what export leaves; put export before it")


def outcome_of(run: Run) -> Outcome:
    """What the run has come to."""
    metrics = read_best(run.best, run.parts.objectives.metrics)
    contenders = run.store.trials(*CONTENDERS)
    winner = next((trial for trial in contenders if trial.id == metrics.get("trial")), None)
    places = {"best": run.best, "report": run.workdir / "report.html", "trials": run.workdir / "trials.jsonl"}
    found = {what: f"{path}/" if path.is_dir() else str(path) for what, path in places.items() if path.exists()}
    return Outcome(run.store.trials("final"), winner, metrics, found)
