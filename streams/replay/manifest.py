"""What a store holds of logs, as a file: sources, rows, times, and where in Kafka a daemon continues."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from sinks.protocols import Store
from streams.errors import LogError
from streams.event_log.positions import Partition, Positions
from streams.event_log.sources import LogFacts
from streams.outputs import whole_file
from streams.replay.registered_log import known_logs

FORMAT: Final = 1


def manifest_of(store: Store, identities: Iterable[str] | None = None) -> dict[str, Any]:
    """The manifest of a store's logs, of all or of these, as JSON.

    `positions` tells per topic and partition the offset after the last one of the logs; null where a log does not tell
    where its rows come from, so that no daemon continues it without gap or double by offsets alone.

    Raises:
        StoreUnavailable: call again.
    """
    logs = known_logs(store.sources)
    if identities is not None:
        logs = {identity: logs[identity] for identity in identities if identity in logs}
    known = store.sources.known()
    numbers = {identity: known[identity].number for identity in logs}
    progress = store.sources.progress(numbers.values())
    listed = [_log(identity, facts, progress[numbers[identity]]) for identity, facts in sorted(logs.items())]
    times = [facts.last for facts in logs.values() if facts.last is not None]
    return {
        "format": FORMAT,
        "store": store.id,
        "logs": listed,
        "last_event_time": max(times, default=None),
        "positions": _positions(logs.values()),
    }


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """As a file.

    Raises:
        OutputError: it can't be written.
    """
    with whole_file(path) as draft:
        draft.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_manifest(path: Path) -> dict[str, Any]:
    """What `write_manifest` wrote.

    Raises:
        LogError: it is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LogError(f"{path}: can't be read ({error.strerror})") from None
    except ValueError:
        raise LogError(f"{path}: is not a manifest of a replay (it is not JSON)") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise LogError(f"{path}: is not a manifest of a replay that this release can read")
    return found


def positions_from_manifest(manifest: Mapping[str, Any], store_id: str | None = None) -> dict[Partition, int]:
    """Topic and partition -> the offset at which a daemon continues, without gap or double.

    store_id: of the store that continues; None: not looked at.

    >>> positions_from_manifest({"store": "s", "logs": [], "positions": [["clicks", 0, 5, 17]]})
    {('clicks', 0): 17}

    Raises:
        LogError: the manifest is another store's, a replay was not finished, or the logs tell no positions.
    """
    if store_id is not None and manifest["store"] != store_id:
        raise LogError(
            "the manifest is another store's: what it says of offsets holds for the store that its logs were replayed into"
        )
    unfinished = [log["name"] for log in manifest["logs"] if log["done"] < log["rows"]]
    if unfinished:
        raise LogError(
            f"the replay of {unfinished[0]} was not finished; run it again, it continues where it was"
        )
    if manifest["positions"] is None:
        raise LogError(
            "the manifest's logs don't tell where in Kafka their rows come from (columns topic, partition and offset); "
            + resume_advice(manifest)
        )
    return {(str(topic), int(number)): int(end) for topic, number, _, end in manifest["positions"]}


def outlook(manifest: Mapping[str, Any], *, followed: bool) -> str:
    """One line on how a daemon continues after the replay. followed: the logs are under Kafka's own sources."""
    if manifest["positions"] is None:
        return f"to follow Kafka from here: {resume_advice(manifest)}"
    if followed:
        return "to follow Kafka from here: run continues where the log ends"
    return (
        "to follow Kafka from here without gap or double: replay it again with --broker, or write --manifest FILE and "
        "run --from-manifest FILE"
    )


def resume_advice(manifest: Mapping[str, Any]) -> str:
    """How to continue from logs that tell no offsets, and what may be counted twice or missed then."""
    last = manifest["last_event_time"]
    if last is None:
        return "they have no events, so that --from earliest loses and doubles nothing"
    return (
        f"run --from {last:.3f} begins at the records that Kafka has of the last event's time and later. Counted twice: "
        "events of the logs whose records are not older than that, unless they have an event_id, or all fields equal, and are "
        "among their user's last interest.ring events. Missed: events that the logs have not, in records older than that"
    )


def _log(identity: str, facts: LogFacts, done: int) -> dict[str, Any]:
    return {
        "identity": identity,
        "name": facts.name,
        "rows": facts.rows,
        "done": min(done, facts.rows),
        "rejected": facts.rejected,
        "first_event_time": facts.first,
        "last_event_time": facts.last,
    }


def _positions(logs: Iterable[LogFacts]) -> list[list[Any]] | None:
    joined = Positions()
    for facts in logs:
        if facts.positions is None or facts.positions.without:
            return None
        joined = joined.joined(facts.positions)
    if not joined.next:
        return None
    return [
        [topic, number, joined.first[topic, number], end]
        for (topic, number), end in sorted(joined.next.items())
    ]
