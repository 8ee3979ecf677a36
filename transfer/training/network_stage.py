"""Training of the network with lightning: early stopping, the best checkpoint, TensorBoard, a progress bar."""

from __future__ import annotations

import logging
import math
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from transfer.arrays import I64
from transfer.codes import NONE
from transfer.learned.network import Reading, TransferNetwork
from transfer.learned.temperatures import OWN
from transfer.training.batches import TrainingBatch, TrainingBatches
from transfer.training.config import TrainConfig
from transfer.training.gains import expected_gain
from transfer.training.objective import ItemTensors, draw_candidates, loss

VALIDATION_POSITIONS = 10_000
WARM_UP_STEPS = 200
CUT = 10
TIED_ROWS = 64


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A network at its best epoch (its last one, if nothing judged it); `curve` holds each epoch's losses and validation
    measure."""

    network: TransferNetwork
    best: float
    epoch: int
    curve: list[dict[str, float]]


class _Epoch(IterableDataset[TrainingBatch]):
    """Batches of one epoch, others each time."""

    def __init__(self, batches: TrainingBatches, positions: I64, size: int, seed: int, shuffle: bool) -> None:
        self._batches, self._positions, self._size = batches, positions, size
        self._seed, self._shuffle, self._epoch = seed, shuffle, 0

    def __len__(self) -> int:
        return self._batches.steps(self._positions, self._size)

    def __iter__(self) -> Iterator[TrainingBatch]:
        rng = np.random.default_rng([self._seed, self._epoch])
        if self._shuffle:
            self._epoch += 1
            for positions in self._batches.shuffled(self._positions, self._size, rng):
                yield self._batches.make(positions, rng)
        else:
            for begin in range(0, len(self._positions), self._size):
                yield self._batches.make(self._positions[begin : begin + self._size], rng)


class NetworkModule(lightning.LightningModule):
    """The network under its objective."""

    def __init__(
        self, network: TransferNetwork, catalogue: ItemTensors, config: TrainConfig, steps: int
    ) -> None:
        super().__init__()
        self.network = network
        self._catalogue, self._settings, self._steps = catalogue, config, steps
        self._generator = torch.Generator().manual_seed(config.seed)
        self._found: list[Tensor] = []
        self._losses: dict[str, list[float]] = {}
        self.curve: list[dict[str, float]] = []

    def transfer_batch_to_device(
        self, batch: TrainingBatch, device: torch.device, dataloader_idx: int
    ) -> TrainingBatch:
        """Lightning knows no dataclasses with slots."""
        on_device: TrainingBatch = moved(batch, device)
        return on_device

    def on_fit_start(self) -> None:
        """The catalogue follows the network to its device."""
        self._catalogue = moved(self._catalogue, self.device)

    def read(self, batch: TrainingBatch) -> Reading:
        """The network at every position of a batch."""
        network = self.network
        if network.config.use_ring:
            latest = network.read_ring(batch.tokens)[batch.stretch, batch.last]
        else:
            latest = network.without_ring(len(batch.stretch))
        reading: Reading = network(latest, batch.context)
        return reading

    def training_step(self, batch: TrainingBatch, index: int) -> Tensor:
        """Sum of the weighted losses."""
        config = self._settings
        candidates = draw_candidates(self._catalogue, batch.target, config, self._generator)
        total = self._total(batch, candidates, log=True)
        if config.adversarial:
            total = total + self._adversarial(batch, candidates)
        return total

    def validation_step(self, batch: TrainingBatch, index: int) -> None:
        """Gains of targets that are new to their user, own items left out."""
        reading = self.read(batch)
        catalogue = self._catalogue
        items = catalogue.candidates
        place = torch.full((len(catalogue.vectors),), NONE, dtype=torch.long, device=items.device)
        place[items] = torch.arange(len(items), device=items.device)
        logits = reading.query @ self.network.items(catalogue.vectors[items], catalogue.ids[items]).T
        column = place[batch.own_item]
        inside = column >= 0
        hit = logits[batch.target_position, place[batch.target]]
        logits[batch.own_position[inside], column[inside]] = OWN
        new = logits[batch.target_position, place[batch.target]] > OWN / 2
        best = torch.topk(logits, min(CUT, logits.shape[1]), dim=1).values
        at, hit = batch.target_position[new], hit[new].unsqueeze(1)
        ahead = (best[at] > hit).sum(dim=1)
        tied = torch.zeros_like(ahead)
        # Only within the list do ties matter, and rows of all items are long.
        for some in torch.nonzero(ahead < CUT).squeeze(1).split(TIED_ROWS):  # type: ignore[no-untyped-call]
            tied[some] = (logits[at[some]] == hit[some]).sum(dim=1) - 1
        self._found.append(expected_gain(ahead, tied, CUT))

    def on_validation_epoch_end(self) -> None:
        """One figure: NDCG@10 of new items."""
        found = torch.cat(self._found) if self._found else torch.zeros(1)
        self._found = []
        value = float(found.mean()) if len(found) else 0.0
        self.log("validation/new", value, prog_bar=True)
        self._note({"validation_new": value})

    def on_train_epoch_end(self) -> None:
        """Without a validation part the curve is of losses alone."""
        if len(self.curve) <= self.current_epoch:
            self._note({})

    def _note(self, judged: dict[str, float]) -> None:
        losses = {f"loss_{name}": float(np.mean(values)) for name, values in self._losses.items()}
        self.curve.append({"epoch": float(self.current_epoch), **losses, **judged})
        self._losses = {}

    def configure_optimizers(self) -> Any:
        """AdamW, a short warm-up, then half a cosine."""
        config = self._settings
        optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            betas=(0.9, 0.98),
        )

        warm_up = max(min(WARM_UP_STEPS, self._steps // 4), 1)

        def rate(step: int) -> float:
            done = min(step / max(self._steps, 1), 1.0)
            return min(1.0, (step + 1) / warm_up) * (0.05 + 0.475 * (1 + math.cos(math.pi * done)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _total(self, batch: TrainingBatch, candidates: Any, log: bool = False) -> Tensor:
        config = self._settings
        parts = loss(self.network, batch, self.read(batch), self._catalogue, candidates, config)
        weights = {
            "new": 1.0,
            "repeat": config.repeat_loss,
            "given": config.given_loss,
            "scenario": config.scenario_loss,
        }
        if log:
            for name, value in parts.items():
                self._losses.setdefault(name, []).append(float(value.detach()))
                self.log(f"train/{name}", value.detach(), prog_bar=name == "new")
        total: Tensor = sum((weights[name] * value for name, value in parts.items()), torch.zeros(()))
        return total

    def _adversarial(self, batch: TrainingBatch, candidates: Any) -> Tensor:
        """The same losses at sums moved by `adversarial` against the gradient (Miyato et al. 2017)."""
        horizons = batch.context.horizons.detach().requires_grad_(True)
        near = replace(batch, context=replace(batch.context, horizons=horizons))
        (slope,) = torch.autograd.grad(self._total(near, candidates), horizons)
        length = slope.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1)
        against = (horizons + self._settings.adversarial * slope / length).detach()
        return self._total(replace(batch, context=replace(batch.context, horizons=against)), candidates)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """What a network is trained on, and what it is judged by."""

    batches: TrainingBatches
    catalogue: ItemTensors
    train: I64
    """positions to train on"""
    validation: I64 | None = None
    """positions that tell when to stop; None: nothing does"""


def train_network(
    network: TransferNetwork,
    data: TrainingSet,
    config: TrainConfig,
    *,
    logs: Path | None = None,
    progress: bool = False,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> TrainedNetwork:
    """Train a network; that of the best epoch comes back, or of the last one, where there are no validation positions.

    logs: folder for TensorBoard. On CUDA where there is a device, else on the CPU.
    """
    _quiet()
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    batches, validation = data.batches, data.validation
    if validation is not None and len(validation) > VALIDATION_POSITIONS:
        chosen = np.random.default_rng(config.seed).choice(
            len(validation), VALIDATION_POSITIONS, replace=False
        )
        validation = validation[np.sort(chosen)]
    epoch = _Epoch(batches, data.train, config.batch, config.seed, shuffle=True)
    module = NetworkModule(network, data.catalogue, config, len(epoch) * config.epochs)
    with tempfile.TemporaryDirectory() as folder:
        best = ModelCheckpoint(
            folder, "network", monitor="validation/new", mode="max", save_weights_only=True
        )
        stop = EarlyStopping("validation/new", mode="max", patience=config.patience)
        reporter = _Told(module, on_epoch)
        logger = TensorBoardLogger(logs.parent, logs.name, version="") if logs else CSVLogger(folder)
        trainer = lightning.Trainer(
            max_epochs=config.epochs,
            accelerator="gpu" if torch.cuda.is_available() else "cpu",
            devices=1,
            logger=logger,
            callbacks=[reporter] if validation is None else [best, stop, reporter],
            enable_checkpointing=validation is not None,
            enable_progress_bar=progress,
            enable_model_summary=False,
            gradient_clip_val=config.gradient_norm,
            num_sanity_val_steps=0,
        )
        judged = None if validation is None else _Epoch(batches, validation, 256, config.seed, shuffle=False)
        with _interruptible(trainer):
            trainer.fit(
                module,
                DataLoader(epoch, batch_size=None),
                None if judged is None else DataLoader(judged, batch_size=None),
            )
        if validation is None:
            return TrainedNetwork(network.cpu().eval(), math.nan, config.epochs - 1, module.curve)
        kept = torch.load(best.best_model_path, weights_only=True)["state_dict"]
    network.load_state_dict(
        {name.removeprefix("network."): value for name, value in kept.items() if name.startswith("network.")}
    )
    score = float(best.best_model_score) if best.best_model_score is not None else 0.0
    at = max(module.curve, key=lambda row: row["validation_new"], default={"epoch": 0.0})
    return TrainedNetwork(network.cpu().eval(), score, int(at["epoch"]), module.curve)


class _Told(lightning.Callback):
    """Tells of every epoch."""

    def __init__(self, module: NetworkModule, tell: Callable[[dict[str, float]], None] | None) -> None:
        self._module, self._tell = module, tell

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if self._tell is not None and self._module.curve:
            self._tell(self._module.curve[-1])


@contextmanager
def _interruptible(trainer: lightning.Trainer) -> Iterator[None]:
    """Let Ctrl-C through: Lightning makes `exit(1)` of it, and leaves it without effect for the rest of the process."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, before)
        raise KeyboardInterrupt from None


def _quiet() -> None:
    """Lightning's advice on devices, workers and services is not for the people who run `driftline train`."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", message=r".*does not have many workers.*")


def moved(value: Any, device: torch.device) -> Any:
    """A dataclass with all its tensors on a device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{each.name: moved(getattr(value, each.name), device) for each in fields(value)}
        )
    return value
