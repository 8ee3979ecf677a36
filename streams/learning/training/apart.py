"""A model like the one that is written, that has not learned the last part of the log: what a verdict is passed on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from streams.learning.split import Split
from streams.learning.training.folds import TrainedNetworks, halves_of
from streams.learning.training.network import Tell
from streams.learning.training.train import MixtureData, TrainedModel, mixture_data, weigh


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """The model, and the split by which it is judged: it has learned the first two parts, and not the third."""

    model: TrainedModel
    split: Split


def model_apart(ready: MixtureData, progressive: bool, tell: Tell | None = None) -> Apart | None:
    """What the training is worth on the later half of its validation part, though nothing is held back from the model.

    The network is the one that learned on from the earlier half; its mixture is fitted on that half alone, which the network
    had not learned then. Only the number of epochs was chosen with the later half, too. The model that is written has learned
    more, so this one is rather worse than it. None: the validation part has no two halves.
    """
    run, networks = ready.run, ready.networks
    early, late = halves_of(run)
    if not len(early) or not len(late):
        return None
    if tell is not None:
        tell("verdict: a mixture without the later half of the validation part")
    served = networks.halves[-1][0]
    alone = TrainedNetworks(networks.first, served, ((networks.first, early),), networks.report)
    part = replace(run, validation=early)
    done = weigh(mixture_data(part, alone, progressive, _silent), run.config)
    return Apart(done, Split("time" if progressive else "last", run.rows, early, late, progressive))


def _silent(line: str) -> None:
    """The stages of the model that is written have told of themselves."""
