"""Search on CIFAR-10: chains of up to ten epochs, at the cost of 100 such trainings, and ten finalists.

    python -m nas_jax.main --config=configs/cifar10.py

needs a prepared data set (see the README) and an accelerator; it has not been timed on one. Most trainings stop after
two or four epochs (`freeze_thaw`), as in `:cpu`; with as few images that was measured to be ahead of random search and
of `bayesopt`. A surrogate of the trials then chooses the finalists among them and 1,000 new chains. `:one_shot` is the
baseline: 100 random chains in full, and the same choice. `:smoke`, `:wide_smoke` and `:latency_smoke` are for tests.

`:cpu` is for two cores: 2,048 training images, trainings of up to eight epochs, and the best trials as finalists. All
of it took 47 minutes on one core of an AMD EPYC without AVX-512 whose other core was busy; on another EPYC an earlier
revision took 17. The winner had a test accuracy of 50.6 %, the mean of three seeds, where what was the best of the
random trials after two epochs had 47.7 %, trained in the same way, and the reference 48.8 %.
`experiments/search_on_cifar10` compares such searches with others.

`:latency` looks for accuracy against the milliseconds of one image on this machine, measured of the compiled network
before it is trained, with the training cut down for two cores; it leaves a front in `front/`. It took 39 minutes on one
core of an AMD EPYC whose other core was at work; the front has six networks, of 47 % to 73 % validation accuracy and
0.02 to 0.41 ms. The knee of it is faster than the reference, and by 0.7 points better on the test split
(`experiments/front_latency`).

`:wide` is for one large GPU: 39 million chains of up to ten feature layers and 256 filters, at the cost of 200
trainings, with a recipe to match (batches of 512 at a learning rate of 0.4, label smoothing, cutout), and ten finalists
with three seeds of 60 epochs. Nothing of it has been run on a GPU. That it takes about an hour is arithmetic: a chain
drawn at random needs 0.49 GFLOP an image and forward pass, the reference 0.78, and 195 million images are trained on at
three passes each, so that chains of 1.2 GFLOP on average, as a search comes to prefer them, need 200 TFLOP/s, a fifth
of what an H100 has in bfloat16. That it ends above 94 % test accuracy is expected of what is known of plain networks of
this kind.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

VARIANTS = ("full", "one_shot", "cpu", "latency", "wide", "smoke", "wide_smoke", "latency_smoke")


def get_config(variant: str = "full") -> ConfigDict:
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r}: choose from {', '.join(VARIANTS)}")
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({"name": "tfds"})  # of which cifar10 is the default
    config.space = ConfigDict({"name": "chain", "min_feature_layers": 2, "max_feature_layers": 5})
    config.strategy = ConfigDict({"name": "freeze_thaw"})
    config.search = ConfigDict({"num_trials": placeholder(int), "max_cost": 100.0})
    config.execution = ConfigDict({"name": "workers"})
    config.recipe = ConfigDict({"num_epochs": 10})
    config.finalists = ConfigDict(
        {
            "num_finalists": 10,
            "reference": "conv3x3-32, conv3x3-32, max, conv3x3-64, max, fc-256",  # what people would write
            "evaluator": {"num_seeds": 3},  # these two: what differs from the search
            "recipe": {"num_epochs": 60},
        }
    )

    if variant == "one_shot":
        config.strategy.name = "random_search"
        config.search = ConfigDict({"num_trials": 100})
    if variant == "cpu":
        config.data.update(num_train=2048, num_val=2000)
        config.strategy.by_flops = True
        config.search.max_cost = 36.0
        config.recipe = ConfigDict({"num_epochs": 8, "batch_size": 32, "learning_rate": 0.05})
        config.finalists.update(pick="incumbent", num_finalists=3, recipe={"num_epochs": 8})
    if variant in ("latency", "latency_smoke"):
        config.objectives = ({"metric": "val_accuracy"}, {"metric": "latency_ms", "maximize": False})
        config.execution = ConfigDict({"name": "in_process"})  # neighbours would slow what is measured
        config.strategy.name = "bayesopt"  # of several objectives
        config.search = ConfigDict({"num_trials": 60})
        config.data.update(num_train=8192, num_val=2000)
        config.recipe = ConfigDict({"num_epochs": 2, "batch_size": 32, "learning_rate": 0.05, "warmup_epochs": 0.5})
        config.finalists.recipe = ConfigDict({"num_epochs": 8, "warmup_epochs": 1.0})
    if variant in ("wide", "wide_smoke"):
        config.data.cutout = 8
        config.task = ConfigDict({"name": "classification", "label_smoothing": 0.1})
        config.space = ConfigDict(
            {
                "name": "chain",
                "conv_sizes": (3,),
                "conv_filters": (64, 128, 256),
                "min_feature_layers": 5,
                "max_feature_layers": 10,
                "min_fc_layers": 0,
                "max_fc_layers": 1,
            }
        )
        config.search.max_cost = 200.0
        config.recipe = ConfigDict({"num_epochs": 10, "batch_size": 512, "learning_rate": 0.4, "warmup_epochs": 2.0})
        config.finalists.recipe = ConfigDict({"num_epochs": 60, "warmup_epochs": 5.0})
        config.finalists.reference = (
            "conv3x3-64, conv3x3-128, max, conv3x3-256, conv3x3-256, max, conv3x3-256, conv3x3-256, max, conv3x3-256"
        )
    if variant in ("smoke", "wide_smoke", "latency_smoke"):
        config.data.update(num_train=64, num_val=64, num_test=64)
        config.space.update(conv_filters=(4, 8), fc_units=(16,), min_feature_layers=2, max_feature_layers=3)
        config.search.num_trials = 4
        config.execution.name = "in_process"
        config.recipe = ConfigDict({"num_epochs": 2, "batch_size": 32, "learning_rate": 0.05, "warmup_epochs": 0.5})
        config.finalists.num_candidates = 50
        config.finalists.num_finalists = 1
        config.finalists.reference = "conv3x3-8, max, conv3x3-8, fc-16"
        config.finalists.evaluator.num_seeds = 1
        config.finalists.recipe = ConfigDict({"num_epochs": 2})
    return config
