"""The persistent compilation cache: a network that was compiled once, in whatever process, is not compiled again.

It serves trials that are repeated with another seed or another number of epochs, and runs that are resumed. A new
architecture finds its layers in it, where they are compiled one by one (`layers.py`), and nothing where a network is
compiled as a whole.
"""

import os
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from nas_jax.errors import UserError

_MIN_COMPILE_SECONDS = 0.1  # below, reading a file takes as long


def use_compilation_cache(directory: str | Path) -> None:
    """Keeps what this process compiles from now on in `directory`, and takes from there what is there already.

    What is in the directory is loaded and executed, so it has to belong to this user, and nobody else may write there.
    It is made with access for this user alone.

    Raises:
        UserError: the directory cannot be made, or others may write to it or own it.
    """
    path = Path(os.path.expanduser(directory)).absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError as error:
        raise UserError(f"compilation cache: cannot make {path}: {error.strerror}") from error
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise UserError(
            f"compilation cache: others can change {path}, and what is in it is executed; name a directory of your "
            f"own, or run chmod 700 {path}"
        )
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _MIN_COMPILE_SECONDS)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # On a GPU also what XLA finds by timing several kernels for a fusion: other networks have the same fusions.
    jax.config.update("jax_persistent_cache_enable_xla_caches", "xla_gpu_per_fusion_autotune_cache_dir")
    compilation_cache.reset_cache()  # JAX reads the directory's name once, at the first compilation
