"""Semantic segmentation: encoder-decoders that find the pixels of digits in cluttered scenes. Offline.

    python -m nas_jax.main --config=configs/segmentation.py

On two cores of an AMD EPYC it took 1 min 25 s. With the seeds 0, 1 and 2 the winner had a mean IoU of 0.720, 0.698 and
0.487 on the test scenes, each the mean of three trainings, where the reference had 0.645, 0.634 and 0.654: with seed 2
ten trials were too few (revision 300e981).

`:nuclei` is for arrays of one's own (`docs/segmentation.md`), and is meant for cell nuclei in microscope images:

    python -m nas_jax.main --config=configs/segmentation.py:nuclei --config.data.path=FOLDER

All of it took 39 minutes on one core of an AMD EPYC. The winner, which is the best of the random trials, had a mean IoU
of 0.756 on the test images, and 0.836 of the foreground, the means of three seeds; the reference, with nine times the
parameters and 1.8 times the FLOPs, had 0.755. More than that is hard to have: on its own training images the reference
has 0.849 of the foreground after its 40 epochs and 0.839 on the test images, and a network that took four times as long
has 0.841 there (one seed each). A nucleus has 25 pixels in the median: masks moved by half a pixel in both directions
overlap with themselves by 0.763.

`:smoke` is the first in seconds, for tests.
"""

from ml_collections import ConfigDict

VARIANTS = ("full", "nuclei", "smoke")
REFERENCE = (
    "num_levels=3, width=16, growth=2, block=conv, kernel_size=3, num_blocks=1, skip=concatenate, upsampling=nearest"
)


def get_config(variant: str = "full") -> ConfigDict:
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r}: choose from {', '.join(VARIANTS)}")
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({"name": "digit_scenes", "size": 24})
    config.task = ConfigDict({"name": "segmentation"})
    config.space = ConfigDict({"name": "encoder_decoder", "num_levels": (2, 3), "widths": (4, 8), "num_blocks": (1,)})
    config.objective = ConfigDict({"metric": "val_mean_iou"})
    config.search = ConfigDict({"num_trials": 10})
    config.strategy = ConfigDict({"name": "bayesopt", "num_initial": 6})
    config.execution = ConfigDict({"name": "workers"})
    config.recipe = ConfigDict(
        {"num_epochs": 4, "batch_size": 32, "optimizer": "adamw", "learning_rate": 0.02, "weight_decay": 0.01}
    )
    config.finalists = ConfigDict(
        {
            "num_finalists": 1,
            "reference": REFERENCE.replace("=16", "=8"),  # what people would write
            "evaluator": {"num_seeds": 3},
            "recipe": {"num_epochs": 8},
        }
    )

    if variant == "nuclei":
        config.data = ConfigDict({"name": "saved_arrays", "path": "", "pad": 8, "flip_vertically": True})
        config.task.dice = 1.0
        config.space = ConfigDict({"name": "encoder_decoder"})
        config.constraints = ({"metric": "flops", "at_most": 250e6},)  # what two cores can train in the time
        config.search.num_trials = 16
        config.strategy.num_initial = 8
        config.recipe.num_epochs = 5
        config.recipe.batch_size = 8
        config.recipe.learning_rate = 0.004
        config.finalists.reference = REFERENCE.replace("levels=3", "levels=4")
        config.finalists.recipe.num_epochs = 40
    if variant == "smoke":
        config.data.size = 18
        config.data.max_digits = 1
        config.data.num_train = 16
        config.data.num_val = 8
        config.data.num_test = 8
        config.space = ConfigDict({"name": "encoder_decoder", "num_levels": (2,), "widths": (2, 4), "num_blocks": (1,)})
        config.search.num_trials = 4
        config.strategy.num_initial = 3
        config.execution.name = "in_process"
        config.recipe.num_epochs = 2
        config.recipe.batch_size = 8
        config.finalists.num_candidates = 20
        config.finalists.reference = REFERENCE.replace("=3, width=16", "=2, width=4")
        config.finalists.evaluator.num_seeds = 1
        config.finalists.recipe = ConfigDict({"num_epochs": 2})
    return config
