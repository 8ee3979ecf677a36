"""Training of a sequence network: cross-entropy over all items, early stopping, a budget of time."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from streams.learning.evaluation.families import ALL, FAMILIES, Family, best_of_each
from streams.learning.evaluation.methods.sequence_networks import SequenceNetwork
from streams.learning.evaluation.methods.sequence_windows import SequenceWindows, WindowBatch

_LOGITS_AT_A_TIME = 20_000_000

NetworkState = dict[str, Tensor]
"""The weights of a network."""


@dataclass(frozen=True, slots=True)
class Training:
    """How to train."""

    max_seconds: float = 600.0
    """stop then, whatever has been reached: seconds of processor time, so that what else runs on the machine matters little.
    Only this makes a result depend on the machine."""
    epochs: int = 200
    patience: int = 5
    """stop after this many times without a better value"""
    steps: int = 100
    """ask for the value at the end of an epoch once this many steps have been made since, or after five times as many"""
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    full_items: int = 50_000
    full_work: float = 2e10
    """`full_items` and `full_work`: full softmax where there are at most this many items, and items times training events are
    at most this; else a sampled one with `negatives` items for each batch"""
    negatives: int = 4096


@dataclass(slots=True)
class Course:
    """How a training went: what was reached whenever the value was asked for."""

    curve: list[tuple[float, float]] = field(default_factory=list)
    """(epochs so far, value for all targets)"""
    values: list[Mapping[Family, float]] = field(default_factory=list)
    states: dict[int, NetworkState] = field(default_factory=dict)
    """the network's weights at the best time of each family, by index into the lists"""
    seconds: float = 0.0
    """processor time, judging included"""

    def add(self, epochs: float, value: Mapping[Family, float], network: SequenceNetwork) -> None:
        """A value is there; the weights are copied if it is the best of a family."""
        self.curve.append((epochs, value[ALL]))
        self.values.append(dict(value))
        best = set(self.best(0.0).values())
        if len(self.values) - 1 in best:
            self.states[len(self.values) - 1] = _copy(network)
        self.states = {place: state for place, state in self.states.items() if place in best}

    def best(self, margin: float = 0.01) -> dict[Family, int]:
        """The index of the best value of each family; see `families.best_of_each`."""
        values = {family: np.array([value[family] for value in self.values]) for family in FAMILIES}
        return best_of_each(range(len(self.values)), values, margin)


def train_sequence_network(
    network: SequenceNetwork,
    windows: SequenceWindows,
    value: Callable[[], Mapping[Family, float]],
    settings: Training,
    seed: int,
    progress: Callable[[str], None] | None = None,
    growth: float = 0.0,
) -> Course:
    """Train until `value()` (higher is better) has not risen for all targets `patience` times in a row.

    growth: how many times as long as this one a second training will take, for as many epochs as are best; time is left for it.
    """
    course, losses = Course(), list[float]()
    began = clock.process_time()
    judging = needed = 0.0
    for seen, loss, last, ended in _steps(network, windows, settings, seed):
        losses.append(loss)
        spent = clock.process_time() - began
        over = ended or spent + growth * needed > settings.max_seconds
        if not (over or len(losses) >= 5 * settings.steps or (last and len(losses) >= settings.steps)):
            continue
        course.add(seen / windows.positions, value(), network)
        now = len(course.values) - 1
        if now in course.states:
            needed = spent - judging
        judging += clock.process_time() - began - spent
        if progress is not None:
            epochs, reached = course.curve[-1]
            progress(f"epoch {epochs:.1f}: loss {np.mean(losses):.3f}, validation {reached:.4f}")
        losses = []
        if over or now - course.best(0.0)[ALL] >= settings.patience:
            break
    course.seconds = clock.process_time() - began
    return course


def train_for(
    network: SequenceNetwork,
    windows: SequenceWindows,
    epochs: Sequence[float],
    settings: Training,
    seed: int,
    seconds: float,
) -> dict[float, NetworkState]:
    """Train for so many epochs, or until so many seconds of processor time are spent; the weights after each number."""
    states: dict[float, NetworkState] = {}
    end = clock.process_time() + seconds
    for seen, _, _, ended in _steps(network, windows, settings, seed):
        over = ended or clock.process_time() > end
        for count in epochs:
            if count not in states and (over or seen >= round(count * windows.positions)):
                states[count] = _copy(network)
        if len(states) == len(set(epochs)):
            break
    return states


def _steps(
    network: SequenceNetwork, windows: SequenceWindows, settings: Training, seed: int
) -> Iterator[tuple[int, float, bool, bool]]:
    """Makes one step after the other: targets so far, loss, whether an epoch ends with it, whether the last one does."""
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    sampler = _sampler(windows, settings, rng)
    size = int(np.clip(windows.positions // windows.length // 50, 16, 64))
    seen = 0
    for epoch in range(settings.epochs):
        for batch, last in _with_last(windows.epoch(rng, size)):
            seen += int(np.count_nonzero(batch.inside))
            yield seen, _step(network, optimiser, batch, sampler), last, last and epoch + 1 == settings.epochs


@contextmanager
def one_thread(seed: int) -> Iterator[None]:
    """Torch on one thread, with random numbers of its own; both as before afterwards."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


@dataclass(frozen=True, slots=True, eq=False)
class Sampler:
    """Negatives drawn from q, half uniform, half as frequent as in training: corrected by q they stand for all items."""

    share: Tensor
    """(V,) float32 q"""
    count: int
    rng: np.random.Generator
    cumulated: np.ndarray

    def draw(self) -> Tensor:
        """(C,) codes, with repeats."""
        codes = np.searchsorted(self.cumulated, self.rng.random(self.count))
        return torch.from_numpy(np.minimum(codes, len(self.cumulated) - 1))


def _sampler(windows: SequenceWindows, settings: Training, rng: np.random.Generator) -> Sampler | None:
    items = len(windows.known)
    if items <= settings.full_items and items * float(windows.positions) <= settings.full_work:
        return None
    share = 0.5 / items + 0.5 * windows.counts / windows.counts.sum()
    return Sampler(torch.from_numpy(share.astype(np.float32)), settings.negatives, rng, np.cumsum(share))


def _step(
    network: SequenceNetwork, optimiser: torch.optim.Optimizer, batch: WindowBatch, sampler: Sampler | None
) -> float:
    """One step of the optimiser; the mean loss."""
    network.train()
    optimiser.zero_grad()
    vectors = network(torch.from_numpy(batch.inputs))[torch.from_numpy(batch.inside)]
    targets = torch.from_numpy(batch.targets[batch.inside])
    # The part after the vectors goes piece by piece, so that never all logits are there at once.
    leaf = vectors.detach().requires_grad_()
    negatives = None if sampler is None else sampler.draw()
    wide = len(network.bias) if negatives is None else len(negatives)
    piece = max(_LOGITS_AT_A_TIME // wide, 1)
    total = 0.0
    for begin in range(0, len(targets), piece):
        part, wanted = leaf[begin : begin + piece], targets[begin : begin + piece]
        if sampler is None or negatives is None:
            loss = functional.cross_entropy(network.logits(part), wanted, reduction="sum")
        else:
            loss = sampled_loss(network, part, wanted, negatives, sampler.share)
        (loss / len(targets)).backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    vectors.backward(leaf.grad)
    torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimiser.step()
    return total / len(targets)


def sampled_loss(
    network: SequenceNetwork, vectors: Tensor, targets: Tensor, negatives: Tensor, share: Tensor
) -> Tensor:
    """Sum of cross-entropies in which the sum over all items is estimated from `negatives` (C,) drawn from `share` (V,).

    Each negative j stands for 1 / (C q_j) items like it (importance sampling, Bengio & Senecal 2008); one that is the
    target is left out.
    """
    own = (vectors * network.items(targets)).sum(-1) + network.bias[targets]
    others = network.logits(vectors, negatives) - torch.log(len(negatives) * share[negatives])
    others = others.masked_fill(negatives[None, :] == targets[:, None], -torch.inf)
    loss: Tensor = (torch.logsumexp(torch.cat([own[:, None], others], dim=1), dim=1) - own).sum()
    return loss


def _copy(network: SequenceNetwork) -> NetworkState:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _with_last(batches: Iterator[WindowBatch]) -> Iterator[tuple[WindowBatch, bool]]:
    """Each batch, and whether it is the last one."""
    held = next(batches, None)
    for batch in batches:
        assert held is not None
        yield held, False
        held = batch
    if held is not None:
        yield held, True
