"""The section of a report on budgets: which trainings were stopped and where, and what that saved."""

from collections import Counter, defaultdict

from nas_jax.budgets import Budgets
from nas_jax.metrics import curves_of, title_of
from nas_jax.record import in_full, score
from nas_jax.report.curves import learning_curves, stopped_trials
from nas_jax.report.page import Picture, Section, Table
from nas_jax.report.subject import Subject
from nas_jax.trial import Trial
from nas_jax.units import describe_score, sentence

TITLE = "Budgets"
_MAX_LISTED = 20


def section(subject: Subject) -> Section:
    """The rungs, the best of what was stopped, and the curves. A chain of trials is one architecture."""
    searched, budgets = subject.searched, subject.budgets
    if not any(trial.budget is not None or trial.continues is not None for trial in searched):
        return Section("budgets", TITLE, "Every search trial had the full budget.")
    stopped = stopped_trials(searched)
    return Section(
        "budgets",
        TITLE,
        _verdict(searched, budgets),
        tables=(_rungs(searched, budgets), *_stopped(subject, stopped)),
        pictures=tuple(_pictures(subject, stopped)),
    )


def _verdict(searched: list[Trial], budgets: Budgets) -> str:
    num_begun = sum(trial.continues is None for trial in searched)
    num_whole = sum(trial.status == "finished" and _epochs(trial, budgets) == budgets.each[-1] for trial in searched)
    cost = sum(budgets.costs(searched))
    text = (
        f"{num_begun} architectures were begun and {num_whole} measured in full, at the cost of {cost:.1f} full "
        "measurements"
    )
    saved = num_begun - cost
    return f"{text}; all of them in full would have cost {num_begun}: {saved / num_begun:.0%} was saved."


def _rungs(searched: list[Trial], budgets: Budgets) -> Table:
    """A row a budget that a trial had."""
    costs: defaultdict[int, float] = defaultdict(float)
    counts: dict[str, Counter[int]] = {status: Counter() for status in ("finished", "failed", "pending")}
    went_on: Counter[int] = Counter()
    continued = {trial.continues for trial in searched}
    for trial, cost in zip(searched, budgets.costs(searched), strict=True):
        epochs = _epochs(trial, budgets)
        costs[epochs] += cost
        counts[trial.status][epochs] += 1
        went_on[epochs] += trial.id in continued
    rows = []
    for epochs in sorted(costs):
        finished = counts["finished"][epochs]
        numbers = (finished, went_on[epochs], finished - went_on[epochs], counts["failed"][epochs])
        rows.append((str(epochs), *map(str, numbers), f"{costs[epochs]:.2f}"))
    header = ("Budget", "Measured", "Went on", "Ended here", "Failed", "Cost")
    caption = (
        "The cost is in full measurements. A training that goes on costs what is added. A budget is in epochs, or "
        "in what the table counts in."
    )
    return Table(header, tuple(rows), caption, numeric=header)


def _stopped(subject: Subject, stopped: list[Trial]) -> list[Table]:
    """The best of each budget first, the largest budget before the others."""
    objective = next(iter(subject.objectives))
    known = [trial for trial in stopped if objective.finite_value(trial) is not None]
    if not known:
        return []
    known.sort(key=lambda trial: (-_epochs(trial, subject.budgets), -score(trial, objective)))
    rows = [
        (
            str(trial.id),
            trial.description,
            str(_epochs(trial, subject.budgets)),
            describe_score(score(trial, objective), objective),
        )
        for trial in known[:_MAX_LISTED]
    ]
    header = ("Trial", "Stopped architecture", "At budget", sentence(title_of(objective.metric)))
    hidden = len(known) - len(rows)
    caption = f"{hidden} more were stopped, earlier or with worse values." if hidden else ""
    return [Table(header, tuple(rows), caption, numeric=("Trial", "At budget", header[-1]))]


def _pictures(subject: Subject, stopped: list[Trial]) -> list[Picture]:
    pictures = []
    whole = [trial for trial in in_full(subject.searched) if trial.metrics is not None]
    for metric in subject.objectives.metrics:
        lines = [
            (kind, curves_of(trial.metrics).get(metric, []))
            for kind, trials in (("stopped", stopped), ("whole", whole))
            for trial in trials
        ]
        drawn = [(kind, values) for kind, values in lines if values]
        if drawn:
            figure = learning_curves(drawn, metric, subject.curve_budgets)
            pictures.append(Picture(figure, f"{sentence(title_of(metric))} of the search trials, stopped ones in grey"))
    return pictures


def _epochs(trial: Trial, budgets: Budgets) -> int:
    return (trial.budget or budgets.full).epochs
