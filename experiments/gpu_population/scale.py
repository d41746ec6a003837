"""What all steps share: how much is done, the data, the architectures. A step is given it as JSON."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.gpu_population.images import Images
from nas_jax.spaces.chain import Chain
from nas_jax.trial import Genome

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Scale:
    """Paths of the data and of the folder for results, and numbers: the defaults are for a GPU, `TINY` for a CPU."""

    data: str
    out: str
    num_train: int = 20_424
    num_val: int = 3_000
    num_epochs: int = 10  # of a trial
    num_trials: int = 100_000  # of a search, which is stopped before
    num_killed: int = 8  # trials of the search that is killed
    num_chains: int = 10  # that are compiled
    network: str = "conv3x3-32, conv3x3-64, max, conv5x5-64, max, fc-256"  # whose speed is measured
    speed_epochs: int = 30
    conv_filters: tuple[int, ...] = (16, 32, 64)
    batch_sizes: tuple[int, ...] = (128, 512)
    search_seconds: float = 40.0  # of a search, its start included
    patience: float = 1.0  # by which the time limits of the steps are multiplied

    @property
    def space(self) -> Chain:
        """That of configs/cifar10.py."""
        return Chain((32, 32, 3), 10, conv_filters=self.conv_filters, min_feature_layers=2, max_feature_layers=5)

    @property
    def genomes(self) -> list[Genome]:
        return self.space.sample(np.random.default_rng(0), self.num_chains)

    def source(self, num_train: int | None = None, num_val: int | None = None) -> Images:
        return Images(self.data, num_train or self.num_train, num_val or self.num_val)

    def flags(self, source: Images) -> list[str]:
        """Of `nas_jax.main`: the data and the space."""
        fields = {name: value for name, value in dataclasses.asdict(source).items() if value is not None}
        data = [f"--config.data.{name}={value}" for name, value in fields.items()]
        space = [f"--config.space.conv_filters={self.conv_filters}", f"--config.finalists.reference={self.network}"]
        return ["--config.data=experiments.gpu_population.images", *data, *space]


TINY: dict[str, Any] = {
    "num_train": 256,
    "num_val": 64,
    "num_epochs": 3,  # of which the second one is a budget
    "num_trials": 3,
    "num_killed": 4,
    "num_chains": 2,
    "network": "conv3x3-4, max, conv5x5-8, max, fc-128",
    "speed_epochs": 3,
    "conv_filters": (4, 8),
    "batch_sizes": (128,),
    "search_seconds": 120.0,
    "patience": 8.0,  # two cores that others use as well
}


def emit(**row: Any) -> None:
    """Hands a row of results to run.py, at once."""
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
    print(json.dumps(rounded), flush=True)


def main(steps: dict[str, Callable[..., None]], arguments: list[str]) -> None:
    """Runs the step that the first argument names: `python compiling.py compile SCALE [more]`."""
    name, text, *more = arguments
    given: dict[str, Any] = json.loads(text)
    fields: dict[str, Any] = {
        field: tuple(value) if isinstance(value, list) else value for field, value in given.items()
    }
    steps[name](Scale(**fields), *more)
