"""What surrounds every command: settings, logs, errors to exit codes, output for people or machines."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from streams.cli.private_files import open_to_others
from streams.errors import MappingError, SettingsError, StreamsError
from streams.settings import Settings
from streams.text_tables import STEERING, printable


class PlainConsole(Console):
    """Shows strings as they are: no markup, since ids and paths may hold brackets, and nothing that steers a terminal."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False)

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich's own; control characters in strings are written out."""
        super().print(
            *(printable(one, lines=True) if isinstance(one, str) else one for one in objects), **options
        )


console = PlainConsole(stderr=True)
"""Progress and errors go to standard error, so that standard output can be piped; results see `show`."""


def load(config: Path | None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Settings with the command's flags, and logs set up accordingly."""
    import structlog

    from streams.cli.exposed import exposed_secrets
    from streams.cli.logging_setup import set_up_logs

    settings = Settings.load(config, flags)
    set_up_logs(settings.log)
    for exposed in exposed_secrets(settings):
        structlog.get_logger(__name__).warning(exposed)
    return settings


def store_location(store: str | None, settings: Settings) -> str:
    """The STORE to use."""
    from sinks.addresses import check_location
    from sinks.errors import StoreError

    location = store or settings.store.location
    if not location:
        raise SettingsError(
            "no store given: use --store FOLDER or --store http://HOST:6333 (or store.location)"
        )
    try:
        check_location(location)
    except StoreError as error:
        raise SettingsError(str(error)) from None
    if "://" not in location and (note := open_to_others(Path(location).expanduser())):
        console.print(note, soft_wrap=True)
    return location


@contextmanager
def reported() -> Iterator[None]:
    """Errors become one line that says what to do, and exit code 1; wrong settings and options 2, an interruption 130.

    What is a fault of this program keeps its traceback.
    """
    from pydantic import ValidationError

    from encoders.errors import EncoderConfigError, EncoderError
    from sinks.errors import StoreError
    from transfer.errors import TransferError

    try:
        yield
    except (SettingsError, MappingError, EncoderConfigError) as error:
        fail(str(error), code=2)
    except (StreamsError, StoreError, EncoderError, TransferError) as error:
        fail(str(error))
    except ValidationError as error:
        fail(
            f"stored settings can't be read: {error.error_count()} problems; was the store written by a newer release?"
        )
    except BrokenPipeError:
        raise  # whoever read our output has seen enough
    except OSError as error:
        name = "" if error.filename is None else f"{error.filename}: "
        fail(f"{name}{error.strerror or error}")
    except KeyboardInterrupt:
        fail("interrupted", code=130)


def fail(message: str, code: int = 1) -> None:
    """Print the error and exit."""
    console.print("error:", style="bold red", end=" ")
    console.print(message, soft_wrap=True)
    raise typer.Exit(code)


def print_json(value: Any) -> None:
    """One line of JSON on standard output; what could steer a terminal is escaped as JSON has it."""
    sys.stdout.write(STEERING.sub(_json_escape, json.dumps(value, ensure_ascii=False)) + "\n")
    sys.stdout.flush()


def _json_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


def show(renderable: Any) -> None:
    """A result for people, on standard output. Strings in it are shown as they are; styled parts are `rich.text.Text`."""
    PlainConsole().print(renderable, soft_wrap=isinstance(renderable, str))


def utc_time(timestamp: float) -> str:
    """A time for people, to the second, with its zone.

    >>> utc_time(1767139200.5)
    '2025-12-31 00:00:00 UTC'
    """
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def progress_lines(quiet: bool) -> Callable[[str], None] | None:
    """Prints a line of progress; None where the output is for machines."""
    return None if quiet else lambda line: console.print(line, soft_wrap=True)
