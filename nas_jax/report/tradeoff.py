"""The section of a report on a front: what each of its points gives up for what, and how it grew.

The plot is HTML that needs no script: a point is a link, so that a mouse, a finger, the tab key and a screen reader all
reach it, and what it is stands below the plot while it is pointed at.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nas_jax.front_files import hypervolumes
from nas_jax.fronts import hypervolume
from nas_jax.metrics import title_of
from nas_jax.objectives import Objective
from nas_jax.report.page import Picture, Plane, Point, Section, Table, Tick
from nas_jax.report.plots import BLUE, ORANGE, count_trials, finish, new_axes, styled
from nas_jax.report.random_search import random_draws
from nas_jax.report.subject import Subject
from nas_jax.trial import CONTENDERS, Trial
from nas_jax.units import in_units, number, sentence

TITLE = "The front"
_MIN_RANDOM, _NUM_RESAMPLES, _NUM_KNOTS = 5, 100, 20
_MARGIN = 0.06  # of the range, at each side of a plot


def section(subject: Subject) -> Section | None:
    """The front and its growth; nothing of one objective without constraints."""
    objectives = subject.objectives
    if len(objectives) < 2 and not objectives.constraints:
        return None
    compared = [trial for trial, _ in objectives.comparable(subject.searched)]
    whole = [trial for trial in subject.record.of(*CONTENDERS) if objectives.values(trial) is not None]
    trials = [*compared, *whole]
    if not trials:
        return Section("front", TITLE, "No trial has been measured yet.")
    shown = subject.alike if objectives.front(subject.alike) else subject.searched
    front = sorted(objectives.front(shown), key=lambda trial: -objectives.each[0].value(trial.metrics or {}))
    infeasible = [trial for trial in trials if not objectives.is_feasible(trial)]
    return Section(
        "front",
        TITLE,
        _verdict(subject, front, len(infeasible), len(trials)),
        paragraphs=_remarks(subject, front),
        planes=tuple(_plane(subject, front, compared, other) for other in objectives.each[1:]) if front else (),
        tables=(_table(subject, front),) if front else (),
        pictures=_growth(subject) if len(objectives) > 1 else (),
    )


def _verdict(subject: Subject, front: list[Trial], num_infeasible: int, num: int) -> str:
    found = f"{len(front)} point{'' if len(front) == 1 else 's'} that no other one beats"
    if not subject.objectives.constraints:
        return f"{found}."
    keep = f"keep{'s' if len(front) == 1 else ''} {subject.objectives.limits}"
    return f"{found} and that {keep}; {num_infeasible} of {num} trials do not."


def _remarks(subject: Subject, front: list[Trial]) -> tuple[str, ...]:
    lack = "keeps the constraints" if subject.has_measured_finalists else "has been measured"
    stages = {trial.stage for trial in subject.alike}
    if "search" in stages and len(stages) > 1:
        origin = "of the search and of the finalists, which are measured alike"
    elif all(trial.stage in CONTENDERS for trial in front):
        origin = "trained in full"
    else:
        origin = f"of the search, as no finalist {lack}"
    remarks = [f"Points of the front are {origin}. In the plot the other trials of the search are small grey dots."]
    if any(trial.budget for trial in subject.searched):
        remarks.append("Trials that were stopped before the largest budget are not drawn.")
    if subject.objectives.constraints:
        remarks.append("Trials that break a constraint are red squares; none of them can be on the front.")
    if subject.objectives.known:
        known = ", ".join(subject.objectives.known)
        remarks.append(f"Known before any training, and so no guess of a surrogate: {known}.")
    return tuple(remarks)


def _plane(subject: Subject, front: list[Trial], tried: list[Trial], other: Objective) -> Plane:
    """The first objective upwards over another one, in their own units. Stopped trainings are not among the tried."""
    first = subject.objectives.each[0]
    xs, ys = (np.array([_metric(trial, each) for trial in [*front, *tried]]) for each in (other, first))
    x, y = _Axis(xs, len(front), other), _Axis(ys, len(front), first)
    places = [
        (not subject.objectives.is_feasible(trial), x.place(_metric(trial, other)), y.place(_metric(trial, first)))
        for trial in tried
    ]
    points = [
        Point(
            f"front-{other.metric}-{trial.id}",
            x.place(_metric(trial, other)),
            y.place(_metric(trial, first)),
            f"{', '.join(_said(trial, each) for each in subject.objectives)}: trial {trial.id}, {trial.description}",
        )
        for trial in sorted(front, key=lambda trial: _metric(trial, other))
    ]
    return Plane(
        title=f"{sentence(title_of(first.metric))} over {title_of(other.metric)}",
        x_label=f"{sentence(title_of(other.metric))} ({'more' if other.maximize else 'less'} is better)",
        y_label=f"{sentence(title_of(first.metric))} ({'more' if first.maximize else 'less'} is better)",
        x_ticks=x.ticks,
        y_ticks=y.ticks,
        tried=tuple((left, bottom) for is_broken, left, bottom in places if not is_broken and _is_inside(left, bottom)),
        broken=tuple((left, bottom) for is_broken, left, bottom in places if is_broken and _is_inside(left, bottom)),
        points=tuple(points),
    )


class _Axis:
    """Where metrics lie along an axis, in percent of its length: most of them, and all points of the front."""

    def __init__(self, values: np.ndarray, num_front: int, objective: Objective) -> None:
        low, high = np.quantile(values, (0.1, 0.9))
        low, high = min(low, values[:num_front].min()), max(high, values[:num_front].max())
        margin = _MARGIN * ((high - low) or abs(high) or 1.0)
        self._low, self._high, self._metric = float(low - margin), float(high + margin), objective.metric

    def place(self, value: float) -> float:
        return round(100 * (value - self._low) / (self._high - self._low), 2)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        found = MaxNLocator(4).tick_values(self._low, self._high)
        return tuple(
            Tick(self.place(float(each)), in_units(float(each), self._metric))
            for each in found
            if self._low <= each <= self._high
        )


def _is_inside(left: float, bottom: float) -> bool:
    return 0 <= left <= 100 and 0 <= bottom <= 100


def _metric(trial: Trial, objective: Objective) -> float:
    return objective.sign * objective.value(trial.metrics or {})


def _said(trial: Trial, objective: Objective) -> str:
    return f"{title_of(objective.metric)} {in_units(_metric(trial, objective), objective.metric)}"


def _table(subject: Subject, front: list[Trial]) -> Table:
    needed = subject.objectives.needed
    winner = subject.winner
    rows = tuple(
        (str(trial.id), trial.description, *(in_units((trial.metrics or {}).get(metric), metric) for metric in needed))
        for trial in front
    )
    marked = next((place for place, trial in enumerate(front) if winner is not None and trial.id == winner.id), None)
    titles = tuple(sentence(title_of(metric)) for metric in needed)
    note = "The stressed row is in best/; python -m nas_jax.pick takes another one."
    return Table(("Trial", "Architecture", *titles), rows, note, numeric=("Trial", *titles), marked=marked)


def _growth(subject: Subject) -> tuple[Picture, ...]:
    """The hypervolume by trial, beside what as many random trials would have."""
    objectives = subject.objectives
    volumes = np.array([volume for _, volume in hypervolumes(objectives, subject.searched)])
    if not len(volumes):
        return ()
    reference = objectives.reference(objectives.history(subject.searched))
    drawn = [(objectives.values(trial), objectives.is_feasible(trial)) for trial in random_draws(subject)]
    random = np.array([values if values is not None and is_kept else reference for values, is_kept in drawn])
    signed = zip(objectives, reference.tolist(), strict=True)
    where = ", ".join(f"{title_of(each.metric)} {in_units(each.sign * value, each.metric)}" for each, value in signed)
    caption = f"Counted from {where}; the last one is {number(float(volumes[-1]))}."
    knots, expected = random_growth(random, reference, len(volumes))
    if len(knots):
        caption += (
            f" Random search is the mean of {_NUM_RESAMPLES} draws, with replacement, from the {len(random)} trials "
            "that are known to be random, failures among them; beyond so many it says too little."
        )
    return (Picture(_draw(volumes, knots, expected), "Hypervolume of the front so far", caption),)


def random_growth(values: np.ndarray, reference: np.ndarray, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of random trials up to `num`, and the hypervolume that so many have in the mean.

    Args:
        values: of known random trials `[m, k]`; of fewer than five nothing is said.
    """
    if len(values) < _MIN_RANDOM:
        return np.zeros(0, int), np.zeros(0)
    knots = np.unique(np.linspace(1, num, _NUM_KNOTS).round().astype(int))
    rng = np.random.default_rng(0)
    draws = rng.integers(len(values), size=(_NUM_RESAMPLES, num))
    return knots, np.array([np.mean([hypervolume(values[draw[:knot]], reference) for draw in draws]) for knot in knots])


@styled
def _draw(volumes: np.ndarray, knots: np.ndarray, expected: np.ndarray) -> Figure:
    figure, axes = new_axes()
    axes.step(np.arange(1, len(volumes) + 1), volumes, where="post", color=BLUE, linewidth=2, label="this search")
    if len(knots):
        axes.plot(knots, expected, color=ORANGE, linewidth=1.6, linestyle="--", label="random search")
    axes.set(xlim=(0, len(volumes) * 1.02), ylabel="Hypervolume")
    axes.set_ylim(bottom=0)
    count_trials(axes)
    finish(figure, axes)
    return figure
