"""The winner as a folder to take home, and the way back from the folder to a network that predicts.

from nas_jax.export import load_best
classifier = load_best("runs/quickstart/best")
probabilities = classifier.predict(images)  # uint8 [n, h, w, c] -> float32 [n, num_classes]

The folder has the network as a program for JAX alone, too: see `nas_jax.portable`.
"""

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float, UInt8

from nas_jax.build import build
from nas_jax.errors import UserError
from nas_jax.portable import PLATFORMS, make_predict, program_bytes
from nas_jax.train.checkpoint import load_variables
from nas_jax.trial import freeze

_CHUNK = 256  # images that one call of the network takes


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained network with all that it needs to take raw images. Computes in float32."""

    network: nn.Module
    variables: Any
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def predict(self, images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n k"]:
        """The probability of each class for each image.

        Raises:
            ValueError: images of another shape than those that the network was trained on, or not of 8 bits.
        """
        if images.shape[1:] != self.image_shape or images.dtype != np.uint8:
            raise ValueError(
                f"images are {images.dtype} {images.shape[1:]}, the network was trained on uint8 {self.image_shape}"
            )
        chunks = np.split(images, range(_CHUNK, len(images), _CHUNK))
        return np.concatenate([np.asarray(self._probabilities(self.variables, chunk)) for chunk in chunks])

    def save_program(self, path: str | Path, platforms: Sequence[str] = PLATFORMS) -> None:
        """Writes what `predict` computes as a program that JAX runs alone, see `nas_jax.portable`."""
        predict = functools.partial(make_predict(self.network, self.mean, self.std), self.variables)
        Path(path).write_bytes(program_bytes(predict, self.image_shape, platforms))

    @functools.cached_property
    def _probabilities(self) -> Callable[..., jax.Array]:
        return jax.jit(make_predict(self.network, self.mean, self.std))


def load_best(directory: str | Path) -> Classifier:
    """Reads what `export_network` wrote.

    Raises:
        UserError: `directory` holds no exported network, or a genome alone.
    """
    directory = Path(directory)
    if not (directory / "genome.json").exists():
        raise UserError(f"{directory} holds no exported network; give the 'best' folder of a finished run")
    if not (directory / "checkpoint").exists():
        raise UserError(f"{directory} holds a genome without a network: its run looked metrics up and trained nothing")
    genome = json.loads((directory / "genome.json").read_text())
    preprocessing = json.loads((directory / "recipe.json").read_text())["preprocessing"]
    image_shape = freeze(genome["image_shape"])
    section = {name: freeze(value) for name, value in genome["space"].items()}
    space = build("nas_jax.spaces", section, image_shape=image_shape, num_classes=genome["num_classes"])
    return Classifier(
        network=space.network(freeze(genome["genome"]), np.dtype(np.float32)),
        variables=jax.tree.map(jnp.asarray, load_variables(directory / "checkpoint")),
        class_names=freeze(genome["class_names"]),
        image_shape=image_shape,
        mean=freeze(preprocessing["mean"]),
        std=freeze(preprocessing["std"]),
    )
