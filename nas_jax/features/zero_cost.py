"""Scores of networks that nobody has trained (`nas_jax.zero_cost`), as features.

Each is worked out once for a genome, and kept: in memory, and in a file beside the run's others. They are of the
variables with which a training of seed 0 begins, and of the same random examples of the training split.
"""

import hashlib
import json
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nas_jax.data.arrays import DataSource, num_examples
from nas_jax.errors import UserError, describe
from nas_jax.spaces.base import Cost, NetworkSpace, Space
from nas_jax.tasks.base import Problem, Task, load_problem
from nas_jax.train.variables import draw_variables, input_shapes, plan_variables
from nas_jax.trial import Genome, freeze
from nas_jax.zero_cost.probe import Probe
from nas_jax.zero_cost.scores import SCORES, VERSION, scores_of

_FREE = Cost._fields
_SKEWED = (*_FREE, "grad_norm")
_FILE = "scores.jsonl"
_lock = threading.Lock()


@dataclass(frozen=True)
class ZeroCost:
    """Zero-cost scores, and the costs of the space. Those that are heavy-tailed are given as logarithms.

    A network that lacks a score (`nas_jax.zero_cost` says when), or that cannot be built, lacks the feature.

    Args:
        scores: Names with commas between them: of `nas_jax.zero_cost.scores`, "num_params" and "flops".
        batch_size: Examples that the scores are of.
        max_candidates: So many new genomes are scored for a proposal, and for the finalists: there are no other
            candidates. Parameters and FLOPs alone are given to any number.
        cache_dir: Where scores are kept; None: in memory alone.

    Raises:
        ValueError: an unknown score, a space without networks, or a number below two.
    """

    space: Space
    source: DataSource
    task: Task
    scores: str = "num_params,flops,synflow,naswot,jacov,grad_norm"
    batch_size: int = 64
    max_candidates: int = 50
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        if unknown := [name for name in self.names if name not in (*_FREE, *SCORES)]:
            raise ValueError(f"unknown score {unknown[0]!r}; choose from {', '.join((*_FREE, *SCORES))}")
        if not self.names:
            raise ValueError("scores: name at least one")
        if not isinstance(self.space, NetworkSpace):
            raise ValueError(f"the space {type(self.space).__name__} has no networks to score; take the features table")
        if min(self.batch_size, self.max_candidates) < 2:
            raise ValueError(
                f"batch_size={self.batch_size}, max_candidates={self.max_candidates}: both have to be at least 2"
            )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.scores.split(",") if name.strip())

    @property
    def limit(self) -> int | None:
        return self.max_candidates if self._slow else None

    @property
    def _slow(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name in SCORES)

    def of(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n f"]:
        """The features.

        Raises:
            UserError: none of several networks can be scored.
        """
        with _lock:
            kept = self._scored(genomes) if self._slow else {}
            rows = [self._row(genome, kept.get(genome, {})) for genome in genomes]
        return np.array(rows, np.float64).reshape(-1, len(self.names))

    def _row(self, genome: Genome, scores: dict[str, float]) -> list[float]:
        assert isinstance(self.space, NetworkSpace)  # the constructor has made sure
        values = scores | {name: float(value) for name, value in self.space.cost(genome)._asdict().items()}
        num_examples = _setting(self).num_examples if self._slow else 0
        return [_evened(name, values.get(name, math.nan), num_examples) for name in self.names]

    def _scored(self, genomes: Sequence[Genome]) -> dict[Genome, dict[str, float]]:
        """The scores that are kept, with those of `genomes`."""
        kept, setting = _kept(self), _setting(self)
        missing = [genome for genome in dict.fromkeys(genomes) if not kept.get(genome, {}).keys() >= {*self._slow}]
        failed: list[Genome] = []
        last: Exception | None = None

        def keep(genome: Genome, scores: dict[str, float]) -> None:
            kept[genome] = kept.get(genome, {}) | scores
            self._write(setting, genome, scores)

        for genome in missing:
            try:
                keep(genome, scores_of(self._probe(genome, setting), self._slow))
            except (ValueError, TypeError, RuntimeError) as error:  # no such network, or too large a one
                failed.append(genome)
                last = error
        if last is not None and len(failed) == len(missing) > 1:
            raise UserError(f"features: none of {len(missing)} networks can be scored: {describe(last)}")
        for genome in failed:
            keep(genome, dict.fromkeys(self._slow, math.nan))
        return kept

    def _probe(self, genome: Genome, setting: "_Setting") -> Probe:
        assert isinstance(self.space, NetworkSpace)
        network = self.space.network(genome, jnp.float32)
        variables = draw_variables(plan_variables(network, input_shapes(setting.problem)), seed=0)

        def loss(outputs: Any) -> Float[Array, ""]:
            return self.task.loss(outputs, setting.batch).mean()

        inputs = self.task.inputs(setting.batch, setting.problem.dataset.spec, jnp.float32)
        return Probe(network, jax.tree.map(jnp.asarray, variables), inputs, loss)

    def _write(self, setting: "_Setting", genome: Genome, scores: dict[str, float]) -> None:
        """Adds a line to the file; scores that there are not are null."""
        if self.cache_dir is None:
            return
        values = {name: value if math.isfinite(value) else None for name, value in scores.items()}
        self.cache_dir.mkdir(parents=True, exist_ok=True)
        with (self.cache_dir / _FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": setting.key, "genome": genome, "scores": values}) + "\n")


class _Setting(NamedTuple):
    """What scores are of, beside the genome; `key` stands for all of it."""

    problem: Problem
    batch: dict[str, Any]
    num_examples: int  # of the batch: a small training split has fewer than a whole one
    key: str


@cache
def _setting(part: ZeroCost) -> _Setting:
    problem = load_problem(part.task, part.source)
    train = problem.dataset.train
    num = num_examples(train)
    chosen = np.sort(np.random.default_rng(0).permutation(num)[: part.batch_size])
    batch = {name: array[chosen] for name, array in train.items()}
    content = hashlib.sha256(repr((VERSION, part.space, part.task)).encode())
    for name in sorted(batch):
        content.update(name.encode() + batch[name].tobytes())
    return _Setting(problem, jax.tree.map(jnp.asarray, batch), len(chosen), content.hexdigest())


@cache
def _kept(part: ZeroCost) -> dict[Genome, dict[str, float]]:
    """The scores by genome: what the file has, and what is added to it. Other settings' lines are passed over."""
    kept: dict[Genome, dict[str, float]] = {}
    path = part.cache_dir / _FILE if part.cache_dir else None
    key = _setting(part).key
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path and path.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:  # the end of a process that was killed
            continue
        if record["key"] == key:
            scores = {name: math.nan if value is None else value for name, value in record["scores"].items()}
            kept.setdefault(freeze(record["genome"]), {}).update(scores)
    return kept


def _evened(name: str, value: float, num_examples: int) -> float:
    """The logarithm of what spreads over orders of magnitude; of jacov that of its distance to the largest one.

    NaN of what is not finite.
    """
    if not math.isfinite(value):
        return math.nan
    if name == "jacov":
        return -math.log(max(-value - num_examples, 1e-3))
    return math.log1p(value) if name in _SKEWED else value


make = ZeroCost
