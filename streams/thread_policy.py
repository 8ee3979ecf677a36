"""How threads of the numeric libraries wait: asleep, so that they take no time from whoever else is busy on the machine.

OpenMP (PyTorch, transformers) and OpenBLAS (NumPy, SciPy) keep a pool of threads, one a core, that wait in a loop for the next
piece of work. On a machine that has nothing else to do that saves a few microseconds a piece. A daemon has: it decodes, writes
and fuses at once, and beside a busy process a waiting thread holds the core that the working one needs (`benchmarks/fusion.py`,
`benchmarks/encode.py`). One vector's product with 68,000 took 8 ms of processor time, with threads that sleep 1.

The libraries read their variables when they are loaded, so this comes before the first import of any of them.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Final

WAIT: Final = "OMP_WAIT_POLICY"
ASLEEP: Final = {
    WAIT: "PASSIVE",
    "KMP_BLOCKTIME": "0",  # LLVM's OpenMP, which spins for 200 ms under that policy too
    "OPENBLAS_THREAD_TIMEOUT": "4",  # as a power of two of clock cycles; 26 by default
}


def let_waiting_threads_sleep(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Set the policy for this process and its children where nothing else is set; gives whether anything changed.

    >>> let_waiting_threads_sleep({"OMP_WAIT_POLICY": "ACTIVE", "OPENBLAS_THREAD_TIMEOUT": "20"})
    False
    """
    chosen = dict(ASLEEP)
    if WAIT in environment:
        del chosen["KMP_BLOCKTIME"]
    missing = {name: value for name, value in chosen.items() if name not in environment}
    environment.update(missing)
    return bool(missing)
