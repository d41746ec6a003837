"""A config section becomes an object: its `name` is a module, its other fields are keyword arguments.

A plain name is a module of the given package; a dotted one (`my_lab.spaces.resnet`) is imported as it is.
"""

import dataclasses
import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from typing import Any

from nas_jax.errors import UserError


def build(package: str, section: Mapping[str, Any], **provided: Any) -> Any:
    """Calls `make` of the module that `section["name"]` names, with the section's other fields.

    Args:
        package: where plain names are looked up, for example `nas_jax.spaces`.
        section: a config section; may be an `ml_collections.ConfigDict`.
        provided: what the program itself hands over; only what `make` has a field for is passed on.

    Raises:
        UserError: no such module, no such field, or a value that the part refuses.
    """
    fields = dict(section)
    name = fields.pop("name")
    kind = package.rpartition(".")[2]
    path = name if "." in name else f"{package}.{name}"
    if importlib.util.find_spec(path.rpartition(".")[0]) is None or importlib.util.find_spec(path) is None:
        raise UserError(f"{kind}.name: no module {path!r}; there are {', '.join(_choices(package))}")
    make = importlib.import_module(path).make
    known = {field.name for field in dataclasses.fields(make) if field.init}
    for field in fields:
        if field not in known:
            raise UserError(f"{kind}.{field}: {name!r} has no such field; it has {', '.join(sorted(known))}")
    try:
        return make(**{key: value for key, value in provided.items() if key in known}, **fields)
    except (TypeError, ValueError) as error:
        raise UserError(f"{kind} {name!r}: {error}") from error


def _choices(package: str) -> list[str]:
    path = importlib.import_module(package).__path__
    return sorted(module.name for module in pkgutil.iter_modules(path) if module.name != "base")
