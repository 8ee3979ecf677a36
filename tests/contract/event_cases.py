"""Records of every kind that producers and exports write, and what becomes of each: one list for topics and files alike.

A case is a JSON object as text, since some of them are none that a dictionary could hold (a key twice, NaN). `says` is what the
event says, or why it is rejected, or that it is ignored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

T: Final = 1_793_527_200
"""2026-11-01 10:00:00 UTC"""
BASE: Final[dict[str, Any]] = {
    "user_id": "u",
    "timestamp": T,
    "scenario": "shop",
    "item_id": "501",
    "action": "click",
}
PLAIN: Final = ("u", "501", "shop", None, float(T), 1)
IGNORED: Final = "ignored"
ABSENT: Final = object()
"""The record has no such field."""


@dataclass(frozen=True)
class EventCase:
    """One record. says: (user, item, scenario, text, time, action), a reject's reason, or `IGNORED`."""

    name: str
    record: str
    says: Any
    settings: dict[str, Any] = field(default_factory=dict)


def case(name: str, says: Any = PLAIN, settings: dict[str, Any] | None = None, **fields: Any) -> EventCase:
    record = {key: value for key, value in {**BASE, **fields}.items() if value is not ABSENT}
    return EventCase(name, json.dumps(record), says, settings or {})


def event(**fields: Any) -> tuple[Any, ...]:
    names = ("user_id", "item_id", "scenario", "text", "time", "action")
    return tuple(fields.get(name, value) for name, value in zip(names, PLAIN, strict=True))


def _ids() -> list[EventCase]:
    found = []
    # field, name in `event`, what an absent, null, empty and blank one is
    kinds = {
        "user_id": ("missing_field", "empty_user_id"),
        "scenario": ("missing_field", "scenario_empty"),
        "item_id": ("no_item_and_no_text", "no_item_and_no_text"),
    }
    for name, (absent, empty) in kinds.items():
        good = {
            "text": ("a", "a"),
            "unicode": ("zoë 👨‍👩‍👧", "zoë 👨‍👩‍👧"),
            "escapes": ('a"\\/\b\f\n\r\t\u0000z', 'a"\\/\b\f\n\r\t\u0000z'),
            "spaces around": (" a ", " a "),
            "number as text": ("007", "007"),
            "float as text": ("12.0", "12.0"),
            "exponent as text": ("1e5", "1e5"),
            "word null": ("null", "null"),
            "word nan": ("nan", "nan"),
            "word true": ("true", "true"),
            "integer": (17, "17"),
            "zero": (0, "0"),
            "negative": (-5, "-5"),
            "whole float": (17.0, "17"),
            "minus zero": (-0.0, "0"),
            "exponent": (1e15, "1000000000000000"),
            "largest exact float": (2.0**53 - 1, "9007199254740991"),
            "int64": (2**63 - 1, "9223372036854775807"),
            "uint64": (2**64 - 1, "18446744073709551615"),
            "beyond 64 bits": (2**70, str(2**70)),
            "text of the limit": ("x" * 200, "x" * 200),
        }
        found += [
            case(f"{name}: {one}", event(**{name: text}), **{name: value})
            for one, (value, text) in good.items()
        ]
        bad = {
            "broken float": 1.5,
            "inexact float": 2.0**53,
            "huge float": 1e300,
            "true": True,
            "false": False,
            "list": ["a"],
            "empty list": [],
            "object": {"id": "a"},
        }
        found += [case(f"{name}: {one}", "wrong_type", **{name: value}) for one, value in bad.items()]
        found += [
            case(f"{name}: absent", absent, **{name: ABSENT}),
            case(f"{name}: null", absent, **{name: None}),
            case(f"{name}: empty", empty, **{name: ""}),
        ]
    return found


def _times() -> list[EventCase]:
    found = []
    forms: dict[str, dict[str, tuple[Any, Any]]] = {
        "auto": {
            "integer": (T, T),
            "float": (T + 0.25, T + 0.25),
            "exponent": (1.7935272e9, T),
            "text": (str(T), T),
            "text with spaces": (f" {T} ", T),
            "float text": (f"{T}.5", T + 0.5),
            "exponent text": ("1.7935272E9", T),
            "ISO": ("2026-11-01T10:00:00Z", T),
            "ISO without zone": ("2026-11-01T10:00:00", T),
            "ISO with blank": ("2026-11-01 10:00", T),
            "ISO with offset": ("2026-11-01T12:00:00+0200", T),
            "ISO with nanoseconds": ("2026-11-01T10:00:00.123456789Z", T + 0.123456),
            "ISO with a comma": ("2026-11-01T10:00:00,5Z", T + 0.5),
            "ISO basic": ("20261101T100000Z", T),
            "ISO week": ("2026-W44-7", T - 36000),
            "day": ("2026-11-01", T - 36000),
            "BigQuery": ("2026-11-01 10:00:00 UTC", T),
            "BigQuery with a fraction": ("2026-11-01 10:00:00.5 UTC", T + 0.5),
            "Go": ("2026-11-01 10:00:00 +0000 UTC", T),
            "Java": ("2026-11-01T10:00:00.000+00:00[UTC]", T),
            "Java elsewhere": ("2026-11-01T11:00:00+01:00[Europe/Berlin]", T),
            "zone by name alone": ("2026-11-01 10:00:00 Europe/Berlin", "wrong_type"),
            "American": ("01/11/2026 10:00", "wrong_type"),
            "ctime": ("Sun Nov 01 10:00:00 UTC 2026", "wrong_type"),
            "thousands": ("1,793,527,200", "wrong_type"),
            "underscores": ("1_793_527_200", "wrong_type"),
            "word": ("yesterday", "wrong_type"),
            "true": (True, "wrong_type"),
            "list": ([T], "wrong_type"),
            "object": ({"seconds": T}, "wrong_type"),
            "null": (None, "missing_field"),
            "absent": (ABSENT, "missing_field"),
            "nan text": ("nan", "timestamp_not_finite"),
            "infinite text": ("-inf", "timestamp_not_finite"),
            "overflowing text": ("1e400", "timestamp_not_finite"),
            "huge integer": (10**400, "wrong_type"),
            "milliseconds": (T * 1000, "timestamp_in_future"),
            "milliseconds as text": (str(T * 1000), "timestamp_in_future"),
            "days": (20758, "timestamp_out_of_range"),
            "eight digits": ("20261101", "timestamp_out_of_range"),
            "zero": (0, "timestamp_out_of_range"),
            "negative": (-5, "timestamp_out_of_range"),
            "before 1990": ("1985-10-26T09:00:00Z", "timestamp_out_of_range"),
        },
        "s": {"integer": (T, T), "text": (str(T), T), "ISO": ("2026-11-01T10:00:00Z", "wrong_type")},
        "ms": {
            "integer": (T * 1000 + 250, T + 0.25),
            "float": (T * 1000 + 250.0, T + 0.25),
            "text": (str(T * 1000 + 250), T + 0.25),
            "odd": (1_793_527_200_123, 1793527200.123),
            "ISO": ("2026-11-01T10:00:00Z", "wrong_type"),
            "seconds": (T, "timestamp_out_of_range"),
            "null": (None, "missing_field"),
            "negative": (-1, "timestamp_out_of_range"),
        },
        "us": {"integer": (T * 10**6 + 1, T + 1e-6), "text": (str(T * 10**6 + 1), T + 1e-6)},
        "ns": {
            "integer": (T * 10**9 + 1000, T + 1e-6),
            "text": (str(T * 10**9 + 1000), T + 1e-6),
            "too large": (10**30, "timestamp_in_future"),
        },
        "minutes": {"integer": (T // 60, T)},
        "hours": {"integer": (T // 3600, T), "text": (str(T // 3600), T)},
        "days": {
            "integer": (20758, 20758 * 86400),
            "half": (20758.5, 20758.5 * 86400),
            "text": ("20758", 20758 * 86400),
        },
        "serial": {"whole": (46327, T - 36000), "with a time": (46327.416666667, T)},
        "yyyymmdd": {
            "integer": (20261101, T - 36000),
            "float": (20261101.0, T - 36000),
            "text": ("20261101", T - 36000),
            "no day": (20261131, "wrong_type"),
            "text of no day": ("20261301", "wrong_type"),
            "seconds": (T, "wrong_type"),
            "ISO": ("2026-11-01", "wrong_type"),
        },
        "iso": {
            "text": ("2026-11-01T10:00:00Z", T),
            "BigQuery": ("2026-11-01 10:00:00 UTC", T),
            "number": (T, "wrong_type"),
            "digits": ("20261101", T - 36000),
        },
        "position": {"no clock": (ABSENT, 1577836800), "anything": ({"a": 1}, 1577836800)},
    }
    for form, values in forms.items():
        for name, (value, says) in values.items():
            expected = says if isinstance(says, str) else event(time=float(says))
            found.append(case(f"time {form}: {name}", expected, {"time": form}, timestamp=value))
    return found


def _actions() -> list[EventCase]:
    shop = {
        "actions": {
            "view": "browse",
            "AddToCart": "click",
            "order": "purchase",
            "scroll": "ignore",
            "7": "purchase",
        }
    }
    rest = {"actions": {**shop["actions"], "*": "ignore"}}
    return [
        case("action: upper case", action="CLICK"),
        case("action: spaces around", action=" click "),
        case("action: unknown", "unknown_action", action="stare"),
        case("action: null", "unknown_action", action=None),
        case("action: empty", "unknown_action", action=""),
        case("action: absent", "unknown_action", action=ABSENT),
        case(
            "action: default",
            event(action=2),
            {"action": {"path": "action", "default": "purchase"}},
            action=ABSENT,
        ),
        case(
            "action: default of null",
            event(action=2),
            {"action": {"path": "action", "default": "purchase"}},
            action=None,
        ),
        case("action: constant", event(action=0), {"action": {"constant": "browse"}}, action=["anything"]),
        case("action: mapped", event(action=0), shop, action="View"),
        case("action: mapped name in capitals", PLAIN, shop, action="ADDTOCART"),
        case("action: ours beside a map", event(action=2), shop, action="purchase"),
        case("action: ignored", IGNORED, shop, action="scroll"),
        case("action: ignored, and broken", IGNORED, shop, action="scroll", timestamp="never", user_id=""),
        case("action: unknown beside a map", "unknown_action", shop, action="stare"),
        case("action: the rest", IGNORED, rest, action="stare"),
        case("action: ours beside the rest", event(action=2), rest, action="purchase"),
        case("action: a number", event(action=2), shop, action=7),
        case("action: a whole float", event(action=2), shop, action=7.0),
        case("action: true", "wrong_type", action=True),
        case("action: an object", "wrong_type", action={"type": "click"}),
    ]


def _rest() -> list[EventCase]:
    return [
        case("nothing special"),
        case("unknown fields", x={"a": [1, {"b": None}]}, y=None, quantity="2", value=None, dwell_s=True),
        case("text beside an item", event(text="spade"), text="spade"),
        case("text alone", event(item_id=None, text="spade"), text="spade", item_id=None),
        case("text and an empty item", event(item_id=None, text="x"), text="x", item_id=""),
        case("number as text", event(text="12"), text=12),
        case("blank text alone", "no_item_and_no_text", text="  ", item_id=ABSENT),
        case("blank text beside an item", text="  "),
        case("text of 9,000 characters", event(text="x" * 8192), text="x" * 9000),
        case("text: an object", "wrong_type", text={"q": "x"}),
        case("event id: text", event_id="e1"),
        case("event id: number", event_id=99),
        case("event id: empty", event_id=""),
        case("event id: null", event_id=None),
        case("event id: true", "wrong_type", event_id=True),
        case("event id: too long", "event_id_too_long", event_id="e" * 300),
        case("user: too long", "user_id_too_long", user_id="u" * 300),
        case("user: too long in bytes", "user_id_too_long", user_id="ü" * 130),
        case("item: too long", "item_id_too_long", item_id="i" * 600),
        case("scenario: too long", "scenario_too_long", scenario="s" * 300),
        case("user: blank", "empty_user_id", user_id=" \t"),
        case(
            "scenario: default",
            event(scenario="web"),
            {"scenario": {"path": "scenario", "default": "web"}},
            scenario=None,
        ),
        case("scenario: constant", event(scenario="web"), {"scenario": {"constant": "web"}}, scenario=5.5),
        case(
            "fields of other names",
            PLAIN,
            {"user_id": "who", "item_id": "what"},
            who="u",
            what=501,
            user_id=[],
            item_id=[],
        ),
        case("one value for two fields", event(text="501"), {"text": "item_id"}),
        case("earliest is set", event(time=5.0), {"earliest": "1970-01-01"}, timestamp=5),
    ]


def _nested() -> list[EventCase]:
    deep = {
        "user_id": "context.customer.id",
        "item_id": "items.1.sku",
        "scenario": {"path": "page.kind", "default": "web"},
    }
    none = dict.fromkeys(("user_id", "item_id", "scenario"), ABSENT)

    def nested(name: str, says: Any, **fields: Any) -> EventCase:
        whole = {
            "context": {"customer": {"id": "u"}},
            "items": [{"sku": "x"}, {"sku": 501}],
            "page": {"kind": "shop"},
            **none,
            **fields,
        }
        return case(f"nested: {name}", says, deep, **whole)

    return [
        nested("all there", PLAIN),
        nested("number", event(user_id="17"), context={"customer": {"id": 17.0}}),
        nested("default", event(scenario="web"), page=None),
        nested("default of an empty object", event(scenario="web"), page={}),
        nested("nothing on the way", "missing_field", context=ABSENT),
        nested("null on the way", "missing_field", context={"customer": None}),
        nested("a value on the way", "wrong_type", context={"customer": "ada"}),
        nested("a list where an object should be", "wrong_type", context=[{"customer": {"id": "u"}}]),
        nested("a short list", "no_item_and_no_text", items=[{"sku": "x"}]),
        nested("an empty list", "no_item_and_no_text", items=[]),
        nested("an object with a key of digits", PLAIN, items={"1": {"sku": 501}}),
        nested("other things in the list", PLAIN, items=[7, {"sku": 501, "n": [1]}, "z"]),
        nested("null in the list", "no_item_and_no_text", items=[{"sku": "x"}, None]),
        nested("an object as the value", "wrong_type", context={"customer": {"id": {"v": 1}}}),
        case(
            "nested: a dot in a key", PLAIN, {"user_id": r"user\.id"}, **{"user.id": "u", "user_id": ABSENT}
        ),
        case("nested: an empty object", "missing_field", {"user_id": "a.b"}, a={}, user_id="u"),
    ]


def _raw() -> list[EventCase]:
    good = json.dumps(BASE)
    tail = good[1:]
    return [
        EventCase("raw: a key twice", '{"user_id": "x", "timestamp": 1, ' + tail, PLAIN),
        EventCase("raw: NaN as the time", good.replace(str(T), "NaN"), "timestamp_not_finite"),
        EventCase("raw: infinity as the time", good.replace(str(T), "-Infinity"), "timestamp_not_finite"),
        EventCase("raw: 1e999 as the time", good.replace(str(T), "1e999"), "timestamp_not_finite"),
        EventCase("raw: NaN elsewhere", '{"x": NaN, ' + tail, "not_json"),
        EventCase("raw: 1e999 in an unknown field", '{"x": 1e999, ' + tail, PLAIN),
        EventCase("raw: an escaped name", good.replace('"u"', '"\\u00fc"'), event(user_id="ü")),
        EventCase("raw: a pair of surrogates", good.replace('"u"', '"\\ud83d\\ude00"'), event(user_id="😀")),
        EventCase("raw: half of one", good.replace('"u"', '"\\ud83d"'), "not_json"),
        EventCase("raw: spaces everywhere", good.replace(":", " : ").replace(",", " , "), PLAIN),
        EventCase("raw: an array", "[1, 2]", "wrong_type"),
        EventCase("raw: a number", "17", "wrong_type"),
        EventCase("raw: null", "null", "wrong_type"),
        EventCase("raw: no JSON", "hello", "not_json"),
        EventCase("raw: cut", good[:-4], "not_json"),
        EventCase("raw: two records", good + good, "not_json"),
        EventCase(
            "raw: deep nesting", '{"x": ' + "[" * 20_000 + "]" * 20_000 + ", " + tail, "nested_too_deep"
        ),
        EventCase("raw: an empty object", "{}", "missing_field"),
        EventCase("raw: a time with many digits", good.replace(str(T), f"{T}.0000000000000001"), PLAIN),
    ]


CASES: Final = [*_ids(), *_times(), *_actions(), *_rest(), *_nested(), *_raw()]
