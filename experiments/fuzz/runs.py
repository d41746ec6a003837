"""The files of a run, damaged: read, compared, made parts and the subject of a report, or refused."""

import io
import json
import random
from functools import partial
from itertools import product
from pathlib import Path

from command_line import config_flag, config_of
from damage import damaged_bytes, damaged_value
from ml_collections import ConfigDict
from outcomes import Outcomes
from rich.console import Console

from nas_jax.compare.results import differing_fields, results_of
from nas_jax.compare.tables import compare
from nas_jax.display import Display
from nas_jax.main import run
from nas_jax.parts import build_parts
from nas_jax.record import read_record
from nas_jax.report.subject import read_subject
from nas_jax.run import checkpoint_dir_of, open_run
from nas_jax.search.winner import outcome_of

FILES = ("config.json", "environment.json", "trials.jsonl", "diagnostics.jsonl", "best/metrics.json", "notes.txt")


def fuzz_runs(num: int, seed: int, folder: Path, outcomes: Outcomes) -> None:
    """Tries `num` files, one at a time, in the working directory of a run that is made in `folder`."""
    rng, workdir = random.Random(seed), folder / "run"
    config = _make_run(folder, workdir)
    whole = {name: (workdir / name).read_bytes() for name in FILES if (workdir / name).exists()}
    for position in range(num):
        name = rng.choice(list(whole))
        content = _damaged(rng, whole[name])
        (workdir / name).write_bytes(content)
        action = _go_on if position % 4 == 0 else _read
        outcomes.add(partial(action, config, workdir), f"{action.__name__} of {name}: {content!r}")
        for path, before in whole.items():
            (workdir / path).write_bytes(before)


def _make_run(folder: Path, workdir: Path) -> ConfigDict:
    """A search of a small table."""
    rows = [f"{width},{name},{0.5 + 0.01 * width + 0.1 * (name == 'conv')}" for width, name in product(range(9), "abc")]
    (folder / "table.csv").write_text("\n".join(["width,operation,accuracy", *rows, "9,conv,0.7"]) + "\n")
    path = f"--config.evaluator.path={folder / 'table.csv'}"
    config = config_of(config_flag("benchmark_table.py:smoke"), path, "--config.stages=search,finalists,export")
    run(ConfigDict(config), workdir)
    return ConfigDict(config)


def _damaged(rng: random.Random, content: bytes) -> bytes:
    if rng.random() < 0.4:
        return damaged_bytes(rng, content)
    lines = content.decode().splitlines()
    try:
        return json.dumps(damaged_value(rng, json.loads(content))).encode()
    except json.JSONDecodeError:  # lines of JSON, or text
        place = rng.randrange(len(lines))
    try:
        lines[place] = json.dumps(damaged_value(rng, json.loads(lines[place])))
    except json.JSONDecodeError:
        lines[place] = ""
    return "".join(f"{line}\n" for line in lines).encode()


def _read(config: ConfigDict, workdir: Path) -> None:
    """As the commands `compare` and `report` read."""
    record = read_record(workdir)
    results_of([record], differing_fields([record]))
    Console(file=io.StringIO()).print(compare([record]))
    subject = read_subject(workdir, build_parts(record.config, checkpoint_dir_of(workdir)))
    assert subject.objectives


def _go_on(config: ConfigDict, workdir: Path) -> None:
    """As the same command again begins and ends."""
    with open_run(config.to_dict(), workdir) as run:
        outcome = outcome_of(run)
        Display(run.parts.objectives, Console(file=io.StringIO())).end(outcome)
