"""The configs of the repository, for tests that run over all of them, with tables for those that need one."""

import importlib.util
from functools import partial
from pathlib import Path

import pytest
from written_tables import WRITERS, table_of

PATHS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))


def load_config(path: Path, variant: str):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(variant)


def smoke_config(path: Path, variant: str = "smoke"):
    """A variant for tests; one that searches a table of the user's gets a made-up one."""
    config = load_config(path, variant)
    if path.stem in WRITERS:
        config.evaluator.path = table_of(path.stem)
    return config


SMOKE_CONFIGS = [pytest.param(partial(smoke_config, path), id=path.stem) for path in PATHS]
MORE = {"cifar10": ("wide_smoke", "latency_smoke"), "benchmark_nb201": ("energy_smoke",)}
SMOKE_CONFIGS += [
    pytest.param(partial(smoke_config, path, variant), id=f"{path.stem}-{variant.removesuffix('_smoke')}")
    for path in PATHS
    for variant in MORE.get(path.stem, ())
]
