"""Trains the network of a genome in this process."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nas_jax.data.arrays import DataSource, load
from nas_jax.evaluators.base import Measurement, evaluate_serially
from nas_jax.spaces.base import NetworkSpace, Space
from nas_jax.train.checkpoint import save_variables
from nas_jax.train.fit import fit
from nas_jax.train.recipe import Recipe
from nas_jax.trial import Trial


@dataclass(frozen=True)
class Training:
    """Trains each genome by `recipe`, one after the other.

    With a `checkpoint_dir` the trained variables of a trial are left in `checkpoint_dir/<id of the trial>`.

    Raises:
        ValueError: the space has no networks.
    """

    space: Space
    source: DataSource
    recipe: Recipe
    checkpoint_dir: Path | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.space, NetworkSpace):
            raise ValueError(
                f"the space {type(self.space).__name__} has no networks to train; look its genomes up in a table "
                "(the evaluator tabular), or give the space the methods cost and network (docs/space.md)"
            )

    @property
    def metric_names(self) -> tuple[str, ...]:
        return ("val_accuracy", "val_loss")

    def measure(self, trial: Trial) -> Measurement:
        """The metrics of `train.fit.fit`, and `num_params` and `flops` of the genome."""
        assert isinstance(self.space, NetworkSpace)  # the constructor has made sure
        network = self.space.network(trial.genome, self.recipe.dtype)
        trained = fit(network, load(self.source), self.recipe, trial.seed)
        if self.checkpoint_dir is not None:
            save_variables(self.checkpoint_dir / str(trial.id), trained.variables)
        return Measurement({**self.space.cost(trial.genome)._asdict(), **trained.metrics}, trained.seconds)

    def evaluate(self, requests: Iterator[Trial]) -> Iterator[Trial]:
        return evaluate_serially(self.measure, requests)


make = Training
