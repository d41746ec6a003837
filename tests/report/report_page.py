"""Reports of made-up runs, and what every one of them has to fulfil."""

import json
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from html_page import Page

from nas_jax.objectives import Objective, Objectives
from nas_jax.record import read_record
from nas_jax.report.rounds import read_rounds
from nas_jax.report.subject import Subject
from nas_jax.report.write import write_page
from nas_jax.spaces.categorical import Categorical
from nas_jax.strategies.learner import Learner
from nas_jax.surrogates.base import Posterior
from nas_jax.trial import CONTENDERS

SECTIONS = [
    "answer",
    "real",
    "finalists",
    "use",
    "progress",
    "budgets",
    "importance",
    "surrogate",
    "curves",
    "size",
    "cost",
    "failures",
    "settings",
]


NUMBERS = Categorical(genes=tuple((name, tuple(range(1, 10))) for name in "abcd"))
ACCURACY = Objectives((Objective(),))


class Plain:
    """Four numbers, without genes, so that nobody asks which of them mattered."""

    num_genomes = NUMBERS.num_genomes
    genomes, sample, describe = NUMBERS.genomes, NUMBERS.sample, NUMBERS.describe
    mutate, neighbors, crossover = NUMBERS.mutate, NUMBERS.neighbors, NUMBERS.crossover

    def encode(self, genomes):
        return np.array(genomes, np.float32)


class Line(NamedTuple):
    weights: jax.Array
    spread: jax.Array


class LeastSquares:
    """A straight line, and the residuals' spread."""

    def fit(self, key, x, y):
        x = np.c_[np.asarray(x, np.float64), np.ones(len(x))]
        weights = np.linalg.lstsq(x, np.asarray(y, np.float64))[0]
        return Line(jnp.asarray(weights, jnp.float32), jnp.float32(np.std(x @ weights - y)))

    def predict(self, state, x_new, *, with_noise=False):
        mean = jnp.asarray(x_new, jnp.float32) @ state.weights[:-1] + state.weights[-1]
        return Posterior(mean, jnp.full(mean.shape, state.spread))


class Fastidious(LeastSquares):
    def fit(self, key, x, y):
        raise ValueError("y must be prime")


def subject(workdir, *objectives, constraints=(), surrogate=None, space=None, targets="scores", **known):
    """What the report of a run is about; it knows no parts of the run but these."""
    space = space or Plain()
    learner = Learner(space, surrogate or LeastSquares(), targets)
    rounds = read_rounds(workdir / "diagnostics.jsonl")
    objectives = Objectives(objectives or ACCURACY.each, tuple(constraints))
    record = read_record(workdir)
    return Subject(record, objectives, space, learner, rounds, alike=record.of(*CONTENDERS), **known)


def report(workdir, *objectives, **known):
    """The page, of which every report has all sections, one after the other, and nothing to load."""
    path = write_page(subject(workdir, *objectives, **known))
    assert path == workdir / "report.html"
    page = Page(path.read_text())
    has_front = len(objectives) > 1 or known.get("constraints")
    assert list(page.sections) == [*SECTIONS[:2], *["front"] * bool(has_front), *SECTIONS[2:]]
    assert all(page.text(id) for id in SECTIONS)
    check_self_contained(page)
    return page


def check_self_contained(page):
    assert {"script", "iframe", "object", "embed", "base", "img", "image", "use:http"}.isdisjoint(page.tags)
    for name, value in page.loads:
        if name == "style":
            assert "url(" not in value
        else:
            assert value.startswith("#") or value == "data:,", value
            assert not value.startswith("#") or value[1:] in page.ids
    assert page.tags.count("style") == 1
    assert not re.search(r"url\(|@import|https?:", "".join(page.styles))
    assert len(page.ids) == len(set(page.ids))


def add(workdir, *records):
    with (workdir / "trials.jsonl").open("a") as log:
        log.write("".join(json.dumps(record) + "\n" for record in records))


def with_metrics(record, **metrics):
    return record | {"metrics": record["metrics"] | metrics}


def change_best(workdir, **changes):
    path = workdir / "best" / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
