"""Opens a log, and encodes its items' texts, for the commands that apply a log, learn from it or evaluate on it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from encoders.progress import from_totals
from streams.cli.console import console
from streams.cli.progress import progress_bar

if TYPE_CHECKING:
    from encoders.joined import ContentSpace
    from streams.event_log.log import Log
    from streams.events.events_config import EventsConfig
    from streams.files.catalogue_file import Catalogue
    from streams.learning.fit import ItemContent
    from streams.learning.history import History
    from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class EventFlags:
    """What flags say of a log's events, over the settings' `[events]`."""

    map_: str = ""
    action: str | None = None
    scenario: str | None = None
    time: str | None = None
    action_map: str = ""


@dataclass(frozen=True, slots=True)
class LogInput:
    """A log, and the catalogue beside it, as the options of a command name them."""

    files: Sequence[str]
    events: EventFlags
    items: str | None = None
    items_map: str = ""

    def proposed_events(self, settings: Settings) -> dict[str, Any]:
        """Changes of `[events]` by which the log's first file would be one; none where flags or settings say something.

        Raises:
            LogError, MappingError: the file can't be read.
        """
        from streams.event_log.sample import sample_of
        from streams.events.proposal import propose_events
        from streams.files.expand import expand
        from streams.files.tabular_file import inspect_file

        if self.events != EventFlags(action=self.events.action, scenario=self.events.scenario):
            return {}
        if settings.events.model_fields_set:
            return {}
        (first, *_) = expand(self.files, settings.files)
        sample = sample_of(inspect_file(first))
        return propose_events(sample, settings.events, settings.interest.action_names, time.time())

    def described(self, settings: Settings) -> EventsConfig:
        """`[events]` with what flags say over it.

        Raises:
            MappingError, SettingsError: a flag says nothing that can be meant.
        """
        from streams.events.event_flags import parse_event_map, with_flags

        said = self.events
        changes, _ = parse_event_map(said.map_)
        return with_flags(
            settings.events,
            changes,
            action=said.action,
            scenario=said.scenario,
            time=said.time,
            action_map=said.action_map,
        )

    def amounts(self, settings: Settings) -> tuple[dict[str, list[float]], int]:
        """The quantities, values and times spent in the first rows of the log's first file, by measure, and how many rows these
        are.

        Raises:
            LogError, MappingError: the file can't be read.
        """
        from streams.event_log.sample import sample_of
        from streams.files.expand import expand
        from streams.files.tabular_file import inspect_file
        from transfer.weigh import MEASURES

        (first, *_) = expand(self.files, settings.files)
        sample, described = sample_of(inspect_file(first)), self.described(settings)
        found = {}
        for measure in MEASURES:
            setting = getattr(described, measure)
            path = setting if isinstance(setting, str) else setting.path
            found[measure] = [
                number for one in sample.get(path or "", ()) if (number := _number(one)) is not None
            ]
        return found, max(map(len, sample.values()), default=0)

    def open_log(self, settings: Settings) -> Log:
        """Checks the files' structure; reads nothing yet.

        Raises:
            LogError, MappingError: the files are no log.
        """
        from streams.event_log.log import open_logs
        from streams.event_log.questions import ask
        from streams.events.event_flags import parse_event_map
        from streams.files.expand import expand

        _, positions = parse_event_map(self.events.map_)
        log = open_logs(
            expand(self.files, settings.files),
            replace(settings.description, config=self.described(settings)),
            now=time.time(),
            positions=positions,
            batch_rows=settings.replay.batch_events,
        )
        ask(log)
        return log

    def open_catalogue(self, settings: Settings) -> Catalogue | None:
        """The same for the catalogue; None where none is named."""
        from streams.cli.catalogue_input import open_items

        return None if self.items is None else open_items([self.items], self.items_map, settings)


def _number(value: Any) -> float | None:
    """Of a cell or a field; None where it is none.

    >>> _number("2.5"), _number(True), _number("many"), _number(float("nan"))
    (2.5, None, None, None)
    """
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def read_history(given: LogInput, settings: Settings, quiet: bool) -> History:
    """The whole log and its catalogue in memory, with a bar.

    Raises:
        LogError, MappingError: before anything is read, where the files' structure shows it.
    """
    from streams.learning.history import load_history

    catalogue = given.open_catalogue(settings)
    events = given.open_log(settings)
    with progress_bar("reading", events.total_rows, quiet) as advance:
        history = load_history(events, catalogue, advance, settings.interest)
    if history.overlap is not None and (history.overlap.is_poor or not quiet):
        console.print(history.overlap.line(), soft_wrap=True)
    return history


def encode_texts(
    history: History, settings: Settings, space: ContentSpace | None, quiet: bool
) -> ItemContent | None:
    """Vectors of the items' texts, pictures and sounds, with a bar; see `streams.learning.fit.item_content`."""
    from streams.learning.fit import item_content

    texts = len(set(history.item_texts) - {""})
    with progress_bar("encoding texts", texts, quiet or not texts, slow=True) as advance:
        return item_content(
            history, settings.encoder, space, progress=from_totals(advance), limits=settings.media
        )
