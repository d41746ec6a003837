"""A language model of characters: recurrent networks that learn to write like the documentation of SciPy. Offline.

    python -m nas_jax.main --config=configs/language_model.py
    python -m nas_jax.predict --workdir=runs/language_model "The distribution "

On two cores of an AMD EPYC it took 84 s. The winner had 1.39 nats a character on the test text, the reference 1.64.

`--config.space=transformer` searches Transformers in their place, which learn less in so short a training.
`:shakespeare` is for text of one's own, `train.txt` and, if there are any, `val.txt` and `test.txt`
(`docs/text.md`), of about a million characters:

    python -m nas_jax.main --config=configs/language_model.py:shakespeare --config.data.path=FOLDER

On the plays of Shakespeare that TFDS has as `tiny_shakespeare`, the winner had 1.56 nats a character on the test text,
the best of the random trials and the reference 1.59, means of three seeds. It took 41 minutes on two cores of an AMD
EPYC, which other work shared.

`:smoke` is the first in seconds, for tests.
"""

from ml_collections import ConfigDict

VARIANTS = ("full", "shakespeare", "smoke")
REFERENCE = "cell=lstm, num_layers=1, width=128, embedding=32, dropout=0.0"


def get_config(variant: str = "full") -> ConfigDict:
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r}: choose from {', '.join(VARIANTS)}")
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({"name": "docstring_text", "num_characters": 100_000})
    config.task = ConfigDict({"name": "language_model"})
    config.space = ConfigDict(
        {
            "name": "recurrent",
            "cells": ("lstm", "gru", "mgu"),
            "embeddings": (16, 32),
            "dropouts": (0.0, 0.1),
        }
    )
    config.search = ConfigDict({"num_trials": 10})
    config.strategy = ConfigDict({"name": "bayesopt", "num_initial": 6})
    config.targets = "ranks"
    config.execution = ConfigDict({"name": "workers"})
    config.recipe = ConfigDict(
        {
            "num_epochs": 3,
            "batch_size": 16,
            "optimizer": "adamw",
            "optimizer_settings": {"b2": 0.99},
            "learning_rate": 0.01,
            "weight_decay": 0.01,
            "warmup_epochs": 0.5,
            "clip_norm": 1.0,
        }
    )
    config.finalists = ConfigDict(
        {
            "num_finalists": 2,
            "reference": REFERENCE,  # what people would write
            "evaluator": {"num_seeds": 1},
            "recipe": {"num_epochs": 6},
        }
    )

    if variant == "shakespeare":
        config.data = ConfigDict({"name": "plain_text", "path": "", "length": 128, "stride": 128})
        config.space.widths = (128, 256, 384)
        config.space.embeddings = (32, 64)
        config.space.dropouts = (0.0, 0.1, 0.2)
        config.constraints = ({"metric": "flops", "at_most": 150e6},)  # what two cores can train in the time
        config.search.num_trials = 16
        config.strategy.num_initial = 8
        config.recipe.num_epochs = 1
        config.recipe.learning_rate = 0.006
        config.recipe.warmup_epochs = 0.1
        config.finalists.num_finalists = 1
        config.finalists.reference = REFERENCE.replace("=128", "=256").replace("=32", "=64")
        config.finalists.evaluator.num_seeds = 3
        config.finalists.recipe.num_epochs = 5
    if variant == "smoke":
        config.data = ConfigDict({"name": "docstring_text", "num_characters": 6000, "length": 8, "min_count": 1})
        config.space = ConfigDict(
            {
                "name": "transformer",
                "num_layers": (1,),
                "widths": (4, 8),
                "num_heads": (1, 2),
                "factors": (1,),
                "dropouts": (0.0, 0.1),
            }
        )
        config.search.num_trials = 4
        config.strategy.num_initial = 3
        config.execution.name = "in_process"
        config.recipe.num_epochs = 1
        config.finalists.num_candidates = 20
        config.finalists.num_finalists = 1
        config.finalists.reference = (
            "num_layers=1, width=8, num_heads=2, factor=1, position=learned, norm=before, activation=gelu, "
            "dropout=0.0, is_tied=True"
        )
        config.finalists.recipe = ConfigDict({"num_epochs": 1})
    return config
