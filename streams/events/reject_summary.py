"""What was rejected, in a few lines: distinct reasons with counts, and what would be allowed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from streams.events.attributes import MAX_ATTRIBUTE_BYTES
from streams.events.event import (
    MAX_EVENT_ID_BYTES,
    MAX_ITEM_ID_BYTES,
    MAX_SCENARIO_BYTES,
    MAX_USER_ID_BYTES,
    Reject,
)
from transfer.config import ACTIONS

_TIME: Final = "unix seconds or a time of ISO 8601; another form: --time FORM, [events] time"
ALLOWED: Final = {
    "empty_record": "one JSON object",
    "not_json": "one JSON object, UTF-8",
    "nested_too_deep": "one JSON object",
    "wrong_type": f"texts or whole numbers for user_id, scenario, item_id, text, action and event_id; for timestamp {_TIME}",
    "missing_field": "user_id, timestamp and scenario, and item_id or text; fields of other names: --map, [events]",
    "empty_user_id": f"1 to {MAX_USER_ID_BYTES} bytes",
    "user_id_too_long": f"1 to {MAX_USER_ID_BYTES} bytes",
    "empty_item_id": f"1 to {MAX_ITEM_ID_BYTES} bytes",
    "item_id_too_long": f"1 to {MAX_ITEM_ID_BYTES} bytes",
    "attributes_too_large": f"up to {MAX_ATTRIBUTE_BYTES:,} bytes of JSON; name those to keep: catalogue.attributes",
    "event_id_too_long": f"up to {MAX_EVENT_ID_BYTES} bytes",
    "scenario_empty": f"1 to {MAX_SCENARIO_BYTES} bytes; one for all rows of a file: --scenario NAME",
    "scenario_too_long": f"1 to {MAX_SCENARIO_BYTES} bytes",
    "no_item_and_no_text": "an item_id, a text, or both",
    "timestamp_not_finite": _TIME,
    "timestamp_out_of_range": f"since [events] earliest (1990); {_TIME}",
    "timestamp_in_future": f"at most daemon.max_future_s ahead of the present; is this machine's clock right? {_TIME}",
    "unknown_action": f"{', '.join(ACTIONS)} and those of [interest.actions]; other names: "
    "--action-map NAME=ACTION,*=ignore or [events.actions]; one for all rows without: --action NAME",
    "action_contradicts_topic": "the topic's action or none; names that mean the same: [events.actions]",
    "item_id_collision": "an id whose key no other item has; give one of the two another id",
    "operation_refused": "rows that were created or read; what an envelope's other operations do: events.changes",
    "several_events": "one event a record; split them before they are sent",
    "unreadable_key": "a key that names the item: a text, a JSON string or an object; see catalogue.key",
    "not_framed": 'the wire format of a Schema Registry; plain JSON: format = "json"',
    "unknown_schema": "ids that the Schema Registry of [registry] knows",
    "unusable_schema": "schemas of the format that the topic's description names",
    "undecodable_record": "what the record's schema says",
}
"""By reason, what a record may hold instead."""

MOST_KINDS: Final = 500
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")


class RejectSummary:
    """Counts rejects by reason and by what their details have in common: numbers in them don't tell them apart."""

    def __init__(self) -> None:
        self.by_reason: Counter[str] = Counter()
        self._kinds: Counter[tuple[str, str]] = Counter()
        self._first: dict[tuple[str, str], str] = {}

    def add(self, rejects: Iterable[Reject]) -> None:
        """Count these."""
        for reject in rejects:
            self.by_reason[reject.reason] += 1
            kind = reject.reason, _NUMBER.sub("#", reject.detail)
            if kind in self._kinds or len(self._kinds) < MOST_KINDS:
                self._kinds[kind] += 1
                self._first.setdefault(kind, reject.detail)

    @property
    def total(self) -> int:
        """How many there were."""
        return self.by_reason.total()

    def lines(self, most: int = 10) -> list[str]:
        """The commonest kinds, each with count, reason, the first one's detail, and what is allowed.

        >>> summary = RejectSummary()
        >>> summary.add([Reject(0, "unknown_action", "action 'view' is none of ours")] * 3)
        >>> summary.lines()[0].split(" (allowed: ")[0]
        "3 x unknown_action: action 'view' is none of ours"
        """
        found = []
        for (reason, kind), count in self._kinds.most_common(most):
            allowed = f" (allowed: {ALLOWED[reason]})" if reason in ALLOWED else ""
            found.append(f"{count:,} x {reason}: {self._first[reason, kind]}{allowed}")
        more = self.total - sum(count for _, count in self._kinds.most_common(most))
        return [*found, f"{more:,} more of other kinds"] if more else found
