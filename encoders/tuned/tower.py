"""TextTower: a base, with or without an adapter, that maps texts to unit vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from encoders.arrays import F32
from encoders.errors import EncoderConfigError
from encoders.precision import automatic_precision
from encoders.tuned.base_model import LoadedBase

TOKENS_AT_A_TIME = 4096
"""Rows x padded length of one pass without gradients."""


class TextTower(nn.Module):
    """One tower for users' words and items' words. Dropout is off throughout, so that equal texts have equal vectors."""

    def __init__(self, base: LoadedBase, max_length: int, autocast: bool = False) -> None:
        """max_length: tokens of a text or a pair. autocast: passes in bfloat16, weights stay as they are.

        Raises:
            EncoderConfigError: the base takes fewer tokens.
        """
        if max_length > base.positions:
            raise EncoderConfigError(
                f"words.max_length {max_length} > {base.positions}, the most that the base takes"
            )
        super().__init__()
        self.network = base.network
        self._tokenizer = base.tokenizer
        self._pooling = base.pooling
        self._max_length = max_length
        self._autocast = autocast
        self.width = base.width
        self.train(False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = next(self.network.parameters()).device
        return device

    def tokens(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[list[int]]:
        """Token ids of each text, or of each text and its pair; what is too long is cut at the end of the text."""
        if pairs is None:
            return [self._cut(ids) for ids in self._tokenizer(list(texts), truncation=False)["input_ids"]]
        if self._pooling == "last":
            joined = [f"{text}\n{pair}" for text, pair in zip(texts, pairs, strict=True)]
            ids = self._tokenizer(joined, truncation=False)["input_ids"]
            return [row[-self._max_length :] for row in ids]
        found: list[list[int]] = self._tokenizer(
            list(texts), list(pairs), truncation="longest_first", max_length=self._max_length
        )["input_ids"]
        return found

    def forward(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """(B, width) float32 unit rows of B texts as `tokens` gives them; a text of no token gets zeros."""
        length = max(1, max(map(len, ids)))
        tokens = torch.full((len(ids), length), self._tokenizer.pad_token_id or 0)
        mask = torch.zeros((len(ids), length), dtype=torch.long)
        for row, one in enumerate(ids):
            tokens[row, : len(one)] = torch.tensor(one, dtype=torch.long)
            mask[row, : len(one)] = 1
        mask = mask.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast):
            hidden = self.network(input_ids=tokens.to(self.device), attention_mask=mask).last_hidden_state
        hidden = hidden.float()
        if self._pooling == "last":
            last = (mask.sum(dim=1) - 1).clamp_min(0)
            pooled = hidden[torch.arange(len(ids), device=hidden.device), last]
            pooled = pooled * (mask.sum(dim=1, keepdim=True) > 0)
        else:
            weight = mask.to(hidden.dtype)
            pooled = torch.einsum("bld,bl->bd", hidden, weight) / weight.sum(dim=1, keepdim=True).clamp_min(1)
        return nn.functional.normalize(pooled, dim=1)

    @torch.no_grad()
    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> F32:
        """Texts (N), or N pairs of texts, to (N, width) float32 unit rows; equal ones once, in passes of bounded size."""
        keys = list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
        place = {key: row for row, key in enumerate(dict.fromkeys(keys))}
        if not place:
            return torch.zeros((0, self.width)).numpy()
        if pairs is None:
            ids = self.tokens([str(key) for key in place])
        else:
            ids = self.tokens([key[0] for key in place], [key[1] for key in place])
        result = torch.empty((len(ids), self.width))
        for rows in passes([len(one) for one in ids], TOKENS_AT_A_TIME):
            result[rows] = self([ids[row] for row in rows]).cpu()
        vectors: F32 = result[[place[key] for key in keys]].numpy()
        return vectors

    def _cut(self, ids: list[int]) -> list[int]:
        if len(ids) <= self._max_length:
            return ids
        end = self._tokenizer.sep_token_id
        if ids[-1] == end and end is not None:
            return [*ids[: self._max_length - 1], end]
        return ids[: self._max_length]


def passes(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Rows for passes of at most `tokens` (rows x longest), the longest first; one row is always allowed.

    >>> list(passes([1, 4, 2, 2], 4))
    [[1], [2, 3], [0]]
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    begin = 0
    while begin < len(order):
        count = max(1, tokens // max(lengths[order[begin]], 1))
        yield order[begin : begin + count]
        begin += count


@contextmanager
def spare_core() -> Iterator[None]:
    """Within it torch takes one thread less than it would, at least one, as `encoders.text` does."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before - 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def passes_in_bf16(precision: str, device: Any) -> bool:
    """Whether passes run in bfloat16: where asked for, or with *auto* where that is fastest."""
    if precision != "auto":
        return precision == "bf16"
    return automatic_precision(torch.device(device).type) == "bf16"
