"""How fast fits and predictions are: ours, scikit-learn, GPJax and BoTorch, side by side on the same data.

    python experiments/surrogate_speed/run.py
    python experiments/surrogate_speed/run.py --parts fits --sizes 1000 2000 --seeds 3 --starts 2
    python experiments/surrogate_speed/run.py --plot

Every command adds to results.csv beside this file, after each measurement, and leaves out what is there; the last one
prints the tables and draws speed.png. Methods take turns within a seed, and a seed that was cut off is measured again
in whole, so that a change of the machine's speed hits all alike. `OMP_NUM_THREADS=1` in the environment limits the
threads of scikit-learn's, SciPy's and PyTorch's linear algebra.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from data import Data, draw
from methods import METHODS, is_installed
from report import plot, tables
from results import NOT_INSTALLED, NOT_RUN, Label, Results
from score import log_likelihood, log_prior

HERE = Path(__file__).parent
THREADS = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
NUM_PREDICTIONS = 5  # of which the fastest counts
FRESH = {"cold": "cold process", "million": "million predictions", "compilations": "compilations of fits"}
FITS = ("fit", "prediction of 1,000", "log likelihood", "log posterior")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=(*FRESH, "fits"), default=(*FRESH, "fits"))
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 300, 1000, 2000], help="training rows of fits")
    parser.add_argument("--seeds", type=int, default=10, help="how many data sets of each size")
    parser.add_argument("--starts", type=int, default=4, help="of ours and of scikit-learn's; the others make one")
    parser.add_argument("--limit_seconds", type=int, default=600, help="for a fit that is not ours")
    parser.add_argument("--results", type=Path, default=HERE / "results.csv")
    parser.add_argument("--plot", action="store_true", help="print tables, draw speed.png, measure nothing")
    arguments = parser.parse_args()
    results, starts = Results(arguments.results), arguments.starts
    if arguments.plot:
        print(tables(results))
        plot(results, arguments.results.with_name("speed.png"))
        return
    # Fresh processes come first: while this one is small, what they inherit of its memory is not their peak.
    if "compilations" in arguments.parts:
        measure_fresh(results, "compilations", "ours", 150, 0, starts)
    for seed in range(arguments.seeds):
        if "million" in arguments.parts:
            measure_fresh(results, "million", "ours", 300, seed, starts)
        if "cold" in arguments.parts:
            for method in in_turn(seed):
                measure_fresh(results, "cold", method, 100, seed, starts)
    for num in arguments.sizes if "fits" in arguments.parts else ():
        for seed in range(arguments.seeds):
            measure_fits(results, num, seed, starts, arguments.limit_seconds)


def in_turn(seed: int) -> list[str]:
    """The methods in an order that differs from seed to seed."""
    names = list(METHODS)
    return names[seed % len(names) :] + names[: seed % len(names)]


def measure_fresh(results: Results, what: str, method: str, num: int, seed: int, starts: int) -> None:
    """Measures in a process of its own."""
    label = Label(FRESH[what], method, num, seed, starts, THREADS)
    if results.has(label):
        return
    if not is_installed(method):
        results.add_note(label, NOT_INSTALLED)
        return
    command = [sys.executable, str(HERE / "fresh.py"), what, method, *map(str, (num, seed, starts))]
    begin = time.perf_counter()
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds = time.perf_counter() - begin
    measured = json.loads(printed.splitlines()[-1])
    results.add(label, measured | ({"cold process": seconds} if what == "cold" else {}))


def measure_fits(results: Results, num: int, seed: int, starts: int, limit_seconds: int) -> None:
    """One data set, by all methods that are installed."""
    labels = {method: Label(FITS[0], method, num, seed, starts, THREADS) for method in in_turn(seed)}
    if all(results.has(label) or not is_installed(method) for method, label in labels.items()):
        return
    data = draw(num, seed)
    for method, label in labels.items():
        if not is_installed(method):
            results.add_note(label, NOT_INSTALLED)
        elif took_too_long(results, label):
            results.add_note(label, results.notes.get(label) or NOT_RUN)
        else:
            measure_fit(results, label, data, limit_seconds)


def took_too_long(results: Results, label: Label) -> bool:
    """Whether this method was stopped with as few rows and starts, or fewer."""
    return any(
        note.startswith("over")
        and (known.method, known.threads) == (label.method, label.threads)
        and (known.n <= label.n and known.starts <= label.starts)
        for known, note in results.notes.items()
    )


def measure_fit(results: Results, label: Label, data: Data, limit_seconds: int) -> None:
    method, is_ours = METHODS[label.method], label.method == "ours"
    # Imports, compiles ours for this size, and what draws starts. The others' programs do not depend on the size, or,
    # with GPJax, are compiled anew for each fit.
    other = draw(label.n if is_ours else 20, label.seed + 1)
    method.fit(other.x, other.y, label.seed, min(label.starts, 2))
    try:
        with contextlib.nullcontext() if is_ours else limit(limit_seconds):
            begin = time.perf_counter()
            fitted = method.fit(data.x, data.y, label.seed, label.starts)
            seconds = time.perf_counter() - begin
    except TimeoutError:
        results.add_note(label, f"over {limit_seconds} s")
        return
    predictions = []
    for _ in range(NUM_PREDICTIONS):
        begin = time.perf_counter()
        fitted.predict(data.x_new)
        predictions.append(time.perf_counter() - begin)
    likelihood = log_likelihood(fitted.found, data.x, data.y)
    values = (seconds, min(predictions), likelihood, likelihood + log_prior(fitted.found))
    results.add(label, dict(zip(FITS, values, strict=True)))


@contextlib.contextmanager
def limit(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in code that comes back to Python now and then. Not on Windows."""

    def stop(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


if __name__ == "__main__":
    main()
