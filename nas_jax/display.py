"""What a person sees while a run goes on: a live panel on a terminal, plain lines elsewhere."""

import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from nas_jax.assessment import Assessment
from nas_jax.objectives import Objective
from nas_jax.trial import BASELINES, Trial

_PLAIN_ASSESSMENTS = 25  # predicted trials between two lines of assessment
_PLAIN_WIDTH = 160  # of tables that go to a file or a pipe


class Display:
    """Shows the phase, a bar with the time left, the last trial and the best one."""

    def __init__(self, objective: Objective, console: Console | None = None) -> None:
        self._objective = objective
        self._console = console or Console()
        if not self._console.is_terminal:
            self._console.width = _PLAIN_WIDTH
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._live = Live(console=self._console, refresh_per_second=4) if self._console.is_terminal else None
        self._best: Trial | None = None
        self._last: Trial | None = None
        self._assessment: Assessment | None = None

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

    def begin(self, phase: str, num_trials: int, ended: list[Trial]) -> None:
        """A phase of `num_trials` trials, of which `ended` were there before."""
        self._best = self._last = self._assessment = None
        for trial in ended:
            self._update_best(trial)
        for task in self._progress.tasks:
            self._progress.update(task.id, visible=False)
        self._progress.add_task(phase, total=num_trials, completed=len(ended))
        if ended:
            self.note(f"{phase}: resumes, {len(ended)} of {num_trials} trials are done")
        elif not self._live:
            self.note(f"{phase}: {num_trials} trials")
        self._refresh()

    def show(self, trial: Trial) -> None:
        """A trial that has ended."""
        self._last = trial
        self._update_best(trial)
        task = self._progress.tasks[-1]
        self._progress.advance(task.id)
        if not self._live:
            clock = time.strftime("%H:%M:%S")
            self.note(f"{clock}  {int(task.completed)}/{int(task.total or 0)}  {self._line(trial)}")
        self._refresh()

    def show_assessment(self, assessment: Assessment | None) -> None:
        """How good the predictions of the search have been so far; without a terminal only now and then."""
        self._assessment = assessment
        if assessment and not self._live and assessment.num_predicted % _PLAIN_ASSESSMENTS == 0:
            self.note(f"predictions so far: {assessment}")
        self._refresh()

    def _update_best(self, trial: Trial) -> None:
        score = self._objective.finite_score(trial)
        best = None if self._best is None else self._objective.finite_score(self._best)
        if score is not None and (best is None or score > best):
            self._best = trial

    def _line(self, trial: Trial) -> str:
        if trial.metrics is None:
            return f"failed: {trial.error}  ({trial.description})"
        seconds = sum((trial.seconds or {}).values())
        value = trial.metrics[self._objective.metric]
        return f"{self._objective.metric} {value:.4f}  {seconds:5.1f} s  {trial.description}"

    def _refresh(self) -> None:
        if self._live:
            rows = Table.grid(padding=(0, 1))
            for name, trial in (("last", self._last), ("best", self._best)):
                if trial is not None:
                    rows.add_row(Text(name, style="dim"), Text(self._line(trial)))
            if self._assessment:
                rows.add_row(Text("predictions", style="dim"), Text(str(self._assessment)))
            self._live.update(Group(self._progress, rows))

    def summary(self, finals: list[Trial], winner: Trial, metrics: dict, places: dict[str, str]) -> None:
        """The finalists, the winner and where things lie. `metrics` are those of `best/metrics.json`."""
        name, sign = self._objective.metric, 1 if self._objective.maximize else -1
        table = Table(title="Finalists", title_justify="left", title_style="bold")
        table.add_column("architecture", overflow="fold")
        for column in ("predicted (as in search)", f"{name} (as finalist)", "parameters"):
            table.add_column(column, justify="right")
        others = [trial for trial in finals if trial.id != winner.id]
        for trial in (winner, *others):
            predicted = trial.prediction and f"{sign * trial.prediction.mean:.4f} ± {trial.prediction.std:.4f}"
            measured = f"{trial.metrics[name]:.4f}" if trial.metrics else f"failed: {trial.error}"
            size = (trial.metrics or {}).get("num_params")
            num_params = "" if size is None else f"{size:,.0f}"
            style = "bold" if trial is winner else ""
            table.add_row(escape(trial.description), predicted or "", escape(measured), num_params, style=style)
        self._console.print(table)
        self.note(f"Winner: {winner.description}")
        self.note(_sentence(self._results(metrics)))
        if seeds := metrics.get("seeds"):
            exported = self._results(metrics["exported"])
            self.note(f"These are means over {len(seeds)} seeds; of them best/ has the best by validation: {exported}")
        for stage, title in BASELINES.items():
            if baseline := metrics["baselines"].get(stage):
                is_winner = baseline["trial"] == winner.id
                results = "the winner itself" if is_winner else self._results(baseline)
                self.note(f"{_sentence(title)}, trained as a finalist: {results}")
        for what, where in places.items():
            self.note(f"{what + ':':<9} {where}")

    def _results(self, metrics: dict) -> str:
        """What was measured of a finalist: the accuracies on test and validation split and the objective's metric."""
        titles = {"test_accuracy": "test accuracy", "val_accuracy": "validation accuracy"}
        titles.setdefault(self._objective.metric, self._objective.metric)
        return ", ".join(f"{title} {metrics[name]:.4f}" for name, title in titles.items() if name in metrics)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
