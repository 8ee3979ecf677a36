"""Training of the network: what it is judged by, and that it learns."""

import numpy as np
import pytest
import torch

from support.fakes.learned import small_log
from transfer.config import InterestConfig
from transfer.learned.batches import Asked, context, ring_tokens
from transfer.learned.config import NetworkConfig
from transfer.learned.network import RingItems, TransferNetwork
from transfer.state.packing import unpack_states
from transfer.training.batches import TrainingBatches, stretches
from transfer.training.config import TrainConfig
from transfer.training.examples import Examples, examples
from transfer.training.network_stage import TrainingSet, train_network
from transfer.training.objective import ItemTensors, StepCandidates, draw_candidates, loss
from transfer.training.states_at import packed_states_at
from transfer.training.walk import EventLog

CONFIG = InterestConfig(dim=8, half_lives_s=(600.0, 86400.0, 2592000.0))
SHAPE = {"dim": 8, "horizons": 3, "width": 16, "heads": 2, "ring": 12, "gap_edges_s": (100.0,)}


def world(
    items: int = 20, **settings: object
) -> tuple[EventLog, Examples, TrainingBatches, ItemTensors, TransferNetwork]:
    """A small log and all that training needs of it."""
    log = small_log(users=24, items=items)
    found = examples(log, CONFIG)
    shape = NetworkConfig.model_validate({**SHAPE, **settings})
    ids = np.arange(1, items + 1)
    names = np.random.default_rng(5).standard_normal((3, 8)).astype(np.float32)
    catalogue = ItemTensors(
        torch.from_numpy(log.vectors),
        torch.from_numpy(ids),
        torch.arange(items) % 3,
        torch.arange(items),
        torch.arange(0, items, 10),
    )
    torch.manual_seed(0)
    return (
        log,
        found,
        TrainingBatches(log, found, shape, ids, names),
        catalogue,
        TransferNetwork(shape, items),
    )


def test_a_position_is_read_alike_in_training_and_in_service() -> None:
    """A batch of positions gives the queries that the states of those moments give by themselves."""
    log, found, batches, _, network = world(use_slots=True)
    network.eval()
    seen = found.row - log.offsets[found.user]
    positions = np.flatnonzero(seen <= 12)[::5]  # later ones begin their stretch elsewhere than the ring
    batch = batches.make(positions, np.random.default_rng(0))
    with torch.no_grad():
        latest = network.read_ring(batch.tokens)[batch.stretch, batch.last]
        training = network(latest, batch.context)
    packed = packed_states_at(log, CONFIG, found.row[positions])
    states = unpack_states([packed[row] for row in found.row[positions].tolist()], CONFIG)
    keys = {int(key): place for place, key in enumerate(log.item_keys.tolist())}

    def items(asked: np.ndarray) -> torch.Tensor:
        rows = np.array([keys[int(key)] for key in asked], np.int64)
        with torch.no_grad():
            return network.read_items(
                RingItems(torch.from_numpy(log.vectors[rows]), torch.from_numpy(rows + 1))
            )

    names = np.random.default_rng(5).standard_normal((3, 8)).astype(np.float32)

    def named(wanted: object) -> np.ndarray:
        return np.stack([names["abc".index(name)] for name in wanted])  # type: ignore[attr-defined]

    asked = Asked(["abc"[code] for code in batch.asked_scenario.tolist()])
    tokens, last = ring_tokens(states, network.config, items, named)
    with torch.no_grad():
        latest = network.read_ring(tokens, last)[:, 0]
        serving = network(latest, context(states, CONFIG, network.config, named, asked))
    np.testing.assert_allclose(training.query, serving.query, atol=5e-3)  # vectors were kept in float16


def test_a_position_sees_at_least_half_a_ring_and_nothing_later() -> None:
    """Every position is in one stretch, at its place, with what came before it."""
    log = small_log(users=3, events=100)
    row = np.arange(1, 100)
    found = stretches(log, row, np.zeros(99, np.int32), 12)
    assert (found.start + found.last == row - 1).all()
    assert (found.last < 12).all() and (found.start >= 0).all()
    assert (found.last + 1 >= np.minimum(row, 6)).all()


@pytest.mark.parametrize("no", ["slots", "ring"])
def test_the_network_learns_what_comes_next(no: str) -> None:
    """Users who walk round a ring of items are predicted after some epochs, with and without ring or slots."""
    _, found, batches, catalogue, network = world(use_slots=no != "slots", use_ring=no != "ring", dropout=0.0)
    config = TrainConfig(
        epochs=14, batch=64, learning_rate=1e-2, patience=14, id_dropout=0.0, event_dropout=0.0, threads=1
    )
    seen = np.arange(len(found))
    done = train_network(
        network, TrainingSet(batches, catalogue, seen[seen % 5 != 0], seen[seen % 5 == 0]), config
    )
    losses = [row["loss_new"] for row in done.curve]
    assert losses[-1] < 0.85 * losses[0]
    best = max(row["validation_new"] for row in done.curve)
    assert done.best == pytest.approx(best) and best > done.curve[0]["validation_new"] + 0.1


def test_without_a_validation_part_the_last_epoch_stays() -> None:
    """Nothing judges and nothing stops it; the curve is of losses."""
    _, found, batches, catalogue, network = world(dropout=0.0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    config = TrainConfig(epochs=3, batch=64, patience=1, threads=1)
    done = train_network(network, TrainingSet(batches, catalogue, np.arange(len(found))), config)
    assert done.epoch == 2 and [row["epoch"] for row in done.curve] == [0.0, 1.0, 2.0]
    assert all(row["loss_new"] > 0 and "validation_new" not in row for row in done.curve)
    assert any(not torch.equal(value, before[name]) for name, value in done.network.state_dict().items())


def test_a_sample_stands_for_the_rest() -> None:
    """The sampled softmax loss comes near the full one, without being told which items are left out."""
    _, found, batches, catalogue, network = world(items=400)
    network.eval()
    batch = batches.make(np.arange(0, len(found), 4), np.random.default_rng(0))
    with torch.no_grad():
        for value in network.parameters():
            torch.nn.init.normal_(value, std=0.2)
        reading = network(network.read_ring(batch.tokens)[batch.stretch, batch.last], batch.context)
        full = TrainConfig(full_softmax_items=1000)
        few = TrainConfig(full_softmax_items=10, samples=256)
        generator = torch.Generator().manual_seed(0)

        def of(config: TrainConfig) -> float:
            candidates = draw_candidates(catalogue, batch.target, config, generator)
            return float(loss(network, batch, reading, catalogue, candidates, config)["new"])

        exact, sampled = of(full), [of(few) for _ in range(10)]
    assert abs(np.mean(sampled) - exact) < 0.05 * exact


def test_columns_of_candidates() -> None:
    """An item that does not compete has no place."""
    candidates = StepCandidates(torch.tensor([2, 5, 9]), torch.zeros(3))
    assert candidates.columns(torch.tensor([5, 3, 9, 10])).tolist() == [1, -1, 2, -1]


def test_a_seed_gives_the_same_network_again() -> None:
    """Two runs with one seed have the same curve."""
    curves = []
    for _ in range(2):
        _, found, batches, catalogue, network = world()
        seen = np.arange(len(found))
        config = TrainConfig(epochs=2, batch=128, threads=1)
        done = train_network(network, TrainingSet(batches, catalogue, seen[::2], seen[1::2]), config)
        curves.append([row["loss_new"] for row in done.curve])
    assert curves[0] == curves[1]
