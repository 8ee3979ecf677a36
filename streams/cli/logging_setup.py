"""Structured logs on standard error: for people on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

import structlog

from streams.settings_sections import LogConfig

NOISY = ("faust", "mode", "aiokafka", "kafka", "stamina", "httpx", "uvicorn", "torch")
"""Libraries that log every failed connection attempt: thousands of lines while a broker is away."""
CLIENTS = ("aiokafka", "kafka")
"""Of these, errors are told without their tracebacks."""


class RepeatLimit(logging.Filter):
    """Lets one line per logger and message pattern through in `every_s` seconds, and says how many it held back."""

    def __init__(self, every_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every_s = every_s
        self._clock = clock
        self._shown: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown."""
        key = (record.name, str(record.msg))
        at, held = self._shown.get(key, (float("-inf"), 0))
        now = self._clock()
        if now - at < self._every_s:
            self._shown[key] = (at, held + 1)
            return False
        if len(self._shown) > 1000:
            self._shown.clear()
        self._shown[key] = (now, 0)
        if held:
            record.msg = f"{record.msg} (and {held} more like it)"
        return True


def set_up_logs(config: LogConfig) -> None:
    """Route structlog and the standard library's logging to one handler on standard error."""
    level = getattr(logging, config.level.upper())
    console = config.format == "console" or (config.format == "auto" and sys.stderr.isatty())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Noise())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Faust's services log under the module of their class.
    for name in (*NOISY, "streams.transport"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    # It warns of each of its own tasks that ran for a tenth of a second, as many do on a busy machine.
    logging.getLogger("kafka.net.selector").setLevel(max(level, logging.ERROR))


class _Noise(logging.Filter):
    """The limit, for the noisy libraries only."""

    def __init__(self) -> None:
        super().__init__()
        self._limit = RepeatLimit()

    def filter(self, record: logging.LogRecord) -> bool:
        library = record.name.split(".")[0]
        if library not in NOISY:
            return True
        if not self._limit.filter(record):
            return False
        if library in CLIENTS and record.exc_info and record.exc_info[1] is not None:
            # A connection that is refused or cut is no fault of ours that a traceback could help with.
            error = record.exc_info[1]
            record.msg, record.args = f"{record.getMessage()} ({type(error).__name__}: {error})", ()
            record.exc_info = record.exc_text = None
        return True
