"""`best/metrics.json`: the metrics of a winner, and what the file says beside them, such as its trial.

Metrics are fields of the file by their own names. One that has the name of another field lies in the field "metrics",
so that neither is taken for the other: an evaluator may call its metrics whatever it likes.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from nas_jax.errors import UserError
from nas_jax.hints import check_type
from nas_jax.json_files import REMEDY, read_json

# The fields that are no metrics, with their types.
FIELDS: dict[str, Any] = {
    "trial": int,
    "cost": Any,  # of the search, in full measurements; early files of networks may have a metric there
    "num_val": int,
    "num_test": int,
    "exported": dict[str, Any],
    "classes": dict[str, dict[str, float]],
    "baselines": dict[str, dict[str, Any]],
    "metrics": dict[str, Any],
}
BASELINE_FIELDS = ("trial", "metrics")  # of each of the baselines


def with_metrics(
    fields: Mapping[str, Any], metrics: Mapping[str, Any], reserved: Collection[str] = tuple(FIELDS)
) -> dict[str, Any]:
    """An object of the file: its `fields`, which are some of the `reserved` names, and metrics of any names."""
    apart = {name: value for name, value in metrics.items() if name in reserved}
    alone = {name: value for name, value in metrics.items() if name not in reserved}
    return {**alone, **fields, **({"metrics": apart} if apart else {})}


def metrics_of(written: Mapping[str, Any], reserved: Collection[str] = tuple(FIELDS)) -> dict[str, Any]:
    """The metrics of an object that `with_metrics` has made."""
    alone = {name: value for name, value in written.items() if name not in reserved}
    return {**alone, **(written.get("metrics") or {})}


def metrics_of_baseline(written: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics of one of the "baselines"."""
    return metrics_of(written, BASELINE_FIELDS)


def read_best(best: Path, numbers: Collection[str] = ()) -> dict[str, Any]:
    """What `metrics.json` of an export holds; nothing where there is no such file.

    Args:
        numbers: the metrics of the objectives, which have to be numbers, as those of the test split that correspond.

    Raises:
        UserError: the file is damaged.
    """
    path = best / "metrics.json"
    if not path.exists():
        return {}
    written = read_json(path, FIELDS)
    baselines = written.get("baselines", {}).values()
    try:
        for baseline in baselines:
            check_type(baseline.get("trial"), int, "'trial' of a baseline")
            check_type(baseline.get("metrics"), dict[str, Any] | None, "'metrics' of a baseline")
        for each in (metrics_of(written), written.get("exported", {}), *map(metrics_of_baseline, baselines)):
            for name, value in each.items():
                if name in numbers or (name.startswith("test_") and f"val_{name[5:]}" in numbers):
                    check_type(value, float | None, repr(name))
    except ValueError as error:
        raise UserError(f"{str(path)!r} is damaged: {error}; {REMEDY}") from error
    return written
