"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

_LOG_HELP = "Parquet, CSV or JSON lines, packed or not: files, folders, globs, or s3://, gs://, abfs://, hdfs:// URLs."
Log = Annotated[list[str], typer.Argument(metavar="LOG...", help=_LOG_HELP)]
OptionalLog = Annotated[list[str] | None, typer.Argument(metavar="LOG...", help=_LOG_HELP)]
ItemTexts = Annotated[
    str | None,
    typer.Option("--items", metavar="CATALOGUE", help="Texts of items, for those of little behaviour."),
]
Encoder = Annotated[
    Path | None,
    typer.Option(
        "--encoder",
        metavar="ENCODER",
        help="What `driftline fit` wrote. Default: fitted on the same events.",
    ),
]
SplitBy = Annotated[
    Literal["time", "events", "last"] | None,
    typer.Option(
        "--split",
        help="How the log is cut. time: the last tenth of time is test, the tenth before it validation; events: at two "
        "moments, too, but so that tenths of the events are; last: each user's last basket is test, the one before it "
        "validation. Default: time, or last where times are positions.",
        show_default=False,
    ),
]
TestShare = Annotated[
    float,
    typer.Option(
        "--test-share",
        "--holdout-share",
        min=0.001,
        max=0.9,
        help="Share of the log's time (or events) that is test.",
    ),
]
HoldoutShare = Annotated[
    float,
    typer.Option(
        "--holdout-share",
        "--test-share",
        min=0.0,
        max=0.9,
        help="Leave out the last share of the log's time (or events), e.g. the 0.1 that `driftline evaluate` tests on.",
    ),
]
ValidationShare = Annotated[
    float,
    typer.Option(
        "--validation-share", min=0.001, max=0.9, help="Share before that, on which settings are chosen."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
ForceSplit = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace what is there; go on where a part of the log is too small to go by."
    ),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="STORE",
        help="Where vectors live: a folder (embedded Qdrant) or the http(s):// URL of a Qdrant server, of a cluster those "
        "of several nodes with commas between. "
        "Default: store.location of the settings.",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Settings file (TOML). Default: ./driftline.toml if it exists."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable: one JSON object on standard output.")]
Broker = Annotated[
    str | None,
    typer.Option(
        "--broker",
        metavar="URL",
        help="Kafka, as host:port[,host:port]. Default: broker.url (127.0.0.1:9092).",
    ),
]
Prefix = Annotated[
    str | None, typer.Option("--prefix", help="Stands before each topic name (topics.prefix).")
]
RecordTime = Annotated[
    Literal["now", "event"],
    typer.Option(
        "--record-time",
        help="Timestamp of the records: now, by which brokers delete, or the event's own, which `run --from TIME` goes by.",
    ),
]
Map = Annotated[
    str,
    typer.Option(
        "--map",
        metavar="FIELD=PATH,...",
        help="Where fields stand that have other names: a column or a path, e.g. scenario=department,user_id=customer.id; "
        "scenario='web' is a constant.",
    ),
]
Action = Annotated[
    str | None,
    typer.Option(
        "--action", metavar="NAME", help="Action of the rows that name none, for logs without such a column."
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        "--time",
        metavar="FORM",
        help="Form of the log's times: s, ms, us, ns, minutes, hours, days, serial, yyyymmdd, iso, or position for a log "
        "without a clock. Default: events.time (auto: unix seconds or ISO 8601).",
    ),
]
ActionMap = Annotated[
    str,
    typer.Option(
        "--action-map",
        metavar="NAME=ACTION,...",
        help="What the log calls actions, e.g. view=browse,addtocart=click,*=ignore.",
    ),
]
Scenario = Annotated[
    str | None,
    typer.Option("--scenario", metavar="NAME", help="Scenario of all rows, for logs without such a column."),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="Of CSV and JSON lines that are not UTF-8, e.g. cp1252 (files.encoding).",
        show_default=False,
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        "--delimiter",
        metavar="CHARACTER",
        help="Between the columns of a CSV whose header does not tell it (files.delimiter).",
        show_default=False,
    ),
]
ItemsMap = Annotated[
    str,
    typer.Option(
        "--items-map",
        metavar="FIELD=COLUMN,...",
        help="Columns of the catalogue that have other names, e.g. item_id=sku,title=name.",
    ),
]
