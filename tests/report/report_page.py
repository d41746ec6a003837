"""Reports of made-up runs, and what every one of them has to fulfil."""

import json
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from html_page import Page

from nas_jax.objectives import Objective
from nas_jax.report.write import write_report
from nas_jax.surrogates.base import Posterior

SECTIONS = [
    "answer",
    "real",
    "finalists",
    "use",
    "progress",
    "importance",
    "surrogate",
    "curves",
    "size",
    "cost",
    "failures",
    "settings",
]


class Space:
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


def report(workdir, objective=None, surrogate=None, space=None):
    """The page, of which every report has all sections, one after the other, and nothing to load."""
    path = write_report(workdir, space or Space(), surrogate or LeastSquares(), objective or Objective())
    assert path == workdir / "report.html"
    page = Page(path.read_text())
    assert list(page.sections) == SECTIONS
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
