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
from nas_jax.train.recipe import Recipe
from nas_jax.trial import Trial


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

        def timed(function: Callable[..., Any], part: str) -> Callable[..., Any]:
            def run(*arguments: Any) -> Any:
                watch.lap("compile")
                result = function(*arguments)
                watch.lap(part)
                return result

            return run

        timed_steps = timed(prepared.run_epoch, "train"), timed(prepared.evaluate, "eval")
        (fit,) = train(dataclasses.replace(prepared, run_epoch=timed_steps[0], evaluate=timed_steps[1]), [trial.seed])
        watch.lap("compile")
        return Measurement(fit.metrics, watch.spent)


def main() -> None:
    setting, num_workers = Setting(**json.loads(sys.argv[1])), int(sys.argv[2])
    recipe = Recipe(1, setting.batch_size, LEARNING_RATE, MOMENTUM, WARMUP_EPOCHS, WEIGHT_DECAY)
    trials = [Trial(i, genome, "", "search", seed=i) for i, genome in enumerate(setting.genomes)]
    workers = Workers(TimedTraining(setting.source, recipe), num_workers=num_workers)
    for trial in workers.evaluate(iter(trials)):
        if trial.metrics is None or trial.seconds is None:
            raise RuntimeError(f"trial {trial.id}: {trial.error}")
        result = {"architecture": trial.id, "val_accuracy": trial.metrics["val_accuracy"], **trial.seconds}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
