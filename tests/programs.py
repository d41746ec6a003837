"""Starts commands of the package as a person does, without the seconds in which each of them imports its libraries.

One process has imported what the commands need, and forks another one for each start. That one is a program like any
other: a module that is run as `__main__`, with flags, an environment, a process id, signals, streams, an exit code.
What such a start leaves out has tests that start interpreters: how a program is imported, and that runs do not depend
on the order of sets, which is one for all that this process forks (a test that compares runs starts one of them anew).

The programs share what XLA compiles, in a folder that lives as long as these tests.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
# None of them asks JAX for its devices: that begins threads, which a fork would not have. gpjax does; what it imports
# does not.
LIBRARIES = (
    "jax.numpy",
    "flax.linen",
    "optax",
    "equinox",
    "orbax.checkpoint",
    "matplotlib.figure",
    "matplotlib.backends.backend_svg",
    "sklearn.datasets",
    "sklearn.ensemble",
    "sklearn.svm",
    "scipy.stats",
    "nas_jax.parts",
    "nas_jax.report.stages",
    "nas_jax.search.finalists",
    "nas_jax.search.winner",
    "beartype.claw",
    "lineax",
    "numpyro.distributions",
)


class Program:
    """A started command, with what tests use of `subprocess.Popen`."""

    def __init__(self, args, pipes, results):
        self.args = args
        self.returncode = None
        self._results = results
        self.pid = int(results.readline())
        self.stdout, self.stderr = (open(pipe) for pipe in pipes)  # noqa: SIM115

    def wait(self):
        if self.returncode is None:
            self.returncode = int(self._results.readline())
            self._results.close()
        return self.returncode

    def poll(self):
        """Whether it has ended, by the place of the next byte; never blocks."""
        if self.returncode is None:
            os.set_blocking(self._results.fileno(), False)
            has_ended = bool(self._results.peek(1))
            os.set_blocking(self._results.fileno(), True)
            if has_ended:
                self.wait()
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def communicate(self):
        errors = []
        reader = threading.Thread(target=lambda: errors.append(self.stderr.read()))
        reader.start()
        output = self.stdout.read()
        reader.join()
        self.stdout.close()
        self.stderr.close()
        self.wait()
        return output, errors[0]


def start(module, *flags, **environment):
    """Begins `python -m MODULE FLAGS` in the folder of the project, with these variables more."""
    flags = [str(flag) for flag in flags]
    pipes = [os.pipe() for _ in range(3)]  # its output, its errors, and what becomes of it
    request = {"module": module, "flags": flags, "environment": {**os.environ, **environment}}
    socket.send_fds(_server(), [json.dumps(request).encode()], [write for _, write in pipes])
    for _, write in pipes:
        os.close(write)
    (output, _), (errors, _), (results, _) = pipes
    return Program([module, *flags], (output, errors), open(results, "rb"))


def run(module, *flags, **environment):
    """What `subprocess.run` gives of `python -m MODULE FLAGS`."""
    program = start(module, *flags, **environment)
    output, errors = program.communicate()
    return subprocess.CompletedProcess(program.args, program.returncode, output, errors)


@cache
def _server():
    """Where requests go to. The process that serves them ends with this one, or when `end` is called."""
    requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    folder = tempfile.mkdtemp()
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    command = [sys.executable, __file__, str(theirs.fileno())]
    process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], env=environment)
    theirs.close()
    _SERVERS.append((requests, process, folder))
    return requests


_SERVERS = []


def end():
    """Ends the process that forks, after the last of its programs, if there is one."""
    for requests, process, folder in _SERVERS:
        requests.close()
        process.wait()
        shutil.rmtree(folder)
    _SERVERS.clear()
    _server.cache_clear()


def _serve(requests):
    """Forks for each request; returns in the new process only, which has the streams and flags of its program."""
    while True:
        message, ends, *_ = socket.recv_fds(requests, 1 << 20, 3)
        if not message:
            with contextlib.suppress(ChildProcessError):
                while os.wait():
                    pass
            sys.exit()
        if os.fork() == 0:  # a process that waits for the program and says how it ended
            requests.close()
            program = os.fork()
            if program == 0:
                return _become(json.loads(message), ends)
            os.close(ends[0])
            os.close(ends[1])
            os.write(ends[2], f"{program}\n".encode())
            _, status = os.waitpid(program, 0)
            os.write(ends[2], f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)
        for each in ends:
            os.close(each)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _become(request, ends):
    """Returns the module to run."""
    os.dup2(ends[0], 1)
    os.dup2(ends[1], 2)
    for each in ends:
        os.close(each)
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    ours = {name: value for name, value in os.environ.items() if name.startswith("JAX_")}
    os.environ.clear()
    os.environ.update(request["environment"] | ours)
    tempfile.tempdir = None
    sys.path[:1] = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv[1:] = request["flags"]
    return request["module"]


if __name__ == "__main__":
    from jax._src import xla_bridge

    for library in LIBRARIES:
        importlib.import_module(library)
    assert not xla_bridge.backends_are_initialized(), "a library has begun threads of JAX"
    gc.collect()
    gc.freeze()  # or each program takes apart at its end, in most of a second, what was imported for all
    runpy.run_module(_serve(socket.socket(fileno=int(sys.argv[1]))), run_name="__main__", alter_sys=True)
