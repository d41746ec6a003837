"""Draws docs/surrogate.png: the surrogate on scikit-learn's diabetes data, as in docs/surrogate.md.

    python docs/surrogate_plot.py

Left: each of the first 200 patients, predicted by a fit to nine tenths that leave this one out. Middle: how many of the
measurements the intervals hold, for these and for 242 patients that no fit saw. Right: inverse lengthscales.
"""

from pathlib import Path

import jax
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes

from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.metrics import calibration_curve, calibration_error, coverage, kendall_tau
from nas_jax.surrogates.validation import cross_validate

BLUE, ORANGE = "#0072B2", "#E69F00"  # of the Okabe-Ito palette


def main() -> None:
    data = load_diabetes()
    x, y = data.data, data.target
    gp = GaussianProcess()
    state = gp.fit(jax.random.key(0), x[:200], y[:200])
    posterior = gp.predict(state, x[200:], with_noise=True)
    unseen = cross_validate(gp, jax.random.key(0), x[:200], y[:200])
    independent = GaussianProcess(sharing=0.0).fit(jax.random.key(0), x[:200], y[:200])

    figure = Figure(figsize=(13, 4.6), layout="constrained")
    points, levels, bars = figure.subplots(1, 3)
    limits = (0, 400)
    points.plot(limits, limits, color="black", linewidth=1, linestyle="--")
    points.errorbar(
        y[:200], unseen.mean, yerr=2 * unseen.std, fmt="o", color=BLUE, markersize=3.5, ecolor=(BLUE, 0.2), elinewidth=1
    )
    points.set(xlim=limits, ylim=limits, aspect="equal", title="Cross-validated, ± 2 deviations")
    points.set(xlabel="Measured disease progression", ylabel="Predicted disease progression")

    levels.plot([0, 1], [0, 1], color="black", linewidth=1, linestyle="--")
    for predicted, measured, colour, marker, title in (
        (unseen, y[:200], BLUE, "o", "200, cross-validated"),
        (posterior, y[200:], ORANGE, "s", "242 others"),
    ):
        levels.plot(*calibration_curve(predicted, measured), color=colour, marker=marker, markersize=4, label=title)
        tau, covered = kendall_tau(predicted.mean, measured), coverage(predicted, measured)
        print(f"{title}: tau {tau:.3f}, coverage of 95 % {covered:.3f}, ", end="")
        print(f"calibration error {calibration_error(predicted, measured):.3f}")
    levels.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", title="Calibration", xlabel="Intervals that should hold")
    levels.set_ylabel("did hold")
    levels.legend(frameon=False, loc="upper left")

    order = np.argsort(state.lengthscales)[::-1]
    height, position = 0.38, np.arange(len(order))
    bars.barh(position + height / 2, 1 / state.lengthscales[order], height, color=BLUE, label="sharing 0.95")
    bars.barh(position - height / 2, 1 / independent.lengthscales[order], height, color=ORANGE, label="sharing 0")
    bars.set_yticks(position, [data.feature_names[number] for number in order])
    bars.set(title="How fast the function bends", xlabel="1 / lengthscale (per range of the feature)")
    bars.set_box_aspect(1)
    bars.legend(frameon=False, loc="lower right")
    for axes in (points, levels, bars):
        axes.grid(color="#E3E3E3", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(Path(__file__).with_name("surrogate.png"), dpi=130)


if __name__ == "__main__":
    main()
