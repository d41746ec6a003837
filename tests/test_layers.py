"""Which module may import which: an import points to a row further down, or stays within its own package."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "nas_jax"

# Modules and packages of nas_jax, in rows.
ROWS = (
    "main train_one predict dashboard pick",
    "report compare",
    "importance",
    "search",
    "run",
    "display trackers diagnostics curve_log",
    "workdir",
    "parts listeners export record",
    "sections agreement config_flag",
    "config",
    "strategies executors",
    "features",
    "assessment evaluators settings",
    "spaces train portable stated",
    "surrogates layers zero_cost tasks store cli tables units choice front_files growing_front best_file",
    "data objectives build cpu event_files",
    "json_files pictures table_files constraints",
    "hints budgets fronts metrics",
    "trial errors notes scratch signals timed_calls on_disk",
)
LEVELS = {name: level for level, row in enumerate(reversed(ROWS)) for name in row.split()}

# What few files may import, since it is heavy or changes often.
OWNERS = {
    "gpjax": ("surrogates.kernels", "surrogates.means", "surrogates.gpjax_bridge"),
    "tensorflow_datasets": ("data.tfds", "data.tfds_builder"),
}


def imports(source: str) -> Iterator[str]:
    """Dotted names of all that a source imports, also inside functions; "a.b" for `from a import b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ("." * node.level + f"{node.module or ''}.{alias.name}" for alias in node.names)


def violations(module: str, source: str) -> Iterator[str]:
    """What is wrong with the imports of a module, whose name comes without "nas_jax."."""
    package = module.partition(".")[0]
    if package not in LEVELS:
        yield f"{module}: no row of tests/test_layers.py has {package!r}; put it in one"
        return
    for name in imports(source):
        top, _, rest = name.partition(".")
        inner = rest.partition(".")[0]
        if not top:
            yield f"{module}: relative import of {name}"
        elif top != "nas_jax":
            if module not in OWNERS.get(top, (module,)):
                yield f"{module}: imports {top}, which only {' and '.join(OWNERS[top])} may"
            if package == "surrogates" and top == "flax":
                yield f"{module}: imports flax, and surrogates are used without it"
            if package in (
                "trial",
                "build",
                "errors",
                "notes",
                "scratch",
                "signals",
                "json_files",
                "hints",
            ) and top not in {
                *sys.stdlib_module_names,
                "numpy",
            }:
                yield f"{module}: imports {top}, and may only use the standard library and NumPy"
        elif inner not in LEVELS:
            yield f"{module}: imports {name}, and no row of tests/test_layers.py has {inner!r}"
        elif inner != package and package == "surrogates":
            yield f"{module}: imports {name}, and surrogates use nothing of nas_jax but themselves"
        elif inner != package and LEVELS[inner] >= LEVELS[package]:
            yield f"{module}: imports {name}, which is not further down"


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


SOURCES = {module_name(path): path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"}


@pytest.mark.parametrize("module", SOURCES)
def test_imports_point_down(module):
    assert list(violations(module, SOURCES[module].read_text(encoding="utf-8"))) == []


def test_the_package_itself_imports_nothing():
    assert list(imports((ROOT / "__init__.py").read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("module", "source", "message"),
    [
        ("search", "from nas_jax.main import run", "not further down"),
        ("parts", "from nas_jax import search", "not further down"),
        ("search", "import nas_jax.report.write", "not further down"),
        ("spaces.chain", "def network():\n    from nas_jax.train.fit import fit", "not further down"),
        ("spaces.chain", "from .base import one_hot", "relative import"),
        ("trial", "import jax", "standard library and NumPy"),
        ("build", "from nas_jax.spaces.base import Space", "not further down"),
        ("surrogates.svm", "from nas_jax.trial import Genome", "nothing of nas_jax but themselves"),
        ("surrogates.svm", "import gpjax as gpx", "only surrogates.kernels and surrogates.means and"),
        ("surrogates.deep_ensemble", "from flax import linen as nn", "used without it"),
        ("data.digits", "import tensorflow_datasets", "only data.tfds and data.tfds_builder may"),
        ("gadgets.base", "", "no row of tests/test_layers.py has 'gadgets'"),
        ("search.loop", "from nas_jax.gadgets import base", "no row of tests/test_layers.py has 'gadgets'"),
    ],
)
def test_a_wrong_import_is_found(module, source, message):
    (found,) = violations(module, source)
    assert found.startswith(f"{module}: ")
    assert message in found


def test_right_imports_pass():
    source = "import numpy as np\nfrom nas_jax import layers\nfrom nas_jax.spaces.base import Space\nimport flax"
    assert list(violations("spaces.chain", source)) == []


SURROGATES = [name for name in SOURCES if name.partition(".")[0] == "surrogates"]


@pytest.fixture(scope="module")
def loaded_by():
    """What each of them loads that those before it have not, so that nothing which any of them loads is left out.

    In a process of its own, so that what other libraries load in turn counts too.
    """
    code = (
        "import importlib, json, sys\nloaded, known = {}, set()\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(f'nas_jax.{name}')\n"
        "    loaded[name] = sorted(set(sys.modules) - known)\n"
        "    known |= set(sys.modules)\n"
        "print(json.dumps(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code, *SURROGATES], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", SURROGATES)
def test_a_surrogate_loads_nothing_heavy(module, loaded_by):
    loaded = loaded_by[module]
    assert {name.partition(".")[0] for name in loaded}.isdisjoint({"flax", "tensorflow", "tensorflow_datasets"})
    assert [name for name in loaded if name.startswith("nas_jax.") and not name.startswith("nas_jax.surrogates")] == []
