"""What surrogates ask of their settings, and how a setting that is a surrogate itself is given."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from nas_jax.surrogates.base import Surrogate
from nas_jax.surrogates.warps import WARPS

_PACKAGE = "nas_jax.surrogates"


def check_at_least(least: int, **counts: int) -> None:
    """Raises a ValueError that names the count which is below `least`."""
    for name, count in counts.items():
        if count < least:
            raise ValueError(f"{name} must be at least {least}, got {count}")


def check_warp(warp: str, upper_bound: float | None) -> None:
    """Raises a ValueError for an unknown warp, or a bound that the warp lacks or has no use for."""
    if warp not in WARPS:
        raise ValueError(f"unknown warp {warp!r}; choose from {', '.join(WARPS)}")
    if (warp == "log_distance") != (upper_bound is not None):
        raise ValueError(
            f"upper_bound must come with warp='log_distance', and only then: got {upper_bound} with {warp!r}"
        )


def surrogate_of(section: Any) -> Surrogate:
    """The surrogate that a setting stands for.

    Args:
        section: a surrogate, which stays itself; the name of a module of this package (`"random_forest"`); or a
            mapping with such a `name` and settings (`{"name": "random_forest", "num_trees": 500}`). Lists in it become
            tuples, so that what is built hashes.

    Raises:
        ValueError: anything else, an unknown name or setting, or a value that the surrogate refuses.
    """
    if isinstance(section, Surrogate) and not isinstance(section, type):
        return section
    settings = {"name": section} if isinstance(section, str) else section
    if not isinstance(settings, Mapping) or not isinstance(settings.get("name"), str):
        raise ValueError(f"a surrogate must be one, its name, or a mapping with a name and settings: got {section!r}")
    make = _makes().get(settings["name"])
    if make is None:
        raise ValueError(f"unknown surrogate {settings['name']!r}; choose from {', '.join(_makes())}")
    known = [field.name for field in dataclasses.fields(make) if field.init]
    values = {name: _hashable(value) for name, value in settings.items() if name != "name"}
    for name in values:
        if name not in known:
            raise ValueError(f"surrogate {settings['name']!r} has no setting {name!r}; choose from {', '.join(known)}")
    try:
        return make(**values)
    except TypeError as error:  # a comparison of text with a number, say
        raise ValueError(f"surrogate {settings['name']!r}, {values}: {error}") from error


def title_of(surrogate: Surrogate) -> str:
    """The name of the module that a surrogate's class is in: what `surrogate_of` takes."""
    return type(surrogate).__module__.rpartition(".")[2]


def _makes() -> dict[str, Any]:
    """`make` of every module of the package that has one, by the module's name."""
    package = importlib.import_module(_PACKAGE)
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    modules = {name: importlib.import_module(f"{_PACKAGE}.{name}") for name in names}
    return {name: module.make for name, module in modules.items() if hasattr(module, "make")}


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value
