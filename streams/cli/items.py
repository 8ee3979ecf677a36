"""driftline items"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli import options
from streams.cli.console import (
    console,
    from_totals,
    load,
    print_json,
    progress_bar,
    reported,
    show,
    store_location,
)
from streams.errors import LogError

if TYPE_CHECKING:
    from streams.files.catalogue_file import Catalogue
    from streams.ingest.intake import Intake


def items(
    catalogue: Annotated[
        list[str],
        typer.Argument(
            metavar="CATALOGUE...",
            help="Parquet, CSV or JSON lines: files, folders, globs, or s3://, gs://, abfs://, hdfs:// URLs.",
        ),
    ],
    store: options.Store = None,
    map_: Annotated[
        str,
        typer.Option("--map", metavar="FIELD=COLUMN,...", help="Columns of other names, e.g. item_id=sku."),
    ] = "",
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Encode a catalogue and write it to the store.

    The file needs a column item_id; title, description and scenario are used where they are. Each distinct text is encoded
    once; run it again after a change and only what changed is encoded. The first catalogue of a store also fits the
    whitening that all its vectors share.

    Example: driftline items items.parquet --store ./store
    """
    from streams.files.catalogue_file import open_catalogue
    from streams.files.expand import expand
    from streams.files.fields import CATALOGUE_FIELDS, parse_mapping
    from streams.ingest.intake import open_intake

    with reported():
        settings = load(config, {"files": {"encoding": encoding, "delimiter": delimiter}})
        opened = open_catalogue(expand(catalogue, settings.files), parse_mapping(map_, CATALOGUE_FIELDS))
        require_items(opened)
        with open_intake(store_location(store, settings), settings, create=True) as intake:
            counts = load_catalogue(intake, opened, quiet=json_)
        if json_:
            print_json(counts)
        else:
            show(
                f"{counts['items']} items: {counts['encoded']} texts encoded, {counts['reused']} items with a known "
                f"text, {counts['unchanged']} unchanged, {counts['rejected']} rejected"
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


def load_catalogue(intake: Intake, opened: Catalogue, quiet: bool) -> dict[str, Any]:
    """Fit if the store is new, write all rows, compact; counts for the summary."""
    from streams.ingest.item_collisions import collision

    batches = list(opened)
    rows = [row for batch in batches for row in batch.rows]
    rejects = [reject for batch in batches for reject in batch.rejects]
    for reject in rejects[:5]:
        console.print(f"row {reject.position}: {reject.reason}: {reject.detail}")
    with progress_bar("encoding texts", None, quiet) as advance:
        intake.catalogue.fit(rows, from_totals(advance))
    with progress_bar("writing items", len(rows), quiet) as advance:
        counts = intake.catalogue.upsert(rows, advance)
    for _, *ids in counts.collisions[:5]:
        console.print(": ".join(collision(*ids)), soft_wrap=True)
    intake.store.optimize()
    found = {name: value for name, value in asdict(counts).items() if name != "collisions"}
    return {**found, "rejected": len(rejects) + len(counts.collisions)}
