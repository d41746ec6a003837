"""The first sections of a report: what was found, and how the finalists did."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nas_jax.objectives import Objective
from nas_jax.record import Record, find_best, score, total_seconds
from nas_jax.report.diagrams import diagram_of
from nas_jax.report.noise import noise_of
from nas_jax.report.page import Fact, Section, Table
from nas_jax.search.latency import read_latency
from nas_jax.trial import BASELINES, Trial
from nas_jax.units import UNKNOWN, describe_score, in_units, number, percent


def answer(run: Record, objective: Objective, space: object, winner: Trial | None) -> Section:
    """The winner: a picture of it, and its numbers."""
    if winner is None:
        best = find_best(run.of("search"), objective)
        if best is None:
            return Section("answer", "The answer", "No trial has a score, so there is nothing to choose from.")
        found = describe_score(score(best, objective), objective)
        return Section(
            "answer",
            "The answer",
            "No finalist has been measured.",
            paragraphs=(f"The best trial of the search is trial {best.id} with {found}: {best.description}",),
            diagram=diagram_of(space, best.genome),
        )
    measured = {**(winner.metrics or {}), **run.best}
    origin = "exported to best/" if run.best else "the best finalist so far; nothing has been exported yet"
    chosen = (
        f"Trial {winner.id} ({winner.stage}), {origin}. It was chosen by its {objective.metric}, which flatters it a "
        f"little{'' if run.is_table else '; the test split had no part in the choice'}."
    )
    return Section(
        "answer",
        "The answer",
        winner.description,
        paragraphs=(chosen,),
        diagram=diagram_of(space, winner.genome),
        facts=(*_quality_facts(run, objective, winner, measured), *_size_facts(run, measured)),
    )


def _quality_facts(run: Record, objective: Objective, winner: Trial, measured: Mapping[str, Any]) -> tuple[Fact, ...]:
    facts = []
    for split, title in (("val", "Validation accuracy"), ("test", "Test accuracy")):
        if not run.is_table or f"{split}_accuracy" in measured:
            facts.append(accuracy_fact(run, split, title, measured))
    if objective.metric != "val_accuracy":
        facts.insert(0, Fact(objective.metric, describe_score(score(winner, objective), objective)))
    return tuple(facts)


def accuracy_fact(run: Record, split: str, title: str, metrics: Mapping[str, Any]) -> Fact:
    """An accuracy with its standard error, and what that is made of."""
    metric = f"{split}_accuracy"
    value, noise, num = metrics.get(metric), noise_of(run, metric, metrics), run.num_examples(split)
    if value is None or math.isnan(value):
        return Fact(title, UNKNOWN)
    notes = []
    if each := metrics.get(f"{metric}_per_seed"):
        notes.append(f"mean of {len(each)} seeds: {', '.join(map(percent, each))}")
    if noise.total:
        parts = [f"{num:,} examples"] * bool(noise.examples) + ["the seeds"] * bool(noise.seeds)
        notes.append(f"± is one standard error, by {' and '.join(parts)}")
    return Fact(
        title, f"{percent(value)} ± {percent(noise.total)}" if noise.total else percent(value), "; ".join(notes)
    )


def _size_facts(run: Record, measured: Mapping[str, Any]) -> tuple[Fact, ...]:
    if run.is_table and "num_params" not in measured:
        return ()
    facts = [
        Fact("Parameters", number(measured.get("num_params"))),
        Fact("FLOPs", number(measured.get("flops")), "of one image, two for each multiply-add"),
    ]
    latencies, machine = read_latency(run.workdir / "best")
    for latency in latencies:
        images = "1 image" if latency.batch_size == 1 else f"{latency.batch_size} images"
        facts.append(
            Fact(
                f"Latency, {images}",
                f"{1000 * latency.median:.3g} ms",
                f"median of {latency.num_calls} calls, quartiles {1000 * latency.low:.3g} and "
                f"{1000 * latency.high:.3g} ms, float32, on {machine['device']} ({machine['num_cpus']} cores, load "
                f"{machine['load']:.3g})",
            )
        )
    return tuple(facts)


def finalists(run: Record, objective: Objective, winner: Trial | None) -> Section:
    """What the surrogate promised of each finalist, and what it turned out to be."""
    title, all_finalists = "Finalists", run.of("final")
    if not all_finalists:
        return Section("finalists", title, "No finalist has been picked yet.")
    history = objective.history(run.of("search"))
    searched = dict(zip(history.genomes, history.scores.tolist(), strict=True))

    def rank(trial: Trial) -> tuple[bool, float]:
        return trial != winner, -np.nan_to_num(score(trial, objective), nan=-np.inf)

    def row(trial: Trial) -> tuple[str, ...]:
        said, error = trial.prediction, noise_of(run, objective.metric, trial.metrics or {}).seeds
        measured = trial.status if trial.metrics is None else describe_score(score(trial, objective), objective)
        return (
            "winner" if trial == winner else "",
            trial.description,
            f"{describe_score(said.mean, objective)} ± {in_units(said.std, objective)}" if said else UNKNOWN,
            describe_score(searched.get(trial.genome, math.nan), objective),
            f"{measured} ± {in_units(error, objective)}" if error else measured,
            number((trial.metrics or {}).get("num_params")),
            f"{total_seconds([trial]):.0f}",
        )

    header = ("", "Architecture", "Predicted, search", "Measured, search", "Measured, final", "Parameters", "Seconds")
    others = [trial for trial in all_finalists if trial != winner]
    rows = tuple(map(row, sorted(others if winner is None else [winner, *others], key=rank)))
    note = (
        f"Search is {'as looked up for' if run.is_table else 'by the recipe of'} a search trial, final that of a "
        f"finalist. A prediction is mean ± one standard deviation; measured, search is empty ({UNKNOWN}) where the "
        f"search never tried the architecture. The metric is {objective.metric}."
    )
    if winner is not None and winner not in all_finalists:
        note += f" The winner is none of the {len(all_finalists)} finalists but the {BASELINES[winner.stage]}."
    if any(f"{objective.metric}_std_error" in (trial.metrics or {}) for trial in all_finalists):
        note += " ± behind a final one is its standard error over seeds."
    marked = 0 if rows[0][0] else None
    return Section("finalists", title, tables=(Table(header, rows, note, numeric=header[2:], marked=marked),))
