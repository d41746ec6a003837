"""A network as one file that JAX runs alone: without Flax, without this package, on a CPU or an NVIDIA GPU.

from jax import export
program = export.deserialize(Path("best/program.bin").read_bytes())
probabilities = program.call(images)  # uint8 [b, h, w, c] -> float32 [b, num_classes], for any b

The file holds StableHLO and the parameters, in the format of `jax.export` (https://docs.jax.dev/en/latest/export).
A later JAX reads it for at least six months. Writing and reading need the package flatbuffers.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import export
from jaxtyping import Float, UInt8

from nas_jax.data.arrays import normalize

PLATFORMS = ("cpu", "cuda")


def make_predict(
    network: nn.Module, mean: Sequence[float], std: Sequence[float]
) -> Callable[..., Float[jax.Array, "b k"]]:
    """Returns `(variables, images) -> probabilities`, a pure function.

    Images are raw, uint8 `[b, h, w, c]`. Products are computed in full float32 on every device, where an accelerator
    would round their inputs to fewer bits by itself: what a network answers should not depend on who runs it.
    """

    def predict(variables: Any, images: UInt8[jax.Array, "b h w c"]) -> Float[jax.Array, "b k"]:
        with jax.default_matmul_precision("highest"):
            logits: Any = network.apply(variables, normalize(images, mean, std), train=False)
        return jax.nn.softmax(logits.astype(jnp.float32))

    return predict


def program_bytes(
    predict: Callable[[jax.Array], jax.Array], image_shape: tuple[int, int, int], platforms: Sequence[str] = PLATFORMS
) -> bytes:
    """Serialises `predict`, a function of raw images whose parameters become constants.

    Layers that have one form for CPUs and another for accelerators are written in the form of this process, on all
    `platforms`: what they compute is the same, and one of them may be slower than it could be.
    """
    (batch,) = export.symbolic_shape("b")
    images = jax.ShapeDtypeStruct((batch, *image_shape), jnp.uint8)
    return bytes(export.export(jax.jit(predict), platforms=platforms)(images).serialize())
