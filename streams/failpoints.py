"""Places between two steps of the way into the store, at which a test may look, stop or kill the process."""

from __future__ import annotations

from collections.abc import Callable

STEPS = (
    "decoded",
    "letters sent",
    "catalogue written",
    "users claimed",
    "progress read",
    "users prepared",
    "users written",
    "users remembered",
    "steps counted",
    "progress raised",
    "batch done",
    "synced",
)
"""In the order of `streams.worker.lane`."""
DECLARING_STEPS = ("declaring users claimed", "declared written")
"""Those of declarations, between "catalogue written" and "users claimed" (`streams.ingest.declaring`)."""


class Failpoints:
    """Called at each step as it is reached; does nothing, since only code can set `on_step`, and only tests do."""

    def __init__(self) -> None:
        self.on_step: Callable[[str], None] | None = None

    def reached(self, step: str) -> None:
        """One of these steps was just done."""
        if self.on_step is not None:
            self.on_step(step)
