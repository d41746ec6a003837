"""Double precision for a while, on the device that has it: the CPU.

TPUs emulate it, and the many small factorisations of a fit would wait for a GPU more than compute on it.
"""

import contextlib
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """float64 within, on the CPU; on the default device where `JAX_PLATFORMS` leaves the CPU out."""
    platforms = jax.config.jax_platforms  # type: ignore[attr-defined]
    has_cpu = not platforms or "cpu" in platforms.split(",")
    device = jax.local_devices(backend="cpu")[0] if has_cpu else None
    with jax.enable_x64(True), jax.default_device(device):
        yield
