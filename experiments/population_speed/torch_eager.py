"""PyTorch, eager, channels last, a process a core: `python torch_eager.py SETTING NUM`, one JSON object a line."""

import json
import multiprocessing
import os
import sys

import torch
from setting import (
    LEARNING_RATE,
    MOMENTUM,
    WEIGHT_DECAY,
    Setting,
    Stopwatch,
    training_batches,
    validation_batches,
)
from torch import nn
from torch_chain import make_network

from nas_jax.data.arrays import load
from nas_jax.trial import Genome


def measure(setting: Setting, architecture: int, genome: Genome) -> dict[str, float]:
    dataset = load(setting.source)
    watch = Stopwatch()
    torch.manual_seed(architecture)
    network = make_network(genome)
    kernels = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    optimizer = torch.optim.SGD(
        [{"params": kernels, "weight_decay": WEIGHT_DECAY}, {"params": others}],
        LEARNING_RATE,
        MOMENTUM,
        nesterov=True,
    )
    watch.lap("compile")

    for step, (images, labels) in enumerate(training_batches(setting, dataset, architecture)):
        for group in optimizer.param_groups:
            group["lr"] = setting.learning_rate(step)
        # The permuted view of images [b, h, w, c] is what PyTorch calls channels last.
        logits = network(torch.from_numpy(images).permute(0, 3, 1, 2))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(labels).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    watch.lap("train")
    network.eval()
    with torch.inference_mode():
        correct = sum(
            int((network(torch.from_numpy(images).permute(0, 3, 1, 2)).argmax(1) == torch.tensor(labels)).sum())
            for images, labels in validation_batches(dataset)
        )
    watch.lap("eval")
    return {"architecture": architecture, "val_accuracy": correct / setting.num_val, **watch.spent}


def start_worker(cores: "multiprocessing.Queue[int]") -> None:
    os.sched_setaffinity(0, {cores.get()})
    torch.set_num_threads(1)


def main() -> None:
    setting, num_workers = Setting(**json.loads(sys.argv[1])), int(sys.argv[2])
    context = multiprocessing.get_context("spawn")
    cores = context.Queue()
    for core in sorted(os.sched_getaffinity(0))[:num_workers]:
        cores.put(core)
    with context.Pool(num_workers, start_worker, (cores,)) as pool:
        jobs = [pool.apply_async(measure, (setting, i, genome)) for i, genome in enumerate(setting.genomes)]
        for job in jobs:
            print(json.dumps(job.get()), flush=True)


if __name__ == "__main__":
    main()
