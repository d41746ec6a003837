"""Named genes: tables against brute force over their rows, encodings by hand."""

import csv
import json
import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import trial_of

from nas_jax.build import build
from nas_jax.errors import UserError
from nas_jax.evaluators.tabular import Tabular
from nas_jax.spaces.categorical import Categorical

PRODUCT = Categorical(genes=(("width", (16, 32, 64)), ("op", ("conv", "pool"))))


@pytest.fixture
def write(tmp_path):
    def write(header, *rows):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return str(path)

    return write


def distance(first, second):
    return sum(a != b for a, b in zip(first, second, strict=True))


def test_without_a_table_every_combination_is_a_genome():
    assert list(PRODUCT.genomes()) == [(w, op) for w in (16, 32, 64) for op in ("conv", "pool")]
    assert PRODUCT.describe((16, "conv")) == "width=16, op=conv"
    assert set(PRODUCT.neighbors((16, "conv"))) == {(32, "conv"), (64, "conv"), (16, "pool")}
    rng = np.random.default_rng(0)
    children = {PRODUCT.crossover(rng, (16, "conv"), (64, "pool")) for _ in range(100)}
    assert children == {(16, "conv"), (64, "conv"), (16, "pool"), (64, "pool")}


def test_a_space_too_large_to_enumerate_is_counted_and_drawn_from():
    space = Categorical(genes=tuple((f"gene {i}", tuple(range(10))) for i in range(30)))
    assert space.num_genomes == 10**30
    genomes = space.sample(np.random.default_rng(0), 50)
    assert len(set(genomes)) == 50
    assert len(space.neighbors(genomes[0])) == 270
    assert next(space.genomes()) == (0,) * 30


def test_encodings_by_hand():
    np.testing.assert_array_equal(
        PRODUCT.encode([(16, "pool"), (32, "conv")]), [[1, 0, 0, 0, 1, 0], [0, 1, 0, 1, 0, 0.5]]
    )
    ordered = Categorical(genes=PRODUCT.genes, ordered=("op",))
    np.testing.assert_array_equal(ordered.encode([(16, "pool")]), [[1, 0, 0, 0, 1, 1]])
    assert Categorical(genes=PRODUCT.genes, ordered=()).encode([(16, "pool")]).shape == (1, 5)
    assert PRODUCT.encode([]).shape == (0, 6)


def test_columns_of_a_table_are_genes(write):
    path = write(
        ("width", "rate", "op", "params", "accuracy"),
        (16, "1e-1", "pool", 100, 0.5),
        (8.0, 0.01, "conv", 10, 0.6),
        (16, "1e-1", "pool", 300, 0.7),  # the first genome, trained with another seed
    )
    space = Categorical(path=path, exclude="accuracy,", free_features="params")
    assert space.gene_names == ("width", "rate", "op")
    assert list(space.genomes()) == [(8.0, "0.01", "conv"), (16, "1e-1", "pool")]
    x = space.encode([(16, "1e-1", "pool"), (8.0, "0.01", "conv")])
    expected = [[0, 1, 0, 1, 0, 1, 1, 1, np.log10(200)], [1, 0, 1, 0, 1, 0, 0, 0, 1]]
    np.testing.assert_allclose(x, expected, rtol=1e-6)


def test_a_json_table_and_its_looked_up_metrics(tmp_path):
    records = {
        "a": {"layers": [16, 32], "is_deep": True, "depth": 2, "accuracy": 0.5},
        "b": {"layers": [16], "is_deep": False, "depth": 1, "accuracy": 0.25},
    }
    (tmp_path / "table.json").write_text(json.dumps(records))
    space = Categorical(path=str(tmp_path / "table.json"), exclude=("key", "accuracy"))
    assert set(space.genomes()) == {("[16, 32]", True, 2), ("[16]", False, 1)}
    tabular = Tabular(space, space.path, "accuracy")
    trials = [trial_of(space, i, genome) for i, genome in enumerate(space.genomes())]
    accuracies = {trial.genome[2]: trial.metrics["accuracy"] for trial in tabular.evaluate(iter(trials))}
    assert accuracies == {2: 0.5, 1: 0.25}


@st.composite
def tables(draw):
    """Distinct rows of three genes with up to four choices each."""
    row = st.tuples(*[st.integers(0, 3)] * 3)
    return draw(st.lists(row, min_size=1, max_size=20, unique=True))


@given(tables(), st.integers(0, 2**32 - 1))
def test_nothing_leaves_a_table(tmp_path_factory, rows, seed):
    path = tmp_path_factory.mktemp("table") / "table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("a", "b", "c"), *rows])
    space = Categorical(path=str(path), genes=("a", "b", "c"))
    rng = np.random.default_rng(seed)
    assert list(space.genomes()) == sorted(rows)
    assert sorted(space.sample(rng, 100)) == sorted(rows)
    for genome in rows:
        others = [other for other in rows if other != genome]
        nearest = min((distance(genome, other) for other in others), default=0)
        expected = {other for other in others if distance(genome, other) == nearest}
        neighbors = space.neighbors(genome)
        assert len(neighbors) == len(expected)
        assert set(neighbors) == expected
        second = rows[rng.integers(len(rows))]
        assert space.crossover(rng, genome, second) in rows
        if others:
            assert space.mutate(rng, genome) in expected
        else:
            with pytest.raises(ValueError, match="no neighbour"):
                space.mutate(rng, genome)


def test_a_child_that_the_table_lacks_becomes_a_mutant_of_a_parent(write):
    space = Categorical(path=write(("a", "b"), (0, 0), (1, 1), (0, 2), (1, 3)), genes=("a", "b"))
    rng = np.random.default_rng(0)
    assert {space.crossover(rng, (0, 0), (1, 1)) for _ in range(200)} == {(0, 0), (1, 1), (0, 2), (1, 3)}


def test_given_choices_choose_rows(write):
    path = write(("width", "op"), (16, "conv"), (32, "conv"), (16, "pool"), (64, "skip"))
    space = Categorical(genes=(("width", (32, 16)), "op"), path=path)
    assert set(space.genomes()) == {(16, "conv"), (32, "conv"), (16, "pool")}
    np.testing.assert_array_equal(space.encode([(32, "conv")]), [[1, 0, 1, 0, 0, 0]])
    assert build("nas_jax.spaces", {"name": "categorical", "path": path, "genes": [["width", [32, 16]], "op"]}) == space


FLAGS = {"op": ["conv", "pool"], "width": np.array([32, 16, 64]), "is_wide": [False, True]}
ALLOWED = [("pool", 64, True), {"width": 16, "is_wide": False, "op": "conv"}, ["conv", np.int64(32), np.bool_(True)]]


def test_genes_by_value_keep_their_order_and_their_types():
    space = Categorical(genes=FLAGS)
    assert space.gene_choices == {"op": ("conv", "pool"), "width": (32, 16, 64), "is_wide": (False, True)}
    assert {type(value) for choices in space.gene_choices.values() for value in choices} == {str, int, bool}
    assert list(space.genomes()) == list(product(*space.gene_choices.values()))
    assert space == Categorical(genes=tuple(space.gene_choices.items()))
    names = Categorical(genes={"code": ["12", "012", "0012", "1e1"]})
    assert names.num_genomes == 4
    assert names.encode([("012",)]).tolist() == [[0, 1, 0, 0]]  # no rank: these are names


def test_numbers_by_value_are_encoded_as_those_of_a_table(write):
    """In the order given, which is here that of the table's sorted columns."""
    rows = list(product((16, 32, 64), ("conv", "pool")))
    table = Categorical(path=write(("width", "op"), *rows[1:]))
    given = Categorical(genes={"width": [16, 32, 64], "op": ["conv", "pool"]}, allowed=reversed(rows[1:]))
    assert list(given.genomes()) == list(table.genomes()) == rows[1:]
    np.testing.assert_array_equal(given.encode(rows[1:]), table.encode(rows[1:]))
    assert given.sample(np.random.default_rng(0), 4) == table.sample(np.random.default_rng(0), 4)
    for genome in rows[1:]:
        assert set(given.neighbors(genome)) == set(table.neighbors(genome))


def test_only_allowed_genomes_are_of_the_space():
    space = Categorical(genes=FLAGS, allowed=ALLOWED)
    assert set(space.genomes()) == {("pool", 64, True), ("conv", 16, False), ("conv", 32, True)}
    assert [type(value) for value in space.allowed[2]] == [str, int, bool]
    assert space.num_genomes == 3
    assert set(space.neighbors(("conv", 32, True))) == {("conv", 16, False), ("pool", 64, True)}
    assert space.express(("conv", 32, False)) is None
    assert build("nas_jax.spaces", {"name": "categorical", "genes": space.genes, "allowed": space.allowed}) == space


def test_spaces_of_equal_values_of_other_types_are_two_spaces():
    spaces = [Categorical(genes={"a": values}) for values in ([0, 1], [False, True], [0.0, 1.0])]
    assert len(set(spaces)) == 3
    assert [[type(value) for (value,) in space.genomes()] for space in spaces] == [[int] * 2, [bool] * 2, [float] * 2]
    assert [space.encode([(1,)]).shape[1] for space in spaces] == [3, 2, 3]


@pytest.mark.usefixtures("as_users_call")  # the checks of types look at all of them
def test_many_allowed_genomes_are_looked_up_fast():
    """A look-up that hashes or compares all of them takes milliseconds each, 5,000 of them 10 s and more."""
    genes = {f"gene {i}": range(6) for i in range(6)}
    space = Categorical(genes=genes, allowed=list(product(range(6), repeat=6)))
    genome = (1, 2, 3, 4, 5, 0)
    start = time.perf_counter()
    for _ in range(5_000):
        assert space.express(genome) == genome
    assert time.perf_counter() - start < 3


def test_a_large_table_is_fast(tmp_path):
    """Limits are ten times what it takes."""
    codes = np.random.default_rng(0).integers(6, size=(50_000, 10))
    path = tmp_path / "large.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[f"gene {i}" for i in range(10)], *codes.tolist()])
    start = time.perf_counter()
    space = Categorical(path=str(path))
    genomes = list(space.genomes())
    assert len(genomes) == space.num_genomes == len(np.unique(codes, axis=0))
    x = space.encode(genomes)
    assert time.perf_counter() - start < 10
    np.testing.assert_array_equal(x[:, :60].reshape(-1, 10, 6).argmax(axis=2), genomes)
    np.testing.assert_allclose(x[:, 60:70], np.array(genomes) / 5, rtol=1e-6)
    np.testing.assert_allclose(x[:, 70:] @ np.arange(6), np.mean(genomes, axis=1), rtol=1e-5)  # shares of six values


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "name a table, for example with --config.evaluator.path=table.csv, or give genes"),
        ({"genes": "width"}, r"the gene 'width' needs choices, as in genes=\{'width': \(1, 2, 4\), …\}"),
        ({"genes": (("width", ()),)}, "'width' needs choices"),
        ({"genes": (("width", (1, 1.0)),)}, "'width' names a choice twice"),
        ({"genes": (("width", "16"),)}, "neither a name nor a pair"),
        ({"genes": (("width", (1, 2)), ("width", (3, 4)))}, "names a gene twice"),
        ({"genes": (("width", (1, 2)),), "ordered": ("depth",)}, "no gene 'depth'; the genes are width"),
        ({"genes": (("width", (1, 2)),), "exclude": ("accuracy",)}, "columns of a table"),
        ({"genes": {}}, "name a table"),
        ({"genes": 5}, "genes: a mapping of names to choices is wanted, or a list of names, not 5"),
        ({"genes": None}, "genes: a mapping of names to choices is wanted, or a list of names, not None"),
        ({"genes": {"width"}}, "genes: a mapping of names to choices is wanted, or a list of names, not {'width'}"),
        ({"genes": [5]}, "genes: 5 is neither a name nor a pair"),
        ({"genes": {"width": [1, 2]}, "ordered": 5}, "ordered: must be a list, each entry text or nothing, but is 5"),
        ({"path": "table.csv", "exclude": 5}, "exclude: must be a list, each entry text, but is 5"),
        ({"path": "table.csv", "exclude": None}, "exclude: must be a list, each entry text, but is None"),
        ({"path": "table.csv", "free_features": [5]}, r"free_features: must be a list, each entry text, but is \(5,\)"),
        ({"path": "table.csv", "curve": 5}, "curve: must be text, but is 5"),
        ({"path": 5}, "path: must be text, but is 5"),
        ({"genes": {"op": []}}, r"the gene 'op' needs choices, as in genes=\{'op'"),
        ({"genes": {"op": "conv"}}, r"\('op', 'conv'\) is neither a name nor a pair"),
        ({"genes": {"op": {"conv", "pool"}}}, "neither a name nor a pair"),
        ({"genes": {3: [1, 2]}}, "neither a name nor a pair"),
        ({"genes": {"op": ["conv", "conv"]}}, "'op' names a choice twice"),
        ({"genes": {"op": [1, True]}}, "'op' names a choice twice"),
        ({"genes": {"op": ["1", 1]}}, "'op' names a choice twice"),
        ({"genes": {"op": [1, None]}}, "'op' has the choice None, which is no string, finite number or bool"),
        ({"genes": {"op": [1.0, float("nan")]}}, "'op' has the choice nan"),
        ({"genes": {"op": [[1, 2]]}}, r"'op' has the choice \(1, 2\)"),
        ({"genes": FLAGS, "allowed": []}, "allowed: there are no genomes; leave it out"),
        (
            {"genes": FLAGS, "allowed": [("skip", 32, True)]},
            r"allowed\[0\]: 'op' cannot be 'skip'; choose from 'conv', ",
        ),
        ({"genes": FLAGS, "allowed": [("conv", "32", True)]}, r"allowed\[0\]: 'width' cannot be '32'"),
        (
            {"genes": FLAGS, "allowed": [("conv", 32, 1)]},
            r"allowed\[0\]: 'is_wide' cannot be 1; choose from False, True",
        ),
        ({"genes": FLAGS, "allowed": [("conv", [32], True)]}, r"allowed\[0\]: 'width' cannot be \(32,\)"),
        ({"genes": FLAGS, "allowed": [ALLOWED[0], ("conv", 32)]}, r"allowed\[1\]: .* has 2 values for 3 genes, op, "),
        ({"genes": FLAGS, "allowed": [{"op": "conv", "width": 32}]}, r"allowed\[0\]: the gene 'is_wide' is missing"),
        ({"genes": FLAGS, "allowed": [{**ALLOWED[1], "depth": 1}]}, r"allowed\[0\]: there is no gene 'depth'"),
        ({"genes": FLAGS, "allowed": ["conv"]}, r"allowed\[0\]: 'conv' is neither a tuple of values nor a dictionary"),
        ({"genes": FLAGS, "allowed": "conv"}, "allowed: a list of genomes is wanted, not 'conv'"),
        ({"genes": FLAGS, "allowed": [*ALLOWED, ALLOWED[1]]}, "allowed names a genome twice"),
        ({"path": "table.csv", "allowed": ALLOWED}, "leave out one of allowed and path"),
        ({"genes": (("width", tuple(range(20_000))),)}, "20000 choices, more than 10000; exclude or round 'width'"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Categorical(**settings)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"genes": "height"}, UserError, "space: .* has no column 'height'; it has width, op, loss"),
        ({"exclude": "accuracy"}, UserError, "has no column 'accuracy'"),
        ({"free_features": "flops"}, UserError, "has no column 'flops'"),
        ({"genes": "op", "free_features": "loss"}, ValueError, "'loss' has no number in line 13"),
        ({"exclude": "width,op,loss"}, ValueError, "every column of .* is excluded"),
        ({"genes": "width", "exclude": "width"}, ValueError, "'width' is a gene and excluded"),
        ({}, ValueError, "'loss' of .* has another value in every row, as a name or a metric has; exclude it"),
        ({"genes": (("op", ("pool",)),)}, ValueError, r"no row with these choices: \{'op': \('pool',\)\}"),
    ],
)
def test_settings_that_a_table_contradicts_are_refused(write, settings, error, message):
    path = write(("width", "op", "loss"), *[(16 * (i % 2), "conv", i / 7) for i in range(11)], (16, "conv", ""))
    with pytest.raises(error, match=message):
        Categorical(path=path, **settings)
    if settings == {}:
        assert Categorical(path=path, genes="width, loss").num_genomes == 12


def test_columns_of_the_test_split_are_no_genes_unless_somebody_says_so(write):
    path = write(("width", "test_loss_1", "test_loss_2"), (16, 1, 2), (32, 1, 3))
    for exclude in ((), "tset_loss_{}"):
        with pytest.raises(ValueError, match=r"'test_loss_1' of .* is of the test split by its name"):
            Categorical(path=path, exclude=exclude)
    assert Categorical(path=path, exclude="test_loss_{}").gene_names == ("width",)
    assert Categorical(path=path, genes="width,test_loss_1").gene_names == ("width", "test_loss_1")


def test_a_pattern_that_leaves_nothing_out_is_noted(write):
    space = Categorical(path=write(("width", "loss_1"), (16, 1), (32, 1)), exclude="loss_{},los_{}")
    (note,) = space.notes
    assert note.endswith("no column is 'los_{}' with a number, so exclude leaves none out")


def test_a_missing_table_is_refused():
    with pytest.raises(UserError, match="cannot be read"):
        Categorical(path="no/such/table.csv")
