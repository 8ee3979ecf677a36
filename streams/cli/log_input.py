"""Reading a whole log, and texts of its items, for the commands that learn from one or judge by one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from streams.cli.console import progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from encoders.whitening import Whitening
    from streams.learning.fit import ItemContent
    from streams.learning.history import History
    from streams.settings import Settings


def read_history(
    log: Sequence[Path],
    items: Path | None,
    settings: Settings,
    *,
    map_: str,
    items_map: str,
    action: str | None,
    scenario: str | None,
    quiet: bool,
) -> History:
    """The log's files and the catalogue, as the options of a command name them, with a bar.

    Raises:
        LogError, MappingError: before anything is read, where the files' structure shows it.
    """
    from streams.event_log.log import open_logs
    from streams.files.catalogue_file import open_catalogue
    from streams.files.fields import CATALOGUE_FIELDS, parse_mapping
    from streams.learning.history import load_history

    catalogue = open_catalogue([items], parse_mapping(items_map, CATALOGUE_FIELDS)) if items else None
    events = open_logs(
        log,
        parse_mapping(map_),
        now=time.time(),
        default_action=action,
        default_scenario=scenario,
        max_future_s=settings.max_future_s,
        batch_rows=settings.replay.batch_events,
    )
    with progress_bar("reading", events.total_rows, quiet) as advance:
        return load_history(events, catalogue, advance)


def encode_texts(
    history: History, settings: Settings, whitening: Whitening | None, quiet: bool
) -> ItemContent | None:
    """Vectors of the items' texts, with a bar; see `streams.learning.fit.item_content`."""
    from streams.learning.fit import item_content

    with progress_bar("encoding texts", len(set(history.item_texts) - {""}), quiet) as advance:
        done = 0

        def told(total: int) -> None:  # the encoder tells of all that is done, the bar wants what is new
            nonlocal done
            advance(total - done)
            done = total

        return item_content(history, settings.encoder, whitening, progress=told)
