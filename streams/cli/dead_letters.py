"""driftline dead-letters list | show | redrive"""

from __future__ import annotations

import time
from collections import Counter, deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli import options
from streams.cli.console import console, fail, load, print_json, reported, show, store_location
from streams.errors import SettingsError

if TYPE_CHECKING:
    from streams.ingest.intake import Intake
    from streams.letters.letter import StoredLetter
    from streams.letters.search import LetterFilter
    from streams.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Records that could not be applied: **list** them, **show** one, **redrive** them after a fix.""",
)

Topic = Annotated[
    str | None, typer.Option("--topic", help="Only of records of this topic, without its prefix.")
]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Only with this reason, e.g. not_json.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only letters from then on (ISO 8601 or unix seconds)."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only letters from before then.")]
LIST_LINES = 20


@app.command("list")
def list_(
    topic: Topic = None,
    reason: ReasonOption = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="Show at most this many, the latest; all are counted.")
    ] = LIST_LINES,
    broker: options.Broker = None,
    prefix: options.Prefix = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """List where letters come from and why; never what they hold.

    Example: driftline dead-letters list --reason not_json --since 2026-11-01
    """
    from streams.letters.search import find_letters

    with reported():
        settings = _settings(config, broker, prefix)
        counts: Counter[tuple[str, str]] = Counter()
        latest: deque[StoredLetter] = deque(maxlen=limit)

        def found(letter: StoredLetter) -> None:
            counts[letter.source_topic, letter.reason] += 1
            latest.append(letter)

        wanted = _filter(settings, topic, reason, since, until)
        find_letters(settings.broker, settings.topics.name("dead_letters"), wanted, found)
        letters = sorted(latest, key=lambda letter: letter.timestamp_ms)
        if json_:
            print_json(
                {
                    "total": counts.total(),
                    "counts": [
                        {"topic": name, "reason": why, "letters": count}
                        for (name, why), count in counts.most_common()
                    ],
                    "letters": [_described(letter) for letter in letters],
                }
            )
            return
        for letter in letters:
            described = _described(letter)
            cut = f" ({', '.join(described['cuts'])})" if described["cuts"] else ""
            show(
                f"{described['letter']:>10}  {described['time']}  {described['source']}  {letter.reason}: {letter.detail}{cut}"
            )
        show(f"{counts.total()} letters" + (f", the latest {len(letters)} above" if letters else ""))
        for (name, why), count in counts.most_common():
            show(f"  {count:,} of {name}: {why}")


@app.command("show")
def show_(
    letter: Annotated[
        str, typer.Argument(metavar="PARTITION/OFFSET", help="As `list` names it in its first column.")
    ],
    broker: options.Broker = None,
    prefix: options.Prefix = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """All of one letter: its key, value and headers, which may be personal data.

    Example: driftline dead-letters show 0/17
    """
    from streams.letters.search import LetterFilter, find_letters

    with reported():
        settings = _settings(config, broker, prefix)
        place = _place(letter)
        letters: list[StoredLetter] = []
        wanted = LetterFilter(letters=frozenset([place]))
        find_letters(settings.broker, settings.topics.name("dead_letters"), wanted, letters.append)
        if not letters:
            fail(f"there is no letter {letter}; driftline dead-letters list names those that there are")
        one = letters[0]
        described = {
            **_described(one),
            "key": _text(one.key),
            "value": _text(one.value),
            "headers": [[name, _text(content)] for name, content in one.headers],
        }
        if json_:
            print_json(described)
        else:
            for name, content in described.items():
                show(f"{name}: {content}")


@app.command("redrive")
def redrive_(
    letters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PARTITION/OFFSET]...", help="These letters; default: all that the filters take."
        ),
    ] = None,
    topic: Topic = None,
    reason: ReasonOption = None,
    since: Since = None,
    until: Until = None,
    store: options.Store = None,
    broker: options.Broker = None,
    prefix: options.Prefix = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Apply letters to the store, after a fix: of the settings, of a topic's name, of this program.

    Each letter is recognised by itself: redriven again, in any order, stopped half-way, it counts once. Letters that still
    fail stay, and are listed with their reasons. Works beside running daemons on a Qdrant server; a folder takes one process
    at a time, so stop its daemon first.

    Example: driftline dead-letters redrive --reason timestamp_in_future --store http://127.0.0.1:6333
    """
    from streams.broker.topics import cluster_id
    from streams.ingest.intake import open_intake
    from streams.letters.search import find_letters
    from streams.repair.letter_redrive import LetterRedrive

    with reported():
        settings = _settings(config, broker, prefix)
        location = store_location(store, settings)
        places = [_place(letter) for letter in letters or ()]
        wanted = _filter(settings, topic, reason, since, until, places)
        matching: list[StoredLetter] = []
        cluster = cluster_id(settings.broker)
        find_letters(settings.broker, settings.topics.name("dead_letters"), wanted, matching.append)
        with open_intake(location, settings, create=False) as intake:
            driver = LetterRedrive(
                intake,
                cluster=cluster,
                layout=settings.topics.layout(),
                now=time.time(),
                leave_quarantined=True,
            )
            done = driver.redrive(matching)
            write_counts(intake)
        kept = [{**_described(one.letter), "still": one.reason, "why": one.detail} for one in done.kept]
        if json_:
            print_json(
                {
                    "letters": len(matching),
                    "applied": done.applied,
                    "duplicates": done.duplicates,
                    "forgotten": done.forgotten,
                    "items": done.items,
                    "redriven_before": done.done,
                    "kept": kept,
                }
            )
            return
        for one in kept[:LIST_LINES]:
            console.print(
                f"{one['letter']} of {one['source']} stays: {one['still']}: {one['why']}", soft_wrap=True
            )
        show(
            f"{len(matching)} letters: {done.applied} applied, {done.items} items, {done.duplicates} duplicates, "
            f"{done.forgotten} of forgotten users, {done.done} redriven before, {len(kept)} stay"
        )
        for (why), count in Counter(one.reason for one in done.kept).most_common():
            show(f"  {count:,} stay: {why}")


def write_counts(intake: Intake) -> None:
    """Write the counts of items and transitions, before the process ends."""
    if intake.counts is not None:
        intake.counts.finish()


def _settings(config: Any, broker: str | None, prefix: str | None) -> Settings:
    return load(config, {"broker": {"url": broker}, "topics": {"prefix": prefix}})


def _filter(
    settings: Settings,
    topic: str | None,
    reason: str | None,
    since: str | None,
    until: str | None,
    places: list[tuple[int, int]] | None = None,
) -> LetterFilter:
    from streams.broker.start_rule import moment
    from streams.letters.search import LetterFilter

    return LetterFilter(
        topic=None if topic is None else settings.topics.prefix + topic,
        reason=reason,
        since=None if since is None else moment(since),
        until=None if until is None else moment(until),
        letters=frozenset(places) if places else None,
    )


def _place(text: str) -> tuple[int, int]:
    partition, _, offset = text.partition("/")
    if not partition.isdigit() or not offset.isdigit():
        raise SettingsError(f"{text!r} is not a letter: give PARTITION/OFFSET, as dead-letters list names it")
    return int(partition), int(offset)


def _described(letter: StoredLetter) -> dict[str, Any]:
    """A letter without anything that its record holds."""
    return {
        "letter": f"{letter.partition}/{letter.offset}",
        "time": datetime.fromtimestamp(letter.timestamp_ms / 1000, UTC).isoformat(timespec="seconds"),
        "source": f"{letter.source_topic}/{letter.source_partition}/{letter.source_offset}",
        "reason": letter.reason,
        "detail": letter.detail,
        "cuts": list(letter.cuts),
    }


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "backslashreplace")
