"""A small space of every kind, for tests of what holds for all of them."""

import csv
from collections.abc import Callable
from itertools import product
from pathlib import Path

from nas_jax.spaces.base import Space
from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.chain import Chain
from nas_jax.spaces.encoder_decoder import EncoderDecoder
from nas_jax.spaces.macro import NasBenchMacro
from nas_jax.spaces.nb201 import NasBench201
from nas_jax.spaces.pyramid import Pyramid
from nas_jax.spaces.recurrent import Recurrent
from nas_jax.spaces.text_cnn import TextCnn
from nas_jax.spaces.transformer import Transformer

IMAGE_SHAPE, NUM_OUTPUTS = (8, 8, 3), 5
DEPTHS, WIDTHS, OPERATIONS = (1, 2, 4), (0.5, 1.0, 2.0), ("conv", "pool", "skip")
HEADER = ("depth", "width", "operation", "params", "accuracy")


def _chain(tmp_path: Path) -> Chain:
    return Chain(IMAGE_SHAPE, NUM_OUTPUTS, conv_filters=(4, 8), fc_units=(8, 16), max_feature_layers=3)


def _nb201(tmp_path: Path) -> NasBench201:
    return NasBench201(IMAGE_SHAPE, NUM_OUTPUTS, num_cells=1, filters=2, free_features=True)


def _macro(tmp_path: Path) -> NasBenchMacro:
    return NasBenchMacro(IMAGE_SHAPE, NUM_OUTPUTS, filters=2)


def _encoder_decoder(tmp_path: Path) -> EncoderDecoder:
    few = {"num_levels": (2, 3), "widths": (2, 4), "blocks": ("conv", "separable"), "num_blocks": (1,)}
    return EncoderDecoder(IMAGE_SHAPE, NUM_OUTPUTS, **few)


def _pyramid(tmp_path: Path) -> Pyramid:
    few = {"widths": (2, 4), "blocks": ("conv", "residual"), "num_blocks": (1,), "num_maps": (2,), "map_widths": (4,)}
    return Pyramid(IMAGE_SHAPE, NUM_OUTPUTS, **few, kernel_sizes=(3,), head_depths=(0, 1))


def _recurrent(tmp_path: Path) -> Recurrent:
    return Recurrent(6, 11, NUM_OUTPUTS, "tokens -> vector", widths=(4, 8), embeddings=(4,), dropouts=(0.0, 0.5))


def _text_cnn(tmp_path: Path) -> TextCnn:
    few = {"kernel_sizes": ("3", "2-3"), "widths": (2, 4), "embeddings": (4,), "dropouts": (0.0, 0.5)}
    return TextCnn(6, 11, NUM_OUTPUTS, "tokens -> vector", **few)


def _transformer(tmp_path: Path) -> Transformer:
    more = {"factors": (1, 2), "positions": ("learned", "none"), "dropouts": (0.0,)}
    return Transformer(6, 11, 11, "tokens -> sequence", num_layers=(1, 2), widths=(4, 8), num_heads=(1, 2), **more)


def _categorical(tmp_path: Path) -> Categorical:
    """Every combination of listed choices."""
    return Categorical(genes=(("depth", DEPTHS), ("width", WIDTHS), ("operation", OPERATIONS)))


def _table(tmp_path: Path) -> Categorical:
    """A table of every combination, in two rows each."""
    rows = [(*genes, 100 * genes[0], 0.1 * seed) for genes in product(DEPTHS, WIDTHS, OPERATIONS) for seed in (0, 1)]
    return Categorical(path=_write(tmp_path / "table.csv", rows), exclude=("accuracy",), free_features=("params",))


def _sparse_table(tmp_path: Path) -> Categorical:
    """A Latin square, in which no two rows differ in one gene alone, and a few more rows: 29 of 125."""
    codes = [code for code in product(range(5), repeat=3) if sum(code) % 5 == 0 or code[:2] == (0, 0)]
    rows = [(depth, f"width {width}", "abcde"[op], place, 0.5) for place, (depth, width, op) in enumerate(codes)]
    return Categorical(path=_write(tmp_path / "sparse_table.csv", rows), genes="depth, width, operation")


def _by_value(tmp_path: Path) -> Categorical:
    """Genes of every type, and three of four combinations."""
    genes = {"op": ["conv", "pool", "012"], "width": [64, 16, 32], "rate": [0.1, 0.01], "is_wide": [True, False]}
    every = enumerate(product(*genes.values()))
    return Categorical(genes=genes, allowed=[genome for place, genome in every if place % 4])


def _write(path: Path, rows: list[tuple]) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return str(path)


_MAKERS: dict[str, Callable[[Path], Space]] = {
    "chain": _chain,
    "nb201": _nb201,
    "macro": _macro,
    "encoder_decoder": _encoder_decoder,
    "pyramid": _pyramid,
    "recurrent": _recurrent,
    "text_cnn": _text_cnn,
    "transformer": _transformer,
    "categorical": _categorical,
    "by_value": _by_value,
    "table": _table,
    "sparse_table": _sparse_table,
}
NAMES = tuple(_MAKERS)


def example_spaces(tmp_path: Path) -> dict[str, Space]:
    """The spaces by name; tables are written to `tmp_path`."""
    return {name: make(tmp_path) for name, make in _MAKERS.items()}
