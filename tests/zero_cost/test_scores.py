"""Zero-cost scores against closed forms, plain Jacobians and codes that are counted one by one."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax.linen import relu as imported_relu

from nas_jax.zero_cost.activations import visit_activations
from nas_jax.zero_cost.grad_norm import grad_norm
from nas_jax.zero_cost.jacov import jacov, score
from nas_jax.zero_cost.naswot import agreements, naswot
from nas_jax.zero_cost.probe import Probe
from nas_jax.zero_cost.scores import SCORES, scores_of
from nas_jax.zero_cost.synflow import synflow


class Layers(nn.Module):
    """Dense layers of these widths, each but the last with a normalisation and a ReLU behind it."""

    widths: tuple[int, ...]
    normalise: bool = False

    @nn.compact
    def __call__(self, x, train=False):
        for width in self.widths[:-1]:
            x = nn.Dense(width)(x)
            x = nn.relu(nn.BatchNorm(use_running_average=not train)(x) if self.normalise else x)
        return nn.Dense(self.widths[-1])(x)


def probe_of(network, inputs, seed=0, scale=1.0):
    variables = network.init(jax.random.key(seed), inputs, train=False)
    variables = {**variables, "params": jax.tree.map(lambda leaf: leaf * scale, variables["params"])}
    return Probe(network, variables, inputs, lambda outputs: (outputs**2).mean())


def inputs_of(num=8, width=5, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(num, width)), jnp.float32)


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1e7])  # the latter is far beyond float32
def test_synflow_is_the_product_of_absolute_kernels_once_for_each_layer(normalise, scale):
    widths = (7, *(6,) * 6, 3)
    probe = probe_of(Layers(widths, normalise), inputs_of(), scale=scale)
    flow, log = np.ones(5), 0.0
    for place in range(len(widths)):
        flow = flow @ np.abs(np.asarray(probe.params[f"Dense_{place}"]["kernel"], np.float64))
        log, flow = log + math.log(flow.max()), flow / flow.max()
    expected = math.log(len(widths)) + log + math.log(flow.sum())
    assert synflow(probe) == pytest.approx(expected, rel=1e-5)
    assert (expected > 120) == (scale > 1)


def test_nothing_flows_through_a_network_of_zeros():
    assert math.isnan(synflow(probe_of(Layers((4, 2)), inputs_of(), scale=0.0)))


def test_jacov_is_of_the_correlations_of_the_gradients_of_summed_outputs():
    probe = probe_of(Layers((9, 4)), inputs_of())
    rows = [jax.grad(lambda x: probe.outputs(probe.params, x[None]).sum())(example) for example in probe.inputs]
    eigenvalues = np.linalg.eigvals(np.corrcoef(np.array(rows, np.float64))).real + 1e-5
    assert jacov(probe) == pytest.approx(-np.sum(np.log(eigenvalues) + 1 / eigenvalues), rel=1e-3)


def test_uncorrelated_rows_have_the_largest_score():
    hadamard = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]], float)
    assert score(hadamard) == pytest.approx(-3 * (math.log(1 + 1e-5) + 1 / (1 + 1e-5)))
    assert score(hadamard + np.array([[0], [1], [0]])) == pytest.approx(score(hadamard))  # correlations know no means
    assert score(np.vstack([hadamard, hadamard[0]])) < -9e4
    assert math.isnan(score(np.vstack([hadamard, np.ones(4)])))


def test_naswot_counts_the_units_that_two_examples_switch_alike():
    probe = probe_of(Layers((11, 13, 2)), inputs_of(6))
    first = np.asarray(probe.inputs @ probe.params["Dense_0"]["kernel"], np.float64)
    second = np.maximum(first, 0) @ np.asarray(probe.params["Dense_1"]["kernel"], np.float64)
    codes = np.hstack([first > 0, second > 0])
    kernel = [[sum(a == b for a, b in zip(one, other, strict=True)) for other in codes] for one in codes]
    assert naswot(probe) == pytest.approx(math.log(abs(np.linalg.det(np.array(kernel, float)))), rel=1e-6)
    np.testing.assert_array_equal(agreements(jnp.asarray(codes)), kernel)


def test_examples_that_are_equal_or_a_network_without_bends_have_no_naswot():
    assert math.isnan(naswot(probe_of(Layers((11, 2)), jnp.ones((3, 5)))))
    assert math.isnan(naswot(probe_of(Layers((2,)), inputs_of())))


@pytest.mark.parametrize(
    "activation",
    [
        nn.relu,
        imported_relu,
        nn.silu,
        nn.elu,
        nn.selu,
        nn.leaky_relu,
        nn.relu6,
        lambda x: jnp.maximum(x, 0),
        jax.jit(nn.relu),
        jax.checkpoint(nn.relu),
    ],
)
def test_an_activation_is_found_once_however_it_is_called(activation):
    found = []
    visit_activations(found.append, lambda x, y: (activation(x * 2) + y * 3).sum(), inputs_of(2), inputs_of(2, seed=1))
    np.testing.assert_array_equal(found, [inputs_of(2) * 2])


def test_grad_norm_of_a_linear_layer():
    probe = probe_of(Layers((3,)), inputs_of())._replace(loss=lambda outputs: outputs.sum(axis=1).mean())
    assert grad_norm(probe) == pytest.approx(np.linalg.norm(probe.inputs.mean(axis=0)) * math.sqrt(3), rel=1e-5)


def test_compiled_as_a_whole_or_not_the_scores_are_the_same(monkeypatch):
    probe = probe_of(Layers((9, 7, 4), normalise=True), inputs_of())
    whole = scores_of(probe)
    monkeypatch.setattr("nas_jax.zero_cost.probe._MAX_KERNELS", 0)
    assert scores_of(probe) == pytest.approx(whole, rel=1e-4)


def test_tokens_have_the_scores_that_need_no_derivative_by_them():
    class Words(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            return nn.Dense(2)(nn.relu(nn.Dense(16)(nn.Embed(10, 4)(x).mean(axis=1))))

    tokens = jnp.asarray(np.random.default_rng(0).integers(10, size=(4, 7)))
    found = scores_of(probe_of(Words(), tokens))
    assert {name for name, value in found.items() if math.isfinite(value)} == {"grad_norm", "naswot"}
    assert found.keys() == SCORES.keys()
