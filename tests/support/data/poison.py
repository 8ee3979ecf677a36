"""Records that can't be applied: value, and the reason that the dead letter gives, by kind."""

from __future__ import annotations

POISON: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{nope", "not_json"),
    "not UTF-8": (b'{"user_id": "\xff"}', "not_json"),
    "empty": (b"", "empty_record"),
    "a list": (b"[1]", "wrong_type"),
    "user_id true": (
        b'{"user_id": true, "timestamp": 1764043200, "scenario": "s", "item_id": "i"}',
        "wrong_type",
    ),
    "no scenario": (b'{"user_id": "u", "timestamp": 1764043200, "item_id": "i"}', "missing_field"),
    "no content": (b'{"user_id": "u", "timestamp": 1764043200, "scenario": "s"}', "no_item_and_no_text"),
    "empty user": (
        b'{"user_id": "", "timestamp": 1764043200, "scenario": "s", "item_id": "i"}',
        "empty_user_id",
    ),
    "1 MB user": (
        b'{"user_id": "' + b"u" * 1_000_000 + b'", "timestamp": 1764043200, "scenario": "s", "item_id": "i"}',
        "user_id_too_long",
    ),
    "NaN": (b'{"user_id": "u", "timestamp": NaN, "scenario": "s", "item_id": "i"}', "timestamp_not_finite"),
    "infinite": (
        b'{"user_id": "u", "timestamp": 1e999, "scenario": "s", "item_id": "i"}',
        "timestamp_not_finite",
    ),
    "far future": (
        b'{"user_id": "u", "timestamp": 9e12, "scenario": "s", "item_id": "i"}',
        "timestamp_in_future",
    ),
    "deep": (
        b'{"user_id": "u", "timestamp": 1764043200, "scenario": "s", "item_id": "i", "x": '
        + b"[" * 90_000
        + b"]" * 90_000
        + b"}",
        "nested_too_deep",
    ),
}
