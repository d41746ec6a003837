"""Our zero-cost scores of NAS-Bench-201 cells on real CIFAR-10, beside those that NAS-Bench-Suite-Zero published.

    python experiments/zero_cost/agreement.py --table=nas_bench_201_zero_cost_cifar10.csv --data_dir=DIR

Cells come in a random order. Each is written as soon as it is scored; those that the file has are not scored again.
`--draw=torch` draws kernels as PyTorch does by default, which is how the published scores were made; `--draw=ours` as
our trainings do.
"""

import argparse
import csv
import math
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from nas_jax.data.augment import draw_moves, move, normalize
from nas_jax.data.tfds import Tfds
from nas_jax.spaces.nb201 import NasBench201, parse
from nas_jax.train.variables import draw_variables, variable_shapes
from nas_jax.zero_cost.probe import Probe
from nas_jax.zero_cost.scores import SCORES, scores_of

SPACE = NasBench201((32, 32, 3), 10)  # 16 channels, 5 cells a stage: the benchmark's
BATCH_SIZE = 64
RESULTS = Path(__file__).parent / "results.csv"
COLUMNS = ("draw", "architecture", *SCORES, *(f"published_{name}" for name in SCORES), "seconds")
PUBLISHED = {name: {"naswot": "nwot"}.get(name, name) for name in SCORES}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", required=True)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--num_cells", type=int, default=100)
    parser.add_argument("--draw", choices=("torch", "ours"), default="torch")
    parser.add_argument("--minutes", type=float, default=math.inf)
    options = parser.parse_args()
    with open(options.table, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    order = np.random.default_rng(0).permutation(len(rows))[: options.num_cells]
    images, labels = batch_of(options.data_dir)
    done = {(each["draw"], each["architecture"]) for each in stored()}
    begun = time.monotonic()
    for place in order:
        row = rows[place]
        if (options.draw, row["architecture"]) in done or time.monotonic() - begun > 60 * options.minutes:
            continue
        start = time.monotonic()
        scores = scores_of(probe_of(row["architecture"], images, labels, options.draw))
        published = {f"published_{name}": row[column] for name, column in PUBLISHED.items()}
        ours = {name: f"{value:.6g}" for name, value in scores.items()}
        seconds = f"{time.monotonic() - start:.1f}"
        write({"draw": options.draw, "architecture": row["architecture"], **ours, **published, "seconds": seconds})


def batch_of(data_dir: str) -> tuple[jax.Array, np.ndarray]:
    """A batch of the training split, augmented and normalised as in a training."""
    dataset = Tfds(data_dir=data_dir, num_train=BATCH_SIZE, num_val=1, num_test=1).load()
    moves = draw_moves(jax.random.key(0), BATCH_SIZE, dataset.augmentation)
    images = move(dataset.train["image"], moves, dataset.augmentation.pad)
    return normalize(images, dataset.spec.mean, dataset.spec.std, jnp.float32), dataset.train["label"]


def probe_of(architecture: str, images: jax.Array, labels: np.ndarray, draw: str) -> Probe:
    network = SPACE.network(parse(architecture))
    shapes = variable_shapes(network, images[:1])
    variables = draw_as_torch(shapes) if draw == "torch" else draw_variables(shapes, seed=0)

    def loss(outputs: jax.Array) -> jax.Array:
        return -jax.nn.log_softmax(outputs)[jnp.arange(BATCH_SIZE), labels].mean()

    return Probe(network, jax.tree.map(jnp.asarray, variables), images, loss)


def draw_as_torch(shapes: dict) -> dict:
    """Kernels and biases of convolutions and dense layers uniform within 1 / sqrt(fan-in); all else as in ours."""
    rng, variables = np.random.default_rng(0), draw_variables(shapes, seed=0)

    def redraw(layer: dict) -> None:
        if "kernel" in layer:
            bound = 1 / math.sqrt(np.prod(layer["kernel"].shape[:-1]))
            for name, value in layer.items():
                layer[name] = rng.uniform(-bound, bound, value.shape).astype(np.float32)
        for part in layer.values():
            if isinstance(part, dict):
                redraw(part)

    redraw(variables["params"])
    return variables


def stored() -> list[dict[str, str]]:
    if not RESULTS.exists():
        return []
    with RESULTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(row: dict[str, str]) -> None:
    is_new = not RESULTS.exists()
    with RESULTS.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
