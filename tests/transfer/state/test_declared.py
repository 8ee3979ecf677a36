"""What users say of themselves: beside the sums, a join of whatever comes, packed and read again."""

import base64
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from support.checks.reference_state import Event, max_relative_error
from support.data.interest_events import applied, unit_vector
from transfer.config import InterestConfig
from transfer.errors import StateFormatError
from transfer.state.declared import (
    MOST_DECLARED,
    Declaration,
    DeclaredStates,
    declare,
    merge_declared,
    take_declared,
)
from transfer.state.layout import PREFIX
from transfer.state.packing import pack_states, unpack_states
from transfer.state.states import InterestStates, empty_states, stack, take_users
from transfer.state.update import merge_states

CONFIG = InterestConfig(dim=6, half_lives_s=(600.0, 86400.0, 2592000.0))
TEXTS = ("", "jazz", "hiking boots", "爵士乐")
TINY = InterestConfig(dim=2, half_lives_s=(600.0, 86400.0))
GOLDEN = (
    "RExJUwMAAABLh7mfV0el2w4geQoBWnQ8AwBMAAAAYAAAACAAGgAAAAAAAAAAAAAAAAAAAAAAlgAAAAAAAAAAAPD/AAAAAAAA"
    "8H8AAAAAAAAAAAAAAAAAAAAAAABEQ0xSjgAAABIAAAAgAAMAAAAAAAAAAAAIQAAAAAAAABxA//////////8AAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAFEDbiWEkGij2pwUAAgAEAAAAmpkZP83MTD8AAAAAAAASQPVyvESK5vsHBgACAAkAAAAAAIC/AAAAAGJv"
    "b2tzZW5qYXp66Z+z5LmQemjniLXlo6vkuZA="
)
"""A user without events, two texts and a deletion, as this version was first written."""


def vector_of(text: str) -> np.ndarray:
    return np.array(unit_vector(sum(text.encode()), CONFIG.dim), np.float32)


def said(before: DeclaredStates | None, each: list[list[Declaration]]) -> tuple[DeclaredStates, np.ndarray]:
    vectors = [
        np.array([vector_of(one.text) for one in some], np.float32).reshape(-1, CONFIG.dim) for some in each
    ]
    return declare(before, each, vectors)


def with_said(*some: Declaration, states: InterestStates | None = None) -> InterestStates:
    states = states or empty_states(1, CONFIG)
    return replace(states, declared=said(states.declared, [list(some)])[0])


def declarations(scenarios: int = 4) -> st.SearchStrategy[list[Declaration]]:
    names = st.sampled_from(["", *(f"s{n}" for n in range(scenarios))])
    times = st.integers(0, 8).map(float)
    one = st.builds(Declaration, times, names, st.sampled_from(TEXTS), st.sampled_from(["", "en"]))
    all_of_it = st.builds(Declaration, times, withdrawn=st.just(True))
    return st.lists(st.one_of(one, one, one, all_of_it), max_size=14)


def plainly(some: list[Declaration]) -> dict[str, str]:
    """Scenario -> text, by the rules as they are written."""
    until = max((one.time for one in some if one.withdrawn), default=-np.inf)
    found: dict[str, Declaration] = {}
    for one in some:
        if one.withdrawn or one.time <= until:
            continue
        held = found.get(one.scenario)
        if held is None or (held.time, held.digest) < (one.time, one.digest):
            found[one.scenario] = one
    return {name: one.text for name, one in found.items() if one.text}


@settings(deadline=None, max_examples=150)
@given(declarations(), st.randoms(use_true_random=False), st.integers(1, 6))
def test_any_order_batches_and_repeats_give_the_same_bytes(
    some: list[Declaration], random, size: int
) -> None:
    """The latest text of each scenario holds, whatever comes when and how often; a deletion keeps its time."""
    one = with_said(*some)
    shuffled = random.sample(some, len(some))
    shuffled += [random.choice(some) for _ in range(3)] if some else []
    states = empty_states(1, CONFIG)
    for start in range(0, len(shuffled), size):
        states = with_said(*shuffled[start : start + size], states=states)
        states = unpack_states(pack_states(states, CONFIG), CONFIG)
    if some:
        assert pack_states(states, CONFIG) == pack_states(one, CONFIG) != [b""]
    assert one.declared is not None
    assert {row.scenario: row.text for row in one.declared.texts(0)} == plainly(some)


@settings(deadline=None, max_examples=40)
@given(declarations(scenarios=3 * MOST_DECLARED), st.integers(0, 14))
def test_more_scenarios_than_there_is_room_for_keep_the_latest(some: list[Declaration], cut: int) -> None:
    """In any order the same; what is kept is bounded."""
    many = [Declaration(10.0 + n % 7, f"x{n}", "jazz") for n in range(2 * MOST_DECLARED)] + some
    one, other = with_said(*many), with_said(*many[::-1][cut:], *many[::-1][:cut])
    assert pack_states(one, CONFIG) == pack_states(other, CONFIG)
    assert one.declared is not None and len(one.declared.time) <= MOST_DECLARED
    again = with_said(*many[:40], states=one)
    assert pack_states(again, CONFIG) == pack_states(one, CONFIG)


def test_what_changed_is_told() -> None:
    """A repeat and what is older change nothing, so that nothing needs to be written."""
    first, changed = said(None, [[Declaration(5.0, "", "jazz")], [], [Declaration(1.0, "a")]])
    assert changed.tolist() == [True, False, True]
    _, changed = said(
        first, [[Declaration(5.0, "", "jazz"), Declaration(4.0)], [], [Declaration(1.0, "a", "hiking")]]
    )
    assert changed.tolist() == [False] * 3
    second, changed = said(first, [[Declaration(6.0, withdrawn=True)], [], []])
    assert changed.tolist() == [True, False, False] and not second.speaks().any()
    assert second.latest().tolist() == [6.0, -np.inf, 1.0]


def test_a_scenario_has_its_own_text_or_that_of_all() -> None:
    """Its own, else the one of all scenarios, else all texts together; a deleted one is none."""
    declared, _ = said(
        None, [[Declaration(1.0, "", "jazz"), Declaration(1.0, "games", "chess"), Declaration(1.0, "b", "")]]
    )
    own, is_own = declared.within(0, "games")
    np.testing.assert_allclose(own, vector_of("chess"), atol=1e-6)
    everywhere, is_everywhere = declared.within(0, "b")
    np.testing.assert_allclose(everywhere, vector_of("jazz"), atol=1e-6)
    assert (is_own, is_everywhere) == (True, False)
    both = vector_of("jazz").astype(np.float64) + vector_of("chess")
    np.testing.assert_allclose(declared.everything()[0], both / np.linalg.norm(both), atol=1e-6)
    alone, _ = said(None, [[Declaration(1.0, "games", "chess")]])
    np.testing.assert_allclose(alone.within(0, "books")[0], vector_of("chess"), atol=1e-6)


def test_events_leave_it_as_it_is_and_it_leaves_the_sums() -> None:
    """Beside the state: applying, merging, taking and stacking carry it; sums, counts and times are those without it."""
    life = [Event(0, 1.7e9 + n, n + 1, 1, n + 1, f"s{n % 3}", unit_vector(n, 6)) for n in range(9)]
    plain = applied([life], CONFIG, users=1)
    before = with_said(Declaration(5.0, "", "jazz"))
    told = applied([life], CONFIG, states=before)
    assert max_relative_error(replace(told, declared=None), plain) == 0.0 and told.declared is not None
    back = unpack_states([*pack_states(told, CONFIG), *pack_states(plain, CONFIG)], CONFIG)
    assert [row.text for row in back.declared.texts(0)] == ["jazz"] and not back.declared.texts(1)
    merged = merge_states(before, plain, CONFIG)
    assert (
        max_relative_error(replace(merged, declared=None), plain) == 0.0
        and merged.declared.texts(0)[0].text == "jazz"
    )
    assert take_users(back, np.array([1])).declared is None
    assert stack([plain, told]).declared.texts(1)[0].text == "jazz"
    assert told.touched()[0] == plain.t_ref[0] and before.touched()[0] == 5.0
    assert merge_declared(None, None, 1, 6) is None and take_declared(None, np.array([0])) is None


def test_a_state_with_it_has_a_version_of_its_own() -> None:
    """An older release refuses it and drops nothing; states without it keep their version and their bytes."""
    with_it, without = with_said(Declaration(5.0, "", "jazz", "en")), empty_states(1, CONFIG)
    (packed,) = pack_states(with_it, CONFIG)
    assert np.frombuffer(packed, PREFIX, 1)["version"][0] == 3
    life = [Event(0, 1.7e9, 1, 1, 1, "s", unit_vector(1, 6))]
    (plain,) = pack_states(applied([life], CONFIG, users=1), CONFIG)
    assert np.frombuffer(plain, PREFIX, 1)["version"][0] == 2
    assert pack_states(without, CONFIG) == [b""]


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_damage_within_is_refused(data) -> None:
    """Also where the checksum is right: a section that is not as long as it says, and what is no text, is no state."""
    some = (Declaration(5.0, "books", "jazz", "en"), Declaration(4.0, "", "x"))
    (packed,) = pack_states(with_said(*some), CONFIG)
    start = packed.index(b"DCLR") + 8
    at = data.draw(st.integers(start, len(packed) - 1))
    damaged = bytearray(packed)
    damaged[at] ^= data.draw(st.integers(1, 255))
    body = bytes(damaged[PREFIX.itemsize :])
    blob = bytes(damaged[: PREFIX.itemsize - 8]) + xxh3_64_intdigest(body).to_bytes(8, "little") + body
    try:
        unpack_states([blob], CONFIG)
    except StateFormatError:
        return
    with pytest.raises(StateFormatError):
        unpack_states([bytes(damaged)], CONFIG)


def test_the_first_bytes_of_this_version_are_read() -> None:
    """And written: what stands in a store stays readable, bit for bit."""
    golden = base64.b64decode(GOLDEN)
    states = unpack_states([golden], TINY)
    assert states.declared is not None and states.declared.withdrawn[0] == 3.0
    rows = [(row.scenario, row.time, row.text, row.language) for row in states.declared.rows(0)]
    assert rows == [("", 7.0, "", ""), ("books", 5.0, "jazz", "en"), ("音乐", 4.5, "爵士乐", "zh")]
    np.testing.assert_array_equal(states.declared.vector, np.float32([[0, 0], [0.6, 0.8], [-1, 0]]))
    assert pack_states(states, TINY) == [golden]
