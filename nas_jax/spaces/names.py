"""From the names of architectures, as people and files write them, back to genomes."""

import json
import os
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from nas_jax.errors import UserError
from nas_jax.json_files import describe_json_error
from nas_jax.spaces.base import Space
from nas_jax.trial import Genome, freeze

MAX_LISTED = 100_000  # genomes of a space that are looked through


@runtime_checkable
class BenchmarkSpace(Protocol):
    """A space whose benchmark names genomes in another way than `describe`."""

    def benchmark_name(self, genome: Genome) -> str: ...


@runtime_checkable
class ParsingSpace(Protocol):
    """A space that reads what `describe` writes, and refuses what is none of its genomes."""

    def parse(self, description: str) -> Genome: ...


def find_genome(space: Space, text: Any, setting: str) -> Genome:
    """The genome of `space` that `text` stands for: a file's path, JSON, or a name.

    JSON is a genome, or a mapping that has one as "genome". Names are those of `describe` and `benchmark_name`. Errors
    begin with `setting`, where the text was given.

    Raises:
        UserError: it stands for none, or the space is too large to find out.
    """
    if not isinstance(text, str):  # a config may hold what JSON stands for
        text = json.dumps(text)
    value: Any = text
    path = os.path.expanduser(text)
    is_file = os.path.isfile(path)  # False also of what can be no path
    if is_file or text.lstrip().startswith(("[", "{")):
        try:
            value = json.loads(Path(path).read_text(encoding="utf-8") if is_file else text)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{setting}: {reprlib.repr(text)} is not valid JSON: {describe_json_error(error)}"
            ) from error
        if isinstance(value, Mapping):
            value = value.get("genome")
    genome = _named(space, value.strip(), setting) if isinstance(value, str) else _listed(space, freeze(value), setting)
    if genome is None:
        raise UserError(
            f"{setting}: {text!r} is no genome of this space, {space}; give one as runs write it: the file "
            "best/genome.json, or an architecture as in report.html"
        )
    return genome


def _named(space: Space, name: str, setting: str) -> Genome | None:
    if isinstance(space, ParsingSpace):
        try:
            return space.parse(name)
        except ValueError:
            return None
    for genome in _all_genomes(space, setting):
        if name == space.describe(genome) or (
            isinstance(space, BenchmarkSpace) and name == space.benchmark_name(genome)
        ):
            return genome
    return None


def _listed(space: Space, value: Any, setting: str) -> Genome | None:
    if not isinstance(value, tuple):
        return None
    if isinstance(space, ParsingSpace):
        is_text = all(isinstance(part, str) for part in value)
        return _named(space, space.describe(value), setting) if is_text else None
    try:
        return value if value in set(_all_genomes(space, setting)) else None
    except TypeError:  # a mapping within it does not hash
        return None


def _all_genomes(space: Space, setting: str) -> list[Genome]:
    if space.num_genomes > MAX_LISTED:
        raise UserError(
            f"{setting}: the space has {space.num_genomes:,} genomes, too many to look through; give "
            f"{type(space).__name__} a method parse, the inverse of describe"
        )
    return list(space.genomes())
