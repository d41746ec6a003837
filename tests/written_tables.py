"""Tables as a user has them, with made-up numbers, for the configs that search one."""

import csv
import json
from contextlib import ExitStack
from functools import cache
from itertools import product
from pathlib import Path

from nas_jax.scratch import scratch_folder
from nas_jax.spaces import nb201

TABLES = ExitStack()

NB201_HEADER = ("architecture", "val_accuracy_200", "test_accuracy_200", "edgegpu_energy_mj")
CURVE = (0, 1, 2, 4, 8)
DEPTHS, WIDTHS, OPERATIONS = (1, 2, 3, 4), (16, 32, 64, 128), ("conv", "pool", "skip", "dense")


def write_nb201(folder: Path) -> Path:
    """All cells; convolutions on live edges help, and cost energy; test accuracies are 4 points higher."""
    gains = {"nor_conv_3x3": 7.0, "nor_conv_1x1": 4.0, "skip_connect": 3.0, "avg_pool_3x3": 1.0, "none": 0.0}
    rows = []
    for cell in product(nb201.OPERATIONS, repeat=6):
        accuracy = 40 + sum(gains[operation] for operation in nb201.canonical(cell))
        rows.append((nb201.STRING.format(*cell), accuracy, accuracy + 4, 3 + 5 * sum("conv" in each for each in cell)))
    return write_csv(folder / "nb201.csv", NB201_HEADER, rows)


def write_macro(folder: Path) -> Path:
    """All chains; every block helps by its digit."""
    records = {"".join(digits): {"mean_acc": 70 + sum(map(int, digits))} for digits in product("012", repeat=8)}
    path = folder / "macro.json"
    path.write_text(json.dumps(records))
    return path


def write_columns(folder: Path) -> Path:
    """64 rows; the best is depth 3, width 64, conv, with an accuracy of 0.9."""
    rows = [
        (depth, width, name, 0.9 - 0.05 * abs(depth - 3) - abs(width - 64) / 640 - 0.04 * place, 100 * depth * width)
        for depth, width, (place, name) in product(DEPTHS, WIDTHS, enumerate(OPERATIONS))
    ]
    return write_csv(folder / "columns.csv", ("depth", "width", "operation", "accuracy", "params"), rows)


def write_curves(folder: Path) -> Path:
    """64 settings of two rates and a width, with losses at 0, 1, 2, 4 and 8 epochs that fall to what is best.

    A rate of 1 diverges after 4 epochs, where it is ahead.
    """
    rates = (0.001, 0.01, 0.1, 1.0)
    rows = []
    for (place, rate), (other, decay), width in product(enumerate(rates), enumerate(rates), WIDTHS):
        final = 1 + 0.2 * abs(place - 2) + 0.1 * abs(other - 1) + abs(width - 64) / 640
        losses = [final + 3 * 2.0 ** (-epochs * (1 + place) / 2) for epochs in CURVE]
        if rate == 1:
            losses[4:] = ["nan"]
        rows.append((rate, decay, width, *losses, final, 10 * width))
    header = ("rate", "decay", "width", *(f"val_loss_{epochs}" for epochs in CURVE), "test_loss_8", "seconds")
    return write_csv(folder / "curves.csv", header, rows)


WRITERS = {
    "benchmark_curves": write_curves,
    "benchmark_nb201": write_nb201,
    "benchmark_macro": write_macro,
    "benchmark_table": write_columns,
}


@cache
def table_of(config_name: str) -> str:
    """The path of a table for a config, written once a process, and there until `TABLES` is closed."""
    return str(WRITERS[config_name](TABLES.enter_context(scratch_folder("tables"))))


def write_csv(path: Path, header: tuple[str, ...], rows) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path
