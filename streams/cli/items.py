"""driftline items"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli import options
from streams.cli.catalogue_input import LoadChoice, load_items, open_items, read_items, summary_of
from streams.cli.console import console, load, print_json, reported, show, store_location

if TYPE_CHECKING:
    from streams.files.catalogue_rows import CatalogueRows
    from streams.settings import Settings


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
        typer.Option(
            "--items-map",
            "--map",
            metavar="FIELD=COLUMN,...",
            help="Columns of other names, e.g. item_id=sku,title=name.",
        ),
    ] = "",
    attributes: Annotated[
        str | None,
        typer.Option(
            "--attributes",
            metavar="all|none|NAME,...",
            help="Which further columns are kept to filter by (catalogue.attributes).",
        ),
    ] = None,
    allow_empty: Annotated[
        bool,
        typer.Option(
            "--allow-empty",
            help="Items may lose the text that they have, and a file may have no texts at all.",
        ),
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="This is the whole catalogue: remove the items that it lacks."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --full: also where that is more than half of the items.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")
    ] = False,
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Encode a catalogue and write it to the store.

    The files need a column item_id and a title or description; scenario is used where it is, and further columns are kept as
    attributes to filter by. Of several rows of one item the last with a text counts. Each distinct text is encoded once; run
    it again after a change and only what changed is written, and only new texts are encoded. The first catalogue of a store
    also fits the whitening that all its vectors share.

    Examples: driftline items items.parquet --store ./store
              driftline items products.csv --store ./store --items-map 'item_id=Handle,title=Title,description=Body (HTML)'
              driftline items items.parquet --store ./store --full --dry-run
    """
    from streams.ingest.catalogue_plan import require_whole
    from streams.ingest.intake import open_intake

    with reported():
        settings = load(
            config,
            {
                "catalogue": {"attributes": attributes, "allow_empty": allow_empty or None},
                "files": {"encoding": encoding, "delimiter": delimiter},
            },
        )
        location = store_location(store, settings)
        opened = open_items(catalogue, map_, settings)
        with read_items(opened, json_) as rows:
            if full:
                require_whole(rows)
            if dry_run:
                counts = _compared(location, settings, rows, full)
            else:
                choice = LoadChoice(settings.catalogue.allow_empty, full, yes)
                with open_intake(location, settings, create=True) as intake:
                    counts = load_items(intake, rows, choice, json_)
        if json_:
            print_json(counts)
        else:
            _tell(counts, dry_run)
        if counts["rejected"] and not counts["items"]:
            raise typer.Exit(1)


def _compared(location: str, settings: Settings, rows: CatalogueRows, full: bool) -> dict[str, Any]:
    """What would be done; the store is not made where there is none."""
    from sinks.errors import StoreNotFound
    from streams.ingest.catalogue_plan import plan_catalogue
    from streams.workspace.workspace import open_existing

    try:
        with open_existing(location, settings) as workspace:
            plan = plan_catalogue(
                rows, workspace.store.items, workspace.space, full=full, limits=settings.media
            )
    except StoreNotFound:
        plan = plan_catalogue(rows, None, None, full=full)
    return {
        **summary_of(rows),
        "encoded": plan.to_encode,
        "new": plan.new,
        "texts_changed": plan.texts_changed,
        "emptied": plan.emptied,
        "rewritten": plan.payload_changed,
        "unchanged": len(rows) - int(plan.changed.sum()),
        "removed": len(plan.removed),
        "stored": plan.stored,
    }


def _tell(counts: dict[str, Any], dry_run: bool) -> None:
    show(
        f"{counts['items']:,} items: {counts['new']:,} new, {counts['texts_changed']:,} with another text, "
        f"{counts['rewritten']:,} with the same text and other fields, {counts['unchanged']:,} unchanged; "
        f"{counts['encoded']:,} texts {'to encode' if dry_run else 'encoded'}"
    )
    for modality, results in counts.get("media", {}).items():
        told = ", ".join(f"{count:,} {result}" for result, count in results.items())
        show(f"{modality} of items with a new content: {told}")
    if dry_run and counts["emptied"]:
        show(f"{counts['emptied']:,} items would lose their text, which needs --allow-empty")
    if counts["removed"]:
        of_all = f" of {counts['stored']:,}" if dry_run else ""
        show(
            f"{counts['removed']:,}{of_all} items that the catalogue lacks {'would be ' if dry_run else ''}removed"
        )
    if counts["duplicates"]:
        show(f"{counts['duplicates']:,} duplicates: of several rows of an item the last with a text counts")
    if counts["rejected"]:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts["reasons"].items())
        show(
            f"{counts['rejected']:,} rows rejected ({reasons})"
            if reasons
            else f"{counts['rejected']:,} rows rejected"
        )
    if counts["left_out"]:
        names = ", ".join(f"{name} ({count:,} rows)" for name, count in list(counts["left_out"].items())[:10])
        console.print(
            f"no attributes, since long texts and objects are nothing to filter by: {names}", soft_wrap=True
        )
    if dry_run:
        show("nothing was written")
