"""Presets: what is usual in a line of business and a log can't tell; a starting point, and never instead of evidence.

Half-lives are orders of magnitude from how long things stay of interest there: no log was measured for them, and `profile`
takes them only where a log is too small to tell. Lengths of texts are those of the content that is usual.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from transfer.weigh import Measure

PresetName = Literal["shop", "news", "video", "music", "games", "ads", "support"]
Modality = Literal["text", "image", "audio"]

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class Preset:
    """Of one line of business."""

    about: str
    half_lives_s: tuple[float, ...]
    """of interests"""
    popular_s: tuple[float, ...]
    """of shares, which tell what is popular"""
    max_length: int
    """tokens of an item's text that are read"""
    modalities: tuple[Modality, ...]
    """what tells most of an item of which little is known, the most telling first"""
    fields: tuple[str, ...]
    """of the catalogue, beside id and scenario"""
    weigh: Mapping[str, Measure] = field(default_factory=dict)
    """action -> the amount by which it says more or less"""


PRESETS: Mapping[PresetName, Preset] = {
    "shop": Preset(
        "things that are compared for days and bought now and then",
        half_lives_s=(HOUR, DAY, 30 * DAY),
        popular_s=(DAY, 7 * DAY, 28 * DAY, float("inf")),
        max_length=128,
        modalities=("text", "image"),
        fields=("title", "description", "image", "brand", "price", "available_until"),
        weigh={"purchase": "quantity"},
    ),
    "news": Preset(
        "articles that are old by tomorrow",
        half_lives_s=(30 * MINUTE, 6 * HOUR, 7 * DAY),
        popular_s=(HOUR, 6 * HOUR, DAY),
        max_length=256,
        modalities=("text",),
        fields=("title", "description", "available_from", "available_until"),
        weigh={"browse": "dwell_s", "click": "dwell_s"},
    ),
    "video": Preset(
        "films and series: a few a week, watched or left after minutes",
        half_lives_s=(2 * HOUR, 2 * DAY, 60 * DAY),
        popular_s=(DAY, 7 * DAY, 28 * DAY, float("inf")),
        max_length=256,
        modalities=("text", "image"),
        fields=("title", "description", "image", "available_from", "available_until"),
        weigh={"browse": "dwell_s", "click": "dwell_s"},
    ),
    "music": Preset(
        "tracks that come again, many an hour, by mood",
        half_lives_s=(20 * MINUTE, DAY, 60 * DAY),
        popular_s=(7 * DAY, 28 * DAY, float("inf")),
        max_length=64,
        modalities=("audio", "text"),
        fields=("title", "description", "audio", "artist"),
        weigh={"browse": "dwell_s", "click": "dwell_s"},
    ),
    "games": Preset(
        "few things that are stayed with for weeks",
        half_lives_s=(DAY, 7 * DAY, 90 * DAY),
        popular_s=(7 * DAY, 28 * DAY, float("inf")),
        max_length=256,
        modalities=("text", "image"),
        fields=("title", "description", "image", "price"),
        weigh={"browse": "dwell_s", "click": "dwell_s"},
    ),
    "ads": Preset(
        "intent of the moment; campaigns come and go",
        half_lives_s=(10 * MINUTE, 6 * HOUR, 7 * DAY),
        popular_s=(HOUR, DAY, 7 * DAY),
        max_length=64,
        modalities=("image", "text"),
        fields=("title", "description", "image", "available_from", "available_until"),
    ),
    "support": Preset(
        "one question at a time, over when it is answered",
        half_lives_s=(15 * MINUTE, DAY, 14 * DAY),
        popular_s=(DAY, 7 * DAY, 28 * DAY),
        max_length=512,
        modalities=("text",),
        fields=("title", "description"),
    ),
}
