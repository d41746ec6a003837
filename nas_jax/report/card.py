"""The exported network's card: `best/README.md`, for who gets the folder and knows nothing of the run.

As the report it is written from files alone. Headings follow Mitchell et al., "Model Cards for Model Reporting", FAT*
2019, as far as a run knows the answers.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

from nas_jax.record import Record, read_record
from nas_jax.report.markdown import escape, table, yaml
from nas_jax.report.noise import noise_of
from nas_jax.trial import BASELINES
from nas_jax.units import number, percent

_MAX_CLASSES = 20  # that are listed by name

_PROGRAM = Template("""\
With nothing but JAX (`pip install jax flatbuffers`), on a CPU or an
NVIDIA GPU, for any number of images at once:

```python
import json
from pathlib import Path

import numpy as np
from jax import export

program = export.deserialize(Path("program.bin").read_bytes())
names = json.loads(Path("genome.json").read_text())["class_names"]
images = np.zeros((2, $height, $width, $depth), np.uint8)  # yours: raw pixels 0..255, not normalised
probabilities = np.asarray(program.call(images))  # float32 [2, $num_classes]
for row in probabilities:
    print(names[row.argmax()], row.max())
```""")

_CARD = Template("""\
# A classifier of images: $dataset

**$description**

A neural network, $origin with `nas_jax` on the data set $dataset. It takes images of
$height x $width pixels with $channels, and gives a probability to each of $num_classes classes.

$facts

## Use

All of it within this folder. $program

With `nas_jax`, the Flax network and its parameters, to train or to change them:

```python
import numpy as np

from nas_jax.export import load_best

classifier = load_best(".")
images = np.zeros((2, $height, $width, $depth), np.uint8)
print(classifier.predict(images))  # float32 [2, $num_classes]
print(classifier.network, list(classifier.variables))
```

Picture files, which are resized:

```sh
python -m nas_jax.predict --workdir=.. picture.png
```

## Quality

$quality

$remarks

## Training

The data set is $dataset, of which the split for training set the parameters. The recipe, with the means and deviations
of each channel by which pixels in [0, 1] are normalised (within the network's program, so that you need not):

$recipe

## Origin

$search

$provenance

$command

## Limits

- It knows only its classes: every image gets one of them, whatever it shows.
- It was measured on images from the same source as those it was trained on. How it does on others, on subgroups, on
  noise or on purposeful deception has not been measured.
- The probabilities are those of a softmax, and nobody has checked that they are calibrated.
- A `program.bin` written with JAX $jax is read by later ones for at least six months, so by JAX's promise; the
  checkpoint and the genome need the version of `nas_jax` that wrote them, or one that agrees with it.
""")


def write_card(workdir: Path) -> Path:
    """Writes the card of the network in `workdir/best` into that folder, over an earlier one, and returns its path.

    Raises:
        UserError: no run was started in `workdir`, or a file that should be JSON is not.
    """
    run, best = read_record(workdir), workdir / "best"
    genome, recipe = (json.loads((best / f"{name}.json").read_text(encoding="utf-8")) for name in ("genome", "recipe"))
    height, width, depth = genome["image_shape"]
    is_searched = "genome" not in run.config
    shape = {"height": height, "width": width, "depth": depth, "num_classes": genome["num_classes"]}
    text = _CARD.substitute(
        shape,
        dataset=escape(genome.get("dataset", run.config["data"]["name"])),
        description=escape(genome["description"]),
        origin="found by architecture search and trained" if is_searched else "trained",
        channels="1 channel" if depth == 1 else f"{depth} channels",
        facts=table(("", ""), _facts(genome, run.best)),
        program=_PROGRAM.substitute(shape),
        quality=table(("Network", "Validation accuracy", "Test accuracy"), _accuracies(run)),
        remarks=_remarks(run, is_searched),
        recipe=_fenced(yaml(recipe), "yaml"),
        search=_search(run) if is_searched else "The architecture was given, not searched for.",
        provenance=table(("", ""), _provenance(run)),
        command=_fenced(run.environment.get("command", "unknown"), "sh"),
        jax=escape(run.environment.get("versions", {}).get("jax", "of an unknown version")),
    )
    path = best / "README.md"
    path.write_text(text, encoding="utf-8")
    return path


def _facts(genome: Mapping[str, Any], metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    names = genome["class_names"]
    left = len(names) - _MAX_CLASSES
    yield "Architecture", genome["description"]
    yield "Space", str(genome["space"].get("name"))
    yield "Parameters", number(metrics.get("num_params"))
    yield "FLOPs", f"{number(metrics.get('flops'))} an image, two for each multiply-add"
    yield "Classes", ", ".join(names[:_MAX_CLASSES]) + (f" and {left:,} more, see genome.json" if left > 0 else "")


def _accuracies(run: Record) -> Iterator[tuple[str, str, str]]:
    named = [("this one", run.best["exported"])]
    if seeds := run.best.get("seeds"):
        named.append((f"mean of {len(seeds)} seeds", run.best))
    others = run.best["baselines"]
    named += [(title, others[stage]) for stage, title in BASELINES.items() if stage in others]
    for name, metrics in named:
        yield name, _accuracy(run, "val", metrics), _accuracy(run, "test", metrics)


def _accuracy(run: Record, split: str, metrics: Mapping[str, Any]) -> str:
    """The accuracy on a split ("val", "test"), with its standard error as far as it is known."""
    metric = f"{split}_accuracy"
    noise, num = noise_of(run, metric, metrics), run.num_examples(split)
    if not noise.total:
        return percent(metrics.get(metric))
    by = [f"{num:,} examples"] * bool(noise.examples) + ["the seeds"] * bool(noise.seeds)
    return f"{percent(metrics[metric])} ± {percent(noise.total)} (one standard error, by {' and '.join(by)})"


def _remarks(run: Record, is_searched: bool) -> str:
    remarks = ["The test split was measured once, at the end, and chose nothing."]
    if is_searched:
        remarks.append("The validation split chose this network among others, which flatters it a little.")
    if seeds := run.best.get("seeds"):
        remarks.append(
            f"Each architecture was trained with {len(seeds)} seeds. The network in this folder is the best of them "
            "by validation accuracy: that flatters it a little more. Other figures are means over the seeds."
        )
    else:
        remarks.append("Each figure is of one training; another seed gives another.")
    return " ".join(remarks)


def _search(run: Record) -> str:
    num_searched, num_finals = (sum(t.metrics is not None for t in run.of(stage)) for stage in ("search", "final"))
    names = {part: escape(str(run.config[part]["name"])) for part in ("space", "strategy", "surrogate")}
    return (
        f"The strategy {names['strategy']} tried {num_searched:,} architectures of the space {names['space']}. A "
        f"surrogate ({names['surrogate']}) then ranked those and {number(run.config['finalists']['num_candidates'])} "
        f"untried ones by what it expected. The first {num_finals:,} had the full training, and this one the "
        f"best {escape(run.config['objective']['metric'])}."
    )


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
