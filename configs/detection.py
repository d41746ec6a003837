"""Object detection: networks with a feature pyramid that find digits in cluttered scenes by boxes. Offline.

    python -m nas_jax.main --config=configs/detection.py

On two cores of an AMD EPYC it took 1 min 57 s, and the winner had a mAP of 0.795 at an overlap of .5 on the test
scenes, the mean of three seeds, where the reference had 0.610.

`:bccd` is for arrays of one's own (`docs/detection.md`), and is meant for blood cells in microscope images:

    python -m nas_jax.main --config=configs/detection.py:bccd --config.data.path=FOLDER

All of it took 17 core minutes on an AMD EPYC. The winner had a mAP of 0.834 at an overlap of .5 on the test images, the
mean of three seeds; the best of the random trials, trained in the same way, had 0.793, and the reference 0.772. Both
were measured before a head that the maps share normalised each map by its own moments (revisions 8f387a9, 3df76ff).

`:smoke` is the first in seconds, for tests.
"""

from ml_collections import ConfigDict

VARIANTS = ("full", "bccd", "smoke")
REFERENCE = (
    "width=16, growth=2, block=conv, kernel_size=3, num_blocks=1, stride=8, num_maps=2, fusion=add, map_width=32, "
    "head=shared, head_depth=1"
)


def get_config(variant: str = "full") -> ConfigDict:
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r}: choose from {', '.join(VARIANTS)}")
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({"name": "digit_scenes", "kind": "detection", "size": 24})
    config.task = ConfigDict({"name": "detection"})
    config.space = ConfigDict(
        {"name": "pyramid", "widths": (8, 16), "map_widths": (8, 16), "strides": (4,), "num_blocks": (1,)}
    )
    config.objective = ConfigDict({"metric": "val_map_50"})
    config.search = ConfigDict({"num_trials": 10})
    config.strategy = ConfigDict({"name": "bayesopt", "num_initial": 6})
    config.execution = ConfigDict({"name": "workers"})
    config.recipe = ConfigDict(
        {
            "num_epochs": 6,
            "batch_size": 16,
            "optimizer": "adamw",
            "learning_rate": 0.01,
            "weight_decay": 0.01,
            "clip_norm": 1.0,
        }
    )
    config.finalists = ConfigDict(
        {
            "num_finalists": 1,
            "reference": REFERENCE.replace("=8", "=4").replace("=32", "=16"),  # what people would write
            "evaluator": {"num_seeds": 3},
            "recipe": {"num_epochs": 10},
        }
    )

    if variant == "bccd":
        config.data = ConfigDict({"name": "saved_arrays", "path": "", "pad": 12, "flip_vertically": True})
        config.space = ConfigDict({"name": "pyramid", "strides": (4,)})
        config.constraints = ({"metric": "flops", "at_most": 150e6},)  # what two cores can train in the time
        config.search.num_trials = 16
        config.strategy.num_initial = 8
        config.recipe.num_epochs = 20
        config.recipe.learning_rate = 0.005
        config.finalists.reference = REFERENCE.replace("=8", "=4")
        config.finalists.recipe.num_epochs = 90
    if variant == "smoke":
        config.data.size = 18
        config.data.max_digits = 1
        config.data.num_train = 16
        config.data.num_val = 8
        config.data.num_test = 8
        config.space.widths = (2, 4)
        config.space.map_widths = (4,)
        config.space.num_maps = (2,)
        config.space.num_blocks = (1,)
        config.search.num_trials = 4
        config.strategy.num_initial = 3
        config.execution.name = "in_process"
        config.recipe.num_epochs = 2
        config.recipe.batch_size = 8
        config.finalists.num_candidates = 20
        config.finalists.reference = REFERENCE.replace("=16", "=4").replace("=8", "=4").replace("=32", "=4")
        config.finalists.evaluator.num_seeds = 1
        config.finalists.recipe = ConfigDict({"num_epochs": 2})
    return config
