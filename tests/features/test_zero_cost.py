"""Zero-cost scores as features: of real networks, kept in memory and in a file, and built from a config."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_configs import load_config
from written_tables import table_of

from nas_jax.config import complete
from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError
from nas_jax.features import zero_cost
from nas_jax.features.space import FeaturedSpace
from nas_jax.features.zero_cost import ZeroCost
from nas_jax.parts import build_parts
from nas_jax.search.finalists import pick_finalists
from nas_jax.search.loop import new_trial, propose
from nas_jax.spaces.chain import Chain
from nas_jax.tasks.classification import Classification

CONFIGS = Path(__file__).parents[2] / "configs"
pytestmark = pytest.mark.usefixtures("compiled_once")

SPACE = Chain(
    (8, 8, 3), 3, conv_sizes=(3,), conv_filters=(4, 8), fc_units=(8,), min_feature_layers=1, max_feature_layers=2
)
DATA = Synthetic(image_shape=(8, 8, 3), num_classes=3)


@pytest.fixture
def scored(monkeypatch):
    """The networks that are scored, in order. The scores are cheap ones that fail for a network without layers."""
    networks = []

    def score(probe, names):
        networks.append(probe.network)
        return {name: float(len(networks)) for name in names}

    monkeypatch.setattr(zero_cost, "scores_of", score)
    zero_cost._kept.cache_clear()
    yield networks
    zero_cost._kept.cache_clear()


def test_scores_of_a_chain_are_its_own_and_always_the_same():
    features = ZeroCost(SPACE, DATA, Classification(), batch_size=8)
    genomes = SPACE.sample(np.random.default_rng(0), 3)[1:]  # the first has so few units that NASWOT is NaN
    found = features.of(genomes)
    assert found.shape == (2, 6)
    assert np.isfinite(found).all()
    assert (found[0] != found[1]).all()
    zero_cost._kept.cache_clear()
    np.testing.assert_array_equal(features.of(genomes[::-1]), found[::-1])


def test_jacov_of_few_examples_tells_networks_apart(monkeypatch):
    """What it is at most, minus the number of examples, is that of the examples that there are."""
    zero_cost._kept.cache_clear()
    few = Synthetic(image_shape=(8, 8, 3), num_classes=3, num_train=12)
    at_most = iter([-13.0, -20.0])
    monkeypatch.setattr(zero_cost, "scores_of", lambda probe, names: {"jacov": next(at_most)})
    genomes = SPACE.sample(np.random.default_rng(0), 2)
    found = ZeroCost(SPACE, few, Classification(), "jacov", batch_size=64).of(genomes)
    np.testing.assert_allclose(found, [[-np.log(1.0)], [-np.log(8.0)]], atol=1e-12)
    zero_cost._kept.cache_clear()


def test_a_genome_is_scored_once_and_a_new_process_reads_it_from_the_file(scored, tmp_path):
    features = ZeroCost(SPACE, DATA, Classification(), "synflow,num_params", 8, cache_dir=tmp_path / "features")
    genomes = SPACE.sample(np.random.default_rng(0), 4)
    first = features.of([genomes[0], *genomes])
    assert len(scored) == 4
    np.testing.assert_array_equal(features.of(genomes), first[1:])
    path = tmp_path / "features" / "scores.jsonl"
    assert [json.loads(line)["scores"] for line in path.read_text().splitlines()] == [
        {"synflow": i} for i in (1, 2, 3, 4)
    ]
    path.write_text(path.read_text()[:-5])  # killed while it wrote
    zero_cost._kept.cache_clear()
    np.testing.assert_array_equal(features.of(genomes[:3]), first[1:4])
    assert len(scored) == 4
    features.of(genomes)
    assert len(scored) == 5


def test_scores_of_other_examples_are_not_taken(scored, tmp_path):
    genomes = SPACE.sample(np.random.default_rng(0), 2)
    for batch_size in (8, 16):
        ZeroCost(SPACE, DATA, Classification(), "synflow", batch_size, cache_dir=tmp_path).of(genomes)
    assert len(scored) == 4


def test_costs_alone_take_no_time_and_have_no_limit(scored):
    features = ZeroCost(SPACE, DATA, Classification(), "flops, num_params")
    genomes = SPACE.sample(np.random.default_rng(0), 5)
    costs = [SPACE.cost(genome) for genome in genomes]
    np.testing.assert_allclose(
        features.of(genomes), [[np.log1p(cost.flops), np.log1p(cost.num_params)] for cost in costs]
    )
    assert features.limit is None
    assert scored == []
    assert ZeroCost(SPACE, DATA, Classification(), "synflow", max_candidates=7).limit == 7


def test_a_network_that_cannot_be_scored_lacks_the_features_but_not_all_may(monkeypatch, tmp_path):
    def score(probe, names):
        if probe.network == bad:
            raise ValueError("too small")
        return dict.fromkeys(names, 1.0)

    monkeypatch.setattr(zero_cost, "scores_of", score)
    zero_cost._kept.cache_clear()
    genomes = SPACE.sample(np.random.default_rng(0), 2)
    bad = SPACE.network(genomes[0], np.float32)
    features = ZeroCost(SPACE, DATA, Classification(), "synflow", 8)
    np.testing.assert_array_equal(np.isnan(features.of(genomes)), [[True], [False]])
    zero_cost._kept.cache_clear()
    alike = replace(features, cache_dir=tmp_path)
    monkeypatch.setattr(zero_cost, "scores_of", lambda probe, names: score(probe._replace(network=bad), names))
    for _ in range(2):  # the same command again
        with pytest.raises(UserError, match=r"none of 2 networks can be scored: .*too small"):
            alike.of(genomes)
        zero_cost._kept.cache_clear()
    monkeypatch.setattr(zero_cost, "scores_of", lambda probe, names: 1 / 0)
    zero_cost._kept.cache_clear()
    with pytest.raises(ZeroDivisionError):
        features.of(genomes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scores": "synflow,magic"}, "unknown score 'magic'; choose from num_params, flops, grad_norm"),
        ({"scores": ""}, "name at least one"),
        ({"batch_size": 1}, "have to be at least 2"),
    ],
)
def test_what_cannot_be_used_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ZeroCost(SPACE, DATA, Classification(), **settings)


def test_one_field_of_a_config_gives_them_to_strategy_and_learner(tmp_path):
    config = load_config(CONFIGS / "quickstart.py", "smoke")
    assert "features" not in complete(config.copy_and_resolve_references()).to_dict()
    config.features = {"name": "zero_cost"}
    parts = build_parts(complete(config).to_dict(), tmp_path / "finalists")
    assert isinstance(parts.learner.space, FeaturedSpace)
    assert parts.strategy.space == parts.learner.space
    assert parts.learner.space.space == parts.space
    assert parts.learner.space.features.cache_dir == tmp_path / "features"


@pytest.mark.parametrize("name", ["random_search", "bayesopt", "evolution", "freeze_thaw"])
def test_limits_of_known_costs_hold_and_known_objectives_are_known_with_features_beside(tmp_path, name):
    config = load_config(CONFIGS / "quickstart.py", "smoke")
    config.features = {"name": "zero_cost", "scores": "num_params,flops"}
    config.strategy = {"name": name}
    config.recipe.num_epochs = 4  # so that there are budgets
    config.constraints = ({"metric": "num_params", "at_most": 1500},)
    if name in ("bayesopt", "evolution"):
        config.objectives = ({"metric": "val_accuracy"}, {"metric": "flops", "maximize": False})
    parts = build_parts(complete(config).to_dict(), tmp_path / "finalists")
    trials = []
    for id in range(12):
        (proposal,) = propose(parts, trials, 1)
        trial = new_trial(parts, id, proposal, "search")
        cost = parts.space.cost(trial.genome)
        assert cost.num_params <= 1500
        trials.append(replace(trial, status="finished", metrics={"val_accuracy": id % 5 / 10, **cost._asdict()}))
    picked = pick_finalists(parts, trials)
    assert picked
    assert all(parts.space.cost(proposal.genome).num_params <= 1500 for proposal in picked)


def test_columns_of_a_table_are_features_of_a_search_on_another(tmp_path):
    config = complete(load_config(CONFIGS / "benchmark_nb201.py", "smoke")).to_dict()
    config["evaluator"]["path"] = path = table_of("benchmark_nb201")
    config["features"] = {"name": "table", "path": path, "columns": "edgegpu_energy_mj", "key": "architecture"}
    parts = build_parts(config, tmp_path / "finalists")
    genomes = parts.space.sample(np.random.default_rng(0), 3)
    assert parts.strategy.space.encode(genomes).shape[1] == parts.space.encode(genomes).shape[1] + 2
    config["features"] = {"name": "zero_cost"}
    with pytest.raises(UserError, match="scores networks on data, and this config trains none"):
        build_parts(config, tmp_path / "finalists")
