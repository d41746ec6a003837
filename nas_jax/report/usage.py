"""The section of a report on what to do with the winner."""

import shlex
from string import Template

from nas_jax.export import read_exported
from nas_jax.report.page import Code, Fact, Section
from nas_jax.report.subject import Subject
from nas_jax.spaces.base import NetworkSpace

TITLE = "How to use it"

_LOAD = Template("""\
from nas_jax.export import load_best

predictor = load_best($folder$allow)
$predictions = predictor.predict($inputs)  # $shape -> $type""")

_PROGRAM = Template("""\
from pathlib import Path

from jax import export

program = export.deserialize(Path($path).read_bytes())
$predictions = program.call($inputs)  # $shape -> $type""")


def section(subject: Subject) -> Section:
    """Commands and code, in the words of the task."""
    record, best = subject.record, subject.record.workdir / "best"
    if not record.best:
        return Section("use", TITLE, "Nothing has been exported yet. The command below goes on with the run.")
    if not (best / "checkpoint").exists() or subject.task is None:
        training = (
            "; python -m nas_jax.train_one trains it on your data" if isinstance(subject.space, NetworkSpace) else ""
        )
        return Section(
            "use",
            TITLE,
            "Only the architecture was found: its results were looked up, and no network was trained.",
            paragraphs=(f"best/genome.json describes it{training}.",),
        )
    exported, task = read_exported(best), subject.task
    words, one = task.words(exported.spec), exported.spec.arrays[task.input_name]
    own = [name for part in (exported.space, exported.task) if "." in (name := str(part.get("name")))]
    code = {
        "folder": repr(str(best)),
        "allow": f", allow={own!r}" if own else "",
        "inputs": words.inputs,
        "predictions": words.predictions,
        "shape": f"{one.dtype} [{', '.join(map(str, ('n', *one.shape)))}]",
        "type": words.type,
    }
    codes = [Code("In Python, as a Flax network", _LOAD.substitute(code))]
    if task.input_name == "image":
        folder = shlex.quote(str(record.workdir))
        command = (
            f"python -m nas_jax.predict --workdir={folder}{' --allow=' + ','.join(own) if own else ''} picture.png"
        )
        codes.insert(0, Code("Predictions of pictures", command))
    if task.input_name == "tokens":
        command = f"python -m nas_jax.predict --workdir={shlex.quote(str(record.workdir))} 'A line of text.'"
        codes.insert(0, Code("Predictions of texts", command))
    if (best / "program.bin").exists():
        program = _PROGRAM.substitute(code, path=repr(str(best / "program.bin")))
        codes.append(Code("With JAX alone, without this project", program))
    return Section(
        "use",
        TITLE,
        "The folder best/ has the trained network, and a README for who gets it.",
        paragraphs=(f"It takes {words.takes}, and gives {words.gives}.",),
        facts=tuple(Fact(name, text) for name, text in words.facts),
        codes=tuple(codes),
    )
