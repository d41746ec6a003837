import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from nas_jax.report.curves import learning_curves
from nas_jax.report.importance import importances
from nas_jax.report.plots import ScoreLabel
from nas_jax.report.predictions import Predictions, calibration, predicted_against_measured, residuals
from nas_jax.report.progress import best_so_far
from nas_jax.report.random_search import Expectation
from nas_jax.report.size import scores_over_parameters
from nas_jax.report.svg import COLOURS, to_svg

RNG = np.random.default_rng(0)
SCORES = RNG.uniform(0.35, 0.65, 100)
PARAMS = np.exp(RNG.uniform(np.log(4e4), np.log(3e6), 100))
LABEL = ScoreLabel("validation accuracy", is_fraction=True)


def trace(scores, label=LABEL, random=None):
    return best_so_far(np.arange(1.0, len(scores) + 1), scores, label, random=random)


def predictions(measured, error=0.01):
    std = np.full(len(measured), 0.02)
    return Predictions(measured + error, std, measured, np.arange(1.0, len(measured) + 1))


FIGURES = {
    "predicted": lambda y: predicted_against_measured(predictions(y), LABEL),
    "calibration": lambda y: calibration({"in advance": predictions(y), "cross-validated": predictions(y, 0.03)}),
    "residuals": lambda y: residuals(predictions(y, 20 * (y - y.mean()))),
    "best": trace,
    "best, and random": lambda y: trace(y, random=Expectation(y + 0.01, np.arange(len(y)) > 3)),
    "sizes": lambda y: scores_over_parameters(PARAMS[: len(y)], y, ["search"] * len(y), LABEL, winner=0),
    "curves": lambda y: learning_curves(
        [("search", [0.5]), ("final", y.tolist()), ("winner", y.tolist())], "val_accuracy"
    ),
    "importances": lambda y: importances(list("ab"), np.array([0.5, 0.4]), np.full(2, 0.1), np.array([0.3, 0])),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
@pytest.mark.parametrize("num", [1, 100])
def test_figures_are_not_blank(tmp_path, draw, num):
    draw(SCORES[:num]).savefig(tmp_path / "figure.png", dpi=100)
    image = imread(tmp_path / "figure.png")
    assert image.shape[1] == 500
    assert 0.005 < np.mean(image[..., :3].min(-1) < 0.9) < 0.6


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_every_colour_of_a_figure_is_one_of_the_style_sheet(draw):
    svg = to_svg(draw(SCORES), prefix="p", title="t")
    assert re.findall(r"(?:fill|stroke): (?!none|var)([^;\"]*)", svg) == []
    assert {*re.findall(r"var\(--(\w+)\)", svg)} <= {*COLOURS}
    assert "var(--ink)" in svg
    assert 'style="' in svg


def test_ids_are_unique_over_figures_and_point_within_their_own():
    roots = [ElementTree.fromstring(to_svg(trace(SCORES), prefix=prefix, title="t")) for prefix in ("a", "b")]
    ids = [[element.get("id") for element in root.iter() if element.get("id")] for root in roots]
    assert len(ids[0]) == len(set(ids[0])) > 5
    assert set(ids[0]).isdisjoint(ids[1])
    for root, own in zip(roots, ids, strict=True):
        values = [value for element in root.iter() for value in element.attrib.values()]
        targets = [target for value in values for target in re.findall(r"^#(.*)$|url\(#(.*?)\)", value)]
        assert targets
        assert {first or second for first, second in targets} <= set(own)


def test_text_in_a_figure_is_escaped_and_no_formula():
    nasty = '<script>alert("$x_1$")</script> & $\\frac$'
    root = ElementTree.fromstring(to_svg(trace(SCORES, ScoreLabel(nasty, False)), prefix="p", title=nasty))
    assert nasty in [element.text for element in root.iter("text")]
    assert root.get("aria-label") == nasty
    assert {element.tag for element in root.iter()}.isdisjoint({"script", "style", "metadata"})
    assert {"width", "height"}.isdisjoint(root.attrib)


def test_best_so_far_is_a_running_maximum_over_gaps():
    figure = trace(np.array([np.nan, 0.4, 0.3, np.nan, 0.5]))
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(line.get_ydata(), [np.nan, 0.4, 0.4, 0.4, 0.5])


def test_what_random_search_is_not_known_to_reach_has_dots():
    is_extrapolated = np.array([False, False, True])
    figure = trace(SCORES[:3], random=Expectation(np.array([0.4, 0.5, 0.55]), is_extrapolated))
    _, known, beyond = figure.axes[0].lines
    np.testing.assert_array_equal(known.get_ydata(), [0.4, 0.5, np.nan])
    np.testing.assert_array_equal(beyond.get_ydata(), [np.nan, np.nan, 0.55])
    assert beyond.get_linestyle() == ":"


def test_bad_scores_that_would_flatten_the_others_are_counted():
    figure = trace(np.array([0.1, *np.linspace(0.89, 0.91, 30)]))
    assert figure.axes[0].get_ylim()[0] > 0.85
    assert [text.get_text() for text in figure.axes[0].texts] == ["↓ 1 lower"]
    assert len(trace(SCORES).axes[0].texts) == 0


def test_error_bars_are_two_standard_deviations():
    mean, std, measured = np.array([0.52, 0.58]), np.array([0.01, 0.03]), np.array([0.5, 0.6])
    figure = predicted_against_measured(Predictions(mean, std, measured, np.array([1.0, 2.0])), LABEL)
    (bars,) = figure.axes[0].containers
    segments = bars.lines[2][0].get_segments()
    np.testing.assert_allclose([segment[:, 1] for segment in segments], [[0.50, 0.54], [0.52, 0.64]])


def test_residuals_beyond_the_picture_are_at_its_edge():
    measured = np.array([0.5, -40.0, 1.0])
    figure = residuals(Predictions(np.zeros(3), np.ones(3), measured, np.array([1.0, 2.0, 3.0])))
    inside, beyond = figure.axes[0].collections
    np.testing.assert_array_equal(inside.get_offsets(), [[1, 0.5], [3, 1]])
    np.testing.assert_array_equal(beyond.get_offsets(), [[2, -6]])


def test_winner_has_a_ring_and_each_stage_an_entry():
    stages = ["search", "final", "final"]
    figure = scores_over_parameters(PARAMS[:3], SCORES[:3], stages, LABEL, winner=2)
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["search trial", "finalist", "winner"]
    np.testing.assert_allclose(figure.axes[0].collections[-1].get_offsets(), [[PARAMS[2], SCORES[2]]])


def test_percent_is_for_fractions_only():
    def last_label(is_fraction):
        figure = trace(np.array([0.5, 0.6]), ScoreLabel("score", is_fraction))
        figure.draw_without_rendering()
        return figure.axes[0].get_yticklabels()[-1].get_text()

    assert last_label(True).endswith(" %")
    assert "%" not in last_label(False)
