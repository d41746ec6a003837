"""What holds for every test: CPU only, no silent rank promotion, and no test that depends on the machine's speed."""

import signal

import jax
from hypothesis import settings

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_numpy_rank_promotion", "raise")
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell's background job ignores interrupts, and so would the programs that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
