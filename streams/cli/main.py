"""The program `driftline`: runs a command, and says what to install or remove where a package is missing or not ours."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Entry point of the `driftline` program."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        from streams.thread_policy import let_waiting_threads_sleep

        let_waiting_threads_sleep()
        # Here, since it fails where another distribution has overwritten a package of ours, and takes long enough for a Ctrl-C.
        from streams.cli.private_files import keep_files_private

        keep_files_private()
        from streams.cli.commands import app

        app()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(130)
    except (ImportError, SyntaxError) as error:
        explained = _explained(error)
        if explained is None:
            raise
        sys.stderr.write(f"error: {explained}\n")
        sys.exit(1)


def _interrupt(*_: object) -> None:
    """SIGTERM is what Ctrl-C is: what was begun is cleared away, by the same code. Commands that run until they are stopped
    have handlers of their own."""
    if signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def _explained(error: ImportError | SyntaxError) -> str | None:
    """What is behind an import that fails, and what to do; None: it speaks for itself."""
    from streams.extras import extra_of

    if isinstance(error, ModuleNotFoundError) and (extra := extra_of(error.name)):
        return f"this needs {error.name}, which is not installed: pip install 'driftline[{extra}]'"
    from streams.cli.own_packages import conflicts

    return "\n".join(f"{conflict.found}: {conflict.fix}" for conflict in conflicts()) or None
