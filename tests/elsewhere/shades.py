"""Images of one shade with some noise, and how bright each one is."""

from dataclasses import dataclass

import numpy as np

from nas_jax.data.arrays import Dataset


@dataclass(frozen=True)
class Shades:
    num: int = 128  # of each split

    def load(self) -> Dataset:
        def draw(stream):
            rng = np.random.default_rng(stream)
            target = rng.uniform(0.2, 0.8, self.num).astype(np.float32)
            noise = rng.normal(0, 0.05, (self.num, 8, 8, 1))
            image = np.round(255 * (target[:, None, None, None] + noise).clip(0, 1)).astype(np.uint8)
            return {"image": image, "target": target}

        return Dataset("shades", draw(0), draw(1), draw(2))


make = Shades
