"""The exported network's card: `best/README.md`, for who gets the folder and knows nothing of the run.

As the report it is written from files alone. Headings follow Mitchell et al., "Model Cards for Model Reporting", FAT*
2019, as far as a run knows the answers.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

from nas_jax.best_file import metrics_of, metrics_of_baseline, read_best
from nas_jax.errors import UserError
from nas_jax.export import Exported, read_exported
from nas_jax.json_files import REMEDY, read_json
from nas_jax.metrics import finite_metric, is_fraction, seeds_in, spoken
from nas_jax.record import Record, read_record
from nas_jax.report.markdown import escape, table, yaml
from nas_jax.report.noise import noise_of
from nas_jax.tasks.base import Task
from nas_jax.trial import BASELINES, CONTENDERS, Trial
from nas_jax.units import number, percent

_PROGRAM = Template("""\
With nothing but JAX (`pip install jax flatbuffers`), on a CPU or an
NVIDIA GPU, for any number of $inputs at once:

```python
import json
from pathlib import Path

import numpy as np
from jax import export

program = export.deserialize(Path("program.bin").read_bytes())
$inputs = np.zeros($shape, np.$dtype)  # yours$raw
$predictions = program.call($inputs)  # $type
$example
```""")

_CARD = Template("""\
# $title: $dataset

**$description**

A neural network, $origin with `nas_jax` on the data set $dataset. It takes $takes, and gives
$gives.

$facts

## Use

All of it within this folder. $program

With `nas_jax`, the Flax network and its parameters, to train or to change them:

```python
import numpy as np

from nas_jax.export import load_best

predictor = load_best("."$allow)
$inputs = np.zeros($shape, np.$dtype)
print(predictor.predict($inputs))  # $type
print(predictor.network, list(predictor.variables))
```
$pictures
## Quality

$quality

$remarks

## Training

The data set is $dataset, of which the split for training set the parameters. $normalized The task and the recipe:

$recipe

## Origin

$search

$provenance

$command

## Limits

$limits
- It was measured on $inputs from the same source as those it was trained on. How it does on others, on subgroups, on
  noise or on purposeful deception has not been measured.
- A `program.bin` written with JAX $jax is read by later ones for at least six months, so by JAX's promise; the
  checkpoint and the genome need the version of `nas_jax` that wrote them, or one that agrees with it.
""")


_PICTURES = Template("""
Picture files, which are resized:

```sh
python -m nas_jax.predict --workdir=..$allow picture.png
```
""")

_NORMALIZED = """\
Pixels in [0, 1] are normalised by the mean and the deviation of each channel, within the network's program, so that you
need not."""


def write_card(workdir: Path, task: Task, folder: Path | None = None) -> Path:
    """Writes the card of an exported network into its folder, over an earlier one, and returns its path.

    `task` is what the network was trained for; the folder is `workdir/best` unless another one is given.

    Raises:
        UserError: no run was started in `workdir`, nothing was exported, or a file that should be JSON is not.
    """
    run, best = read_record(workdir), folder or workdir / "best"
    if folder is not None:
        run = run._replace(best=read_best(best, run.objectives.metrics))
    exported = read_exported(best)
    if missing := {"exported", "baselines"} - run.best.keys():
        raise UserError(f"{str(best / 'metrics.json')!r} is damaged: {missing.pop()!r} is missing; {REMEDY}")
    spec, words, one = exported.spec, task.words(exported.spec), exported.spec.arrays[task.input_name]
    is_searched, is_image = "genome" not in run.config, task.input_name == "image"
    own = [name for section in (exported.space, exported.task) if "." in (name := str(section.get("name")))]
    code = {
        "inputs": words.inputs,
        "predictions": words.predictions,
        "type": words.type.replace("[n", "[2"),
        "shape": (2, *one.shape),
        "dtype": one.dtype,
    }
    text = _CARD.substitute(
        code,
        title=escape(words.title),
        dataset=escape(spec.name),
        description=escape(exported.description),
        origin="found by architecture search and trained" if is_searched else "trained",
        takes=escape(words.takes),
        gives=escape(words.gives),
        facts=table(("", ""), [*_facts(exported, metrics_of(run.best)), *words.facts]),
        program=_PROGRAM.substitute(
            code, raw=": raw pixels 0..255, not normalised" if is_image else "", example=words.example
        ),
        allow=f", allow={own!r}" if own else "",
        pictures=_PICTURES.substitute(allow=f" --allow={','.join(own)}" if own else "") if is_image else "",
        quality=_quality(run, task),
        remarks=_remarks(run, task, is_searched),
        normalized=_NORMALIZED if is_image else "",
        recipe=_fenced(yaml(_training(best, exported)), "yaml"),
        search=how_it_was_found(run) if is_searched else "The architecture was given, not searched for.",
        provenance=table(("", ""), _provenance(run)),
        command=_fenced("\n".join(run.commands) or "unknown", "sh"),
        limits="\n".join(f"- {escape(limit)}" for limit in words.limits),
        jax=escape(run.environment.get("versions", {}).get("jax", "of an unknown version")),
    )
    path = best / "README.md"
    path.write_text(text, encoding="utf-8")
    return path


def _facts(exported: Exported, metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Architecture", exported.description
    yield "Space", str(exported.space.get("name"))
    yield "Parameters", number(finite_metric(metrics, "num_params"))
    yield "FLOPs", f"{number(finite_metric(metrics, 'flops'))} for each input, two for each multiply-add"


def _training(best: Path, exported: Exported) -> dict[str, Any]:
    """All settings of the training, and by what images are normalised."""
    moments = {"mean": exported.spec.mean, "std": exported.spec.std} if exported.spec.mean else {}
    return {"task": exported.task, **read_json(best / "recipe.json"), **moments}


def _quality(run: Record, task: Task) -> str:
    """A table of the task's first metric."""
    metric = task.metric_names[0]
    named = [("this one", run.best.get("exported", {}))]
    measured, others = metrics_of(run.best), run.best.get("baselines", {})
    if seeds := seeds_in(measured):
        named.append((f"mean of {len(seeds)} seeds", measured))
    named += [(title, metrics_of_baseline(others[stage])) for stage, title in BASELINES.items() if stage in others]
    rows = [
        (name, *(_value(run, f"{split}_{metric}", metrics) for split in ("val", "test"))) for name, metrics in named
    ]
    return table(("Network", f"Validation {_title(task)}", f"Test {_title(task)}"), rows)


def _title(task: Task) -> str:
    """Of the task's first metric."""
    return spoken(task.metric_names[0])


def _value(run: Record, metric: str, metrics: Mapping[str, Any]) -> str:
    """A metric, with its standard error as far as it is known."""
    in_words = percent if is_fraction(metric) else number
    noise, num = noise_of(run, metric, metrics), run.num_examples(metric.partition("_")[0])
    if not noise.total:
        return in_words(metrics.get(metric))
    by = [f"{num:,} examples"] * bool(noise.examples) + ["the seeds"] * bool(noise.seeds)
    return f"{in_words(metrics[metric])} ± {in_words(noise.total)} (one standard error, by {' and '.join(by)})"


def _remarks(run: Record, task: Task, is_searched: bool) -> str:
    remarks = [
        "The test split was measured once, at the end, and chose nothing; networks were measured there in float32, as "
        "this one is shipped."
    ]
    if is_searched:
        remarks.append("The validation split chose this network among others, which flatters it a little.")
    if seeds := seeds_in(metrics_of(run.best)):
        remarks.append(
            f"Each architecture was trained with {len(seeds)} seeds. The network in this folder is the best of them "
            f"by validation {_title(task)}: that flatters it a little more. Other figures are means over the seeds."
        )
    else:
        remarks.append("Each figure is of one training; another seed gives another.")
    return " ".join(remarks)


def how_it_was_found(run: Record) -> str:
    """How the architecture was found, as far as the files tell: what was tried, what chose the finalists, and the best.

    An architecture that was measured with several budgets is one.
    """
    tried, in_full = (_num_measured(run.of(*stages)) for stages in (("search",), CONTENDERS))
    names = {part: escape(str(run.config[part]["name"])) for part in ("space", "strategy", "surrogate")}
    metrics = escape(" and ".join(run.objectives.metrics))
    text = f"The strategy {names['strategy']} tried {tried:,} architectures of the space {names['space']}. "
    if run.config["finalists"].get("pick") == "incumbent":
        text += "The best of them had the full training. "
    else:
        text += (
            f"A surrogate ({names['surrogate']}) then chose, by what it expected of those and of up to "
            f"{number(run.config['finalists']['num_candidates'])} untried ones, which had the full training. "
        )
    if len(run.objectives) == 1:
        return f"{text}Of {in_full:,} with the full training this one had the best {metrics}."
    return f"{text}Of {in_full:,} with the full training no other one beat this one in {metrics} together."


def _num_measured(trials: Iterable[Trial]) -> int:
    return len({trial.genome for trial in trials if trial.metrics is not None})


def _provenance(run: Record) -> Iterator[tuple[str, str]]:
    environment = run.environment
    yield "Seed", str(run.config.get("seed"))
    yield "Git revision", str(environment.get("git_revision") or "unknown")
    yield "Devices", ", ".join(environment.get("devices", ()))
    yield "Python", str(environment.get("python"))
    yield "Versions", ", ".join(f"{name} {version}" for name, version in environment.get("versions", {}).items())


def _fenced(text: str, language: str) -> str:
    """A block of code, within a fence that is longer than any in the text."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
