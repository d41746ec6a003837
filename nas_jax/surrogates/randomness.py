"""Random numbers of NumPy from a key of JAX: the same ones whether or not 64-bit types are enabled."""

import jax
import jax.numpy as jnp
import numpy as np


def seed_of(key: jax.Array) -> int:
    """A seed of 32 bits, which NumPy and scikit-learn take."""
    return int(jax.random.bits(key, dtype=jnp.uint32))


def generator_of(key: jax.Array) -> np.random.Generator:
    """A generator of its own for a key."""
    return np.random.default_rng(seed_of(key))
