"""The last sections of a report: what the run cost, what failed, how to use the result and how to repeat the run."""

import json
import math
import re
import shlex
from collections.abc import Sequence

from nas_jax.objectives import Objective
from nas_jax.record import Record, score, total_seconds
from nas_jax.report.markdown import yaml
from nas_jax.report.page import Code, Section, Table
from nas_jax.report.plots import STAGES
from nas_jax.search.rounds import Round
from nas_jax.trial import Trial
from nas_jax.units import number

_MAX_REASONS = 30

_LOAD = """\
from nas_jax.export import load_best

classifier = load_best({folder!r})
probabilities = classifier.predict(images)  # uint8 {shape} -> float32 [n, {num_classes}]"""

_PROGRAM = """\
from pathlib import Path

from jax import export

program = export.deserialize(Path({path!r}).read_bytes())
probabilities = program.call(images)  # uint8 {shape} -> float32 [n, {num_classes}]"""


def cost(run: Record, rounds: Sequence[Round]) -> Section:
    """Seconds of trials by stage and part, and of the strategy."""
    title = "Cost"
    if not run.trials:
        return Section("cost", title, "No trial has begun.")
    by_stage = [(stage, run.of(stage)) for stage in STAGES if run.of(stage)]
    rows = tuple(
        (stage, str(len(trials)), *(f"{total_seconds(trials, part):,.1f}" for part in ("compile", "train", None)))
        for stage, trials in (*by_stage, ("all", run.trials))
    )
    header = ("Stage", "Trials", "Compiling (s)", "Training (s)", "All (s)")
    total, planning = total_seconds(run.trials), sum((each.seconds for each in rounds), 0.0)
    verdict = f"Trials took {_duration(total)} of a worker's time, all together." if total else ""
    text = f"Between trials the search thought for {_duration(planning)}, fitting and asking its surrogate included."
    return Section(
        "cost",
        title,
        verdict,
        paragraphs=(text,) if rounds else (),
        tables=(
            Table(
                header,
                rows,
                "Summed over trials; workers that run side by side take less time. A trial that failed says nothing of "
                "its time. Energy was not measured.",
                numeric=header[1:],
            ),
        ),
    )


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 3600 else f"{seconds / 3600:,.1f} hours"


def failures(run: Record, objective: Objective) -> Section:
    """Failed trials by kind and reason, and those that needed more than one attempt."""
    title = "Failures"

    def reason(trial: Trial) -> tuple[str, str]:
        error = trial.error or f"{objective.metric} is not finite"
        return trial.failure or ("error" if trial.error else "non_finite"), " ".join(error.split())[:300]

    failed = [
        trial
        for trial in run.trials
        if trial.status == "failed" or (trial.metrics is not None and math.isnan(score(trial, objective)))
    ]
    retried = [trial for trial in run.trials if trial.num_attempts > 1]
    paragraphs = []
    if retried:
        num_finished = sum(trial.status == "finished" for trial in retried)
        paragraphs.append(
            f"{len(retried)} trials were begun more than once, since a worker or its machine was lost; {num_finished} "
            "of them finished."
        )
    if not failed:
        return Section("failures", title, "No trial failed.", paragraphs=tuple(paragraphs))
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for kind, text in map(reason, failed):
        groups.setdefault((kind, re.sub(r"\d+", "0", text)), []).append((kind, text))
    reasons = sorted(groups.values(), key=len, reverse=True)
    rows = tuple((str(len(alike)), *alike[0]) for alike in reasons[:_MAX_REASONS])
    caption = "Reasons that differ in numbers only are counted together, and the first one is shown."
    if len(reasons) > _MAX_REASONS:
        caption += f" {len(reasons) - _MAX_REASONS} rarer reasons are left out."
    return Section(
        "failures",
        title,
        f"{len(failed)} of {len(run.trials)} trials failed.",
        paragraphs=tuple(paragraphs),
        tables=(Table(("Trials", "Kind", "Reason"), rows, caption, numeric=("Trials",)),),
    )


def usage(run: Record) -> Section:
    """What to do with the winner."""
    title, best = "How to use it", run.workdir / "best"
    if not run.best:
        return Section("use", title, "Nothing has been exported yet. The command below goes on with the run.")
    if not (best / "checkpoint").exists():
        return Section(
            "use",
            title,
            "Only the architecture was found: its results were looked up, and no network was trained.",
            paragraphs=("best/genome.json describes it; python -m nas_jax.train_one trains it on your data.",),
        )
    genome = json.loads((best / "genome.json").read_text(encoding="utf-8"))
    height, width, channels = genome["image_shape"]
    words = {"shape": f"[n, {height}, {width}, {channels}]", "num_classes": genome["num_classes"]}
    workdir = str(run.workdir)
    codes = [
        Code("Name what is in pictures", f"python -m nas_jax.predict --workdir={shlex.quote(workdir)} picture.png"),
        Code("In Python, as a Flax network", _LOAD.format(folder=str(best), **words)),
    ]
    if (best / "program.bin").exists():
        codes.append(
            Code("With JAX alone, without this project", _PROGRAM.format(path=str(best / "program.bin"), **words))
        )
    names = ", ".join(genome["class_names"][:20]) + (", …" if len(genome["class_names"]) > 20 else "")
    return Section(
        "use",
        title,
        "The folder best/ has the trained network, and a README for who gets it.",
        paragraphs=(f"Classes: {names}",),
        codes=tuple(codes),
    )


def settings(run: Record) -> Section:
    """The config and where it ran, to repeat it."""
    codes = []
    if command := run.environment.get("command"):
        codes.append(Code("To repeat the run, with another --workdir behind it", command))
    named = (("Config", run.config), ("Environment", run.environment))
    codes += [Code(name, yaml(values)) for name, values in named if values]
    seed = number(run.config.get("seed"))
    revision = run.environment.get("git_revision") or "unknown"
    return Section("settings", "Config and environment", f"Seed {seed}, git revision {revision}.", codes=tuple(codes))
