"""The networks of GRU4Rec and SASRec: codes of items to a vector at each event, scored against all items."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SequenceNetwork(nn.Module):
    """Item vectors, shared between what goes in and what is scored, with a bias for each item.

    `forward` takes (B, L) int64 codes and gives (B, L, D) float32; the vector at an event has seen it and what is before.
    """

    def __init__(self, items: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(items, dim)
        self.bias = nn.Parameter(torch.zeros(items))
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.items.weight, std=0.02)

    def logits(self, vectors: Tensor, codes: Tensor | None = None) -> Tensor:
        """(P, D) vectors to (P, V) scores, or (P, C) of the items `codes` (C,)."""
        if codes is None:
            return functional.linear(vectors, self.items.weight, self.bias)
        return functional.linear(vectors, self.items(codes), self.bias[codes])


class RecurrentNetwork(SequenceNetwork):
    """GRU4Rec: one layer of gated recurrent units over item vectors (Hidasi et al., ICLR 2016)."""

    def __init__(
        self, items: int, length: int, dim: int = 64, hidden: int = 128, dropout: float = 0.2
    ) -> None:
        super().__init__(items, dim, dropout)
        self.units = nn.GRU(dim, hidden, batch_first=True)
        self.out = nn.Linear(hidden, dim)

    def forward(self, codes: Tensor) -> Tensor:
        """(B, L) to (B, L, D)."""
        seen = self.units(self.dropout(self.items(codes) * self.items.embedding_dim**0.5))[0]
        vectors: Tensor = self.out(self.dropout(seen))
        return vectors


class AttentionNetwork(SequenceNetwork):
    """SASRec: layers of causal self-attention over item and position vectors (Kang & McAuley, ICDM 2018).

    Normalised before each layer. Windows begin at position 0 and empty places are at the end, where no event looks.
    """

    def __init__(
        self, items: int, length: int, dim: int = 64, heads: int = 2, layers: int = 2, dropout: float = 0.2
    ) -> None:
        super().__init__(items, dim, dropout)
        self.positions = nn.Embedding(length, dim)
        nn.init.normal_(self.positions.weight, std=0.02)
        self.layers = nn.ModuleList([AttentionLayer(dim, heads, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(dim)

    def forward(self, codes: Tensor) -> Tensor:
        """(B, L) to (B, L, D)."""
        place = torch.arange(codes.shape[1])
        vectors = self.dropout(self.items(codes) * self.items.embedding_dim**0.5 + self.positions(place))
        for layer in self.layers:
            vectors = layer(vectors)
        result: Tensor = self.norm(vectors)
        return result


class AttentionLayer(nn.Module):
    """Causal attention, then a feed-forward network, each added to what came in."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.three, self.joined = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.forward_network = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * dim, dim)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, L, D) to the same shape."""
        batch, length, dim = vectors.shape
        three = self.three(self.before(vectors)).view(batch, length, 3, self.heads, dim // self.heads)
        query, key, value = three.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        vectors = vectors + self.dropout(self.joined(seen.transpose(1, 2).reshape(batch, length, dim)))
        result: Tensor = vectors + self.dropout(self.forward_network(self.between(vectors)))
        return result
