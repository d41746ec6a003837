"""Inputs at random, see README.md.

python experiments/fuzz/run.py --num=10000
"""

import sys
import time

from absl import app, flags, logging
from genomes import fuzz_genomes
from outcomes import Outcomes
from overrides import fuzz_overrides
from pictures import fuzz_pictures
from runs import fuzz_runs
from tables import fuzz_tables

from nas_jax.scratch import scratch_folder

KINDS = ("tables", "runs", "flags", "genomes", "pictures")
NUM = flags.DEFINE_integer("num", 10_000, "How many inputs, a fifth of each kind.", lower_bound=5)
SEED = flags.DEFINE_integer("seed", 0, "Where the random numbers begin.")
ONLY = flags.DEFINE_multi_enum("only", [], KINDS, "A kind to try, once or more often; all unless given.")


def main(argv: list[str]) -> None:
    """Tries the inputs and prints counts by kind, then the violations; exit code 1 if there are any."""
    logging.set_verbosity(logging.FATAL)
    num, seed, violations = NUM.value // 5, SEED.value, []
    with scratch_folder("fuzz") as folder:
        kinds = {
            "tables": lambda outcomes: fuzz_tables(num, seed, folder, outcomes),
            "runs": lambda outcomes: fuzz_runs(num, seed, folder, outcomes),
            "flags": lambda outcomes: fuzz_overrides(num, seed, outcomes),
            "genomes": lambda outcomes: fuzz_genomes(num, seed, outcomes),
            "pictures": lambda outcomes: fuzz_pictures(num, seed, folder, outcomes),
        }
        for name in ONLY.value or KINDS:
            started, outcomes = time.perf_counter(), Outcomes()
            kinds[name](outcomes)
            counts = ", ".join(f"{outcome}: {count:,}" for outcome, count in sorted(outcomes.counts.items()))
            print(f"{name:<10} {counts}  ({time.perf_counter() - started:.0f} s)", flush=True)
            violations += outcomes.violations
    print(*violations, sep="\n")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    app.run(main)
