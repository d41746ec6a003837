"""What a person sees while a run goes on: a live panel on a terminal, plain lines elsewhere."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from rich import progress as bars
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from nas_jax.assessment import Assessment
from nas_jax.best_file import metrics_of, metrics_of_baseline
from nas_jax.evaluators.base import Progress
from nas_jax.growing_front import GrowingFront
from nas_jax.listeners import Outcome, Round
from nas_jax.metrics import digits, finite_metric, seeds_in, title_of
from nas_jax.objectives import Objectives
from nas_jax.trial import BASELINES, Trial

_PLAIN_ASSESSMENTS = 25  # predicted trials between two lines of assessment
_MAX_FRONT = 5  # trials of the front that are shown
_PLAIN_WIDTH = 160  # of tables that go to a file or a pipe


class _Output(Console):
    """Standard output. Where its reader has gone, as of a pipe to `head`, what is left is shown to nobody."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Display:
    """Shows the stage, a bar with the time left, the last trial and the best one, of several objectives the front."""

    def __init__(self, objectives: Objectives, console: Console | None = None) -> None:
        self._objectives = objectives
        self._console = console or _Output()
        if not self._console.is_terminal:
            self._console.width = _PLAIN_WIDTH
        self._progress = bars.Progress(
            bars.TextColumn("[bold]{task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TimeElapsedColumn(),
            bars.TextColumn("left"),
            bars.TimeRemainingColumn(),
            console=self._console,
        )
        self._live = Live(console=self._console, refresh_per_second=4) if self._console.is_terminal else None
        self._front = GrowingFront(objectives)
        self._last: Trial | None = None
        self._running: dict[int, Progress] = {}  # by id
        self._assessments: Mapping[str, Assessment] = {}

    def __enter__(self) -> "Display":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def note(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def begin(self, stage: str, num_trials: int | None, ended: Sequence[Trial]) -> None:
        """A stage of `num_trials` trials (None: as many as may be), of which `ended` were there before."""
        self._last, self._running, self._assessments = None, {}, {}
        self._front = GrowingFront(self._objectives, ended)
        for task in self._progress.tasks:
            self._progress.update(task.id, visible=False)
        self._progress.add_task(stage, total=num_trials, completed=len(ended))
        if ended:
            self.note(f"{stage}: resumes, {len(ended)} {f'of {num_trials} ' if num_trials else ''}trials are done")
        elif not self._live:
            self.note(f"{stage}: {num_trials} trials" if num_trials else f"{stage}: trials up to its cost")
        self._refresh()

    def progress(self, progress: Progress) -> None:
        """A trial has come further, which a terminal shows, or has something to say."""
        if progress.note is not None:
            self.note(progress.note)
        else:
            self._running[progress.trial] = progress
        self._refresh()

    def trial(self, trial: Trial) -> None:
        """A trial has ended."""
        self._last = trial
        self._running.pop(trial.id, None)
        self._front.add(trial)
        task = self._progress.tasks[-1]
        self._progress.advance(task.id)
        if not self._live:
            clock = time.strftime("%H:%M:%S")
            of_total = f"/{int(task.total)}" if task.total else ""
            self.note(f"{clock}  {int(task.completed)}{of_total}  {self._line(trial)}")
        self._refresh()

    def round(self, round: Round) -> None:
        """How good the predictions of the search have been so far; without a terminal only now and then."""
        self._assessments = round.assessments
        for line in self._assessed():
            if not self._live and self._is_due():
                self.note(f"predictions so far: {line}")
        self._refresh()

    def _assessed(self) -> list[str]:
        several = len(self._assessments) > 1
        return [f"{metric}: {each}" if several else str(each) for metric, each in self._assessments.items()]

    def _is_due(self) -> bool:
        return any(each.num_predicted % _PLAIN_ASSESSMENTS == 0 for each in self._assessments.values())

    def _line(self, trial: Trial) -> str:
        if trial.metrics is None:
            return f"failed: {trial.error}  ({trial.description})"
        if self._objectives.is_left_out(trial):
            return f"not trained, since it breaks a constraint  ({trial.description})"
        seconds = sum((trial.seconds or {}).values())
        return f"{self._objectives.describe(trial.metrics)}  {seconds:5.1f} s  {trial.description}"

    def _so_far(self, progress: Progress) -> str:
        """A trial that runs: its id, and what its last epoch gave."""
        known = {name: progress.metrics[name] for name in self._objectives.metrics if name in progress.metrics}
        values = "".join(f", {name} {digits(value, name)}" for name, value in known.items())
        return f"{progress.trial} (epoch {progress.num_epochs}{values})"

    def _refresh(self) -> None:
        if self._live:
            rows = Table.grid(padding=(0, 1))
            if self._running:
                epochs = ", ".join(self._so_far(each) for each in self._running.values())
                rows.add_row(Text("running", style="dim"), Text(epochs))
            for name, trials in (("last", [self._last]), ("best", self._front.trials[-_MAX_FRONT:])):
                for trial in trials:
                    if trial is not None:
                        rows.add_row(Text(name, style="dim"), Text(self._line(trial)))
            for line in self._assessed():
                rows.add_row(Text("predictions", style="dim"), Text(line))
            self._live.update(Group(self._progress, rows))

    def end(self, outcome: Outcome) -> None:
        """The finalists, the winner and where things lie."""
        if outcome.finalists:
            self._console.print(self._table(outcome))
        if outcome.winner is not None:
            self.note(f"Winner: {outcome.winner.description}")
        if outcome.winner is not None and outcome.metrics:
            self._note_results(outcome.winner, outcome.metrics)
        for what, where in outcome.places.items():
            self.note(f"{what + ':':<9} {where}")

    def _table(self, outcome: Outcome) -> Table:
        table = Table(title="Finalists", title_justify="left", title_style="bold")
        table.add_column("architecture", overflow="fold")
        for metric in self._objectives.metrics:
            for column in (f"{metric}, predicted (as in search)", f"{metric} (as finalist)"):
                table.add_column(column, justify="right")
        table.add_column("parameters", justify="right")
        winner = [] if outcome.winner is None else [outcome.winner]
        for trial in (*winner, *(trial for trial in outcome.finalists if trial not in winner)):
            size = finite_metric(trial.metrics, "num_params")
            cells = [escape(cell) for cell in self._cells(trial)]
            cells.append("" if size is None else f"{size:,.0f}")
            table.add_row(escape(trial.description), *cells, style="bold" if trial in winner else "")
        return table

    def _cells(self, trial: Trial) -> Iterator[str]:
        """For each objective, what was predicted of a finalist and what was measured."""
        for place, objective in enumerate(self._objectives):
            if trial.predictions:
                mean, std = trial.predictions[place]
                deviation = digits(float(f"{std:.3g}"), objective.metric)
                yield f"{digits(objective.sign * mean, objective.metric)} ± {deviation}"
            else:
                yield ""
            metric = objective.metric
            if self._objectives.is_left_out(trial):
                yield "breaks a constraint"
            else:
                yield digits(trial.metrics[metric], metric) if trial.metrics else f"failed: {trial.error}"

    def _note_results(self, winner: Trial, written: Mapping[str, Any]) -> None:
        """What was measured of the winner, and of what it is compared with, as `best/metrics.json` has it."""
        metrics = {**(winner.metrics or {}), **metrics_of(written)}
        self.note(_sentence(self._results(metrics)))
        if seeds := seeds_in(metrics):
            exported = self._results(written.get("exported", {}))
            self.note(f"These are means over {len(seeds)} seeds; of them best/ has the best by validation: {exported}")
        for stage, title in BASELINES.items():
            if baseline := written.get("baselines", {}).get(stage):
                is_winner = baseline.get("trial") == winner.id
                results = "the winner itself" if is_winner else self._results(metrics_of_baseline(baseline))
                self.note(f"{_sentence(title)}, trained as a finalist: {results}")

    def _results(self, metrics: Mapping[str, Any]) -> str:
        """The objectives' metrics, on the test split first where they were measured there too."""
        names: dict[str, str] = {}
        for metric in self._objectives.metrics:
            split, _, name = metric.partition("_")
            if split == "val":
                names[f"test_{name}"] = title_of(f"test_{name}")
            names[metric] = title_of(metric)
        return ", ".join(
            f"{title} {digits(metrics[name], name)}" for name, title in names.items() if metrics.get(name) is not None
        )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
