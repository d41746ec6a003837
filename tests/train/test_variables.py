"""Variables are drawn by a network's own initialisers: beside those of Flax, by distribution, and without compiling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from flax import linen as nn

from nas_jax.layers import he_kernel
from nas_jax.train import variables
from nas_jax.train.host import evaluate
from nas_jax.train.variables import draw_variables, plan_variables, variable_shapes

TOKENS = jax.ShapeDtypeStruct((1, 12), jnp.int32)
init = nn.initializers


class Written(nn.Module):
    """What people write: attention, a residual that begins at zero, learned places, a tied embedding, statistics."""

    @nn.compact
    def __call__(self, tokens, train=False):
        embedding = nn.Embed(50, 64, name="embedding")
        x = embedding(tokens) + self.param("position", init.normal(0.02), (1, tokens.shape[1], 64))
        x = x + nn.MultiHeadDotProductAttention(4, name="attention")(x)
        x = x + nn.Dense(64, kernel_init=init.zeros, name="zero")(nn.gelu(x))
        x = nn.BatchNorm(use_running_average=not train, name="norm")(x)
        x = nn.RNN(nn.GRUCell(64, name="cell"))(x)
        self.sow("intermediates", "x", x)
        counts = self.variable("counts", "seen", lambda: jnp.full((3,), 7, jnp.int32))
        return embedding.attend(x) + counts.value.sum()


class One(nn.Module):
    """A parameter with the given initialiser."""

    initializer: object
    shape: tuple[int, ...]

    @nn.compact
    def __call__(self, x, train=False):
        return x.sum() + self.param("w", self.initializer, self.shape, jnp.float32).sum()


def drawn(network, seed=0, inputs=TOKENS):
    return draw_variables(plan_variables(network, inputs), seed)


@pytest.fixture(scope="module")
def written():
    return drawn(Written())


def test_all_variables_are_there_as_flax_has_them(written):
    theirs = Written().init(jax.random.key(0), jnp.zeros(TOKENS.shape, jnp.int32))
    for ours in (written, variable_shapes(Written(), TOKENS)):
        assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), ours) == jax.tree.map(
            lambda leaf: (leaf.shape, leaf.dtype), theirs
        )
    for path, leaf in jax.tree_util.tree_leaves_with_path(theirs["params"]):
        ours = written["params"]
        for step in path:
            ours = ours[step.key]
        assert np.std(ours) == pytest.approx(float(np.std(leaf)), rel=0.15, abs=1e-7), path
    np.testing.assert_array_equal(written["counts"]["seen"], 7)


def test_initialisers_are_the_networks_own(written):
    params = written["params"]
    np.testing.assert_array_equal(params["zero"]["kernel"], 0.0)
    assert params["position"].std() == pytest.approx(0.02, rel=0.1)
    # LeCun's variance is 1 / fan-in: 64 numbers go into each head's query, and 4 heads of 16 into the output.
    for name in ("query", "key", "value", "out"):
        assert params["attention"][name]["kernel"].var() == pytest.approx(1 / 64, rel=0.1), name
    recurrent = params["cell"]["hr"]["kernel"]
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(64), atol=1e-4)  # orthogonal
    np.testing.assert_array_equal(written["batch_stats"]["norm"]["var"], 1.0)


@pytest.mark.parametrize(
    ("initializer", "expected"),
    [
        (init.normal(0.3), scipy.stats.norm(scale=0.3)),
        (init.uniform(2.0), scipy.stats.uniform(0, 2.0)),
        (init.truncated_normal(0.5), scipy.stats.truncnorm(-2, 2, scale=0.5)),
        (init.glorot_uniform(), scipy.stats.uniform(-np.sqrt(6 / 160), 2 * np.sqrt(6 / 160))),
        (init.lecun_normal(), scipy.stats.truncnorm(-2, 2, scale=np.sqrt(1 / 80) / 0.87962566103423978)),
        (he_kernel, scipy.stats.norm(scale=np.sqrt(2 / 80))),
        (lambda key, shape, dtype: 3 + jax.random.normal(jax.random.split(key)[1], shape, dtype), scipy.stats.norm(3)),
        (jax.random.exponential, scipy.stats.expon()),
    ],
)
def test_numbers_have_the_distribution_that_is_asked_for(initializer, expected):
    values = drawn(One(initializer, (80, 80)))["params"]["w"]
    assert scipy.stats.kstest(values.ravel(), expected.cdf).pvalue > 0.001


def test_what_numpy_does_not_know_is_compiled_once_for_all_that_are_alike():
    compiled = []

    def listen(event, seconds, **_):
        if event.endswith("backend_compile_duration"):
            compiled.append(seconds)

    initializer = init.delta_orthogonal()
    first = drawn(One(initializer, (3, 3, 8, 8)))["params"]["w"]
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        second = drawn(One(init.delta_orthogonal(), (3, 3, 8, 8)), seed=1)["params"]["w"]
        drawn(Written(), seed=5)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert not compiled
    for kernel in (first, second):
        np.testing.assert_allclose(kernel[1, 1] @ kernel[1, 1].T, np.eye(8), atol=1e-4)
    assert not np.array_equal(first, second)


def test_an_initialiser_with_an_array_of_its_own_is_compiled_once_for_all_seeds():
    def from_table(table):
        def choose(key, shape, dtype=jnp.float32):
            return jnp.asarray(table)[jax.random.randint(key, shape, 0, len(table))]

        return choose

    tables = [np.array(numbers, np.float32) for numbers in ([1, 2, 3], [4, 5, 6])]
    before = len(variables._COMPILED._values)
    for table in tables:
        for seed in range(3):
            assert set(np.unique(drawn(One(from_table(table), (9, 9)), seed)["params"]["w"])) == set(table)
    assert len(variables._COMPILED._values) == before + 2


def test_draws_repeat_themselves_and_depend_on_seed_and_name_alone(written):
    class More(nn.Module):
        @nn.compact
        def __call__(self, tokens, train=False):
            nn.Dense(3, name="another")(jnp.ones((1, 2)))
            return Written.__call__(self, tokens, train)

    again, other, more = drawn(Written()), drawn(Written(), seed=1), drawn(More())
    assert jax.tree.all(jax.tree.map(np.array_equal, written, again))
    kernels = [tree["params"]["attention"]["query"]["kernel"] for tree in (written, other, more)]
    assert not np.array_equal(kernels[0], kernels[1])
    np.testing.assert_array_equal(kernels[0], kernels[2])
    assert not np.array_equal(kernels[0], written["params"]["attention"]["key"]["kernel"])


def test_kernels_of_he_are_one_stream_in_the_order_of_names():
    """As before there were other initialisers: a run that is continued begins with the same numbers."""

    class Two(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            x = nn.Dense(5, kernel_init=he_kernel, name="b")(x)
            return nn.Dense(3, kernel_init=he_kernel, name="a")(x)

    params = drawn(Two(), 7, jax.ShapeDtypeStruct((1, 4), jnp.float32))["params"]
    rng = np.random.default_rng(7)
    for name, shape in (("a", (5, 3)), ("b", (4, 5))):
        expected = rng.normal(scale=np.sqrt(2 / shape[0]), size=shape).astype(np.float32)
        np.testing.assert_array_equal(params[name]["kernel"], expected)


def test_functions_on_the_host_are_those_of_jax():
    x = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)

    def known(x):
        y = jnp.where(x > 0, jnp.sqrt(jnp.abs(x)), x.T[::-1] ** 2)
        return {"y": jnp.concatenate([y, jnp.clip(x, -1, 1)])[1:5, ::2], "n": jnp.arange(3) + 1}

    def unknown(x):
        return jnp.sort(x, axis=0) + jnp.cumsum(x, axis=1)

    for function in (known, unknown):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), evaluate(function, x), jax.jit(function)(x)
        )
