"""Whether one network is better than another: a test that suits what is known of both, with an interval.

What a test may claim depends on what was drawn at random. Scores of each example of a split let one generalise over
examples: differences are taken example by example, which cancels how hard an example is (Dietterich, "Approximate
statistical tests for comparing supervised classification learning algorithms", Neural Computation 10, 1998). Several
training seeds let one generalise over trainings. A claim about architectures is about both: trained anew, on other
examples. Seeds and examples are crossed, for every network sees every example; a test over seeds alone takes the
examples as fixed, and is right about these only (Clark, "The language-as-fixed-effect fallacy", Journal of Verbal
Learning and Verbal Behavior 12, 1973). `of_examples` therefore counts both variances, as Bouthillier et al. ask
("Accounting for variance in machine learning benchmarks", MLSys 2021).
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

LEVEL = 0.05  # how often a difference may be called real where there is none


class Difference(NamedTuple):
    """The first mean less the second, its 95 % interval, the p-value of no difference, and the test in words."""

    value: float
    low: float
    high: float
    p: float
    test: str

    @property
    def is_real(self) -> bool:
        return self.p < LEVEL

    def turned(self, sign: int) -> "Difference":
        """With the other sign, where `sign` is -1."""
        low, high = sorted((sign * self.low, sign * self.high))
        return self._replace(value=sign * self.value, low=low, high=high)


def of_seeds(first: Sequence[float], second: Sequence[float]) -> Difference | None:
    """Welch's t over training seeds, two or more of each; None where neither network varies.

    Welch, "The generalization of 'Student's' problem when several different population variances are involved",
    Biometrika 34, 1947.
    """
    if min(len(first), len(second)) < 2 or not (np.ptp(first) or np.ptp(second)):
        return None
    parts = [(float(np.var(values, ddof=1)) / len(values), len(values) - 1) for values in (first, second)]
    name = f"Welch's t over {len(first)} and {len(second)} training seeds, on these very examples"
    variance = sum(part for part, _ in parts)
    return _by_t(float(np.mean(first) - np.mean(second)), math.sqrt(variance), _freedom(variance, parts), name)


def of_examples(first: Float[np.ndarray, "s n"], second: Float[np.ndarray, "r n"]) -> Difference | None:
    """Student's t over the differences of n examples and, where both have several seeds, over these as well.

    The variance of the difference is that over examples, V_e = var(d) / n of the mean differences d, and that over
    seeds as in Welch's test, V_s. The interaction of seeds and examples is in both, and is taken out of the second
    once: V = V_e + max(V_s - V_i, 0). Degrees of freedom are Satterthwaite's ("An approximate distribution of estimates
    of variance components", Biometrics Bulletin 2, 1946).

    Args:
        first, second: scores of each example, by seeds; examples in the same order.

    Returns:
        None where no example tells the networks apart.
    """
    num = first.shape[1]
    differences = first.mean(axis=0) - second.mean(axis=0)
    value = float(differences.mean())
    has_seeds = min(len(first), len(second)) > 1
    by_examples = float(differences.var(ddof=1)) / num
    by_seeds = [_seed_variance(scores) for scores in (first, second)] if has_seeds else []
    variance = by_examples + max(sum(total - inner for total, inner in by_seeds), 0.0)
    if not variance:
        return None
    parts = [(by_examples, num - 1)]
    parts += [(total, len(scores) - 1) for scores, (total, _) in zip((first, second), by_seeds, strict=False)]
    name = f"t in pairs over {num:,} examples"
    if has_seeds:
        name += f", and over {len(first)} and {len(second)} training seeds"
    return _by_t(value, math.sqrt(variance), _freedom(variance, parts), name)


def of_proportions(first: float, second: float, num: int) -> Difference:
    """Two fractions of `num` examples each, as if these were different ones: for the same ones it is too cautious.

    Agresti & Caffo, "Simple and effective confidence intervals for proportions and differences of proportions",
    American Statistician 54, 2000: one success and one failure are added to each.
    """
    shrunk = [(fraction * num + 1) / (num + 2) for fraction in (first, second)]
    error = math.sqrt(sum(fraction * (1 - fraction) / (num + 2) for fraction in shrunk))
    name = f"two proportions, of {num:,} examples each"
    return _by_t(shrunk[0] - shrunk[1], error, math.inf, name)._replace(value=first - second)


def _seed_variance(scores: Float[np.ndarray, "s n"]) -> tuple[float, float]:
    """The variance of the mean over seeds, and the part of it that is the interaction of seeds and examples."""
    num_seeds, num = scores.shape
    means = scores.mean(axis=1)
    residuals = scores - means[:, None] - scores.mean(axis=0) + scores.mean()
    interaction = float((residuals**2).sum()) / ((num_seeds - 1) * (num - 1))
    return float(means.var(ddof=1)) / num_seeds, interaction / (num_seeds * num)


def _freedom(variance: float, parts: Sequence[tuple[float, int]]) -> float:
    """Satterthwaite's degrees of freedom of a variance whose estimate is made of parts, each with its own."""
    return variance**2 / sum(part**2 / freedom for part, freedom in parts)


def _by_t(value: float, error: float, freedom: float, name: str) -> Difference:
    reach: Any = stats.t.ppf(1 - LEVEL / 2, freedom) * error
    p = 2 * stats.t.sf(abs(value) / error, freedom)
    return Difference(value, float(value - reach), float(value + reach), float(p), name)
