"""A run's report: `report.md` and its figures, written from what the run left in its working directory.

It reads files only, so a run that was killed, that failed or that still goes on gets a report too, which says
what is missing. The end of a run writes it, and so does `python -m nas_jax.analysis.report --workdir=runs/x`.

Only the surrogate's quality is computed anew, by cross-validation: what was predicted during the search is of
chosen trials at changing amounts of data, and judges the strategy as much.
"""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from absl import flags
from jaxtyping import Float

from nas_jax.analysis import plots
from nas_jax.analysis.compare import (
    UNKNOWN,
    Run,
    binomial_error,
    describe_accuracy,
    describe_score,
    find_best,
    find_winner,
    in_units,
    number,
    read_run,
    score,
    total_seconds,
)
from nas_jax.analysis.markdown import escape, table, yaml
from nas_jax.cli import start
from nas_jax.objective import Objective, is_fraction
from nas_jax.parts import build_parts
from nas_jax.surrogates import metrics as quality
from nas_jax.surrogates.base import Surrogate
from nas_jax.surrogates.validation import cross_validate
from nas_jax.trial import Genome, Trial

MIN_TRIALS = 5  # below it a rank correlation says nothing


@runtime_checkable
class Encoder(Protocol):
    """The part of a space that a report needs."""

    def encode(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n d"]: ...


def write_report(workdir: Path, space: Encoder, surrogate: Surrogate, objective: Objective) -> Path:
    """Writes `report.md` and its figures into `workdir`, over those of an earlier report, and returns its path.

    Args:
        workdir: of a run, in whatever state it is.
        space: the one that was searched.
        surrogate: settings to fit for the section on its quality.
        objective: what the search maximised.

    Raises:
        UserError: no run was started in `workdir`.
    """
    run = read_run(workdir)
    winner = find_winner(run, objective)
    sections = (
        _state(run),
        _answer(run, objective, winner),
        _finalists(run, objective, winner),
        _baseline(run, objective),
        _progress(run, objective),
        _surrogate(run, objective, space, surrogate),
        _parameters(run, objective, winner),
        _cost(run),
        _failures(run, objective),
        _settings(run),
    )
    path = workdir / "report.md"
    path.write_text("\n\n".join(section for section in sections if section) + "\n", encoding="utf-8")
    return path


def _state(run: Run) -> str:
    search = Counter(trial.status for trial in run.of("search"))
    num_planned = number(run.config.get("search", {}).get("num_trials"))
    if run.best:
        state = "This run has finished"
    elif search["failed"] and search["failed"] == search.total():
        state = "Every trial of this run has failed so far"
    else:
        state = "This run has not finished, or was stopped"
    return (
        f"# Search report: {escape(run.workdir.resolve().name)}\n\n{state}: {search['finished']} of {num_planned} "
        f"search trials finished, {search['failed']} failed, {search['pending']} were under way."
    )


def _answer(run: Run, objective: Objective, winner: Trial | None) -> str:
    if winner is None:
        best = find_best(run.of("search"), objective)
        found = "No trial has a score, so there is nothing to choose from."
        if best:
            found = f"The best trial of the search is trial {best.id} with "
            found += f"{describe_score(score(best, objective), objective)}: {escape(best.description)}."
        return f"## Answer\n\nNo finalist has been measured. {found}"
    measured = {**(winner.metrics or {}), **run.best}
    origin = "exported to `best/`" if run.best else "the best finalist so far; nothing has been exported yet"
    facts = [
        f"Trial {winner.id} ({winner.stage}), {origin}. It was chosen by its `{objective.metric}`, which flatters it a "
        f"little{'' if run.is_table else '; the test split had no part in the choice'}."
    ]
    if objective.metric != "val_accuracy":
        facts.append(f"`{objective.metric}`: {describe_score(score(winner, objective), objective)}.")
    for split, title in (("val", "Validation"), ("test", "Test")):
        if not run.is_table or f"{split}_accuracy" in measured:
            facts.append(f"{title} accuracy: {describe_accuracy(run, split, measured)}.")
    if not run.is_table or "num_params" in measured:
        num_params, flops = (number(measured.get(name)) for name in ("num_params", "flops"))
        facts.append(f"Parameters: {num_params}; FLOPs: {flops} an image.")
    return "\n".join([f"## Answer\n\n**{escape(winner.description)}**\n", *(f"- {fact}" for fact in facts)])


def _finalists(run: Run, objective: Objective, winner: Trial | None) -> str:
    finalists = run.of("final")
    if not finalists:
        return ""
    history = objective.history(run.of("search"))
    searched = dict(zip(history.genomes, history.scores.tolist(), strict=True))

    def rank(trial: Trial) -> tuple[bool, float]:
        return trial != winner, -np.nan_to_num(score(trial, objective), nan=-np.inf)

    def row(trial: Trial) -> tuple[str, ...]:
        said = trial.prediction
        return (
            "winner" if trial == winner else "",
            trial.description,
            f"{describe_score(said.mean, objective)} ± {in_units(said.std, objective)}" if said else UNKNOWN,
            describe_score(searched.get(trial.genome, math.nan), objective),
            trial.status if trial.metrics is None else describe_score(score(trial, objective), objective),
            number((trial.metrics or {}).get("num_params")),
            f"{total_seconds([trial]):.0f}",
        )

    header = ("", "Architecture", "Predicted, search", "Measured, search", "Measured, final", "Parameters", "Seconds")
    note = (
        f"*Search* is {'as looked up for' if run.is_table else 'by the recipe of'} a search trial, *final* that of a "
        "finalist. A prediction is mean ± one standard deviation; *measured, search* is empty (-) where the search "
        "never tried the architecture."
    )
    rows = table(header, map(row, sorted(finalists, key=rank)))
    return f"## Finalists\n\n{rows}\n\n{note} The metric is `{objective.metric}`."


def _baseline(run: Run, objective: Objective) -> str:
    baseline, best = (find_best(run.of(stage), objective) for stage in ("baseline", "final"))
    if baseline is None or best is None:
        return ""
    theirs, ours = score(baseline, objective), score(best, objective)
    verdict = "as good as" if ours == theirs else "better than" if ours > theirs else "worse than"
    text = (
        f"The baseline is the best trial of the search, {'looked up' if run.is_table else 'trained in full'} as the "
        "finalists were: "
        f"{escape(baseline.description)}. It reached {describe_score(theirs, objective)}, and the best finalist "
        f"{describe_score(ours, objective)}: the finalist is {verdict} the baseline."
    )
    num = run.num_examples("val")
    if is_fraction(objective.metric) and num is not None:
        noise = math.hypot(binomial_error(abs(ours), num), binomial_error(abs(theirs), num))  # scores may be negated
        size = "larger" if abs(ours - theirs) > 2 * noise else "not larger"
        text += (
            f" The difference, {100 * abs(ours - theirs):.2f} percentage points, is {size} than two of its binomial "
            f"standard errors ({200 * noise:.2f} percentage points on {num:,} examples); these leave out the luck of "
            "the training seed."
        )
    if tested := run.best.get("baseline"):
        text += f" On the test split the baseline has {describe_accuracy(run, 'test', tested)}."
    return f"## Against the baseline\n\n{text}"


def _progress(run: Run, objective: Objective) -> str:
    scores = np.array([score(trial, objective) for trial in run.of("search")])
    if np.isnan(scores).all():
        return ""
    plots.save(plots.best_so_far(scores, **_labels(objective)), run.workdir / "progress.png")
    return "## Progress\n\n![Scores of the search trials in order, and the best so far](progress.png)"


def _surrogate(run: Run, objective: Objective, space: Encoder, surrogate: Surrogate) -> str:
    history = objective.history(run.of("search"))
    y = history.scores
    n = len(y)
    if n < MIN_TRIALS:
        return f"## Surrogate\n\nIts quality is not reported: {n} search trials have a score, {MIN_TRIALS} are needed."
    num_folds = min(10, n)
    key = jax.random.key(run.config["seed"])
    posterior = cross_validate(surrogate, key, space.encode(history.genomes), y, num_folds=num_folds)
    mean, std = (np.asarray(values, np.float64) for values in posterior)
    tau, coverage = quality.kendall_tau(mean, y), quality.coverage(posterior, y)
    figure = plots.predicted_against_measured(y, mean, std, tau=tau, coverage=coverage, **_labels(objective))
    plots.save(figure, run.workdir / "surrogate.png")
    rows = (
        ("trials", str(n)),
        ("Kendall's tau", f"{tau:.3f}"),
        ("Spearman's rho", f"{quality.spearman(mean, y):.3f}"),
        ("root mean squared error", in_units(quality.rmse(mean, y), objective)),
        ("coverage of the 95 % intervals", f"{100 * coverage:.1f} %"),
    )
    return (
        "## Surrogate\n\nEach search trial was predicted by a surrogate fitted without it, in cross-validation "
        f"with {num_folds} folds.\n\n{table(('Measure', 'Value'), rows)}\n\n"
        "![Predicted against measured scores](surrogate.png)"
    )


def _parameters(run: Run, objective: Objective, winner: Trial | None) -> str:
    params = {trial.id: float((trial.metrics or {}).get("num_params", 0)) for trial in run.trials}
    shown = [trial for trial in run.trials if params[trial.id] > 0 and not math.isnan(score(trial, objective))]
    if not shown:
        return ""
    figure = plots.accuracy_against_parameters(
        np.array([params[trial.id] for trial in shown]),
        np.array([score(trial, objective) for trial in shown]),
        [trial.stage for trial in shown],
        winner=shown.index(winner) if winner in shown else None,
        **_labels(objective),
    )
    plots.save(figure, run.workdir / "parameters.png")
    section = "## Size\n\n![Scores over the number of parameters](parameters.png)"
    if run.of("final") and not run.is_table:
        section += "\n\nSearch trials had the short training, finalists and baseline the full one."
    return section


def _cost(run: Run) -> str:
    if not run.trials:
        return ""
    by_stage = [(stage, run.of(stage)) for stage in plots.STAGES if run.of(stage)]
    rows = [
        (stage, str(len(trials)), *(f"{total_seconds(trials, part):,.1f}" for part in ("compile", "train", None)))
        for stage, trials in (*by_stage, ("all", run.trials))
    ]
    header = ("Stage", "Trials", "Compiling (s)", "Training (s)", "All (s)")
    return f"## Cost\n\nSummed over trials; workers that run side by side take less time.\n\n{table(header, rows)}"


def _failures(run: Run, objective: Objective) -> str:
    reasons = Counter(
        " ".join((trial.error or f"{objective.metric} is not finite").split())[:300]
        for trial in run.trials
        if trial.status == "failed" or (trial.metrics is not None and math.isnan(score(trial, objective)))
    )
    rows = ((str(count), reason) for reason, count in reasons.most_common())
    return f"## Failures\n\n{table(('Trials', 'Reason'), rows) if reasons else 'No trial failed.'}"


def _settings(run: Run) -> str:
    parts = ["## Config and environment"]
    if command := run.environment.get("command"):
        parts.append(f"To repeat the run, with another `--workdir` behind it:\n\n```sh\n{command}\n```")
    named = (("Config", run.config), ("Environment", run.environment))
    parts.extend(f"{name}:\n\n```yaml\n{yaml(values)}\n```" for name, values in named if values)
    return "\n\n".join(parts)


def _labels(objective: Objective) -> dict[str, Any]:
    name = objective.metric.replace("val_", "validation ").replace("_", " ")
    return {"label": name if objective.maximize else f"negative {name}", "is_fraction": is_fraction(objective.metric)}


def main(argv: Sequence[str]) -> None:
    """Writes the report of the run in `--workdir` anew; its config says what parts it had."""
    workdir = Path(flags.FLAGS.workdir)
    parts = build_parts(read_run(workdir).config, checkpoint_dir=workdir / "finalists")
    print(write_report(workdir, parts.space, parts.surrogate, parts.objective))


if __name__ == "__main__":
    # Not at the top: main, which imports this module, has a flag of this name as well.
    flags.DEFINE_string("workdir", None, "The working directory of a run.", required=True)
    start(main)
