"""What `[events]` seems to fit a sample of records: fields by common names, the unit of times, actions by common words.

A proposal, for people to look at. Nothing is read by it but what a command says that it proposes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from streams.events.action_map import UNKNOWN_ACTION, ActionMap
from streams.events.events_config import IGNORE, REST, EventsConfig
from streams.events.ids import id_text
from streams.events.likely_time import EARLIEST_S, commonest_form
from streams.events.paths import path_text
from streams.events.times import TimeForm, is_number, seconds_of

Sample = Mapping[str, Sequence[Any]]
"""Path -> values of some records, without nulls."""

_NAMES: Final[dict[str, str]] = {
    "user_id": "userid user uid visitorid visitor customerid customer clientid memberid accountid personid shopperid buyerid "
    "anonymousid userpseudoid fullvisitorid distinctid profileid reviewerid playerid uuid cookieid sessionid deviceid",
    "timestamp": "timestamp time ts eventtime eventtimestamp eventts datetime createdat occurredat happenedat sentat "
    "originaltimestamp unixtime epoch orderdate purchasedate invoicedate eventdate date collectortstamp dt receivedat",
    "scenario": "scenario category department categorycode categoryid section productcategory maincategory catalog channel "
    "genre topic shop store domain site dept departmentname categoryname itemcategory producttype",
    "item_id": "itemid item productid product sku articleid article contentid movieid trackid songid bookid newsid videoid "
    "stockcode asin parentasin offerid listingid gameid courseid variantid postid adid isbn",
    "text": "text query searchterm searchquery searchtext search review reviewtext comment keywords",
    "event_id": "eventid messageid insertid hitid",
    "action": "action event eventtype eventname type behavior behaviour behaviortype activity interaction interactiontype verb "
    "feedbacktype actiontype",
}
"""Field -> names that it has elsewhere, the likeliest first, without what stands between their words."""
_WORDS: Final[dict[str, str]] = {
    "browse": "browse view pageview pv viewitem itemview productview productviewed detail detailview viewcontent viewed read "
    "open watch play visit show productdetail screenview",
    "click": "click clicked addtocart cart productadded addtobasket basket favourite favorite fav like liked wishlist "
    "addtowishlist save bookmark select selectitem checkout begincheckout share rating",
    "purchase": "purchase purchased buy bought order ordered transaction sale conversion ordercompleted checkoutcompleted paid "
    "payment subscribe",
}
_TELLING: Final[dict[str, str]] = {
    "browse": "view viewed pageview",
    "click": "cart basket wishlist clicked",
    "purchase": "purchase purchased buy bought order ordered transaction paid payment",
}
"""Our action -> words that mean it wherever they stand in a name of several words (`order_placed`)."""
_UNDONE: Final = (
    "remove removed delete deleted cancel cancelled canceled return returned refund refunded hide undo un not no "
    "fail failed error abandon abandoned decline declined"
)
"""Words that turn the meaning of the others round: such a name is left to people."""
_UNITS: Final = "s sec secs seconds ms millis milliseconds us micros microseconds ns nanos utc unix epoch"
"""Last words of a time's name that say how it is counted."""
_NAMED_IGNORED: Final = 20
"""Actions of no common word are named in a proposal, so that nobody drops orders unawares; of more than these only the rest."""
MOST_PATHS: Final = 200
_DEPTH: Final = 5
_BETWEEN: Final = re.compile(r"[\W_]+")
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^\W_A-Za-z0-9]+")


def json_sample(records: Sequence[bytes | None]) -> dict[str, list[Any]]:
    """The single values of JSON objects, by path; the first place of an array stands for it."""
    found: dict[str, list[Any]] = {}
    for record in records:
        try:
            _gather(msgspec.json.decode(record or b"null"), (), found)
        except (ValueError, RecursionError):
            continue
    return found


def propose_events(
    sample: Sample, config: EventsConfig, actions: Sequence[str], now: float
) -> dict[str, Any]:
    """Changes of `[events]` by which the sample's records would be events; none where nothing better is found.

    Args:
        actions: names of our actions, by code.
        now: unix seconds.

    >>> propose_events({"visitorid": [1], "ts": [1793527200000], "event": ["view"]}, EventsConfig(), ("browse",), 1.8e9)
    {'user_id': 'visitorid', 'timestamp': 'ts', 'action': 'event', 'time': 'ms', 'actions': {'view': 'browse'}}
    """
    changes: dict[str, Any] = {}
    taken = {path for path in (_path(config, name) for name in _NAMES) if path in sample}
    for name in _NAMES:
        if _path(config, name) in sample or config.source(name).constant is not None:
            continue
        path = _likely_path(name, [path for path in sample if path not in taken])
        if path is None and name == "timestamp":
            path = _only_times({path: values for path, values in sample.items() if path not in taken}, now)
        if path is not None:
            changes[name] = path
            taken.add(path)
    form = _likely_time(sample.get(changes.get("timestamp", _path(config, "timestamp")), ()), config, now)
    if form is not None:
        changes["time"] = form
    names = [id_text(value) for value in sample.get(changes.get("action", _path(config, "action")), ())]
    mapped = likely_actions([name for name in names if name], config.actions, actions)
    if mapped:
        changes["actions"] = {**config.actions, **mapped}
    return changes


def likely_actions(names: Sequence[str], said: Mapping[str, str], actions: Sequence[str]) -> dict[str, str]:
    """Action map for the names that mean nothing yet; those of no common word are ignored, by name. {} where none is known.

    >>> likely_actions(["view", "addtocart", "click", "ping"], {}, ("browse", "click"))
    {'view': 'browse', 'addtocart': 'click', 'ping': 'ignore', '*': 'ignore'}
    """
    known = ActionMap(said, actions)
    spelled: dict[str, str] = {}
    for name in dict.fromkeys(names):
        spelled.setdefault(name.strip().casefold(), name.strip())
    unknown = [name for name in spelled.values() if known.code(name) == UNKNOWN_ACTION]
    found = {name: action for name in unknown if (action := _meant(name)) is not None and action in actions}
    ignored = [name for name in unknown if name not in found]
    if not found or not ignored:
        return found
    named = dict.fromkeys(ignored, IGNORE) if len(ignored) <= _NAMED_IGNORED else {}
    return {**found, **named, REST: IGNORE}


def likely_flags(columns: Sequence[str], missing: Sequence[str]) -> str:
    """`--map` for the fields that are missing, as far as names tell; "" where they don't.

    >>> likely_flags(["visitorid", "itemid", "x"], ["user_id", "item_id", "scenario"])
    'user_id=visitorid,item_id=itemid'
    """
    found = {name: _likely_path(name, [path_text((column,)) for column in columns]) for name in missing}
    return ",".join(f"{name}={path}" for name, path in found.items() if path is not None)


def events_toml(changes: Mapping[str, Any]) -> str:
    """The section as TOML.

    >>> print(events_toml({"user_id": "visitorid", "actions": {"view": "browse"}}), end="")
    [events]
    user_id = "visitorid"
    <BLANKLINE>
    [events.actions]
    view = "browse"
    """
    flat = {key: value for key, value in changes.items() if key != "actions"}
    lines = ["[events]", *(f"{key} = {_toml(value)}" for key, value in flat.items())]
    if changes.get("actions"):
        lines += ["", "[events.actions]"]
        lines += [f"{_key(name)} = {_toml(action)}" for name, action in changes["actions"].items()]
    return "\n".join(lines) + "\n"


def _path(config: EventsConfig, name: str) -> str:
    return config.source(name).path or ""


def _likely_path(name: str, paths: Sequence[str]) -> str | None:
    """The path of the likeliest name; of several the shortest."""
    ranks = {word: rank for rank, word in enumerate(_NAMES[name].split())}
    found = []
    for path in paths:
        keys = re.split(r"(?<!\\)\.", path)
        endings = {_plain(keys[-1]), _plain("".join(keys[-2:]))} if len(keys) > 1 else {_plain(path)}
        if name == "timestamp":
            endings.add(_without_unit(keys[-1]))
        known = [ranks[ending] for ending in endings if ending in ranks]
        if known:
            found.append((min(known), len(keys), path))
    return min(found)[2] if found else None


def _meant(name: str) -> str | None:
    """Our action of a name: a common word, or a name of several words of which all that tell anything tell the same."""
    for action, text in _WORDS.items():
        if _plain(name) in text.split():
            return action
    words = {word.casefold() for word in _WORD.findall(name)}
    told = {action for action, text in _TELLING.items() if words & set(text.split())}
    return told.pop() if len(told) == 1 and not words & set(_UNDONE.split()) else None


def _without_unit(key: str) -> str:
    """A time's name without the word that says how it is counted.

    >>> _without_unit("createdAt_ms"), _without_unit("event_ms"), _without_unit("event")
    ('createdat', 'eventtime', 'event')
    """
    words = [word.casefold() for word in _WORD.findall(key)]
    if len(words) > 1 and words[-1] in _UNITS.split():
        rest = "".join(words[:-1])
        return "eventtime" if rest == "event" else rest
    return _plain(key)


def _only_times(sample: Sample, now: float) -> str | None:
    """The one path whose values are all numbers that count from 1970 to a moment of our days; None where several are."""
    found = []
    for path, values in sample.items():
        texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
        if texts and all(
            not isinstance(text, bool) and isinstance(text, int | float | str) and is_number(str(text))
            for text in texts
        ):
            form = commonest_form([float(text) for text in texts], now)
            if form in ("s", "ms", "us", "ns"):
                found.append(path)
    return found[0] if len(found) == 1 else None


def _likely_time(values: Sequence[Any], config: EventsConfig, now: float) -> TimeForm | None:
    times = [seconds_of(value, config.time) for value in values]
    good = [time for time in times if time is not None and EARLIEST_S <= time <= now + 86400]
    if not values or 2 * len(good) >= len(values):
        return None
    numbers = []
    for value in values:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if (isinstance(text, str) and is_number(text)) or (
            isinstance(text, int | float) and not isinstance(text, bool)
        ):
            numbers.append(float(text))
    if len(numbers) < len(values) / 2:
        texts = [value for value in values if isinstance(value, str | bytes)]
        read = sum(seconds_of(value, "auto") is not None for value in texts)
        return "auto" if 2 * read > len(values) and config.time != "auto" else None
    form = commonest_form(numbers, now)
    return None if form == config.time else form


def _gather(value: Any, keys: tuple[str, ...], found: dict[str, list[Any]]) -> None:
    if isinstance(value, dict) and len(keys) < _DEPTH:
        for key, one in value.items():
            if key:
                _gather(one, (*keys, key), found)
    elif isinstance(value, list) and value and keys and len(keys) < _DEPTH:
        _gather(value[0], (*keys, "0"), found)
    elif keys and value is not None and not isinstance(value, dict | list | bool):
        path = path_text(keys)
        if path in found or len(found) < MOST_PATHS:
            found.setdefault(path, []).append(value)


def _plain(name: str) -> str:
    return _BETWEEN.sub("", name).casefold()


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
