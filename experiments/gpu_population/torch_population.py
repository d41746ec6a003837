"""The same architectures by PyTorch eager, as fast as it gets: `python torch_population.py train SCALE NUM_PROCESSES`.

Images lie on the device and are moved and mirrored there; bfloat16 by autocast, channels last, the fused optimiser. It
takes the architectures that the search of `run.py` has tried, or draws some where there was none.
"""

import importlib.util
import json
import math
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np
from scale import ROOT, Scale, emit, main

from nas_jax.data.arrays import epoch_batches, load
from nas_jax.train.recipe import Recipe
from nas_jax.trial import Genome

PAD = 4


def train(scale: Scale, num_processes: str) -> None:
    if importlib.util.find_spec("torch") is None:
        emit(skipped="PyTorch is not installed")
        return
    num, genomes = int(num_processes), _genomes(scale)
    context = multiprocessing.get_context("spawn")
    ended, start = [], time.time()
    with context.Pool(num) as pool:
        jobs = ((scale, genome) for genome in genomes)
        for seconds, accuracy in pool.imap_unordered(_measure, jobs):
            ended.append((time.time(), seconds, accuracy))
            if time.time() - start > scale.search_seconds:
                break
        pool.terminate()
    times = [moment for moment, *_ in ended][num - 1 :]
    emit(
        processes=num,
        trials_an_hour=3600 * (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else None,
        num_trials=len(ended),
        first_trial_seconds=ended[0][0] - start,
        train_seconds=sum(seconds for _, seconds, _ in ended) / len(ended),
        mean_val_accuracy=sum(accuracy for *_, accuracy in ended) / len(ended),
    )


def _genomes(scale: Scale) -> list[Genome]:
    """Those of the longest search, and then others."""
    logs = [log.read_text().splitlines() for log in Path(scale.out).glob("search_*/trials.jsonl")]
    records = [json.loads(line) for line in max(logs, key=len, default=[])]
    tried = {record["id"]: tuple(record["genome"]) for record in records if record["status"] == "finished"}
    genomes = [tried[number] for number in sorted(tried)][: scale.num_trials]
    return genomes + scale.space.sample(
        np.random.default_rng(0), min(scale.num_trials, 1000) - len(genomes), set(genomes)
    )


def _measure(job: tuple[Scale, Genome]) -> tuple[float, float]:
    """Seconds and validation accuracy of one architecture."""
    sys.path.insert(0, str(ROOT / "experiments" / "population_speed"))
    import torch
    from torch.nn import functional
    from torch_chain import make_network

    scale, genome = job
    dataset, start = load(scale.source()), time.perf_counter()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    mean, std = (torch.tensor(values, device=device) * 255 for values in (dataset.spec.mean, dataset.spec.std))

    def normalized(images: torch.Tensor) -> torch.Tensor:
        return ((images - mean) / std).permute(0, 3, 1, 2)  # a view, which PyTorch calls channels last

    recipe = Recipe(scale.num_epochs)
    images, labels, val_images, val_labels = (
        torch.tensor(split[name], device=device)
        for split in (dataset.train, dataset.val)
        for name in ("image", "label")
    )
    padded = functional.pad(images, (0, 0, PAD, PAD, PAD, PAD))
    network = make_network(genome).to(device)
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in network.parameters() if p.ndim == 1]},
    ]
    optimizer = torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum, nesterov=True, fused=device == "cuda")
    rng, place = np.random.default_rng(0), torch.arange(32, device=device)
    num_steps, step = recipe.num_epochs * recipe.steps_per_epoch(len(labels)), 0
    warmup = int(recipe.warmup_epochs * recipe.steps_per_epoch(len(labels)))
    for _ in range(recipe.num_epochs):
        network.train()
        batches = torch.tensor(epoch_batches(rng, len(labels), recipe.batch_size).full, device=device)
        for indices in batches:
            progress = (step - warmup) / (num_steps - warmup)
            rate = step / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * progress))
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * rate
            top, left = torch.randint(0, 2 * PAD + 1, (2, len(indices), 1), device=device)
            is_flipped = torch.rand(len(indices), 1, device=device) < 0.5
            columns = left + torch.where(is_flipped, 31 - place, place)
            batch = padded[indices[:, None, None], (top + place)[:, :, None], columns[:, None, :]]
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                loss = functional.cross_entropy(network(normalized(batch)), labels[indices].long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        network.eval()  # after each epoch, as ours
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            outputs = torch.cat([network(normalized(part)).argmax(1) for part in val_images.split(256)])
            accuracy = float((outputs == val_labels).float().mean())
    return time.perf_counter() - start, accuracy


if __name__ == "__main__":
    main({"train": train}, sys.argv[1:])
