"""A Ray cluster as a search sees it: the way in, how much room it has, and what its exceptions say of a trial."""

import contextlib
import importlib.util
import logging
import math
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from nas_jax.errors import UserError
from nas_jax.evaluators.base import Failure


@contextlib.contextmanager
def connected(address: str | None, py_modules: list[str]) -> Iterator[None]:
    """A connection to the cluster. One that the program has already is used, and stays."""
    import ray

    if ray.is_initialized():
        yield
        return
    is_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            # JAX warns of forks; those by which Ray starts its servers become other programs at once.
            warnings.filterwarnings("ignore", message=r"os\.fork", category=RuntimeWarning)
            ray.init(
                address=address,
                runtime_env={"py_modules": py_modules} if py_modules else None,
                log_to_driver=False,  # lines of all processes would tear the live display; they are in Ray's own files
                logging_level=logging.CRITICAL,
            )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(
            f"execution.address: {error}; does the cluster run there, and is its token known here? (docs/clusters.md)"
        ) from error
    if is_main_thread:
        signal.signal(signal.SIGTERM, handler)  # Ray has put its own in the place of the program's
    try:
        yield
    finally:
        ray.shutdown()


def failure_of_ray(error: BaseException) -> Failure | None:
    """What an exception of Ray says of the trial that was running; None if nothing.

    A process that Ray's memory monitor has ended was the largest of its node: the trial is too large, and not tried
    again. An actor that cannot be reached may still run, but its node is out of reach, and it is ended.
    """
    from ray import exceptions

    lines = [line.strip() for line in str(error).splitlines()]
    said = next(
        (line for line in lines if line.startswith("The actor") and " because " in line), lines[0] if lines else ""
    )
    reason = said.partition(" Some common causes")[0]
    if isinstance(error, exceptions.OutOfMemoryError):
        return Failure("out_of_memory", "Ray's memory monitor ended the trial: its node was short of memory")
    if isinstance(error, exceptions.ActorDiedError):
        # That a node has died is in the message alone.
        return Failure("node_lost" if "its node has died" in reason else "worker_lost", reason)
    if isinstance(error, exceptions.ActorUnavailableError | exceptions.NodeDiedError | exceptions.ObjectLostError):
        return Failure("node_lost", reason)
    return Failure("worker_lost", reason) if isinstance(error, exceptions.WorkerCrashedError) else None


def problem_of_all(error: Exception) -> UserError | None:
    """What an exception of Ray says of all trials; None if nothing."""
    from ray import exceptions

    if isinstance(error, exceptions.RayTaskError) and isinstance(error.cause, UserError):  # raised on the node
        return error.cause
    cannot_start = isinstance(error, exceptions.RayActorError) and error.actor_init_failed
    if cannot_start or isinstance(error, exceptions.RuntimeEnvSetupError):
        return UserError(
            f"execution: the nodes cannot start a trial: {str(error).strip().splitlines()[-1]}; they need the packages "
            "that are installed here, nas_jax itself too unless execution.ship=nas_jax sends it"
        )
    return None


def room(nodes: list[Mapping[str, float]], needs: Mapping[str, float]) -> int:
    """How many trials fit on the nodes at the same time, none of them on two."""
    return sum(min(math.floor(node.get(name, 0) / amount + 1e-9) for name, amount in needs.items()) for node in nodes)


def package_folders(names: str) -> list[str]:
    """Folders of the packages, whose names have commas between them."""
    folders = []
    for name in filter(None, (name.strip() for name in names.split(","))):
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise ValueError(f"ship: there is no package {name!r} here")
        folders.append(str(Path(next(iter(spec.submodule_search_locations))).absolute()))
    return folders


def in_words(needs: Mapping[str, float]) -> str:
    return " and ".join(
        f"{amount / 2**30:g} GiB of memory" if name == "memory" else f"{amount:g} {name}s"
        for name, amount in needs.items()
    )
