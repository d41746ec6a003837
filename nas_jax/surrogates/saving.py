"""A Gaussian process in one file, to predict from later or elsewhere: NumPy's .npz, without pickle.

The file holds the settings as JSON, and everything that was learned in full precision, so that a loaded state
predicts what the saved one did.
"""

import dataclasses
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.gaussian_process_state import GaussianProcessState
from nas_jax.surrogates.scaling import Scaling
from nas_jax.surrogates.warps import WARPS

_FORMAT = 3
_OF_MEMBERS = ("lengthscales", "signal_std", "noise_std", "inverse_factor", "weights", "log_marginal_likelihood")


def save(path: str | os.PathLike[str], gp: GaussianProcess, state: GaussianProcessState) -> None:
    """Writes settings, and a state that they fitted, to `path`, which is replaced in one step: never half a file.

    Of a kernel or a mean function that is an instance only the name of its class is written, and what it learned;
    labels of groups become numbers.
    """
    settings = dataclasses.asdict(dataclasses.replace(gp, kernel="rbf", mean="constant"))
    settings |= {"kernel": _name_of(gp.kernel), "mean": _name_of(gp.mean)}
    if gp.groups is not None:
        numbers = {label: number for number, label in enumerate(dict.fromkeys(gp.groups))}
        settings["groups"] = [numbers[label] for label in gp.groups]
    header = {"format": _FORMAT, "settings": settings, "others": len(state.others)}
    header["warp"] = next(name for name, kind in WARPS.items() if isinstance(state.scaling.warp, kind))
    scaling = state.scaling._asdict() | {"warp": np.array(state.scaling.warp)}
    arrays = {name: value for name, value in state._asdict().items() if name not in ("scaling", "others")}
    arrays |= {f"scaling.{name}": value for name, value in scaling.items()}
    for place, other in enumerate(state.others):
        arrays |= {f"others.{place}.{name}": getattr(other, name) for name in _OF_MEMBERS}
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            np.savez(file, header=np.array(json.dumps(header, default=np.generic.item)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def load(
    path: str | os.PathLike[str], *, kernel: Any = None, mean: Any = None
) -> tuple[GaussianProcess, GaussianProcessState]:
    """Reads what `save` wrote.

    Args:
        kernel: The kernel that the process had, where that was an instance.
        mean: The same of the mean function.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another kind of file, a later format, or a kernel or mean that is missing or of another class.
    """
    header, arrays = _read(path)
    if header["format"] > _FORMAT:
        raise ValueError(f"{path} must have format {_FORMAT}, got {header['format']}: a later version wrote it")
    settings = {"mean": "constant", "num_draws": 1} | header["settings"]  # format 1 has no mean, nor 2 several draws
    arrays.setdefault("mean_parameters", np.zeros(0))
    for name, given in (("kernel", kernel), ("mean", mean)):
        if given is not None or "." in settings[name]:
            if _name_of(given) != settings[name]:
                raise ValueError(f"{name} must be the {settings[name]} that {path} was saved with, got {given!r}")
            settings[name] = given
    if settings["groups"] is not None:
        settings["groups"] = tuple(settings["groups"])
    warp = WARPS[header.get("warp", settings["warp"])](*map(float, arrays.pop("scaling.warp")))
    scaling = {name: _restored(arrays.pop(f"scaling.{name}")) for name in Scaling._fields if name != "warp"}
    names = [name for name in GaussianProcessState._fields if name not in ("scaling", "others")]
    state = GaussianProcessState(
        **{name: _restored(arrays[name]) for name in names}, scaling=Scaling(**scaling, warp=warp)
    )
    others = (
        state._replace(**{name: _restored(arrays[f"others.{place}.{name}"]) for name in _OF_MEMBERS})
        for place in range(header.get("others", 0))
    )
    return GaussianProcess(**settings), state._replace(others=tuple(others))


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays.pop("header")))
        if not {"format", "settings"} <= header.keys():
            raise ValueError("its header has other keys")
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} must be a file that save() wrote, and is not: {error}") from error
    return header, arrays


def _name_of(part: Any) -> str:
    """The name of a named kernel or mean, or of an instance its class with its module, which has a dot."""
    return part if isinstance(part, str) else f"{type(part).__module__}.{type(part).__qualname__}"


def _restored(array: np.ndarray) -> Any:
    return float(array) if array.ndim == 0 else array
