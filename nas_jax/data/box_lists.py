"""Lists of boxes as arrays: each example has as many as it has, and arrays have room for the same number."""

from collections.abc import Sequence

import numpy as np

from nas_jax.data.arrays import Split


def box_arrays(listed: Sequence[tuple[np.ndarray, np.ndarray]], most: int) -> Split:
    """ "boxes" `[n, most, 4]`, float32, zeros where there is none, and "labels" `[n, most]`, int32, -1 there.

    Args:
        listed: of each example corners (ymin, xmin, ymax, xmax) `[m, 4]` and classes `[m]`.
        most: of more boxes the largest are kept, in their order.
    """
    boxes, labels = np.zeros((len(listed), most, 4), np.float32), np.full((len(listed), most), -1, np.int32)
    for place, (own, classes) in enumerate(listed):
        areas = np.prod(own[:, 2:] - own[:, :2], axis=1)
        kept = np.sort(np.argsort(-areas, kind="stable")[:most])
        boxes[place, : len(kept)], labels[place, : len(kept)] = own[kept], classes[kept]
    return {"boxes": boxes, "labels": labels}


def with_equal_room(splits: Sequence[Split]) -> list[Split]:
    """The splits, with room for as many boxes in each as in the one that has most."""
    most = max(split["labels"].shape[1] for split in splits)
    found = []
    for split in splits:
        more = (0, most - split["labels"].shape[1])
        if more == (0, 0):
            found.append(split)
            continue
        boxes = np.pad(split["boxes"], ((0, 0), more, (0, 0)))
        found.append({**split, "boxes": boxes, "labels": np.pad(split["labels"], ((0, 0), more), constant_values=-1)})
    return found
