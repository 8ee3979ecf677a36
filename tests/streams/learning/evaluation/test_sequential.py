"""Networks over sequences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streams.learning.evaluation.methods.base import Setup
from streams.learning.evaluation.methods.sequence_networks import AttentionNetwork, RecurrentNetwork
from streams.learning.evaluation.methods.sequence_training import (
    Training,
    sampled_loss,
    train_for,
    train_sequence_network,
)
from streams.learning.evaluation.methods.sequence_windows import training_windows
from streams.learning.evaluation.methods.sequential import GRU4Rec, SASRec, Sequential
from streams.learning.queries import open_queries
from streams.learning.split import split_of
from support.data.histories import history_of, random_history

CYCLE = [(f"u{user}", f"i{(user + step) % 10}", float(step), "s") for user in range(20) for step in range(12)]


@pytest.mark.parametrize("kind", [SASRec, GRU4Rec])
@pytest.mark.parametrize("full_items", [50_000, 1])
def test_a_cycle_is_learned(kind: type[Sequential], full_items: int):
    """Each item leads to one other: the network ranks it first, with all items in the loss or with sampled ones."""
    history = history_of(CYCLE)
    split = split_of(history, "last", force=True)
    training = Training(learning_rate=0.01, patience=2, steps=20, full_items=full_items, negatives=64)
    method = kind(Setup(), training, length=8)
    method.fit(history, split.train, split.queries(history, "validation", "open"))
    queries = split.queries(history, "test", "open")
    assert method.scores(queries).argmax(axis=1).tolist() == queries.target_item.tolist()
    assert method.curve[-1][1] > 0.9


@pytest.mark.parametrize("kind", [AttentionNetwork, RecurrentNetwork])
def test_a_vector_knows_nothing_of_later_events(kind: type):
    """Other items later in a window change nothing before them."""
    torch.manual_seed(0)
    network = kind(10, 6).eval()
    codes = torch.arange(6)[None]
    changed = codes.clone()
    changed[0, 4:] = 9
    with torch.inference_mode():
        before, after = network(codes), network(changed)
    assert torch.equal(before[0, :4], after[0, :4])
    assert not torch.allclose(before[0, 4:], after[0, 4:])


def test_an_epoch_asks_for_an_item_of_the_next_basket_after_each_event():
    """Every event that has a next basket is there once, in its user's order, with a target out of that basket."""
    history = random_history()
    windows = training_windows(history, np.arange(len(history)), length=7)
    rng = np.random.default_rng(0)
    starts = history.basket_starts
    basket = np.searchsorted(starts, np.arange(len(history)), side="right") - 1
    following: list[tuple[tuple[str, ...], set[str]]] = []  # what an event has seen, what comes next
    for user in range(len(history.users)):
        of_user = np.arange(history.offsets[user], history.offsets[user + 1])
        for row in of_user.tolist():
            after = of_user[basket[of_user] == basket[row] + 1]
            if len(after):
                past = tuple(history.items[item] for item in history.item[of_user[of_user <= row]].tolist())
                following.append((past, {history.items[item] for item in history.item[after].tolist()}))
    for _ in range(3):
        found = 0
        for batch in windows.epoch(rng, 5):
            names = np.array(history.items)[windows.known]
            for inputs, targets, inside in zip(batch.inputs, batch.targets, batch.inside, strict=True):
                size = int(inside.sum())
                assert inside[:size].all() and size <= 7
                for place in range(size):
                    window = tuple(names[inputs[: place + 1]].tolist())
                    nexts = [after for past, after in following if past[-place - 1 :] == window]
                    assert any(names[targets[place]] in after for after in nexts)
                found += size
        assert found == windows.positions == len(following)


def test_the_latest_items_of_a_query_are_those_before_it():
    """Oldest first, unknown items left out, and nothing of the basket that is asked for."""
    history = history_of([*(("u", f"i{step}", float(step), "s") for step in range(6)), ("v", "i9", 3.0, "s")])
    windows = training_windows(history, np.array([0, 1, 3, 4]), length=3)
    codes, count = windows.latest(history, open_queries(history, np.array([5, 6])))
    names = [history.items[item] for item in windows.known[codes[1]].tolist()]
    assert (names[: count[1]], count.tolist()) == (["i3", "i4"], [0, 2])


def test_a_user_without_items_gets_popularity():
    """Nothing known of the user: the most frequent item of training comes first."""
    history = history_of(
        [*CYCLE, *(("w", "i3", 20.0 + step, "s") for step in range(3)), ("x", "i1", 99.0, "s")]
    )
    rows = np.flatnonzero(history.time < history.time.max())
    queries = open_queries(history, np.array([len(history) - 1]))
    method = SASRec(Setup(), Training(max_seconds=0), length=8)
    method.fit(history, rows, queries)
    assert history.items[int(method.scores(queries)[0].argmax())] == "i3"


def test_the_same_seed_trains_the_same_network():
    """Two fits with one seed score alike, another seed doesn't; torch's own random numbers are left alone."""
    history = history_of(CYCLE)
    split = split_of(history, "last", force=True)
    queries = split.queries(history, "validation", "open")
    scores = []
    state = torch.random.get_rng_state()
    for seed in (0, 0, 1):
        method = SASRec(Setup(seed=seed), Training(epochs=2), length=8)
        method.fit(history, split.train, queries)
        scores.append(method.scores(queries))
    assert np.array_equal(scores[0], scores[1]) and not np.allclose(scores[0], scores[2])
    assert torch.equal(state, torch.random.get_rng_state())


def test_it_is_trained_again_with_what_was_learned():
    """For as many epochs as were best, on the validation part, too: an item of that part alone is known then."""
    late = [(f"u{user}", f"late{user % 2}", float(12 + step), "s") for user in range(20) for step in range(2)]
    history = history_of([*CYCLE, *late])
    is_late = history.time >= history.time.min() + 12
    train, later = np.flatnonzero(~is_late), np.flatnonzero(is_late)
    queries = open_queries(history, later)
    method = SASRec(Setup(), Training(learning_rate=0.01, epochs=6, patience=2, steps=10), length=8)
    method.fit(history, train, queries)
    epochs = [entry["epochs"] for entry in method.grid]
    new = [code for code, name in enumerate(history.items) if name.startswith("late")]
    assert np.isinf(method.scores(queries)[:, new]).all()
    method.learn(later)
    method.refit()
    assert [entry["epochs"] for entry in method.grid] == epochs
    assert max(epochs) in [epoch for epoch, _ in method.curve]
    second = method.scores(queries)
    assert np.isfinite(second[:, new]).all()
    assert second[len(queries) // 2 :, new].mean() > second[len(queries) // 2 :].mean()


def test_the_time_is_for_both_trainings():
    """With a budget the first training ends early enough for the second to have as many epochs."""
    history = history_of(
        [(f"u{user}", f"i{(user + step) % 10}", float(step), "s") for user in range(60) for step in range(40)]
    )
    windows = training_windows(history, np.arange(len(history)), 8)
    rising = iter(range(10_000))
    network = AttentionNetwork(len(windows.known), 8)
    value = lambda: dict.fromkeys(("all", "new"), float(next(rising)))  # noqa: E731
    # What torch does once, at its first step, is no part of what is measured.
    train_for(AttentionNetwork(len(windows.known), 8), windows, [0.1], Training(), 0, seconds=60)
    course = train_sequence_network(
        network, windows, value, Training(max_seconds=4.0, steps=3), 0, growth=1.0
    )
    assert 1.0 < course.seconds < 3.6 and len(course.curve) > 1  # half of it, and what a busy machine takes
    best = course.best()["all"]
    epochs = course.curve[best][0]
    states = train_for(network, windows, [epochs], Training(), 0, seconds=60)
    assert list(states) == [epochs] and best in course.states


def test_the_sampled_loss_estimates_the_full_one():
    """With many negatives the two are close, whatever shares they are drawn with."""
    torch.manual_seed(0)
    network = AttentionNetwork(50, 4)
    torch.nn.init.normal_(network.bias)
    vectors, targets = torch.randn(6, 64), torch.arange(6)
    share = torch.rand(50) + 0.1
    share /= share.sum()
    negatives = torch.multinomial(share, 200_000, replacement=True)
    full = torch.nn.functional.cross_entropy(network.logits(vectors), targets, reduction="sum")
    sampled = sampled_loss(network, vectors, targets, negatives, share)
    assert sampled.item() == pytest.approx(full.item(), rel=0.02)


def test_a_log_without_any_next_basket_trains_nothing():
    """Users with one basket each: no window, no error, and popularity for everybody new."""
    history = history_of([(f"u{user}", f"i{user % 2}", float(user), "s") for user in range(5)])
    queries = open_queries(history, np.array([4]))
    method = GRU4Rec(Setup(), Training(epochs=2), length=4)
    method.fit(history, np.arange(4), queries)
    assert method.curve == [] and method.scores(queries).shape == (1, 2)
