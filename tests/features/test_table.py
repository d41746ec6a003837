"""Columns as features: joined by name and by genes, over a table of their own."""

import math

import numpy as np
import pytest
from scipy.stats import rankdata

from nas_jax.errors import UserError
from nas_jax.features.table import TableFeatures
from nas_jax.notes import HasNotes
from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.nb201 import NasBench201, canonical, parse

CELLS = NasBench201((32, 32, 3), 10)
GENES = Categorical(genes=(("depth", (1, 2)), ("op", ("conv", "pool"))))
FIRST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
SECOND = FIRST.replace("nor_conv_3x3", "nor_conv_1x1")


def write(folder, *lines):
    path = folder / "scores.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def test_a_cell_is_found_by_its_name_and_one_that_is_not_there_is_missing(tmp_path):
    path = write(tmp_path, "architecture,synflow,jacov", f"{FIRST},85.5,-65", f"{SECOND},60,")
    features = TableFeatures(CELLS, path, "jacov, synflow", key="architecture")
    assert features.names == ("jacov", "synflow")
    genomes = [canonical(parse(text)) for text in (FIRST, SECOND)]
    other = CELLS.sample(np.random.default_rng(0), 1, exclude=genomes)[0]
    found = features.of([*genomes, other])
    np.testing.assert_array_equal(np.isnan(found), [[False, False], [True, False], [True, True]])
    assert found[0, 1] > found[1, 1]
    assert len(features.digests["path"]) == 64


def test_genes_join_and_rows_of_a_genome_are_averaged(tmp_path):
    path = write(
        tmp_path, "op,depth,score,other", "conv,1,3,1", "conv,1.0,5,1", "pool,2,,1", "pool,1,0,1", "conv,2,9,1"
    )
    found = TableFeatures(GENES, path, "score").of([(1, "conv"), (1, "pool"), (2, "conv"), (2, "pool")])[:, 0]
    assert found[1] < found[0] < found[2]
    assert math.isnan(found[3])


def test_a_feature_is_the_rank_in_the_table(tmp_path):
    scores = np.random.default_rng(0).integers(0, 5, 4) * 1e6
    lines = [f"{op},{depth},{score}" for (depth, op), score in zip(GENES.genomes(), scores, strict=True)]
    found = TableFeatures(GENES, write(tmp_path, "op,depth,score", *lines), "score").of(list(GENES.genomes()))[:, 0]
    np.testing.assert_allclose(found, (rankdata(scores) - 0.5) / 4)


def test_how_many_genomes_have_a_row_is_said(tmp_path):
    every = [f"{op},{depth},1" for depth, op in GENES.genomes()]
    assert isinstance(features := TableFeatures(GENES, write(tmp_path, "op,depth,score", *every), "score"), HasNotes)
    assert features.notes == ()
    (note,) = TableFeatures(GENES, write(tmp_path, "op,depth,score", *every[:3]), "score").notes
    assert "of 4 random genomes 3 have a row in" in note
    other_names = write(tmp_path, "architecture,score", "cell 7,1")
    (note,) = TableFeatures(CELLS, other_names, "score", key="architecture").notes
    assert "of 1,000 random genomes 0 have a row in" in note
    assert "they are joined by 'architecture': 'cell 7' there, '|" in note


@pytest.mark.parametrize(
    ("columns", "key", "error", "message"),
    [
        ("speed", "name", UserError, "has no column 'speed'; it has name, score"),
        ("score", "id", UserError, "has no column 'id'"),
        ("name", "name", UserError, "the column 'name' of .* has no number"),
        (" , ", "name", ValueError, "name at least one"),
        ("score,Test_acc", "name", ValueError, "'Test_acc' is of the test split by its name, which no search may see"),
        ("score", "", ValueError, "give a key"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path, columns, key, error, message):
    path = write(tmp_path, "name,score", "a,1")
    with pytest.raises(error, match=message):
        TableFeatures(CELLS, path, columns, key=key)
