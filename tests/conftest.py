"""What holds for every test: CPU only, no silent rank promotion, and no test that depends on the machine's speed."""

import gc
import signal
import tempfile
from pathlib import Path

import jax
import jaxtyping
import programs
import pytest
from hypothesis import settings
from jax.experimental.compilation_cache import compilation_cache
from written_tables import TABLES

from nas_jax.scratch import scratch_folder, temporary_files_in

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_numpy_rank_promotion", "raise")
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell's background job ignores interrupts, and so would the programs that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    """Garbage is sought less often, and not in what was imported, which stays: it was a tenth of the tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture
def as_users_call():
    """Without the checks of types that the tests add to each call, which would refuse what the code itself has to."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def compiled_quickly():
    """XLA compiles in a third less time what it may leave as it is; for tests of what is computed, on small arrays.

    How the program compiles networks and surrogates is what all other tests use.
    """
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="module")
def compiled_once(tmp_path_factory):
    """Each preparation of a training compiles anew; for tests that prepare the same one again and again."""
    kept = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: jax.config.values[name] for name in kept}
    _configure(kept)
    yield
    _configure(before)


def _configure(values):
    for name, value in values.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # JAX reads the folder's name once


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left(tmp_path_factory):
    """The tests and the programs that they start have a temporary directory to themselves, and leave nothing there."""
    tmp_path_factory.getbasetemp()  # pytest's own folder stays where it is
    with scratch_folder("tests") as folder, temporary_files_in(folder), pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("TMPDIR", str(folder))
        with TABLES:
            yield
        programs.end()
        left = [path.name for path in Path(tempfile.gettempdir()).iterdir()]
        assert [name for name in left if name.startswith("nas_jax_") or name.endswith("tfds")] == []
