"""Columns to points: the functional core of the daemon and of replay. No broker, no store, no clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sinks.points import UserPoints
from streams.events.columns import EventColumns
from streams.events.watermarks import Watermark
from transfer.arrays import F32, U64, Bool
from transfer.codes import NONE
from transfer.config import InterestConfig
from transfer.protocols import Fusion, TransferModel, scenario_weights
from transfer.state.packing import pack_states
from transfer.state.states import InterestStates
from transfer.state.terms import EventTerms
from transfer.state.update import apply_events


@dataclass(frozen=True, slots=True)
class Advance:
    """What a batch did: the users' new states, what the model makes of them, and which events were new."""

    states: InterestStates
    fusion: Fusion
    applied: Bool  # (B,), False: a duplicate


def advance(
    columns: EventColumns,
    states: InterestStates,
    item_keys: U64,
    item_vectors: F32,
    text_vectors: F32,
    config: InterestConfig,
    model: TransferModel,
) -> Advance:
    """Apply events to the states of `columns.users` and fuse.

    states: one row per user of columns.users. item_keys (I,) and item_vectors (I, D): of columns.items.
    text_vectors (T, D): of columns.texts. All vectors unit float32.
    """
    terms = event_terms(columns, item_keys, item_vectors, text_vectors)
    after, applied = apply_events(states, terms, config)
    return Advance(after, model(after), applied)


def event_terms(columns: EventColumns, item_keys: U64, item_vectors: F32, text_vectors: F32) -> EventTerms:
    """Each event as a term of the sums: an item's vector, a text's, or the unit mean of both where it has both."""
    has_item, has_text = columns.item != NONE, columns.text != NONE
    both = has_item & has_text
    vector = np.where(has_item, columns.item, columns.text + len(item_vectors)).astype(np.int32)
    vectors = np.concatenate([item_vectors, text_vectors])
    if both.any():
        pair = columns.item[both].astype(np.int64) * len(text_vectors) + columns.text[both]
        pair, inverse = np.unique(pair, return_inverse=True)
        mixed = item_vectors[pair // len(text_vectors)] + text_vectors[pair % len(text_vectors)]
        norm = np.linalg.norm(mixed, axis=1, keepdims=True)
        opposite = norm[:, 0] < 1e-6  # the two cancel: the item is what was acted on
        mixed = np.where(
            opposite[:, None], item_vectors[pair // len(text_vectors)], mixed / np.maximum(norm, 1e-6)
        )
        vector[both] = len(vectors) + inverse.reshape(-1)
        vectors = np.concatenate([vectors, mixed.astype(np.float32)])
    no_item = np.append(item_keys, np.uint64(0))  # the code -1 finds the last row: 0, no item
    return EventTerms(
        user=columns.user,
        time=columns.time,
        key=columns.key,
        action=columns.action,
        item=no_item[columns.item],
        scenario=columns.scenario,
        scenario_names=tuple(columns.scenarios),
        vectors=vectors,
        vector=vector,
        weight=None if columns.weight is None else columns.weight.astype(np.float64),
    )


def user_points(
    users: list[str], result: Advance, watermarks: list[Watermark], config: InterestConfig
) -> UserPoints:
    """The users' points after a batch: fused vector, interests, packed state, watermarks, weights; one upsert."""
    states, fusion = result.states, result.fusion
    return UserPoints(
        user_ids=users,
        fused=fusion.fused,
        interests=fusion.interests,
        interest_offsets=fusion.interest_offsets,
        states=pack_states(states, config),
        watermarks=watermarks,
        weights=scenario_weights(states, fusion),
        updated_at=states.touched(),
    )
