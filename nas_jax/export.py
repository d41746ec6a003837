"""The winner as a folder to take home, and the way back from the folder to a network that predicts.

from nas_jax.export import load_best
predictor = load_best("runs/quickstart/best")
probabilities = predictor.predict(images)  # of a classifier: uint8 [n, h, w, c] -> float32 [n, classes]

The folder has the network as a program for JAX alone, too: see `nas_jax.portable`.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from nas_jax.build import build
from nas_jax.data.arrays import ArraySpec, Spec, spec_from_json
from nas_jax.errors import UserError
from nas_jax.json_files import read_json
from nas_jax.portable import PLATFORMS, make_predict, program_bytes
from nas_jax.tasks.base import Task, space_fields
from nas_jax.train.checkpoint import load_variables
from nas_jax.train.evaluation import batch_size_for
from nas_jax.trial import Genome, freeze


@dataclass(frozen=True, eq=False)
class Predictor:
    """A trained network with all that it needs to take raw inputs. Computes in float32."""

    network: nn.Module
    variables: Any
    task: Task
    spec: Spec

    @property
    def input(self) -> ArraySpec:
        """What one input is."""
        return self.spec.arrays[self.task.input_name]

    def predict(self, inputs: np.ndarray) -> Any:
        """The predictions `[n, …]` of inputs `[n, …]` as they are in the data set; of a classifier, probabilities.

        Raises:
            ValueError: they have another shape or type than those that the network was trained on.
        """
        given = ArraySpec(inputs.shape[1:], inputs.dtype.name)
        if given != self.input:
            raise ValueError(f"the inputs are {given}; the network was trained on {self.input}")
        size = batch_size_for(self.input.shape)
        chunks = np.split(inputs, range(size, len(inputs), size))
        predictions = [jax.device_get(self._predict(self.variables, chunk)) for chunk in chunks]
        return jax.tree.map(lambda *parts: np.concatenate(parts), *predictions)

    def save_program(self, path: str | Path, platforms: Sequence[str] = PLATFORMS) -> None:
        """Writes what `predict` computes as a program that JAX runs alone, see `nas_jax.portable`."""
        predict = functools.partial(make_predict(self.network, self.task, self.spec), self.variables)
        Path(path).write_bytes(program_bytes(predict, self.input, platforms))

    @functools.cached_property
    def _predict(self) -> Callable[..., Any]:
        return jax.jit(make_predict(self.network, self.task, self.spec))


_GENOME_HINTS: dict[str, Any] = {
    "genome": list[Any],
    "description": str,
    "space": dict[str, Any],
    "task": dict[str, Any],
    "spec": dict[str, Any],
}


class Exported(NamedTuple):
    """What `genome.json` says of a network: the sections are those of the config that build its space and its task."""

    genome: Genome
    description: str
    space: dict[str, Any]
    task: dict[str, Any]
    spec: Spec


def load_best(directory: str | Path, allow: Sequence[str] = ()) -> Predictor:
    """Reads what `export_network` wrote.

    The folder names the modules of its space and its task, and importing a module runs its code. Modules of `nas_jax`
    are imported; others only if `allow` has them, or a package that they are in: `("my_lab.spaces", "my_lab.tasks")`,
    or `("my_lab",)`. Allow what you know, and would import yourself.

    Raises:
        UserError: `directory` holds no exported network, or a genome alone, or names a module that is not allowed.
    """
    directory = Path(directory)
    exported = read_exported(directory)
    for section in (exported.space, exported.task):
        _check_allowed(directory, str(section.get("name")), allow)
    task = build("nas_jax.tasks", exported.task)
    space = build("nas_jax.spaces", exported.space, **space_fields(task, exported.spec))
    return Predictor(
        network=space.network(exported.genome, np.dtype(np.float32)),
        variables=jax.tree.map(jnp.asarray, load_variables(directory / "checkpoint")),
        task=task,
        spec=exported.spec,
    )


def read_exported(directory: Path) -> Exported:
    """What the folder of an exported network says of it. Nothing that it names is imported.

    Raises:
        UserError: as `load_best`.
    """
    if not (directory / "genome.json").exists():
        raise UserError(f"{directory} holds no exported network; give the 'best' folder of a finished run")
    if not (directory / "checkpoint").exists():
        raise UserError(f"{directory} holds a genome without a network: its run looked metrics up and trained nothing")
    try:
        genome = read_json(directory / "genome.json", _GENOME_HINTS)
        if "task" in genome:
            task, spec = genome["task"], spec_from_json(genome["spec"])
        else:
            recipe = read_json(directory / "recipe.json")
            task, spec = {"name": "classification"}, _spec_of_0_1(genome, recipe["preprocessing"])
        return Exported(freeze(genome["genome"]), genome["description"], genome["space"], task, spec)
    except (UserError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        raise UserError(f"{directory} was written by no version of nas_jax that this one reads ({reason})") from error


def _spec_of_0_1(genome: Mapping[str, Any], preprocessing: Mapping[str, Any]) -> Spec:
    """Of a folder that was written before there were tasks (version 0.1.0): all networks were classifiers of images."""
    return Spec(
        name=genome.get("dataset", "unknown"),
        arrays={"image": ArraySpec(freeze(genome["image_shape"]), "uint8"), "label": ArraySpec((), "int32")},
        class_names=freeze(genome["class_names"]),
        mean=freeze(preprocessing["mean"]),
        std=freeze(preprocessing["std"]),
    )


def _check_allowed(directory: Path, name: str, allow: Sequence[str]) -> None:
    """Raises UserError if a section's `name` is a module outside of `nas_jax` that the caller has not allowed."""
    if "." in name and not any(name == package or name.startswith(f"{package}.") for package in ("nas_jax", *allow)):
        raise UserError(
            f"{directory} names the module {name!r}, whose code would run here; if you know it, pass allow=({name!r},) "
            f"to load_best, or --allow={name} to the command"
        )
