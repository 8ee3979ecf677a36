"""A trained model with its matrices in 8 bits, for CPUs: dynamic quantisation (Jacob et al. 2018)."""

from __future__ import annotations

import warnings

import torch
from torch import nn

from transfer.learned.model import LearnedModel
from transfer.learned.network import TransferNetwork

EXACT = frozenset({"tower"})
"""Items' vectors are made once and searched often: they keep their 32 bits. So do keys and values of the ring's last layer,
which are applied to one query a user instead of to all events."""


def in_8_bits(model: LearnedModel) -> LearnedModel:
    """The same model with a quantised copy of its network, and a fingerprint of its own.

    Weights are rounded to 8 bits once, inputs of a layer at each call by their own range. What that costs in answers
    is measured by `benchmarks/int8.py`.
    """
    network = _quantised(model.network)
    small = LearnedModel(
        network,
        model.mixture,
        model.interest,
        model.items,
        model.names,
        f"{model.fingerprint}-int8",
        name_source=model.name_source,
    )
    return small


def _quantised(network: TransferNetwork) -> TransferNetwork:
    exact = EXACT | {f"ring.{len(network.ring) - 1}.hold"}
    names = {
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and name not in exact
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces another library for this
        quantised: TransferNetwork = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
            network, names, torch.qint8
        )
    return quantised
