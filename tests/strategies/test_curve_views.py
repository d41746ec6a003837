"""How learning curves are seen: by ranks and by values, with failures and with what is under way."""

import numpy as np
import pytest
from histories import make_history

from nas_jax.budgets import Budgets
from nas_jax.spaces.categorical import Categorical
from nas_jax.strategies.choices import choices_of
from nas_jax.strategies.curve_views import views_of
from nas_jax.strategies.pools import Pool
from nas_jax.surrogates.curve_process import Curves
from nas_jax.trial import Budget

pytestmark = pytest.mark.usefixtures("compiled_quickly")

EPOCHS = (1, 2, 4, 8)
EACH = tuple(map(Budget, EPOCHS))
SPACE = Categorical(genes=(("depth", tuple(range(1, 21))), ("width", (16, 32, 64, 128))))
GENOMES = SPACE.sample(np.random.default_rng(0), 11)
NEW = SPACE.sample(np.random.default_rng(1), 2, exclude=frozenset(GENOMES))


def seen(history):
    """Both views, and the choices they are of: what has begun, and two new genomes."""
    genomes = [*history.genomes, *history.failed, *history.pending]
    features = Pool(SPACE.encode(genomes), NEW, SPACE.encode(NEW))
    choices = choices_of(features, history, EACH, Budgets(EPOCHS))
    return views_of(SPACE, features.known, choices, history, EACH), choices


def history_of(budgets, values):
    return make_history(GENOMES[: len(budgets)], values)._replace(budgets=tuple(map(Budget, budgets)))


def test_one_view_knows_only_the_order_of_values_and_one_their_distances_but_for_the_worst_fifth():
    values = np.array([-9.0, -5.0, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    (by_rank, by_value), _ = seen(history_of([1] * 10, values))
    (by_rank_of_others, _), _ = seen(history_of([1] * 10, np.exp(values)))
    assert (np.diff(by_rank.targets.values) > 0).all()
    np.testing.assert_array_equal(by_rank.targets.values, by_rank_of_others.targets.values)
    floor = np.quantile(values, 0.2)
    assert by_value.targets.values.tolist() == [floor, floor, *values[2:]]


@pytest.mark.parametrize(
    ("reached", "share"),
    [((), 0.0), ((1,), 1 / 3), ((1, 2), 2 / 3), ((1, 2, 4), 1.0)],
)
def test_a_training_fails_at_the_rung_after_the_last_it_has_measured(reached, share):
    """Its measurements stay; the failure is the worst value, on a logarithmic scale of epochs."""
    others = [1, 1, 1]
    history = make_history((*GENOMES[:3], *[GENOMES[3]] * len(reached)), np.arange(3.0 + len(reached)))
    history = history._replace(budgets=tuple(map(Budget, (*others, *reached))), failed=(GENOMES[3],))
    for view in seen(history)[0]:
        state = view.state
        assert state.curves.share[-1] == pytest.approx(share)
        assert state.curves.training[-1] == 3
        assert (state.curves.training == 3).sum() == len(reached) + 1
        assert view.targets.values[-1] == view.targets.values.min()


def test_what_is_under_way_counts_as_its_mean():
    """Means hardly change, as the values' own mean does, and the end of what is under way is known better."""
    values = np.random.default_rng(2).normal(size=10)
    alone = history_of([1, 1, 1, 1, 1, 1, 2, 2, 4, 8], values)
    busy = alone._replace(pending=(GENOMES[10],), pending_budgets=(Budget(8),))
    for before, after in zip(seen(alone)[0], seen(busy)[0], strict=True):
        np.testing.assert_allclose(after.incumbent, before.incumbent, atol=0.03)
        np.testing.assert_allclose(after.ends.mean[-2:], before.ends.mean[-2:], atol=0.03)
        assert (after.ends.std[-2:] < before.ends.std[-2:]).all()


def test_the_lead_is_counted_from_the_incumbents_mean_in_deviations_of_the_targets():
    history = history_of([1, 1, 1, 1, 1, 1, 2, 2, 4, 8], np.arange(10.0))
    views, choices = seen(history)
    for view in views:
        for optimism in (0.0, 2.0):
            hope = np.asarray(view.ends.mean) + optimism * np.asarray(view.ends.std)
            expected = (hope - view.incumbent) / view.targets.values.std()
            np.testing.assert_allclose(view.lead(optimism), expected, rtol=1e-9)
        assert len(view.lead(0.0)) == len(view.log_improvement()) == len(choices.genomes)


def test_a_prediction_is_of_what_the_next_rung_measures_in_units_of_scores():
    """The best of what has ended a rung goes on to a better value than the worst, as all have done so far."""
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.15, 0.35, 0.65])
    history = make_history((*GENOMES[:6], GENOMES[0], GENOMES[2], GENOMES[5]), values)
    history = history._replace(budgets=tuple(map(Budget, [1] * 6 + [2] * 3)))
    views, choices = seen(history)
    for view in views:
        low, high = (view.prediction(choices, choices.genomes.index(GENOMES[place]), EACH) for place in (1, 4))
        assert 0.1 < low.mean < high.mean < 0.7
        assert low.std > 0
    _, by_value = views
    place = choices.genomes.index(GENOMES[4])
    second = Curves(choices.x[[place]], np.array([np.log(2) / np.log(8)]), choices.training[[place]])
    mean, std = by_value.process.predict(by_value.state, second, with_noise=True)
    np.testing.assert_allclose(by_value.prediction(choices, place, EACH), [mean[0], std[0]], rtol=1e-6)
