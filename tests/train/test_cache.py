"""The compilation cache, in processes of its own: it is a setting of the whole process."""

import os
import stat
import subprocess
import sys

import pytest

from nas_jax.errors import UserError
from nas_jax.train.cache import use_compilation_cache

PROGRAM = """
import sys
import jax
import jax.numpy as jnp
from nas_jax.train.cache import use_compilation_cache

jax.jit(lambda x: x + 1)(1.0)  # JAX has compiled before
use_compilation_cache(sys.argv[1])
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event) if "cache_hits" in event else None)


def deep(x):
    for i in range(30):
        x = jnp.sin(x @ x + i)
    return x.sum()


value = jax.jit(jax.grad(deep))(jnp.eye(7)).sum()
print(len(hits), float(value))
"""


def test_a_second_process_compiles_nothing_again(tmp_path):
    directory = tmp_path / "new" / "cache"
    (num_hits, value), (num_hits_again, value_again) = (
        subprocess.run(
            [sys.executable, "-c", PROGRAM, str(directory)], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    )
    assert int(num_hits) == 0
    assert int(num_hits_again) > 0
    assert value_again == value
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


OTHER_LENGTH = """
import os, sys
import jax
from nas_jax.data.synthetic import Synthetic
from nas_jax.spaces.chain_network import ChainNetwork
from nas_jax.tasks.base import load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train.cache import use_compilation_cache
from nas_jax.train.fit import prepare
from nas_jax.train.recipe import Recipe

use_compilation_cache(sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # however fast the machine is


def programs():
    return {name.partition("-")[0] for name in os.listdir(sys.argv[1]) if name.endswith("-cache")}


problem, network = load_problem(Classification(), Synthetic()), ChainNetwork(("conv3x3-4", "fc-8"), 4)
for num_epochs in (4, 16):
    before = programs()
    prepare(network, problem, Recipe(num_epochs=num_epochs, batch_size=64, compilation=sys.argv[2]))
    print(*sorted(programs() - before))
"""


@pytest.mark.parametrize(
    ("compilation", "expected"),
    [
        ("network", ["jit_eval_packed", "jit_train_step"]),
        ("layers", ["jit_backward", "jit_draw_batch", "jit_evaluate", "jit_forward", "jit_inputs", "jit_loss"]),
    ],
)
def test_a_longer_training_finds_all_that_it_needs(tmp_path, compilation, expected):
    command = [sys.executable, "-c", OTHER_LENGTH, str(tmp_path / "cache"), compilation]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, longer = done.stdout.splitlines()
    assert set(expected) <= set(first.split())
    assert longer == ""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners of files")
def test_a_directory_that_others_can_write_to_is_refused(tmp_path):
    directory = tmp_path / "shared"
    directory.mkdir()
    directory.chmod(0o777)
    with pytest.raises(UserError, match=r"others can change .*chmod 700"):
        use_compilation_cache(directory)


def test_a_file_in_the_way_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make"):
        use_compilation_cache(tmp_path / "file" / "cache")
