"""What tasks on images have in common. An image is the array "image" of a batch: 8-bit pixels [h, w, channels]."""

import jax.typing
from jaxtyping import Array, Float

from nas_jax.data.arrays import Augmentation, Batch, Dataset, Spec
from nas_jax.data.augment import Moves, cut_out, move, normalize


def check_images(dataset: Dataset) -> None:
    """Raises ValueError unless the data set has images."""
    image = dataset.spec.arrays.get("image")
    if image is None:
        raise ValueError(f"there is no array 'image'; there are {', '.join(dataset.spec.arrays)}")
    if image.dtype != "uint8" or len(image.shape) != 3:
        raise ValueError(f"images must be uint8 [n, height, width, channels], but are {image}")


def move_images(batch: Batch, moves: Moves, augmentation: Augmentation) -> Batch:
    """The batch with its images moved, then covered in part where that is asked for, and all else as it was."""
    images = move(batch["image"], moves, augmentation.pad)
    return {**batch, "image": cut_out(images, moves, augmentation.cutout) if augmentation.cutout else images}


def normalized_images(batch: Batch, spec: Spec, dtype: jax.typing.DTypeLike) -> Float[Array, "b h w c"]:
    """Zero mean and unit deviation over the training images."""
    return normalize(batch["image"], spec.mean, spec.std, dtype)


def text_of_images(spec: Spec) -> str:
    """`images of 8 x 8 pixels with 1 channel`."""
    height, width, channels = spec.image_shape
    return f"images of {height} x {width} pixels with {channels} channel" + "s" * (channels > 1)
