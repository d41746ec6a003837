"""How commands begin and end: one line for what a user is to mend, at any moment, whatever the terminal can show."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import programs
import pytest
from absl import flags

from nas_jax.cli import expand, parse_strictly
from nas_jax.config_flag import ConfigFlag
from nas_jax.errors import UserError, user_error_of, wanted
from nas_jax.parts import build_parts
from nas_jax.store import TrialStore

ROOT = Path(__file__).parents[1]


def command(*arguments, module="main", **environment):
    return programs.run(f"nas_jax.{module}", *arguments, **environment)


def config_of(*arguments):
    flag_values = flags.FlagValues()
    flag = ConfigFlag(flag_values)
    parse_strictly(flag.take_parts(["command", *arguments]), flag_values)
    return flag.value.to_dict()


def only_line(done):
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(
    ("module", "arguments", "described"),
    [
        ("main", [], ["config", "workdir"]),
        ("main", ["--config=configs/quickstart.py", "--config.strategy=evolution"], ["config", "workdir"]),
        ("train_one", [], ["config", "workdir", "genome", "[no]final"]),
        ("pick", [], ["workdir", "rule"]),
    ],
)
def test_help_describes_the_flags_of_the_command_whatever_else_is_given(module, arguments, described):
    done = command(*arguments, "--help", module=module)
    assert not done.stderr
    for name in described:
        assert f"  --{name}: " in done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def get_config(: pass\n", "config.py, line 1: SyntaxError: invalid syntax; .*has to be a Python file with"),
        ("import nix\n", "config.py, line 1: ModuleNotFoundError: No module named 'nix'"),
        ("def get_config():\n    return {'seed': 0}\n", "has to return a ConfigDict of ml_collections: {'seed': 0}"),
        ("def get_config():\n    x = {}\n    return x['a']\n", "config.py, line 3: KeyError: 'a'"),
        ("def get_config():\n    open('/nowhere/x')\n", "config.py, line 2: FileNotFoundError"),
        ("x = 1\n", "has no function get_config"),
        ("def get_config():\n    raise SystemError\n", "config.py, line 2: SystemError;"),
        ("\0", "null bytes"),
        ("import sys\ndef get_config():\n    sys.exit()\n", r"config.py, line 3: it called exit\(\); get_config of"),
        ("exit(3)\n", r"config.py, line 1: it called exit\(3\); .*has to be a Python file with"),
        ("raise SystemExit('bye')\n", r"config.py, line 1: it called exit\('bye'\)"),
        ("class Odd(BaseException): pass\nraise Odd('no')\n", "config.py, line 2: Odd: no"),
    ],
)
def test_a_config_that_fails_is_one_line_with_its_place(tmp_path, text, message):
    path = tmp_path / "config.py"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        config_of(f"--config={path}")


def test_debug_shows_the_traceback_before_the_line(tmp_path):
    path = tmp_path / "config.py"
    path.write_text("def get_config():\n    return 1 / 0\n")
    done = command(f"--config={path}", "--debug")
    assert done.returncode == 2
    *traceback, line = done.stderr.strip().splitlines()
    assert any("Traceback" in each for each in traceback)
    assert "config.py, line 2: ZeroDivisionError: division by zero" in line


SOURCE = """
from dataclasses import dataclass
import numpy as np
from nas_jax.data.arrays import Dataset
@dataclass(frozen=True)
class Mine:
    kind: str = ""
    def __post_init__(self):
        exit("no licence") if self.kind == "licence" else None
    def load(self):
        images = np.zeros((300, 8, 8, 1), np.uint8)
        labels = np.arange(300, dtype=np.int64 if self.kind == "int64" else np.int32) % 3
        split = {"image": images, "label": labels}
        if self.kind == "raises":
            raise RuntimeError("the lab's server is down")
        if self.kind == "exits":
            raise SystemExit
        return split if self.kind == "split" else Dataset("mine", split, split, split, ("a", "b", "c"))
make = Mine
"""
CONFIG = """
from ml_collections import ConfigDict
def get_config(kind):
    return ConfigDict({"data": {"name": "mine", "kind": kind}, "space": {"name": "chain"}, "recipe": {"num_epochs": 5}})
"""


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("raises", "mine.py, line 15: RuntimeError: the lab's server is down; my_lab.mine.Mine.load returns a"),
        ("exits", "mine.py, line 17: it called exit(); my_lab.mine.Mine.load returns a"),
        ("int64", "mine.py, line 18: ValueError: train: label is int64; numbers must have at most 32 bits"),
        ("split", "my_lab.mine.Mine.load has to return a nas_jax.data.arrays.Dataset, but what"),
    ],
)
def test_a_data_source_that_fails_is_said_with_its_place(tmp_path, monkeypatch, kind, message):
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "mine.py").write_text(SOURCE)
    (tmp_path / "config.py").write_text(CONFIG.replace('"mine"', '"my_lab.mine"'))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Exception) as caught:  # noqa: PT011 (of any kind, and the entry points make a line of it)
        build_parts(config_of(f"--config={tmp_path}/config.py:{kind}"), tmp_path)
    assert message in str(user_error_of(within_the_package(caught.value)))
    for name in ("my_lab.mine", "my_lab"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        (f"import sys\nsys.exit(0)\n{SOURCE}", "", "my_mine.py, line 2: it called exit(0)"),
        (SOURCE, "licence", "my_mine.py, line 9: it called exit('no licence')"),
    ],
)
def test_code_that_calls_exit_does_not_end_a_command_without_a_word(tmp_path, source, kind, message):
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "my_mine.py").write_text(source)
    (tmp_path / "config.py").write_text(CONFIG.replace('"mine"', '"my_lab.my_mine"'))
    assert message in only_line(command(f"--config={tmp_path}/config.py:{kind}", PYTHONPATH=f"{ROOT}:{tmp_path}"))


def test_only_files_that_there_are_can_be_a_users():
    """Compiled libraries name their source by a path that leads nowhere."""
    program = compile("1 / 0", "pyarrow/scalar.pxi", "exec")
    with pytest.raises(ZeroDivisionError) as caught:
        exec(program)
    assert user_error_of(within_the_package(caught.value)) is None


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("search.foo.bar", "no such field: 'foo'; search has batch_size, max_cost"),
        ("search.foo", "no such field: 'foo'; search has batch_size, max_cost"),
        ("foo.bar", "no such field: 'foo'; it has constraints, data"),
        ("nonsense", "no such field: 'nonsense'; it has constraints, data"),
        ("seed.foo", "--config.seed.foo: seed is no section; set it by --config.seed=…, which takes a whole number"),
        ("search.max_cost.foo", "search.max_cost is no section; set it by --config.search.max_cost=…, .* a number"),
        ("stages.foo", "--config.stages.foo: stages is no section; set it by --config.stages=…, which takes a list"),
        (r"stages[9]", r"--config.stages\[9\]: stages is no section; set it by --config.stages=…, which takes a list"),
        (
            "trackers.foo",
            r"trackers is no section; .*, which takes text or a literal; a mapping is written '{\"foo\": …}'",
        ),
    ],
)
def test_a_field_that_there_is_not_is_said_with_those_that_there_are(flag, message):
    with pytest.raises(UserError, match=message):
        config_of("--config=configs/quickstart.py:smoke", f"--config.{flag}=1")


@pytest.mark.parametrize(
    ("seconds", "sent", "code"), [(0, signal.SIGINT, 130), (0.5, signal.SIGINT, 130), (0.1, signal.SIGTERM, 143)]
)
def test_a_signal_while_libraries_are_imported_is_one_line(seconds, sent, code):
    program = [sys.executable, "-m", "nas_jax.main", "--config=configs/quickstart.py"]
    process = subprocess.Popen(program, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    wait_for_module(process)
    time.sleep(seconds)
    process.send_signal(sent)
    _, errors = process.communicate()
    assert process.returncode == code, errors
    assert errors.strip() == "Interrupted. The same command goes on from here."


def within_the_package(error):
    """The error as an entry point gets it: without the frames of a test, which are of a user's code."""
    return error.with_traceback(error.__traceback__.tb_next)


def wait_for_module(process):
    """Python itself ends by a signal that comes before the first line of a program; it catches it from then on."""
    deadline = time.monotonic() + 60
    mask = 0
    while not mask & (1 << (signal.SIGTERM - 1)):
        assert time.monotonic() < deadline
        time.sleep(0.005)
        status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        mask = int(next(line.split()[1] for line in status if line.startswith("SigCgt")), 16)


def test_a_terminal_of_ascii_gets_other_characters(tmp_path):
    path = tmp_path / "config.py"
    path.write_text("def get_config():\n    raise ValueError('1 ± 2 … é')\n")
    program = [sys.executable, "-m", "nas_jax.main", f"--config={path}"]  # anew: Python reads the encoding as it starts
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "ValueError: 1 +- 2 ... ?" in only_line(done)


def test_a_home_is_expanded_in_every_flag_that_is_a_path(tmp_path, monkeypatch):
    line = only_line(command("--workdir=~/runs/none", module="report", HOME=str(tmp_path)))
    assert f"{tmp_path}/runs/none" in line
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand("~/x") == tmp_path / "x"
    with pytest.raises(UserError, match="character 0"):
        expand("a\0b")


def test_a_workdir_that_is_a_file_or_too_long_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for workdir in (tmp_path / "file", tmp_path / ("x" * 300)):
        with pytest.raises((UserError, OSError)) as caught, TrialStore(workdir / "trials.jsonl"):
            pass
        assert str(workdir) in str(user_error_of(caught.value))


def test_a_bug_of_this_package_is_no_error_of_the_user():
    with pytest.raises(TypeError) as caught:
        expand(None)
    assert user_error_of(within_the_package(caught.value)) is None


def test_what_was_wanted_is_said():
    with pytest.raises(ZeroDivisionError) as caught, wanted("a number comes back"):
        1 / 0  # noqa: B018
    assert str(user_error_of(caught.value)).endswith("ZeroDivisionError: division by zero; a number comes back")
