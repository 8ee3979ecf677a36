"""The learned model: what it promises beyond every transfer model."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from safetensors.torch import load_file, save

from support.checks.reference_state import Event
from support.data.interest_events import SMALL, applied, event_lists
from support.fakes.learned import random_model
from transfer.config import InterestConfig
from transfer.counts.config import CountsConfig
from transfer.errors import ModelError
from transfer.learned.folder import counts_config_of, load_model, report_of, save_model
from transfer.learned.mixture import MixtureConfig
from transfer.learned.temperatures import mixed
from transfer.names import hashed_names

moderate = settings(deadline=None, max_examples=25)


@moderate
@given(events=event_lists())
def test_cosine_of_what_is_stored_orders_items_as_the_network_does(events: list[Event]) -> None:
    """A vector search over item vectors finds what the network scores highest, though its scores are no cosines."""
    model = random_model(SMALL)
    states = applied([events], SMALL)
    keys = model.items.keys
    scores = model.queries(states).query @ model.towers(keys, model.items.vectors).T
    cosines = model(states).fused @ model.item_vectors(keys, model.items.vectors).T
    np.testing.assert_allclose(
        np.sort(scores, axis=1), np.take_along_axis(scores, np.argsort(cosines, axis=1), axis=1), atol=1e-4
    )


@moderate
@given(events=event_lists())
def test_a_scenario_works_through_its_name(events: list[Event]) -> None:
    """A name that nobody has met still gives a query of its own, by its vector."""
    model = random_model(SMALL)
    states = applied([events], SMALL)
    found = model.queries(states, ["never met"] * 3).asked
    other = model.queries(states, ["nor this"] * 3).asked
    assert np.isfinite(found).all()
    assert not np.allclose(found, other)


def test_asking_changes_nothing_but_the_answer_asked_for() -> None:
    """A scenario that is asked for borrows; it lends nothing and moves no weight."""
    model = random_model(SMALL)
    states = applied([[event(0, 10.0, "books"), event(0, 20.0, "shoes")]], SMALL)
    plain, asked = model.queries(states), model.queries(states, ["garden", "", ""])
    np.testing.assert_allclose(plain.query, asked.query, atol=1e-5)
    np.testing.assert_allclose(plain.weights, asked.weights, atol=1e-6)
    visited = model.queries(states, ["books", "", ""])
    np.testing.assert_allclose(visited.asked[0], plain.interests[0], atol=1e-5)


def test_how_much_a_scenario_borrows_is_a_setting() -> None:
    """attention: from other slots and all sums; blend: from the sums alone; none: another scenario has no say at all."""
    one = [event(0, 10.0, "books", seed=1), event(0, 10.0, "shoes", seed=2)]
    two = [event(0, 10.0, "books", seed=1), event(0, 10.0, "shoes", seed=3)]

    def same(transfer: str, sums: bool) -> bool:
        model = random_model(SMALL, transfer=transfer, use_ring=False)
        if not sums:  # then only the slots can tell
            for name, value in model.network.named_parameters():
                if name.startswith(("read_horizon", "direct")):
                    torch.nn.init.zeros_(value)
        first, second = (model.queries(applied([events], SMALL)).interests[0] for events in (one, two))
        return np.allclose(first, second, atol=1e-6)

    assert [same(transfer, sums=False) for transfer in ("attention", "blend", "none")] == [False, True, True]
    assert [same(transfer, sums=True) for transfer in ("attention", "blend", "none")] == [False, False, True]


def test_a_model_survives_its_folder(tmp_path: Path) -> None:
    """Loaded again it answers alike, under a fingerprint that a change of any weight changes."""
    model = random_model(SMALL)
    states = applied([[event(0, 10.0, "books"), event(1, 20.0, "shoes")]], SMALL)
    fingerprint = save_model(tmp_path / "model", model, CountsConfig(), {"seed": 7})
    again = load_model(tmp_path / "model")
    assert again.fingerprint == fingerprint
    # Items are stored in float16.
    np.testing.assert_allclose(again(states).fused, model(states).fused, atol=2e-3)
    assert (
        report_of(tmp_path / "model") == {"seed": 7}
        and counts_config_of(tmp_path / "model") == CountsConfig()
    )
    with torch.no_grad():
        next(model.network.parameters()).add_(1e-3)
    assert save_model(tmp_path / "model", model, CountsConfig(), {"seed": 7}) != fingerprint


def test_a_stored_model_keeps_its_names(tmp_path: Path) -> None:
    """Models that are stored already must stay readable, and keep their fingerprints: these names are part of both."""
    save_model(tmp_path / "model", random_model(SMALL), CountsConfig(), {})
    meta = json.loads((tmp_path / "model" / "model.json").read_text())
    assert list(meta) == [
        "version", "network", "mixture", "interest", "tables", "encoder", "names", "name_source", "report",
    ]  # fmt: skip
    assert list(meta["tables"]) == [
        "keep", "half_lives_s", "pair_window", "pair_events", "pair_half_life_s", "max_neighbours", "max_pairs", "max_counts",
    ]  # fmt: skip
    assert list(meta["mixture"]) == [
        "own_features", "place_features", "user_features", "scenario_features", "shares", "places", "hidden", "dropout",
        "use_again", "use_next", "use_new", "use_recent", "use_debuts", "rungs", "heads", "popular",
    ]  # fmt: skip
    # Stored only where it has a power.
    assert [*meta["mixture"], "declared"] == list(MixtureConfig.model_fields)


def test_a_model_of_one_temperature_is_read_as_before(tmp_path: Path) -> None:
    """A folder of the version before has no weights of temperatures: its *new* is the plain softmax."""
    model = random_model(SMALL)
    save_model(tmp_path / "model", model, CountsConfig(), {})
    meta = json.loads((tmp_path / "model" / "model.json").read_text())
    meta["version"] = 2
    del meta["mixture"]["rungs"], meta["mixture"]["heads"]
    (tmp_path / "model" / "model.json").write_text(json.dumps(meta))
    tensors = load_file(tmp_path / "model" / "model.safetensors")
    parts = tensors.pop("mixture.rungs").shape[1]
    for name in ("mixture.gate.5.weight", "mixture.gate.5.bias"):
        tensors[name] = tensors[name][:-parts].contiguous()
    (tmp_path / "model" / "model.safetensors").write_bytes(save(tensors))
    found = load_model(tmp_path / "model")
    assert found.fingerprint.startswith("learned-2-") and found.mixture is not None
    scores = torch.tensor([[3.0, 1.0, -2.0]])
    weights = torch.softmax(found.mixture.rungs, dim=1)[:1]
    torch.testing.assert_close(
        mixed(scores, weights, found.mixture.config.heads), torch.softmax(scores, dim=1)
    )


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """Nothing there, something else there, half of it there: an error that names the folder, and nothing is overwritten."""
    with pytest.raises(ModelError, match="holds no model"):
        load_model(tmp_path / "nothing")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    with pytest.raises(ModelError, match="something other than a model"):
        save_model(tmp_path / "letters", random_model(SMALL), CountsConfig(), {})
    assert (tmp_path / "letters" / "a.txt").read_text() == "dear"
    save_model(tmp_path / "model", random_model(SMALL), CountsConfig(), {})
    (tmp_path / "model" / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(ModelError, match="train it again"):
        load_model(tmp_path / "model")


def test_items_that_training_has_not_seen_are_looked_up() -> None:
    """The ring's unknown items get their base vectors from the caller."""
    states = applied([[event(0, 10.0, "books", item=99)]], SMALL)
    model = random_model(SMALL)
    before = model(states).fused
    asked: list[int] = []

    def lookup(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked.extend(keys.tolist())
        return np.ones((len(keys), SMALL.dim), np.float32), np.zeros(len(keys), np.int64)

    model.bind(lookup, None)
    assert not np.allclose(model(states).fused, before)
    assert asked == [99]


def test_names_of_scenarios_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many come, a bounded number is remembered, and answers stay the same."""
    monkeypatch.setattr("transfer.learned.model.MOST_NAMES", 3)
    model = random_model(SMALL)
    asked: list[str] = []

    def encode(names: Sequence[str]) -> np.ndarray:
        asked.extend(names)
        return hashed_names(SMALL.dim)(names)

    model.bind(None, encode)
    rounds = [applied([[event(0, 10.0, "books"), event(0, 20.0, f"s{n}")]], SMALL) for n in range(4)]
    first = [model(states).fused for states in rounds]
    assert asked.count("books") < 4 and {f"s{n}" for n in range(4)} <= set(asked)
    before = len(asked)
    np.testing.assert_allclose([model(states).fused for states in rounds], first, atol=1e-6)
    assert len(asked) > before  # some had been forgotten


def event(user: int, time: float, scenario: str, seed: int = 0, item: int = 1) -> Event:
    """One click."""
    vector = np.random.default_rng(seed).standard_normal(SMALL.dim)
    vector = (vector / np.linalg.norm(vector)).astype(np.float32).astype(np.float64)
    return Event(user, time, int(time) + 1000 * seed + user + 7, 1, item, scenario, tuple(vector.tolist()))


def test_a_width_that_leaves_no_room_is_refused() -> None:
    """Towers need one dimension more than their own."""
    with pytest.raises(ValueError, match="below dim"):
        random_model(InterestConfig(dim=4), width=4)
