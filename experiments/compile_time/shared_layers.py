"""How many programs a new architecture compiles, layer by layer, the more of them there have been. Compiles nothing.

    python experiments/compile_time/shared_layers.py

Chains of `configs/cifar10.py`, drawn with a fixed seed; a layer on inputs of a shape has three programs.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from nas_jax.spaces.chain import Chain
from nas_jax.train.layers import nameless

NUM_CHAINS, PROGRAMS = 300, 3  # forward, backward with the update, evaluation
PERIODS = ((0, 10), (10, 50), (50, 100), (100, 200), (200, 300))


def main() -> None:
    space = Chain((32, 32, 3), 10, min_feature_layers=2, max_feature_layers=5)
    known: set[tuple] = set()
    numbers = []
    for genome in space.sample(np.random.default_rng(0), NUM_CHAINS):
        before, shape, is_first = len(known), (32, 32, 3), True
        for layer in map(nameless, space.network(genome, np.dtype(np.float32)).stages()):
            known.add((layer, shape, is_first))
            images = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
            draw = partial(layer.init_with_output, train=False)
            outputs, variables = jax.eval_shape(draw, jax.random.key(0), images)
            shape, is_first = outputs.shape[1:], is_first and "params" not in variables
        numbers.append(PROGRAMS * (len(known) - before))
    for first, last in PERIODS:
        print(f"architectures {first + 1:>3} to {last:>3}: {np.mean(numbers[first:last]):.2f} programs each")


if __name__ == "__main__":
    main()
