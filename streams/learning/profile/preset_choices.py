"""A proposal with a preset under it: what the log tells stays, what it can't tell comes from the preset, and each says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from streams.learning.profile.choice import Choice
from streams.learning.profile.durations import durations
from streams.learning.profile.facts import LogStatistics
from streams.learning.profile.presets import PRESETS, Preset, PresetName
from streams.learning.profile.proposal import Proposal
from streams.settings import Settings
from transfer.config import TransferConfig

SMALL = 1000
"""Fewer events say little of half-lives, unless questions could be asked of them."""
ENOUGH_TEXTS = 50
BYTES_A_TOKEN = 4
"""About so many bytes of UTF-8 a token of a text encoder has, in English; a Chinese character is three."""
LENGTHS = (64, 128, 256, 512)
ENOUGH_AMOUNTS = 0.5
"""Share of an action's events that have an amount, from which on it may weigh by it."""


@dataclass(frozen=True, slots=True)
class PresetEvidence:
    """What a log and its catalogue show of what presets are about."""

    facts: LogStatistics
    texts: Sequence[str] = ()
    """of the catalogue's items, those that have one"""
    catalogue_fields: frozenset[str] | None = None
    """names of the catalogue's fields; None: there is no catalogue"""
    amounts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """measure -> amounts in the log's first rows"""
    rows: int = 0
    """how many rows these are"""


def with_preset(
    proposal: Proposal, name: PresetName, seen: PresetEvidence, settings: Settings
) -> tuple[Proposal, list[str]]:
    """The proposal with the preset's values where neither the log nor the settings say anything, and what else the preset has
    to say, a line each. settings: keys that are set in them stay as they are."""
    preset = PRESETS[name]
    sections: dict[str, dict[str, Choice]] = {
        section: dict(choices) for section, choices in proposal.sections.items()
    }
    lives = _half_lives(proposal, name, seen, settings)
    if lives is not None:
        sections.setdefault("interest", {})["half_lives_s"] = lives
        transfer = sections.setdefault("transfer", {})
        if transfer.get("min_age_s") is not None:
            del transfer["min_age_s"]
        if lives.value[0] < TransferConfig().min_age_s:
            transfer["min_age_s"] = Choice(lives.value[0], "the shortest half-life")
    if (
        "half_lives_s" not in sections.get("counts", {})
        and "half_lives_s" not in settings.counts.model_fields_set
        and seen.facts.clock.kind != "positions"
    ):
        why = f"preset {name}; popularity could not be asked of the log"
        sections.setdefault("counts", {})["half_lives_s"] = Choice(preset.popular_s, why)
    if "max_length" not in settings.encoder.model_fields_set:
        sections.setdefault("encoder", {})["max_length"] = _max_length(name, preset, seen.texts)
    weigh, notes = _weigh(name, preset, seen, settings)
    if weigh is not None:
        sections.setdefault("interest", {})["weigh"] = weigh
    found = replace(
        proposal,
        sections={section: choices for section, choices in sections.items() if choices},
        half_lives_s=proposal.half_lives_s if lives is None else lives.value,
    )
    return found, [f"preset {name}: {preset.about}", *_content(preset, seen), *notes]


def _half_lives(
    proposal: Proposal, name: PresetName, seen: PresetEvidence, settings: Settings
) -> Choice | None:
    """Of the preset, if the log does not tell; None: they stay as they are."""
    facts, preset = seen.facts, PRESETS[name]
    if "half_lives_s" in settings.interest.model_fields_set or facts.clock.kind == "positions":
        return None
    counted = proposal.sections.get("interest", {}).get("half_lives_s")
    if counted is not None and (proposal.curves or facts.events >= SMALL):
        return None
    why = f"preset {name}: {facts.events:,} events of the log are too few to tell"
    if counted is not None:
        why += f" (its gaps alone would say {durations(counted.value, facts.clock)})"
    return Choice(preset.half_lives_s, why)


def _max_length(name: PresetName, preset: Preset, texts: Sequence[str]) -> Choice:
    """By the catalogue's own texts, if there are any."""
    if len(texts) < ENOUGH_TEXTS:
        why = f"preset {name}; " + ("no catalogue was given" if not texts else f"only {len(texts)} texts")
        return Choice(preset.max_length, why)
    size = float(np.quantile([len(text.encode("utf-8", "replace")) for text in texts], 0.95))
    tokens = size / BYTES_A_TOKEN + 2
    length = next((one for one in LENGTHS if one >= tokens), LENGTHS[-1])
    why = f"95 % of {len(texts):,} texts have at most {size:.0f} bytes, about {tokens:.0f} tokens"
    if length != preset.max_length:
        why += f"; preset {name} alone would say {preset.max_length}"
    return Choice(length, why)


def _weigh(
    name: PresetName, preset: Preset, seen: PresetEvidence, settings: Settings
) -> tuple[Choice | None, list[str]]:
    """By which amounts actions weigh, of those that the log has; and which it lacks."""
    found: dict[str, Any] = {action: one.model_dump() for action, one in settings.interest.weigh.items()}
    why, lacking = [], []
    for action, measure in preset.weigh.items():
        if action in found or not seen.facts.actions.get(action):
            continue
        amounts = [amount for amount in seen.amounts.get(measure, ()) if amount > 0]
        if len(amounts) < max(ENOUGH_AMOUNTS * seen.facts.actions[action] * seen.rows, 1):
            lacking.append(measure)
            continue
        typical = float(f"{np.median(amounts):.3g}")
        found[action] = {"by": measure, "typical": typical}
        why.append(f"{measure} of {typical:g} is the median of the log's first {seen.rows:,} rows")
    notes = [
        f"events don't weigh by {measure}, as they would with preset {name}: the log has none"
        for measure in dict.fromkeys(lacking)
    ]
    return (Choice(found, f"preset {name}; " + "; ".join(dict.fromkeys(why))) if why else None), notes


def _content(preset: Preset, seen: PresetEvidence) -> list[str]:
    """Which fields and kinds of content tell most, and whether the catalogue has them."""
    lines = [
        f"content that tells most of new items: {', '.join(preset.modalities)}; fields of the catalogue: "
        + ", ".join(preset.fields)
    ]
    if seen.catalogue_fields is not None:
        missing = [one for one in preset.fields if one not in seen.catalogue_fields]
        lines.append(
            f"this catalogue lacks {', '.join(missing)}" if missing else "this catalogue has all of them"
        )
    return lines
