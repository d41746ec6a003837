"""100 random chains on a part of CIFAR-10, and ten finalists that a surrogate of them ranks best."""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({"name": "tfds", "num_train": 2048, "num_val": 1500})
    config.space = ConfigDict({"name": "chain", "min_feature_layers": 2, "max_feature_layers": 5})
    config.search = ConfigDict({"num_trials": 100})
    config.strategy = ConfigDict({"name": "random_search"})
    config.execution = ConfigDict({"name": "workers"})
    config.recipe = ConfigDict({"num_epochs": 2, "batch_size": 32, "learning_rate": 0.05, "warmup_epochs": 0.5})
    config.finalists = ConfigDict(
        {
            "num_finalists": 10,
            "reference": "conv3x3-32, conv3x3-32, max, conv3x3-64, max, fc-256",
            "evaluator": {"num_seeds": 3},
            "recipe": {"num_epochs": 6, "warmup_epochs": 1.0},
        }
    )
    return config
