"""The flag `--config`: reads a config file, takes the parts that flags name, and has a flag for every field."""

import importlib.machinery
import importlib.util
import re
import reprlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from absl import flags
from ml_collections import ConfigDict, FieldReference, config_flags
from ml_collections.config_flags.config_flags import ConfigFileFlagParser

from nas_jax.cli import expand
from nas_jax.config import PARTS, complete
from nas_jax.errors import UserError, user_error_of, wanted
from nas_jax.hints import describe_type
from nas_jax.stated import objectives_of

flags.disclaim_key_flags()  # the flag belongs to the command that makes a ConfigFlag, in whose help it stands


class ConfigFlag:
    """The flag `--config`, and those of its fields."""

    def __init__(self, flag_values: flags.FlagValues = flags.FLAGS) -> None:
        self._arguments: list[str] = []
        text = "Path of a config, with :variant behind it if it has any; --config.FIELD=VALUE sets one of its fields."
        self._holder = config_flags.DEFINE_config_file(
            "config", None, text, flag_values=flag_values, sys_argv=self._arguments
        )
        self._parser = _PartsParser("config")
        self._parser.arguments = self._arguments
        flag_values["config"].parser = self._parser

    @property
    def value(self) -> ConfigDict:
        """The config, with all that flags set.

        Raises:
            UserError: a flag is for the one objective, while `objectives` count in its place.
        """
        config = self._holder.value
        _check_objective_flags(config, _paths_of(self._arguments))
        return config

    def take_parts(self, arguments: Sequence[str]) -> list[str]:
        """Notes the flags that name a part, in either spelling, and returns the other arguments.

        `--config.strategy=evolution` and `--config.strategy.name=evolution` are the same. Noted are also the fields
        that a flag sets to None, as absl reads text for a number alone.
        """
        self._parser.named, self._parser.emptied = {}, []
        left: list[str] = []
        words = iter(arguments)
        for word in words:
            match = re.fullmatch(rf"--?config\.({'|'.join(PARTS)})(\.name)?(=(.*))?", word, re.DOTALL)
            if match is None:
                emptied = re.fullmatch(r"--?config\.([\w.[\]]+)=None", word)
                if emptied:
                    self._parser.emptied.append(emptied[1])
                else:
                    left.append(word)
            else:
                self._parser.named[match[1]] = match[4] if match[3] else next(words, "")
        self._arguments[:] = left
        return left


class _PartsParser(ConfigFileFlagParser):
    """Reads a config file, takes the parts that flags name, and completes the config.

    `emptied` are fields that become None, and `arguments` are those that override fields then.
    """

    named: dict[str, str]
    emptied: list[str]
    arguments: Sequence[str] = ()

    def parse(self, path: str) -> ConfigDict:
        """The config of a file.

        Raises:
            UserError: whatever goes wrong, as absl would hide the place of it.
        """
        try:
            config = complete(_load_config(path), self.named)
            for field in (*_paths_of(self.arguments), *self.emptied):
                _check_field(config, field)
            for field in self.emptied:
                _empty(config, field)
            return config
        except Exception as error:
            mendable = user_error_of(error)
            if mendable is None:
                raise
            raise mendable from error


def _paths_of(arguments: Sequence[str]) -> list[str]:
    """Of the flags of a config's fields, what is behind `config.`."""
    matches = [re.match(r"--?(?:no)?config\.([\w.[\]]+)", argument) for argument in arguments]
    return [match[1] for match in matches if match]


def _check_objective_flags(config: ConfigDict, paths: Sequence[str]) -> None:
    """Raises UserError if a flag is for the one objective, by its own name or another, and `objectives` lack it."""
    objective = config.objective
    if not config.objectives or not isinstance(objective, ConfigDict):
        return
    needed = objectives_of(config.to_dict()).needed
    metric = dict(objective.items(preserve_field_references=True))["metric"]
    fields = config.items(preserve_field_references=True)
    of_metric = [name for name, field in fields if isinstance(field, FieldReference) and field is metric]
    for path in paths:
        is_metric = path in ("objective.metric", *of_metric)
        if is_metric and objective.metric not in needed:
            raise UserError(
                f"--config.{path}: {objective.metric!r} is neither in objectives nor in constraints, which count here "
                f"({', '.join(needed)}); leave the flag out, or name it there"
            )
        if path.startswith("objective.") and not is_metric:
            raise UserError(f"--config.{path}: objectives count here; leave the flag out, and say it of one of them")


def _check_field(config: ConfigDict, path: str) -> None:
    """Raises UserError if the config has no such field; `path` is its flag without what is before the first point."""
    names = re.findall(r"\w+", path)
    section: Any = config
    kind: type = ConfigDict
    for depth, name in enumerate(names):
        above = ".".join(names[:depth])
        if isinstance(section, list) and name.isdecimal() and int(name) < len(section):
            section, kind = section[int(name)], object
            continue
        if not isinstance(section, ConfigDict | Mapping):
            raise UserError(
                f"--config.{path}: {above} is no section; set it by --config.{above}=…, {_taken(kind, name)}"
            )
        if name not in section:
            there = f"{above or 'it'} has {', '.join(section)}"
            raise UserError(f"the config has no such field: {name!r}; {there}")
        kind = section.get_type(name) if isinstance(section, ConfigDict) else object
        section = section[name]


def _empty(config: ConfigDict, path: str) -> None:
    """Sets a field to None, or one of text to this word."""
    *above, name = re.findall(r"\w+", path)
    section: Any = config
    for each in above:
        section = section[int(each) if isinstance(section, list) else each]
    is_text = isinstance(section, ConfigDict) and section.get_type(name) is str
    section[name] = "None" if is_text else None


def _taken(kind: type, name: str) -> str:
    """What a field takes as a flag, in words; `name` is what a flag has taken for a part of it."""
    if kind is object:
        return f"which takes text or a literal; a mapping is written '{{\"{name}\": …}}'"
    return f"which takes {describe_type(kind)}"


def _load_config(path: str) -> ConfigDict:
    """What `get_config` of a config file returns; what follows a colon is its argument, the variant."""
    name, *variant = path.split(":", 1)
    file = expand(name)
    if not file.is_file():
        raise UserError(f"--config: there is no file {name!r}; see configs/ for some")
    with wanted(f"--config={name} has to be a Python file with a function get_config, see configs/ for examples"):
        module = _load_module(file)
    if not callable(getattr(module, "get_config", None)):
        raise UserError(f"--config: {name!r} has no function get_config; see configs/ for examples")
    with wanted(f"get_config of {name!r} takes the variant, where one is named, and returns a ConfigDict"):
        config = module.get_config(*variant)
    if not isinstance(config, ConfigDict):
        raise UserError(
            f"--config: get_config of {path!r} has to return a ConfigDict of ml_collections: {reprlib.repr(config)}"
        )
    return config


def _load_module(file: Path) -> ModuleType:
    """The module of a source file, whatever its name ends with."""
    loader = importlib.machinery.SourceFileLoader("config_file", str(file))
    spec = importlib.util.spec_from_file_location(loader.name, file, loader=loader)
    assert spec is not None
    module = sys.modules[loader.name] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
