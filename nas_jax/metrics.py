"""What metrics are called, how people write them, and which of them have a form of their own."""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

# What a compiled program costs. Of one inference of a batch: milliseconds (median, and the quartiles' distance) and
# inputs a second; then bytes.
LATENCIES = ("latency_ms", "latency_ms_spread", "throughput")
DEPLOYED = (*LATENCIES, "size_bytes", "peak_memory_bytes")

CURVE = "curve"  # the metric that is a mapping: of other metrics to their values at each budget

_LARGEST_WITH_DECIMALS = 1e12
_COSTS = {"loss", "losses", "error", "errors", "perplexity", "latency", "seconds", "flops", "params", "bytes"}
_RESULTS = {"train", "val", "valid", "validation", "accuracy", "acc", "time", "runtime"}

_ABBREVIATIONS = {"iou": "IoU", "f1": "F1", "map": "mAP"}


def check_name(metric: str, title: str) -> None:
    """Raises ValueError, in a line that begins with `title`, for the name under which a trial has its curves."""
    if metric == CURVE:
        raise ValueError(f"{title}: {CURVE!r} is where a trial has its learning curves; give the metric another name")


def is_of_test_split(metric: str) -> bool:
    """Whether a metric is kept from the search."""
    return metric.lower().startswith("test")


def is_accuracy(metric: str) -> bool:
    """Whether a metric is an accuracy of a split (`val_accuracy`): the fraction of the examples that are right.

    Pixels and tokens are no examples, of which each is drawn by itself.
    """
    return re.fullmatch(r"(train|val|test)_(?!pixel_|token_)(\w+_)?accuracy", metric) is not None


def is_fraction(metric: str) -> bool:
    """Whether a metric of a split lies between 0 and 1 and is printed in percent: accuracy, overlap, F1, precision."""
    return re.fullmatch(r"(train|val|test)_(\w+_)?(accuracy|iou|f1|m?ap(_\d+)?)(_of_.+)?", metric) is not None


def is_smaller_better(metric: str) -> bool | None:
    """Whether less of a metric is better, as far as its name tells: None where it does not."""
    if is_fraction(metric) or metric == "throughput":
        return False
    return True if metric in DEPLOYED or _COSTS & {*re.split(r"[^a-z]+", metric.lower())} else None


def sounds_measured(name: str) -> bool:
    """Whether a name is that of a result, as far as one can tell: "val_acc_3", "train_loss_50", "time"."""
    words = {*re.split(r"[^a-z]+", name.lower())}
    return is_smaller_better(name) is not None or bool(words & _RESULTS)


def title_of(metric: str) -> str:
    """A metric as people call it: "val_accuracy" is the validation accuracy."""
    split, _, name = metric.partition("_")
    splits = {"train": "training", "val": "validation", "test": "test"}
    return f"{splits[split]} {spoken(name)}" if name and split in splits else spoken(metric)


def spoken(name: str) -> str:
    """A name in words, with abbreviations as the field writes them: "map_50" is mAP at .5."""
    words = name.replace("map_50", "map_at_.5").split("_")
    return " ".join(_ABBREVIATIONS.get(word, word) for word in words)


def digits(value: float | int, metric: str) -> str:
    """A metric's value with four decimals or, where these hide what tells trials apart, six significant digits.

    So has a number too large for decimals to say anything of it. Fractions always have four decimals: their errors are
    rarely smaller.
    """
    text = f"{value:.4f}"
    is_told = is_fraction(metric) or math.isclose(float(text), value, rel_tol=5e-7)
    return text if is_told and abs(value) < _LARGEST_WITH_DECIMALS else f"{value:.6g}"


def with_metrics_beside(fields: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """A row of fields and of metrics; a metric that has the name of a field is called "metric: trial"."""
    return {**fields, **{name_beside(fields, name): value for name, value in metrics.items()}}


def name_beside(fields: Collection[str], metric: str) -> str:
    """What a metric is called in a row that has those fields."""
    return f"metric: {metric}" if metric in fields else metric


def curves_of(metrics: Mapping[str, Any] | None) -> dict[str, list[float]]:
    """The learning curves of a trial by metric, all of one length; none where the metric CURVE is anything else.

    A program or an evaluator of one's own may have kept whatever it likes under that name.
    """
    curves = (metrics or {}).get(CURVE)
    if not isinstance(curves, Mapping) or not all(map(_is_list_of_numbers, curves.values())):
        return {}
    return dict(curves) if len(set(map(len, curves.values()))) == 1 else {}


def _is_list_of_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, int | float) for each in value)


def finite_metric(metrics: Mapping[str, Any] | None, name: str) -> float | int | None:
    """A metric that nobody has to have, such as the number of parameters; None where it is no finite number."""
    value = (metrics or {}).get(name)
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def seeds_in(metrics: Mapping[str, Any] | None) -> list[int]:
    """The seeds of a training over which metrics are means; none where the metric "seeds" is anything else."""
    seeds = (metrics or {}).get("seeds")
    is_seeds = isinstance(seeds, list | tuple) and all(type(seed) is int for seed in seeds)
    return list(seeds) if isinstance(seeds, list | tuple) and is_seeds else []


def metric_per_seed(metrics: Mapping[str, Any], name: str) -> list[float]:
    """What each seed of a training has reached; nothing where that is not known."""
    values = metrics.get(f"{name}_per_seed")
    return list(values) if isinstance(values, list | tuple) and _is_list_of_numbers(list(values)) else []
