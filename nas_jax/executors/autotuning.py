"""What XLA finds on a GPU by timing kernels, kept for all processes of a machine.

XLA tries several kernels for each fusion and shape. Architectures of a space share most of these, so that a process
finds much of what a new one needs in this folder, which its own earlier trials and the other workers have filled.
"""

from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

_NEVER = 1e9  # seconds of compilation, from which on a whole program is kept


def share_autotuning(folder: Path) -> None:
    """Has XLA keep its findings in `folder`, unless the user has given JAX a compilation cache, which has them too.

    JAX names the folder to XLA as one within its cache of whole programs, which has to be on; but these are of no use
    to another architecture, and none is written.
    """
    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_enable_xla_caches", "xla_gpu_per_fusion_autotune_cache_dir")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _NEVER)
    compilation_cache.reset_cache()  # JAX reads the folder's name once, at the first compilation
