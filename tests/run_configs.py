"""The configs of the repository, for tests that run over all of them."""

import importlib.util
from functools import partial
from pathlib import Path

import pytest

PATHS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))


def load_config(path: Path, variant: str):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(variant)


SMOKE_CONFIGS = [pytest.param(partial(load_config, path, "smoke"), id=path.stem) for path in PATHS]
