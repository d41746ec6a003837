"""Our worker processes: `python ours.py SETTING NUM_WORKERS`, one JSON object a line."""

import dataclasses
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from setting import LEARNING_RATE, MOMENTUM, SPACE, WARMUP_EPOCHS, WEIGHT_DECAY, Setting, Stopwatch

from nas_jax.data.arrays import DataSource
from nas_jax.evaluators.base import Measurement, Report, ignore
from nas_jax.executors.workers import Workers
from nas_jax.tasks.base import load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train.fit import prepare, train
from nas_jax.train.programs import Program
from nas_jax.train.recipe import Recipe
from nas_jax.trial import Trial


@dataclass(frozen=True)
class TimedProgram:
    """The program of a network, and how long its steps and its evaluations take."""

    program: Program
    watch: Stopwatch

    def start(self, seed: int) -> Any:
        return self.program.start(seed)

    def run_epoch(self, *arguments: Any) -> Any:
        return self._timed("train", self.program.run_epoch, *arguments)

    def evaluate(self, state: Any) -> dict[str, float]:
        return self._timed("eval", self.program.evaluate, state)

    def variables(self, state: Any) -> Any:
        return self.program.variables(state)

    def _timed(self, part: str, function: Callable[..., Any], *arguments: Any) -> Any:
        self.watch.lap("compile")
        result = function(*arguments)
        self.watch.lap(part)
        return result


@dataclass(frozen=True)
class TimedTraining:
    """As the evaluator `Training`, and says how long the steps alone took."""

    source: DataSource
    recipe: Recipe

    @property
    def metric_names(self) -> tuple[str, ...]:
        return ("val_accuracy",)

    def measure(self, trial: Trial, report: Report = ignore) -> Measurement:
        problem = load_problem(Classification(), self.source)
        watch = Stopwatch()
        prepared = prepare(SPACE.network(trial.genome, self.recipe.dtype), problem, self.recipe)
        timed = dataclasses.replace(prepared, program=TimedProgram(prepared.program, watch))
        (fit,) = train(timed, [trial.seed])
        watch.lap("compile")
        return Measurement(fit.metrics, watch.spent)


def main() -> None:
    setting, num_workers = Setting(**json.loads(sys.argv[1])), int(sys.argv[2])
    recipe = Recipe(
        num_epochs=1,
        batch_size=setting.batch_size,
        learning_rate=LEARNING_RATE,
        momentum=MOMENTUM,
        warmup_epochs=WARMUP_EPOCHS,
        weight_decay=WEIGHT_DECAY,
    )
    trials = [Trial(i, genome, "", "search", seed=i) for i, genome in enumerate(setting.genomes)]
    workers = Workers(TimedTraining(setting.source, recipe), num_workers=num_workers)
    for trial in workers.evaluate(iter(trials)):
        if trial.metrics is None or trial.seconds is None:
            raise RuntimeError(f"trial {trial.id}: {trial.error}")
        result = {"architecture": trial.id, "val_accuracy": trial.metrics["val_accuracy"], **trial.seconds}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
