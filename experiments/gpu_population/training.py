"""How fast one network trains, and that what surrounds it works here: `python training.py speed SCALE`.

`speed` is of one network, `seeds` of four trainings of it, `parallel` compares its placements, and `program` runs an
exported network on a CPU and on the device.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
from flax import linen as nn
from jax import export
from scale import ROOT, Scale, emit, main

from nas_jax.tasks.base import load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train.fit import Prepared, fit, fit_seeds, prepare, train
from nas_jax.train.recipe import Recipe

NUM_VAL = 256  # few, so that the time is that of training
DTYPES = ("auto", "float32")


def speed(scale: Scale) -> None:
    problem = load_problem(Classification(), scale.source(num_val=NUM_VAL if scale.num_val > NUM_VAL else None))
    for batch_size in scale.batch_sizes:
        for compute_dtype in DTYPES:
            recipe = Recipe(
                scale.speed_epochs, batch_size=batch_size, compute_dtype=compute_dtype, compilation="network"
            )
            prepared = prepare(_network(scale, recipe), problem, recipe)
            seconds = float(np.median(np.diff(_ends_of_epochs(prepared))))
            rate = recipe.steps_per_epoch(scale.num_train) * batch_size / seconds
            emit(batch_size=batch_size, dtype=recipe.dtype.name, images_a_second=rate, epoch_seconds=seconds)


def _ends_of_epochs(prepared: Prepared) -> list[float]:
    """When each epoch of a training ends, in seconds."""
    ends: list[float] = []
    train(prepared, [0], lambda num_epochs, metrics: ends.append(time.perf_counter()))
    return ends


def seeds(scale: Scale) -> None:
    problem = load_problem(Classification(), scale.source(num_val=NUM_VAL if scale.num_val > NUM_VAL else None))
    for num_seeds in (1, 4):
        recipe = Recipe(scale.speed_epochs, batch_size=scale.batch_sizes[0], compilation="network")
        network = _network(scale, recipe)
        fits = fit_seeds(network, problem, recipe, list(range(num_seeds)))
        spent = {part: sum(each.seconds[part] for each in fits) for part in ("compile", "train")}
        rate = num_seeds * scale.speed_epochs * scale.num_train / spent["train"]
        accuracies = [each.metrics["val_accuracy"] for each in fits]
        emit(num_seeds=num_seeds, images_a_second=rate, compile_seconds=spent["compile"], val_accuracies=accuracies)


def parallel(scale: Scale) -> None:
    problem = load_problem(Classification(), scale.source(min(scale.num_train, 2560)))
    for mode in ("none", "jit", "pmap"):
        num_devices = None if mode == "none" else 1
        recipe = Recipe(2, warmup_epochs=0.5, compute_dtype="float32", parallel=mode, num_devices=num_devices)
        fitted = fit(_network(scale, recipe), problem, recipe, seed=0)
        emit(parallel=mode, train_loss=fitted.metrics["train_loss"], val_accuracy=fitted.metrics["val_accuracy"])


def program(scale: Scale) -> None:
    """Trains a small network on digits on the CPU, and asks its `program.bin` for the same images here and there."""
    workdir = Path(scale.out) / "program"
    command = ["-m", "nas_jax.train_one", "--config=configs/quickstart.py:smoke", f"--workdir={workdir}"]
    subprocess.run(
        [sys.executable, *command, "--genome=conv3x3-8, max, fc-16"],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        stdout=sys.stderr,
        check=True,
    )
    network = export.deserialize(bytearray((workdir / "best" / "program.bin").read_bytes()))
    images = np.random.default_rng(0).integers(0, 256, (1024, 8, 8, 1), dtype=np.uint8)
    devices = (jax.devices()[0], jax.devices("cpu")[0])
    here, there = (np.asarray(network.call(jax.device_put(images, device))) for device in devices)
    emit(
        device=str(jax.devices()[0].device_kind),
        largest_difference=float(np.abs(here - there).max()),
        classes_that_differ=int((here.argmax(1) != there.argmax(1)).sum()),
    )


def _network(scale: Scale, recipe: Recipe) -> nn.Module:
    return scale.space.network(scale.space.parse(scale.network), recipe.dtype)


if __name__ == "__main__":
    main({"speed": speed, "seeds": seeds, "parallel": parallel, "program": program}, sys.argv[1:])
