import numpy as np
import pytest
from matplotlib.image import imread

from nas_jax.analysis import plots

RNG = np.random.default_rng(0)
SCORES = RNG.uniform(0.35, 0.65, 100)
PARAMS = np.exp(RNG.uniform(np.log(4e4), np.log(3e6), 100))


def predicted(scores):
    std = np.full(len(scores), 0.02)
    return plots.predicted_against_measured(scores, scores + 0.01, std, tau=0.7, coverage=0.95)


def sized(scores):
    return plots.accuracy_against_parameters(PARAMS[: len(scores)], scores, ["search"] * len(scores), winner=0)


@pytest.mark.parametrize("draw", [predicted, plots.best_so_far, sized])
@pytest.mark.parametrize("num", [1, 100])
def test_figures_become_pngs_that_are_not_blank(tmp_path, draw, num):
    plots.save(draw(SCORES[:num]), tmp_path / "figure.png")
    image = imread(tmp_path / "figure.png")
    assert min(image.shape[:2]) > 500
    assert image.shape[2] == 4
    assert 0.005 < np.mean(image[..., :3].min(-1) < 0.9) < 0.5


def test_best_so_far_is_a_running_maximum_over_gaps():
    figure = plots.best_so_far(np.array([np.nan, 0.4, 0.3, np.nan, 0.5]))
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(line.get_ydata(), [np.nan, 0.4, 0.4, 0.4, 0.5])


def test_error_bars_are_two_standard_deviations():
    figure = plots.predicted_against_measured(
        np.array([0.5, 0.6]), np.array([0.52, 0.58]), np.array([0.01, 0.03]), tau=1.0, coverage=0.5
    )
    (bars,) = figure.axes[0].containers
    segments = bars.lines[2][0].get_segments()
    np.testing.assert_allclose([segment[:, 1] for segment in segments], [[0.50, 0.54], [0.52, 0.64]])
    assert "tau 1.00, 50 %" in figure.axes[0].get_title()


def test_winner_has_a_ring_and_each_stage_an_entry():
    stages = ["search", "final", "final"]
    figure = plots.accuracy_against_parameters(PARAMS[:3], SCORES[:3], stages, winner=2)
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["search trial", "finalist", "winner"]
    np.testing.assert_allclose(figure.axes[0].collections[-1].get_offsets(), [[PARAMS[2], SCORES[2]]])


def test_percent_is_for_fractions_only():
    def last_label(is_fraction):
        figure = plots.best_so_far(np.array([0.5, 0.6]), label="score", is_fraction=is_fraction)
        figure.draw_without_rendering()
        return figure.axes[0].get_yticklabels()[-1].get_text()

    assert last_label(True).endswith(" %")
    assert "%" not in last_label(False)
