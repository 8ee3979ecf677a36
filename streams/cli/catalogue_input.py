"""Opens a catalogue, reads it and brings it into a store, for the commands that take one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.cli.console import console
from streams.cli.progress import progress_bar
from streams.errors import LogError

if TYPE_CHECKING:
    from streams.files.catalogue_file import Catalogue
    from streams.files.catalogue_rows import CatalogueRows
    from streams.ingest.catalogue_load import CatalogueLoaded
    from streams.ingest.intake import Intake
    from streams.settings import Settings

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class LoadChoice:
    """What may be done to a store. full: the file is the whole catalogue; agreed: also where most of the store goes."""

    allow_empty: bool = False
    full: bool = False
    agreed: bool = False


def open_items(paths: Sequence[str], items_map: str, settings: Settings) -> Catalogue:
    """Checks the files' structure and columns; reads nothing yet.

    Raises:
        LogError, MappingError: the files are no catalogue.
    """
    from streams.events.item_record import ItemDescription
    from streams.files.catalogue_columns import parse_item_mapping
    from streams.files.catalogue_file import open_catalogue
    from streams.files.expand import expand

    mapping = parse_item_mapping(items_map)
    told = settings.item_description
    return open_catalogue(
        expand(paths, settings.files),
        ItemDescription({**told.fields, **mapping}, told.choice, told.media),
        needed=tuple(mapping),
        allow_empty=settings.catalogue.allow_empty,
    )


def require_items(opened: Catalogue) -> None:
    """Refuse a catalogue of which no row is an item, before a store is made for it.

    Raises:
        LogError: the commonest reasons.
    """
    reasons: Counter[str] = Counter()
    for batch in opened:
        if batch.rows:
            return
        reasons.update(f"{reject.reason}: {reject.detail}" for reject in batch.rejects)
    if reasons:
        listed = "; ".join(f"{count:,} x {reason}" for reason, count in reasons.most_common(3))
        raise LogError(f"none of the {reasons.total():,} rows of the catalogue is an item: {listed}")
    raise LogError("the catalogue has no rows")


def read_items(opened: Catalogue, quiet: bool) -> CatalogueRows:
    """All rows, with a bar; says what was rejected. Close them.

    Raises:
        LogError: a file is damaged inside, or no row is an item.
    """
    from streams.files.catalogue_rows import CatalogueRows

    require_items(opened)
    with progress_bar("reading the catalogue", opened.total_rows, quiet) as advance:
        rows = CatalogueRows(opened, advance)
    for reject in rows.first_rejects:
        console.print(f"row {reject.position}: {reject.reason}: {reject.detail}", soft_wrap=True)
    if not opened.has_texts and not opened.has_media:
        console.print(
            "the catalogue has no texts: items get vectors of how they are used, or of their ids alone",
            soft_wrap=True,
        )
    return rows


def load_items(intake: Intake, rows: CatalogueRows, choice: LoadChoice, quiet: bool) -> dict[str, Any]:
    """Compare, fit if the store is new, write what changed, remove, compact; counts for the summary.

    Raises:
        CatalogueRefused: it takes away what nobody agreed to lose; nothing was written.
    """
    from streams.ingest.catalogue_load import write_catalogue
    from streams.ingest.catalogue_plan import plan_catalogue
    from streams.ingest.item_collisions import collision

    items, space = intake.store.items, intake.workspace.space
    with progress_bar("comparing", len(rows), quiet) as advance:
        plan = plan_catalogue(
            rows, items, space, full=choice.full, progress=advance, limits=intake.settings.media
        )
    plan.check(allow_empty=choice.allow_empty, agreed=choice.agreed)
    changed = int(plan.changed.sum())
    quiet = quiet or not plan.to_encode
    with progress_bar("encoding texts", plan.to_encode, quiet, slow=True) as on_text:
        done = write_catalogue(intake, rows, plan, on_text)
    for pair in done.collisions[:MOST_NAMED]:
        console.print(": ".join(collision(*pair)), soft_wrap=True)
    if changed or done.removed:
        intake.store.optimize()
    return {
        **summary_of(rows),
        "items": len(rows) - done.collided,
        "encoded": done.encoded,
        "reused": max(0, done.written - done.encoded),
        "new": plan.new,
        "texts_changed": plan.texts_changed,
        "rewritten": done.rewritten,
        "unchanged": len(rows) - changed,
        "removed": done.removed,
        **_media(done),
        "rejected": rows.rejected + done.collided,
    }


def _media(done: CatalogueLoaded) -> dict[str, Any]:
    """Of catalogues with pictures or sounds alone."""
    if not done.media:
        return {}
    return {
        "media": {name: dict(results.most_common()) for name, results in done.media.items()},
        "media_encoded": done.media_encoded,
    }


def summary_of(rows: CatalogueRows) -> dict[str, Any]:
    """What was read."""
    return {
        "rows": rows.read,
        "items": len(rows),
        "duplicates": rows.repeated,
        "rejected": rows.rejected,
        "reasons": dict(rows.rejects.by_reason),
        "left_out": dict(rows.left_out.most_common()),
    }


def load_catalogue(intake: Intake, opened: Catalogue, settings: Settings, quiet: bool) -> dict[str, Any]:
    """Read and load at once, for commands that go on with something else."""
    with read_items(opened, quiet) as rows:
        return load_items(intake, rows, LoadChoice(settings.catalogue.allow_empty), quiet)
