"""Convolutions as products of spectra and as direct ones, over shapes: forward and backward, side by side.

    python experiments/cpu_layers/spectra.py

Timed as in run.py. Writes spectra.csv beside this file, and prints how much is lost by choosing as `conv2d` does.
"""

import itertools
from pathlib import Path

from run import compare, normal, on_one_core, write

from nas_jax.cpu.conv import direct_conv, is_spectral_faster
from nas_jax.cpu.spectral_conv import spectral_conv

CHANNELS = ((3, 64), (16, 16), (16, 64), (64, 16), (32, 32), (32, 64), (64, 64), (128, 128))


def main() -> None:
    rows = []
    for num_images, side, size, (channels, filters) in itertools.product((32, 128), (32, 16, 8, 4), (3, 5), CHANNELS):
        images, kernel = normal(num_images, side, side, channels), normal(size, size, channels, filters)
        shape = {"images": num_images, "side": side, "size": size, "channels": channels, "filters": filters}
        timed = compare(direct_conv, spectral_conv, images, kernel, num_rounds=3)
        row = {
            **shape,
            "direct_ms": timed["plain_ms"],
            "spectral_ms": timed["ours_ms"],
            "speedup": timed["speedup"],
            "is_chosen": int(is_spectral_faster(images, kernel)),
        }
        print(*row.values(), sep="  ", flush=True)
        rows.append(row)
    write(Path(__file__).with_name("spectra.csv"), rows)
    best = sum(min(row["direct_ms"], row["spectral_ms"]) for row in rows)
    chosen = sum(row["spectral_ms" if row["is_chosen"] else "direct_ms"] for row in rows)
    print(f"direct {sum(row['direct_ms'] for row in rows) / best:.2f}, as chosen {chosen / best:.3f} times the best")


if __name__ == "__main__":
    on_one_core(main)
