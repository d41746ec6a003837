"""The section of a report on what the winner says of validation examples, failures first, and of each class."""

from collections.abc import Iterator, Mapping
from typing import Any

from nas_jax.metrics import title_of
from nas_jax.report.page import Example, Section, Table
from nas_jax.report.subject import Subject
from nas_jax.search.examples import read_examples
from nas_jax.units import in_units, number, sentence

TITLE = "Predictions"
_MAX_CLASSES = 30


def section(subject: Subject) -> Section | None:
    """Pictures or texts, and a table of classes; None of a run that left neither."""
    record = read_examples(subject.record.workdir / "best")
    classes: Mapping[str, Mapping[str, float]] = subject.record.best.get("classes") or {}
    if not record and not any(classes.values()):
        return None
    parts = []
    if any(classes.values()):
        parts.append(Section("classes", "By class", tables=(_table(classes),)))
    shown = record.get("examples", [])
    verdict = ""
    if shown:
        verdict = (
            f"What the exported network says of {len(shown)} of {number(record['num_examples'])} validation examples."
        )
    return Section(
        "predictions",
        TITLE,
        verdict,
        paragraphs=("The worst come first: they say more than the best.",) if shown else (),
        examples=tuple(_example(each) for each in shown),
        parts=tuple(parts),
    )


def _example(record: Mapping[str, Any]) -> Example:
    title = f"{sentence(record['kind'])}, score {number(record['score'], 3)}"
    return Example(title, tuple(record["lines"]), record["picture"] or "")


def _table(classes: Mapping[str, Mapping[str, float]]) -> Table:
    """A row a class, the worst by the first metric first."""
    metrics = [metric for metric, values in classes.items() if values]
    first = classes[metrics[0]]
    names = sorted(dict.fromkeys(_names(classes)), key=lambda name: first.get(name, float("-inf")))
    rows = tuple(
        (name, *(in_units(classes[metric].get(name), metric) for metric in metrics)) for name in names[:_MAX_CLASSES]
    )
    titles = tuple(sentence(title_of(metric)) for metric in metrics)
    left = len(names) - _MAX_CLASSES
    caption = f"The {_MAX_CLASSES} worst of {len(names)} classes." if left > 0 else ""
    return Table(("Class", *titles), rows, caption, numeric=titles)


def _names(classes: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for values in classes.values():
        yield from values
