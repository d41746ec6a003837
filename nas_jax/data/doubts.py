"""What is odd about a data set, though one can learn of it: a line each, for a person to read before the training."""

from collections.abc import Iterator, Sequence

import numpy as np

from nas_jax.data.arrays import PARTS, Dataset
from nas_jax.data.pixels import in_blocks_of

_MAX_BYTES = 2**30  # of the inputs that are compared one by one, which takes about a second
_MAX_NAMES = 5  # of classes that a line lists
_LARGE_SHARE = 0.9  # of the training examples


def doubts_about_inputs(dataset: Dataset, name: str) -> tuple[str, ...]:
    """Of the array `name`, which networks take: axes in another order, examples that are all the same or shared."""
    return (*_turned_images(dataset, name), *_constant_inputs(dataset, name), *_shared_inputs(dataset, name))


def doubts_about_labels(dataset: Dataset, name: str) -> tuple[str, ...]:
    """Of the array `name`, labels that are places in the class names: what a split lacks, and what drowns the rest."""
    labels = {part: getattr(dataset, part)[name] for part in PARTS}
    counts = {part: np.bincount(labels[part], minlength=len(dataset.class_names)) for part in PARTS}
    return tuple(_doubts_about_counts(counts, dataset.class_names))


def _doubts_about_counts(counts: dict[str, np.ndarray], class_names: Sequence[str]) -> Iterator[str]:
    train, others = counts["train"], counts["val"] + counts["test"]
    present = np.flatnonzero(train + others)
    if len(present) < 2:
        yield f"every example has the class {class_names[int(present[0])]!r}, so there is nothing to tell apart"
        return
    if missing := _named((train == 0) & (others > 0), class_names):
        yield f"no training example has the class {missing}, so no network can learn it"
    if untested := _named((train > 0) & (counts["val"] == 0), class_names):
        yield f"no validation example has the class {untested}, so the search does not see how well it is learned"
    if untested := _named((train > 0) & (counts["test"] == 0), class_names):
        yield f"no test example has the class {untested}, so the result does not say how well it is learned"
    if unused := _named(train + others == 0, class_names):
        yield f"no example at all has the class {unused}"
    most = int(train.argmax())
    share = train[most] / train.sum()
    if share >= _LARGE_SHARE:
        yield (
            f"{100 * share:.0f} % of the training examples have the class {class_names[most]!r}: a network that always "
            "says so has an accuracy as high"
        )


def _named(chosen: np.ndarray, class_names: Sequence[str]) -> str:
    """The names of the chosen classes, none for none."""
    names = [repr(class_names[place]) for place in np.flatnonzero(chosen).tolist()]
    left = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" (and {left} more)" if left > 0 else "")


def _turned_images(dataset: Dataset, name: str) -> Iterator[str]:
    shape = dataset.train[name].shape[1:]
    if len(shape) == 3 and shape[0] in (1, 3) and shape[1] == shape[2] > 4:
        yield (
            f"{name} is {list(shape)}, which is read as height, width and channels, and looks like channels first: "
            "store array.transpose(0, 2, 3, 1) in its place"
        )


def _constant_inputs(dataset: Dataset, name: str) -> Iterator[str]:
    inputs = dataset.train[name]
    if len(inputs) > 1 and all((block == inputs[:1]).all() for block in in_blocks_of(inputs)):
        yield f"all {len(inputs)} training examples have the same {name}, so there is nothing to learn from"


def _shared_inputs(dataset: Dataset, name: str) -> Iterator[str]:
    if sum(getattr(dataset, part)[name].nbytes for part in PARTS) > _MAX_BYTES:
        return
    known = {part: [row.tobytes() for row in getattr(dataset, part)[name]] for part in PARTS}
    for part, other in (("val", "train"), ("test", "train"), ("test", "val")):
        seen = set(map(hash, known[other]))
        if shared := sum(hash(row) in seen for row in known[part]):
            yield (
                f"{shared} of the {len(known[part])} {part} examples have the {name} of a {other} example: what is "
                f"measured on {part} flatters"
            )
