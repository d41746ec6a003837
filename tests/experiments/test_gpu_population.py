"""The script for a machine with a GPU, in its tiny form on a CPU, without the packages that such a machine may lack."""

import csv
import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from waiting import is_running, wait_for

from nas_jax.data.arrays import DataSource, load
from nas_jax.errors import UserError
from nas_jax.store import read_trials

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments" / "gpu_population"
PACKED = ROOT.parent / "shared" / "gpu" / "cifar10_part.npz"
LACKING = ("tensorflow_datasets", "array_record", "grain", "moocore", "torch")
STEPS = "environment,compile,workers_1,budgets_1,torch_1"
WITHOUT_METADATA = """
import importlib.metadata as metadata

installed = metadata.version

def version(name):
    if name.replace("-", "_") in {lacking}:
        raise metadata.PackageNotFoundError(name)
    return installed(name)

metadata.version = version
"""


def imported(name):
    module_spec = importlib.util.spec_from_file_location(f"gpu_population_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """What the script printed, and the folder of its results."""
    lacking, out = tmp_path_factory.mktemp("lacking"), tmp_path_factory.mktemp("results") / "out"
    for name in LACKING:
        (lacking / f"{name}.py").write_text(f"raise ModuleNotFoundError('there is no {name} here')\n")
    (lacking / "sitecustomize.py").write_text(WITHOUT_METADATA.replace("{lacking}", repr((*LACKING, "nas_jax"))))
    done = subprocess.run(
        [sys.executable, FOLDER / "run.py", "--tiny", f"--out={out}", f"--steps={STEPS}"],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": f"{lacking}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, out


def test_steps_leave_their_numbers_and_one_that_fails_does_not_stop_the_others(outcome):
    done, out = outcome
    steps = {record["step"]: record for record in json.loads((out / "results.json").read_text())}
    errors = {name: record["error"] for name, record in steps.items()}
    assert list(steps) == STEPS.split(",")
    assert {errors[step] for step in list(steps)[:-1]} == {None}, done.stdout
    assert "there is no torch here" in errors["torch_1"]  # it is found, and cannot be imported
    assert done.returncode == 1
    assert "4 of 5 steps ended well" in done.stdout
    (search,) = steps["workers_1"]["rows"]
    folder = out / "search_1_planned_auto_random_search"
    finished = [trial for trial in read_trials(folder / "trials.jsonl") if trial.metrics]
    assert search["num_trials"] == len(finished) == 3
    mean = sum(trial.seconds["train"] for trial in finished) / 3
    assert search["train_seconds"] == pytest.approx(mean, abs=1e-3)
    ends = sorted(record["time"] for record in records(folder) if record["status"] == "finished")
    assert search["trials_an_hour"] == pytest.approx(2 * 3600 / (ends[2] - ends[0]), rel=1e-3)
    assert search["epochs_an_hour"] == pytest.approx(3 * search["trials_an_hour"], rel=1e-3)
    (by_budgets,) = steps["budgets_1"]["rows"]
    assert by_budgets["epochs_an_hour"] == pytest.approx(2 * by_budgets["trials_an_hour"], rel=1e-3)  # the first rung
    chains = steps["compile"]["rows"]
    assert [row["number"] for row in chains] == [0, 1]
    assert all(row["programs"] >= 1 and row["cpu_seconds"] > 0 for row in chains)
    assert {row.get("package") for row in steps["environment"]["rows"]} >= {"jax", "flax", "gpjax"}


def records(workdir):
    return [json.loads(line) for line in (workdir / "trials.jsonl").read_text().splitlines()]


def test_the_table_has_every_number_of_the_records(outcome):
    _, out = outcome
    with (out / "results.csv").open(newline="") as file:
        rows = {(row["step"], row["row"], row["what"]): row["value"] for row in csv.DictReader(file)}
    for record in json.loads((out / "results.json").read_text()):
        for number, row in enumerate(record["rows"]):
            for what, value in row.items():
                assert rows[record["step"], str(number), what] == ("" if value is None else str(value))


@dataclasses.dataclass(frozen=True)
class Small:
    out: str
    patience: float = 1.0
    search_seconds: float = 1.0


def test_a_step_that_hangs_is_ended_with_its_children_and_keeps_what_it_has_printed(tmp_path, monkeypatch, capsys):
    run = imported("run")
    (tmp_path / "hangs.py").write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('a library says: 7', flush=True)\n"
        "print(7, flush=True)\n"
        """print('{"child": %d}' % child.pid, flush=True)\n"""
        "time.sleep(600)\n"
    )
    (tmp_path / "fails.py").write_text("raise SystemExit('out of luck')\n")
    monkeypatch.setattr(run, "HERE", tmp_path)
    start = time.monotonic()
    hung = run.run_step("hangs", run.Step("hangs.py", ("",), 5.0), Small(str(tmp_path)), 100.0)
    assert hung.error == "ended after 5 s, its limit"
    assert time.monotonic() - start < 60
    (row,) = hung.rows
    wait_for(lambda: not is_running(row["child"]))
    failed = run.run_step("fails", run.Step("fails.py", ("",), 60.0), Small(str(tmp_path)), 100.0)
    assert failed.error == "out of luck"
    late = run.run_step("late", run.Step("fails.py", ("",), 60.0), Small(str(tmp_path)), 1.0)
    assert late.error == "not begun, as the time is over: --steps=late runs it alone"
    printed = capsys.readouterr().out
    assert f"hangs: child {row['child']}" in printed
    assert "hangs printed: a library says: 7\nhangs printed: 7\n" in printed


def test_the_gpu_is_sampled_from_the_moment_that_counts(tmp_path, monkeypatch):
    """With an nvidia-smi that is busy by 90 per cent from the third question on, by 10 before, and broken once."""
    (tmp_path / "nvidia-smi").write_text(
        "#!/bin/sh\n"
        f"echo x >> {tmp_path}/asked\n"
        f"num=$(wc -l < {tmp_path}/asked)\n"
        '[ "$num" = 4 ] && { echo "[N/A], 3000"; exit; }\n'
        'if [ "$num" -le 2 ]; then echo "10, 500"; else echo "90, $((num * 1000))"; fi\n'
    )
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for folder in (ROOT, FOLDER):
        monkeypatch.syspath_prepend(str(folder))
    machine = imported("machine")
    monkeypatch.setattr(machine, "_INTERVAL_SECONDS", 0.05)
    with machine.Usage() as usage:
        wait_for(lambda: len(usage._samples) >= 6)
    busy = [sample for sample in usage._samples if sample[1] == 90]
    everything, later = usage.of_gpu(0.0), usage.of_gpu(busy[0][0])
    assert later["gpu_percent"] == 90
    assert everything["gpu_percent"] == pytest.approx((2 * 10 + 90 * len(busy)) / (2 + len(busy)))
    assert later["gpu_memory_mib"] == 1000 * (len(busy) + 3)
    assert usage.of_gpu(time.time() + 1) == {"gpu_percent": None, "gpu_memory_mib": None}


def arrays(num, num_test):
    rng = np.random.default_rng(0)
    images, test_images = (rng.integers(0, 256, (size, 32, 32, 3), np.uint8) for size in (num, num_test))
    return images, rng.integers(0, 10, num), test_images, rng.integers(0, 10, num_test)


@pytest.mark.parametrize("is_packed", [False, True])
def test_images_come_from_a_file_of_arrays_or_through_the_decoder_beside_it(tmp_path, is_packed):
    module, expected = imported("images"), arrays(30, 8)
    np.savez(tmp_path / "part.npz", **dict(zip(module.ARRAYS, expected, strict=True)))
    if is_packed:
        (tmp_path / "part.npz").rename(tmp_path / "packed.npz")
        reader = (
            "import numpy\n\ndef read(path):\n    return list(numpy.load(path.replace('part', 'packed')).values())\n"
        )
        (tmp_path / "decode.py").write_text(reader)
        (tmp_path / "part.npz").touch()
    source = module.make(str(tmp_path / "part.npz"), num_train=20, num_val=10)
    assert isinstance(source, DataSource)
    dataset = load(source)
    together = np.concatenate([dataset.train["image"], dataset.val["image"]])
    assert sorted(image.tobytes() for image in together) == sorted(image.tobytes() for image in expected[0])
    label_of = {image.tobytes(): label for image, label in zip(expected[0], expected[1], strict=True)}
    assert [label_of[image.tobytes()] for image in dataset.val["image"]] == dataset.val["label"].tolist()
    assert sorted(dataset.test["label"]) == sorted(expected[3])


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"data.path: there is no file '.*nothing.npz'"):
        imported("images").make(str(tmp_path / "nothing.npz")).load()


@pytest.mark.skipif(not PACKED.exists(), reason="needs a part of CIFAR-10")
def test_a_part_of_cifar10_is_split_as_the_readme_says():
    dataset = imported("images").make(str(PACKED)).load()
    sizes = [len(split["label"]) for split in (dataset.train, dataset.val, dataset.test)]
    assert sizes == [20_424, 3_000, 2_048]
    np.testing.assert_allclose(dataset.spec.mean, (0.491, 0.482, 0.447), atol=0.01)  # those of all of CIFAR-10
