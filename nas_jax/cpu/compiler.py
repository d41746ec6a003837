"""What XLA is told when it compiles a network."""

import jax


def compiler_options() -> dict[str, str | bool] | None:
    """For `jax.stages.Lowered.compile`; None leaves all as it is.

    A search compiles each network for a few hundred steps, nearly all of which are spent in convolutions and matrix
    products that XLA takes from libraries. What LLVM makes of the rest hardly shows, and nearly half of the time of
    compilation is saved (`experiments/compile_time` has the measurements).
    """
    if jax.default_backend() != "cpu":
        return None
    options: dict[str, str | bool] = {
        "xla_backend_optimization_level": "1",
        "xla_cpu_parallel_codegen_split_count": "1",  # a worker has one core
    }
    if jax.__version_info__ < (0, 11):  # later ones refuse an option that they do not know, and this is one
        options["xla_cpu_use_fusion_emitters"] = False
    return options
