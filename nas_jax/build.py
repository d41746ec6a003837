"""A config section becomes an object, and back: its `name` is a module, its other fields are keyword arguments.

A plain name is a module of the given package; a dotted one (`my_lab.spaces.resnet`) is imported as it is.
"""

import dataclasses
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Collection, Mapping
from typing import Any

from nas_jax.errors import UserError, wanted
from nas_jax.hints import check_type, hints_of
from nas_jax.trial import freeze


def build(package: str, section: Mapping[str, Any], **provided: Any) -> Any:
    """Calls `make` of the module that `section["name"]` names, with the section's other fields.

    Args:
        package: where plain names are looked up, for example `nas_jax.spaces`.
        section: a config section as a plain dictionary.
        provided: what the program itself hands over; only what `make` has a field for is passed on.

    Raises:
        UserError: no such module, no such field, or a value that the part refuses.
    """
    fields = {name: value for name, value in section.items() if name != "name"}
    return construct(find(package, section), f"{_kind(package)} {section['name']!r}", fields, **provided)


def find(package: str, section: Mapping[str, Any]) -> Any:
    """What `make` is in the module that `section["name"]` names; arguments and errors as of `build`."""
    name = section.get("name")
    path = str(name) if "." in str(name) else f"{package}.{name}"
    module = _import(path)
    if module is None or not hasattr(module, "make"):
        raise UserError(
            f"{_kind(package)}: no part {path!r}; there are {', '.join(_choices(package))}; a module of your own lies "
            "in a package (my_lab.stacks) in PYTHONPATH, and ends with make = …"
        )
    with wanted(f"make of {path} has to be a frozen dataclass"):
        dataclasses.fields(module.make)
    return module.make


def find_function(field: str, name: str, known: Mapping[str, Any]) -> Any:
    """The function that a field of the config names: one of `known`, or `my_lab.stages.plot` of a module of your own.

    Raises:
        UserError: there is none of that name.
    """
    if name in known:
        return known[name]
    path, _, attribute = name.rpartition(".")
    module = _import(path) if path else None
    if module is None or not callable(getattr(module, attribute, None)):
        raise UserError(
            f"{field}: there is no {name!r}; choose from {', '.join(known)}, or name a function: module.name"
        )
    return getattr(module, attribute)


def _kind(package: str) -> str:
    return package.rpartition(".")[2]


def construct(make: Any, title: str, fields: Mapping[str, Any], **provided: Any) -> Any:
    """Calls the dataclass `make` with `fields`, and with those of `provided` that it has fields for.

    Lists become tuples, so that what is built hashes. A field that is None counts as left out where the program fills
    it, or where it has no default: a complete config names such fields too.

    Raises:
        UserError: an unknown or missing field, or a value that `make` refuses; the message begins with `title`.
    """
    all_fields = [field for field in dataclasses.fields(make) if field.init]
    known = {field.name: field for field in all_fields}
    configurable = sorted(set(known) - set(provided))
    required = {name for name, field in known.items() if not _has_default(field)}
    hints = hints_of(make, title)
    fields = {n: value for n, value in fields.items() if value is not None or n not in required | provided.keys()}
    for name in fields:
        if name not in configurable:
            raise UserError(f"{title} has no field {name!r}; its fields are {', '.join(configurable)}")
    arguments = {name: value for name, value in provided.items() if name in known}
    arguments |= {name: freeze(value) for name, value in fields.items()}
    for name in known:
        if name in required and name not in arguments:
            raise UserError(f"{title} needs a value for {name!r}")
    try:
        for name in fields:
            check_type(arguments[name], hints.get(name), name)
            if arguments[name] != arguments[name]:
                raise ValueError(f"{name}: must be a number, but is {arguments[name]}")
        return make(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"{title}: {error}") from error


def section_of(package: str, part: Any, provided: Collection[str] = ()) -> dict[str, Any]:
    """The section of which `build` makes an equal part, as far as one can say it in plain data.

    What is no plain data stands there by the name of its class, and so does a part that no module makes.

    Args:
        package: where plain names are looked up.
        provided: fields that the program itself hands over.
    """
    module = type(part).__module__
    if getattr(sys.modules.get(module), "make", None) is type(part):
        name = module.removeprefix(f"{package}.")
    else:
        name = _class_name(part)
    fields = dataclasses.fields(part) if dataclasses.is_dataclass(part) else ()
    return {"name": name} | {
        field.name: _plain(package, getattr(part, field.name))
        for field in fields
        if field.init and field.name not in provided
    }


def _plain(package: str, value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(package, each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(package, each) for name, each in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return section_of(package, value)  # a part within a part: Calibrated has a surrogate
    return _class_name(value)


def _class_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _has_default(field: dataclasses.Field) -> bool:
    return not (field.default is field.default_factory is dataclasses.MISSING)


def _import(path: str) -> Any:
    """The module of that name, None if there is none."""
    with wanted(f"{path} is imported as a config names it"):
        return importlib.import_module(path) if _exists(path) else None


def _exists(path: str) -> bool:
    """Whether `path` names a module; finding a module imports its packages, which may not exist."""
    parent, dot, _ = path.rpartition(".")
    if dot and not (parent and _exists(parent) and hasattr(importlib.import_module(parent), "__path__")):
        return False
    try:
        return importlib.util.find_spec(path) is not None
    except ValueError:  # "", or a module that was imported from nowhere, such as __main__
        return False


def _choices(package: str) -> list[str]:
    """The modules of a package that can be named in a config."""
    names = [module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__)]
    return [name for name in names if hasattr(importlib.import_module(f"{package}.{name}"), "make")]
