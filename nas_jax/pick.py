"""Takes another point of the front of a finished run: its folder becomes `best/`.

    python -m nas_jax.pick --workdir=runs/latency --latency_ms=2
    python -m nas_jax.pick --workdir=runs/latency --rule="max val_accuracy"

A metric by its name is a limit: at most so much of one that should be small, at least so much of one that should be
large; of a metric that is no objective its name has to tell which. Of the points within the limits the best one by the
first objective without a limit is taken. Exit codes: 0 done, 2 bad input.
"""

if __name__ == "__main__":  # first of all: the other imports take seconds
    from nas_jax.signals import end_at_once

    end_at_once()

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from absl import flags

from nas_jax.choice import Rule, choose, keeps, parse_rule
from nas_jax.cli import define_path, refuse_arguments, start
from nas_jax.errors import UserError
from nas_jax.json_files import read_json
from nas_jax.metrics import is_smaller_better
from nas_jax.objectives import Objectives
from nas_jax.record import Record, read_record
from nas_jax.trial import CONTENDERS, Trial

_LIMITS: dict[str, float] = {}  # by metric, of the command line


def pick(workdir: Path, limits: Mapping[str, float], rule: str = "") -> Trial:
    """Makes the point of the front that the limits and the rule name the `best` of a run, and returns it.

    Raises:
        UserError: the run has no front, or no point of it fits.
    """
    record = read_record(workdir)
    objectives = record.objectives
    front = points_of(record)
    if not front:
        raise UserError(
            f"{str(workdir)!r} has no point in front/, where the stage export leaves those of several objectives that "
            "keep the constraints"
        )
    for metric, limit in limits.items():
        front = _within(objectives, front, metric, limit)
    trial = choose(_rule_of(objectives, limits, rule), objectives, front)
    _install(workdir / "front" / str(trial.id), workdir / "best")
    return trial


def points_of(record: Record) -> list[Trial]:
    """The points of the front whose networks lie in `front/`, which keeps those of a search that was shorter."""
    folders = {path.name for path in (record.workdir / "front").glob("*") if (path / "genome.json").exists()}
    return [trial for trial in record.objectives.front(record.of(*CONTENDERS)) if str(trial.id) in folders]


def _within(objectives: Objectives, front: Sequence[Trial], metric: str, limit: float) -> list[Trial]:
    """The points that keep a limit of a metric."""
    wanted_small = {each.metric: not each.maximize for each in objectives}
    is_at_most = wanted_small.get(metric, is_smaller_better(metric))
    rule = Rule("at", metric, is_at_most=is_at_most is not False, limit=limit)
    choose(rule, objectives, front)  # refuses what no point has, or keeps
    if is_at_most is None:
        raise UserError(
            f"--{metric}: {metric} is no objective, and its name does not tell whether less of it is better; say "
            f"--rule='at {metric} <= {limit:g}', or >="
        )
    return [trial for trial in front if keeps(rule, trial)]


def _rule_of(objectives: Objectives, limits: Mapping[str, float], rule: str) -> Rule:
    """The rule that was given or, with limits, the first objective that has none."""
    if rule:
        try:
            return parse_rule(rule)
        except ValueError as error:
            raise UserError(f"--rule: {error}") from error
    left = [each for each in objectives if each.metric not in limits]
    if not limits or not left:
        return parse_rule("knee")
    return Rule("max" if left[0].maximize else "min", left[0].metric)


def _install(point: Path, best: Path) -> None:
    """A copy of the point's folder as `best`, which keeps what is known of the baselines."""
    partial, old = best.with_name("best.unfinished"), best.with_name("best.old")
    for left in (partial, old):
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(point, partial)
    if (best / "metrics.json").exists():
        metrics = read_json(partial / "metrics.json")
        baselines = read_json(best / "metrics.json").get("baselines") or {}
        (partial / "metrics.json").write_text(json.dumps({**metrics, "baselines": baselines}, indent=2) + "\n")
        best.rename(old)
    partial.rename(best)
    shutil.rmtree(old, ignore_errors=True)


def take_limits(arguments: Sequence[str]) -> list[str]:
    """Notes the flags that are limits of metrics, and returns the other arguments.

    Raises:
        UserError: a limit that is no number.
    """
    _LIMITS.clear()
    left, words = [], iter(arguments)
    for word in words:
        match = re.fullmatch(r"--?([^=]+)(=(.*))?", word)
        if match is None or match[1] in flags.FLAGS or match[1].removeprefix("no") in flags.FLAGS:
            left.append(word)
            continue
        text = match[3] if match[2] else next(words, "")
        try:
            _LIMITS[match[1]] = float(text)
        except ValueError:
            raise UserError(f"--{match[1]}: a number is wanted, the limit of that metric, not {text!r}") from None
    return left


def main(argv: Sequence[str]) -> None:
    """Picks, and says what."""
    refuse_arguments(argv)
    workdir = Path(flags.FLAGS.workdir)
    trial = pick(workdir, _LIMITS, flags.FLAGS.rule)
    objectives = read_record(workdir).objectives
    print(f"{objectives.describe(trial.metrics or {})}: {trial.description}\nit is in {workdir / 'best'}/ now")


if __name__ == "__main__":
    define_path("workdir", None, "The working directory of a finished run.", required=True)
    flags.DEFINE_string("rule", "", "'knee', 'max METRIC', 'min METRIC' or 'at METRIC <= NUMBER', in place of limits.")
    start(main, take_limits)
