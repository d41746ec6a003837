"""The first section of a report: what was found."""

import math
from collections.abc import Iterator

from nas_jax.metrics import finite_metric, metric_per_seed, title_of
from nas_jax.record import metrics_of_split, on_test_split, score
from nas_jax.report.diagrams import diagram_of
from nas_jax.report.noise import noise_of
from nas_jax.report.page import Fact, Section
from nas_jax.report.subject import Subject
from nas_jax.search.latency import read_latency
from nas_jax.trial import CONTENDERS
from nas_jax.units import UNKNOWN, describe_score, in_units, number, sentence, units_of

TITLE = "The answer"


def section(subject: Subject) -> Section:
    """The winner: a picture of it, and its numbers."""
    winner, record = subject.winner, subject.record
    if winner is None:
        return _without_winner(subject)
    origin = "exported to best/" if record.best else "the best finalist so far; nothing has been exported yet"
    chosen = (
        f"Trial {winner.id} ({winner.stage}), {origin}. It was chosen by its "
        f"{' and its '.join(subject.objectives.metrics)}, which flatters it a little"
        f"{'' if record.is_table else '; the test split had no part in the choice'}."
    )
    return Section(
        "answer",
        TITLE,
        winner.description,
        paragraphs=(chosen,),
        diagram=diagram_of(subject.space, winner.genome),
        facts=(*_quality_facts(subject), *_size_facts(subject)),
    )


def _without_winner(subject: Subject) -> Section:
    best, objectives, contenders = subject.best_of_search, subject.objectives, subject.record.of(*CONTENDERS)
    if best is None:
        why = sentence(objectives.why_no_front(subject.searched))
        return Section("answer", TITLE, f"{why}, so there is nothing to choose from.")
    found = " and ".join(describe_score(score(best, each), each) for each in subject.objectives)
    return Section(
        "answer",
        TITLE,
        f"Of the finalists, {objectives.why_no_front(contenders)}."
        if subject.has_measured_finalists
        else "No finalist has been measured.",
        paragraphs=(f"The best trial of the search is trial {best.id} with {found}: {best.description}",),
        diagram=diagram_of(subject.space, best.genome),
    )


def _quality_facts(subject: Subject) -> Iterator[Fact]:
    """What the search was for and its match on the test split come first, then all else of the two splits."""
    known = [name for split in ("val", "test") for name in metrics_of_split(subject.winner_metrics, split)]
    leading = [name for metric in subject.objectives.metrics for name in (metric, on_test_split(metric, known)) if name]
    return (_quality_fact(subject, metric) for metric in dict.fromkeys([*leading, *known]))


def _quality_fact(subject: Subject, metric: str) -> Fact:
    """A metric with its standard error, and what that is made of."""
    record, metrics = subject.record, subject.winner_metrics
    value, noise, title = metrics.get(metric), noise_of(record, metric, metrics), sentence(title_of(metric))
    if value is None or math.isnan(value):
        return Fact(title, UNKNOWN)
    notes = []
    if each := metric_per_seed(metrics, metric):
        notes.append(f"mean of {len(each)} seeds: {', '.join(in_units(seed, metric) for seed in each)}")
    if noise.total:
        num = record.num_examples(metric.partition("_")[0])
        parts = [f"{num:,} examples"] * bool(noise.examples) + ["the seeds"] * bool(noise.seeds)
        notes.append(f"± is one standard error, by {' and '.join(parts)}")
    error = f" ± {units_of(metric)(noise.total)}" if noise.total else ""
    return Fact(title, in_units(value, metric) + error, "; ".join(notes))


def _size_facts(subject: Subject) -> Iterator[Fact]:
    metrics = subject.winner_metrics
    if subject.record.is_table and "num_params" not in metrics:
        return
    yield Fact("Parameters", number(finite_metric(metrics, "num_params")))
    yield Fact("FLOPs", number(finite_metric(metrics, "flops")), "of one example, two for each multiply-add")
    latencies, machine = read_latency(subject.record.workdir / "best")
    for latency in latencies:
        yield Fact(
            f"Latency, {latency.batch_size} example{'s' * (latency.batch_size > 1)}",
            f"{1000 * latency.median:.3g} ms",
            f"median of {latency.num_calls} calls, quartiles {1000 * latency.low:.3g} and "
            f"{1000 * latency.high:.3g} ms, float32, on {machine['device']} ({machine['num_cpus']} cores, load "
            f"{machine['load']:.3g})",
        )
