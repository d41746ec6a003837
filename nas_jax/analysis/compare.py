"""Runs side by side: `python -m nas_jax.analysis.compare runs/a runs/b` prints a table of them.

Of the configs it shows only the fields in which the runs differ, which after a sweep are the ones that were
swept. Where runs differ in their seeds alone, a second table has means and rank tests; `--csv=` and `--plot=` write
files. What a working directory holds (`Run`) and what its scores are is read here, for the report too, so that
this command starts without importing JAX.
"""

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import flags
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nas_jax.analysis.sweep import RankTest, Result, group, mean_of, tests_against_best, write_csv
from nas_jax.cli import start
from nas_jax.errors import UserError
from nas_jax.objective import Objective, is_fraction
from nas_jax.store import read_trials
from nas_jax.trial import CONTENDERS, Trial, freeze

UNKNOWN = "-"
NO_SETTINGS = ("seed", "trackers")  # fields in which runs of one setting differ


class Run(NamedTuple):
    """What a working directory holds. The mappings are empty where there is no file yet; lists are tuples."""

    workdir: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    trials: list[Trial]
    best: dict[str, Any]  # the metrics of the exported network, and "trial", its id

    def of(self, *stages: str) -> list[Trial]:
        """The trials of some stages, in the order of their ids."""
        return [trial for trial in self.trials if trial.stage in stages]

    def num_examples(self, split: str) -> int | None:
        """The size of a split ("val", "test"), where it is known: from the export, or a number that was asked for."""
        name = f"num_{split}"
        return self.best.get(name) or (self.config.get("data") or {}).get(name) or None

    @property
    def is_table(self) -> bool:
        """Whether nothing was trained: without a data set, metrics can only have been looked up."""
        return not self.config.get("data")


def read_run(workdir: Path) -> Run:
    """Reads a working directory and changes nothing in it.

    Raises:
        UserError: there is no `config.json`, or a file that should be JSON is not.
    """
    if not (workdir / "config.json").exists():
        raise UserError(f"workdir: {str(workdir)!r} has no config.json, so no run was started there")
    return Run(
        workdir,
        config=_read_json(workdir / "config.json"),
        environment=_read_json(workdir / "environment.json"),
        trials=read_trials(workdir / "trials.jsonl"),
        best=_read_json(workdir / "best" / "metrics.json"),
    )


def score(trial: Trial, objective: Objective) -> float:
    """A trial's score; NaN where it has none that is finite."""
    value = math.nan if trial.metrics is None else objective.score(trial.metrics)
    return value if math.isfinite(value) else math.nan


def find_best(trials: Iterable[Trial], objective: Objective) -> Trial | None:
    """The trial with the highest score, the earliest of equals; None if none has a score."""
    scored = [trial for trial in trials if not math.isnan(score(trial, objective))]
    return max(scored, key=lambda trial: score(trial, objective), default=None)


def find_winner(run: Run, objective: Objective) -> Trial | None:
    """The exported trial; before there is one, the best so far of those that may win."""
    exported = [trial for trial in run.trials if trial.id == run.best.get("trial")]
    return exported[0] if exported else find_best(run.of(*CONTENDERS), objective)


def total_seconds(trials: Iterable[Trial], part: str | None = None) -> float:
    """Seconds spent on trials: of one part ("compile", "train"), or of all."""
    spent = [trial.seconds or {} for trial in trials]
    return sum((value for seconds in spent for name, value in seconds.items() if part in (None, name)), 0.0)


def in_units(value: float, objective: Objective) -> str:
    """A value of the metric, or a difference of two."""
    return percent(value) if is_fraction(objective.metric) else number(value)


def describe_score(value: float, objective: Objective) -> str:
    """A score as the metric that it came from."""
    return in_units(value if objective.maximize else -value, objective)


def percent(fraction: float | None) -> str:
    return UNKNOWN if fraction is None or math.isnan(fraction) else f"{100 * fraction:.2f} %"


def number(value: float | int | None) -> str:
    """A count with its thousands set apart, or any other number with four digits."""
    if value is None or math.isnan(value):
        return UNKNOWN
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


def binomial_error(fraction: float, num_examples: int) -> float:
    """Standard error of an accuracy that was measured on `num_examples` independent examples."""
    return math.sqrt(fraction * (1 - fraction) / num_examples)


def compare(runs: Sequence[Run]) -> Table:
    """One row a run, in the order given: what sets its config apart, how far it came, what it found."""
    names = differing_fields(runs)
    results = ("status", "best in search", "winner, validation", "winner, test", "seconds")
    table = Table(*("workdir", *names, *results), box=SIMPLE_HEAD, pad_edge=False)
    for run in runs:
        config = dict(_flatten(run.config))
        cells = (str(run.workdir), *(config.get(name, UNKNOWN) for name in names), *_results(run))
        table.add_row(*map(Text, cells))  # Text: brackets in the data are not markup
    return table


def compare_settings(results: Sequence[Result], names: Sequence[str], objective: Objective) -> Table:
    """One row a setting, which is all runs that differ in their seeds alone.

    Args:
        names: the fields of a setting.
        objective: that of all runs.
    """
    columns = ("runs", "best in search", "winner, validation", "winner, test", "seconds", "rank test")
    table = Table(*names, *columns, box=SIMPLE_HEAD, pad_edge=False)
    groups = group(results)
    tests = tests_against_best(groups, maximize=objective.maximize)
    for setting, members in groups.items():
        means = (
            _mean_cell([result.best for result in members], objective),
            _mean_cell([result.winner for result in members], objective),
            _mean_cell([result.test_accuracy for result in members], Objective()),
            f"{mean_of([result.seconds for result in members]).mean:.0f}",
        )
        table.add_row(*map(Text, (*setting, str(len(members)), *means, _test_cell(setting, tests))))
    return table


_NOTE = (
    "± is one standard error over runs. The rank test is two-sided, of the best in search against the setting with the "
    "best mean, corrected for the number of tests (Holm)."
)


def _mean_cell(values: Sequence[float | None], objective: Objective) -> str:
    mean = mean_of(values)
    error = "" if math.isnan(mean.error) else f" ± {in_units(mean.error, objective)}"
    return in_units(mean.mean, objective) + error


def _test_cell(setting: tuple[str, ...], tests: Mapping[tuple[str, ...], RankTest | None]) -> str:
    if setting not in tests:
        return "the best mean" if tests else UNKNOWN
    test = tests[setting]
    return UNKNOWN if test is None else f"p = {test.p:.2g} ({test.name}, n = {test.num})"


def result_of(run: Run, names: Sequence[str]) -> Result:
    """A run in numbers; `names` are the fields of its setting."""
    config, objective = dict(_flatten(run.config)), _objective_of(run)
    done = [trial for trial in run.of("search") if trial.status != "pending"]
    scores = np.array([score(trial, objective) for trial in done])
    name = _final_metric(run, objective)
    return Result(
        workdir=str(run.workdir),
        setting=tuple(config.get(name, UNKNOWN) for name in names),
        seed=config.get("seed", UNKNOWN),
        is_complete=bool(run.best) or len(done) >= run.config.get("search", {}).get("num_trials", 0),
        curve=np.fmax.accumulate(scores) * (1 if objective.maximize else -1),
        winner=run.best.get(name),
        test_accuracy=run.best.get("test_accuracy"),
        seconds=total_seconds(run.trials),
    )


def differing_fields(runs: Sequence[Run]) -> list[str]:
    """The fields in which the configs of runs differ, by dotted names."""
    configs = [dict(_flatten(run.config)) for run in runs]
    names = dict.fromkeys(name for config in configs for name in config)
    return [name for name in names if len({config.get(name) for config in configs}) > 1]


def main(argv: Sequence[str], csv: str | None = None, plot: str | None = None) -> None:
    """Prints the tables of the working directories that follow the command's name in `argv`.

    Args:
        csv: file for one row a run.
        plot: image file for the best value by trial, one line a setting.

    Raises:
        UserError: there are none, or no run was started in one of them.
    """
    if not argv[1:]:
        raise UserError("which runs? Give their working directories, for example: runs/*")
    runs = [read_run(Path(workdir)) for workdir in argv[1:]]
    # A pipe has no width to keep to: there, every row stays on one line.
    console = Console(width=None if sys.stdout.isatty() else 10_000)
    console.print(compare(runs))
    names = [name for name in differing_fields(runs) if name not in NO_SETTINGS]
    results = [result_of(run, names) for run in runs]
    objective = _objective_of(runs[0])
    is_comparable = all(_objective_of(run) == objective for run in runs)
    num_left_out = len(results) - sum(map(len, group(results).values()))
    if is_comparable and len(group(results)) < len(runs) - num_left_out:
        console.print(compare_settings(results, names, objective))
        notes = [_NOTE, *([f"Left out: {num_left_out} runs whose search is not complete."] if num_left_out else [])]
        console.print(*notes, sep="\n", markup=False, highlight=False)
    if csv is not None:
        write_csv(Path(csv), names, results)
    if plot is not None:
        if not is_comparable or not group(results):
            raise UserError("--plot: there are no complete searches with one objective, so there is nothing to draw")
        from nas_jax.analysis.sweep_plot import save_best_so_far  # matplotlib takes a second

        save_best_so_far(Path(plot), group(results), names, objective)


def _objective_of(run: Run) -> Objective:
    return Objective(**run.config.get("objective", {}))


def _results(run: Run) -> Iterator[str]:
    objective = _objective_of(run)
    best = find_best(run.of("search"), objective)
    num_done = sum(trial.status != "pending" for trial in run.of("search"))
    num_planned = number(run.config.get("search", {}).get("num_trials"))
    yield "finished" if run.best else f"{num_done} of {num_planned} trials"
    yield UNKNOWN if best is None else describe_score(score(best, objective), objective)
    yield _final(run, objective)
    yield percent(run.best.get("test_accuracy"))
    yield f"{total_seconds(run.trials):.0f}"


def _final_metric(run: Run, objective: Objective) -> str:
    """What of the winner is compared: validation accuracy or, where it has none, as in most tables, the objective."""
    return "val_accuracy" if "val_accuracy" in run.best or objective.metric not in run.best else objective.metric


def _final(run: Run, objective: Objective) -> str:
    name = _final_metric(run, objective)
    return percent(run.best.get(name)) if name == "val_accuracy" else in_units(run.best[name], objective)


def _flatten(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Fields by dotted names, as the flags that set them are spelled; values as text."""
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text, object_hook=lambda section: {name: freeze(value) for name, value in section.items()})
    except json.JSONDecodeError as error:
        raise UserError(f"{str(path)!r} is not valid JSON: {error}") from error


if __name__ == "__main__":
    flags.DEFINE_string("csv", None, "Where to write the numbers of all runs, one row a run.")
    flags.DEFINE_string(
        "plot", None, "Where to draw the best value by trial, with standard errors: a .png, .svg or .pdf."
    )
    start(lambda argv: main(argv, flags.FLAGS.csv, flags.FLAGS.plot))
