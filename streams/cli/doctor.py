"""driftline doctor"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from streams.cli import options
from streams.cli.console import load, print_json, reported, show

if TYPE_CHECKING:
    from encoders.content import ContentEncoder
    from streams.settings import Settings
    from streams.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ok None: nothing wrong, but worth knowing."""

    name: str
    ok: bool | None
    found: str
    fix: str = ""


def doctor(
    broker: options.Broker = None,
    store: options.Store = None,
    prefix: options.Prefix = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Check settings, packages, broker, topics, store, models and GPU, and say what to fix. Changes nothing.

    Example: driftline doctor --broker 127.0.0.1:9092 --store ./store
    """
    with reported():
        settings = load(config, {"broker": {"url": broker}, "topics": {"prefix": prefix}})
        checks = [
            Check("settings", True, "valid"),
            *checked("packages", check_packages),
            *checked("broker", lambda: check_broker(settings)),
            *checked("store", lambda: check_store(store or settings.store.location, settings)),
            *checked("model", lambda: check_model(store or settings.store.location, settings)),
            *checked("media", lambda: check_media(settings)),
            *checked("gpu", check_gpu),
        ]
        failed = any(check.ok is False for check in checks)
        if json_:
            print_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
        else:
            from rich.text import Text

            from streams.text_tables import TextTable

            table = TextTable("", "what", "found", "what to do")
            for check in checks:
                mark = {True: ("ok", "green"), False: ("fix", "red"), None: ("note", "yellow")}[check.ok]
                table.add_row(Text(*mark), check.name, check.found, check.fix)
            show(table)
        if failed:
            raise typer.Exit(1)


def checked(name: str, check: Callable[[], list[Check]]) -> list[Check]:
    """The check's findings; an error of ours is a finding too. What is not installed need not be: reading needs none of it."""
    from encoders.errors import EncoderError, MissingPackage
    from sinks.errors import StoreError
    from streams.errors import StreamsError
    from streams.extras import extra_of

    try:
        return check()
    except ModuleNotFoundError as error:
        if (extra := extra_of(error.name)) is None:
            raise
        return [
            Check(name, None, f"{error.name} is not installed", f"pip install 'driftline[{extra}]' brings it")
        ]
    except MissingPackage as error:
        return [Check(name, None, "not installed", str(error))]
    except (StreamsError, StoreError, EncoderError) as error:
        return [Check(name, False, type(error).__name__, str(error))]


def check_packages() -> list[Check]:
    """The four packages are Driftline's own; another distribution can have overwritten them, or lie in front."""
    from streams.cli.own_packages import HOME, PACKAGES, conflicts

    found = [Check("packages", False, conflict.found, conflict.fix) for conflict in conflicts()]
    return found or [Check("packages", True, f"{', '.join(PACKAGES)} in {HOME}")]


def check_broker(settings: Settings) -> list[Check]:
    """The broker answers; the topics exist, and records of each are read, and are events."""
    from streams.broker.topics import cluster_id
    from streams.cli.doctor_topics import tell_of_records, tell_of_topics

    found = [Check("broker", True, f"{settings.broker.url}, cluster {cluster_id(settings.broker)}")]
    told, partitions = tell_of_topics(settings)
    return found + [Check(*one) for one in [*told, *tell_of_records(settings, partitions)]]


def check_store(location: str | None, settings: Settings) -> list[Check]:
    """The store answers, fits these settings, what it holds, and on which nodes."""
    from sinks.errors import StoreNotFound
    from streams.cli.doctor_cluster import tell_of_cluster
    from streams.workspace.workspace import open_existing

    if not location:
        return [Check("store", None, "none given", "use --store FOLDER or --store http://HOST:6333")]
    try:
        with open_existing(location, settings) as workspace:
            found = f"{location}: {workspace.store.items.count()} items, {_whitening(workspace)}"
        nodes = [Check("nodes", *told) for told in tell_of_cluster(location, settings.store)]
        return [Check("store", True, found), *nodes]
    except StoreNotFound:
        return [
            Check("store", None, f"{location}: nothing there yet", "driftline items, replay or run create it")
        ]


def _whitening(workspace: Workspace) -> str:
    """How far the store's whitening is; whether it fits can be told only where its text model is installed."""
    from encoders.errors import MissingPackage

    try:
        return "whitening fitted" if workspace.space.is_fitted else "no whitening yet"
    except MissingPackage:
        return "whitening not checked"


def check_model(location: str | None, settings: Settings) -> list[Check]:
    """The text model loads and gives a finite vector: which it is, and what it computes in, for a store as that was made."""
    from encoders.content import ContentEncoder
    from encoders.precision import faster_precision
    from encoders.text import TextEncoder

    content = _content_of_store(location, settings) or ContentEncoder(settings.encoder)
    content.encode(["a trial"])
    encoder = content.encoder
    precision, device = (str(getattr(encoder, name, "")) for name in ("precision", "device"))
    on = device.partition(" ")[0]
    found = f"{settings.encoder.model}, {precision} on {on}, {encoder.raw_dim} -> {content.dim} dimensions"
    faster = faster_precision(precision) if isinstance(encoder, TextEncoder) and on == "cpu" else ""
    if not faster:
        return [Check("model", True, found)]
    fix = "nothing; a new store takes it by itself, this one stays as it was made"
    return [
        Check("model", True, found),
        Check("model", None, f"{faster} would be faster on this processor", fix),
    ]


def _content_of_store(location: str | None, settings: Settings) -> ContentEncoder | None:
    """In the precision of the store; None: there is none, or what is wrong with it is another check's finding."""
    from encoders.errors import WhiteningMismatch
    from sinks.errors import StoreError
    from streams.errors import StreamsError
    from streams.workspace.workspace import open_existing

    if not location:
        return None
    try:
        with open_existing(location, settings) as workspace:
            return workspace.space.content
    except (StoreError, StreamsError, WhiteningMismatch):
        return None


def check_media(settings: Settings) -> list[Check]:
    """The models of pictures and sounds load and give vectors, where any are set."""
    from streams.cli.doctor_media import tell_of_media

    return [Check(*told) for told in tell_of_media(settings)]


def check_gpu() -> list[Check]:
    """Whether there is a GPU; there need not be one."""
    import torch

    if torch.cuda.is_available():
        return [Check("gpu", True, torch.cuda.get_device_name(0))]
    return [
        Check(
            "gpu", None, "none; texts are encoded on the CPU", "a GPU speeds up catalogues, nothing needs it"
        )
    ]
