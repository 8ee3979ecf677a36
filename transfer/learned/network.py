"""The network: ring, horizons and slots as tokens in; queries, scenario weights and transferred interests out.

    ring        a causal transformer over the latest events (base vector, learned id, action, gap, scenario, place)
    context     its last output, the sums at each half-life and the slots attend to each other once: an old scenario
                lends to a new one through this attention
    weight      w = softmax over slots: how likely the next event is in each scenario
    interest    T_s = out(slot s), the query for a request in scenario s
    query       q = out(ring and horizons) + sum_s w_s T_s
    tower       t_i = A e_i + id_i; the score of an item is q . t_i

Self-attention after Vaswani et al. 2017; the causal ring after SASRec (Kang & McAuley 2018), trained at every position.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transfer.learned.config import NetworkConfig
from transfer.learned.slot_features import STEADY, slot_width


@dataclass(slots=True)
class RingItems:
    """R items as the network gets them."""

    vectors: Tensor
    """(R, D) base vectors"""
    ids: Tensor
    """(R,) row of the id table, 0: none"""


@dataclass(slots=True)
class RingTokens:
    """B rings of L events, oldest first, filled from the left; R distinct items and S names are read once each."""

    items: RingItems | Tensor
    """or (R, d) what `TransferNetwork.read_items` made of them before"""
    item: Tensor
    """(B, L) row of `items`"""
    actions: Tensor
    """(B, L)"""
    gaps: Tensor
    """(B, L) class of the time since the event before"""
    names: Tensor
    """(S, D) vectors of scenarios' names"""
    scenario: Tensor
    """(B, L) row of `names`; places beyond a ring's end hold anything, since nothing looks ahead"""


@dataclass(slots=True)
class Context:
    """What the states of P positions hold besides the ring."""

    horizons: Tensor
    """(P, K, D)"""
    masses: Tensor
    """(P, K)"""
    slots: Tensor
    """(P, S, D)"""
    features: Tensor
    """(P, S, F)"""
    names: Tensor
    """(N, D) vectors of names"""
    name: Tensor
    """(P, S) row of `names`"""
    known: Tensor
    """(P, S) bool: a slot of the user's; it lends and has a weight"""
    asked: Tensor
    """(P, S) bool: not one of the user's, but a request names it: it borrows and gives nothing"""


@dataclass(slots=True)
class Reading:
    """The network's answer for P positions, in the space of the towers (d)."""

    query: Tensor
    """(P, d)"""
    interests: Tensor
    """(P, S, d) query for a request in each scenario"""
    logits: Tensor
    """(P, S) of the weights, -inf where there is no slot"""


class Layer(nn.Module):
    """Pre-norm self-attention and feed-forward."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.ask = nn.Linear(width, width)
        self.hold = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.between = nn.LayerNorm(width)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None, rows: Tensor | None = None) -> Tensor:
        """x (B, L, d); mask (B | 1, 1, R | 1, L) bool, True: may be seen; rows (R,) | (B, R): they alone come out."""
        batch, _, width = x.shape
        normed = self.before(x)
        if rows is not None and rows.dim() == 2 and rows.shape[1] == 1 and not self.training:
            return self._one(x, normed, mask, rows[:, 0])
        k, v = self.hold(normed).chunk(2, dim=-1)
        if rows is not None and rows.dim() == 1:
            normed, x = normed.index_select(1, rows), x.index_select(1, rows)
        elif rows is not None:
            at = rows.unsqueeze(-1).expand(-1, -1, width)
            normed, x = normed.gather(1, at), x.gather(1, at)
        q, k, v = (
            part.reshape(batch, part.shape[1], self.heads, width // self.heads).transpose(1, 2)
            for part in (self.ask(normed), k, v)
        )
        rate = self.drop.p if self.training else 0.0
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=rate)
        x = x + self.drop(self.out(seen.transpose(1, 2).reshape(x.shape)))
        out: Tensor = x + self.drop(self.down(F.gelu(self.up(self.between(x)))))
        return out

    def _one(self, x: Tensor, normed: Tensor, mask: Tensor | None, row: Tensor) -> Tensor:
        """The same for one row of each, row (B,): (B, 1, width).

        With one query, keys and values of all others need not be made: q . (K n_j) = (K^T q) . n_j, and the values' matrix
        comes after the mean. (The keys' bias adds the same to all of a row's logits.)
        """
        batch, _, width = x.shape
        each = width // self.heads
        keys, values = self.hold.weight.view(2, self.heads, each, width)
        bias = self.hold.bias.view(2, width)[1]
        at = row.view(-1, 1, 1).expand(-1, 1, width)
        x, own = x.gather(1, at), normed.gather(1, at).squeeze(1)
        ask = self.ask(own).view(batch, self.heads, each).transpose(0, 1) / each**0.5
        logits = torch.bmm(ask, keys).transpose(0, 1) @ normed.transpose(1, 2)
        if mask is not None:
            logits = logits.masked_fill(~mask.squeeze(2), -torch.inf)
        mean = (torch.softmax(logits, dim=-1) @ normed).transpose(0, 1)
        seen = torch.bmm(mean, values.transpose(1, 2)).transpose(0, 1).reshape(batch, 1, width)
        x = x + self.out(seen + bias)
        out: Tensor = x + self.down(F.gelu(self.up(self.between(x))))
        return out


class TransferNetwork(nn.Module):
    """See the head of this file. `ids` is the number of items with a learned id; id 0 is none."""

    def __init__(self, config: NetworkConfig, ids: int) -> None:
        super().__init__()
        self.config = config
        d, hidden = config.width, round(config.width * config.feed_forward)
        self.ids = nn.Embedding(ids + 1, d, padding_idx=0)
        self.tower = nn.Linear(config.dim, d, bias=False)
        self.read_item = nn.Linear(config.dim, d, bias=False)
        self.read_name = nn.Linear(config.dim, d, bias=False)
        self.action = nn.Embedding(config.actions, d)
        self.gap = nn.Embedding(len(config.gap_edges_s) + 2, d)
        self.place = nn.Embedding(config.ring, d)
        self.ring_drop = nn.Dropout(config.dropout)
        self.ring = nn.ModuleList(
            Layer(d, config.heads, hidden, config.dropout) for _ in range(config.layers)
        )
        self.ring_norm = nn.LayerNorm(d)
        self.start = nn.Parameter(torch.zeros(d))
        self.read_horizon = nn.Linear(config.dim, d)
        self.horizon_mass = nn.Sequential(
            nn.Linear(config.horizons, d), nn.GELU(), nn.Linear(d, config.horizons * d)
        )
        self.horizon_kind = nn.Parameter(torch.zeros(config.horizons, d))
        self.read_slot = nn.Linear(config.dim, d)
        self.slot_features = nn.Sequential(
            nn.Linear(slot_width(config.horizons, config.actions), d), nn.GELU(), nn.Linear(d, d)
        )
        self.context = Layer(d, config.heads, hidden, config.dropout)
        self.query_norm = nn.LayerNorm(d)
        self.slot_norm = nn.LayerNorm(d)
        self.weight = nn.Linear(d, 1)
        self.interest = nn.Linear(d, d)
        self.query = nn.Linear(d, d)
        self.direct = nn.Linear(config.horizons * d, d)
        for module in self.modules():
            if isinstance(module, nn.Embedding | nn.Linear):
                nn.init.normal_(module.weight, std=0.05 if isinstance(module, nn.Linear) else 0.02)
                if isinstance(module, nn.Linear) and module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.ids.weight[0] = 0

    def items(self, vectors: Tensor, ids: Tensor) -> Tensor:
        """Towers (..., d) of items: vectors (..., D), ids (...)."""
        towers: Tensor = self.tower(vectors) + self.ids(ids)
        return towers

    def read_items(self, items: RingItems) -> Tensor:
        """(R, d) of items, as events of the ring hold them."""
        ids = items.ids
        if self.training:
            ids = ids * (torch.rand(ids.shape, device=ids.device) >= self.config.id_dropout)
        read: Tensor = self.read_item(items.vectors) + self.ids(ids)
        return read

    def read_ring(self, tokens: RingTokens, last: Tensor | None = None) -> Tensor:
        """Outputs at every event (B, L, d), or with `last` (B,) at that place of each ring only, (B, 1, d)."""
        config = self.config
        length, device = tokens.item.shape[1], tokens.item.device
        items = tokens.items if isinstance(tokens.items, Tensor) else self.read_items(tokens.items)
        # Sums of all actions and gaps: one look-up where it would be two. `embedding`, since indexing takes five times as long.
        kinds = (self.action.weight.unsqueeze(1) + self.gap.weight).flatten(0, 1)
        x = F.embedding(tokens.item, items)
        x += F.embedding(tokens.actions * len(self.gap.weight) + tokens.gaps, kinds)
        x += self.place.weight[:length]
        if config.use_slots:
            x += F.embedding(tokens.scenario, self.read_name(tokens.names))
        x = self.ring_drop(x)
        seen = torch.ones(length, length, dtype=torch.bool, device=device).tril()
        if self.training and config.event_dropout:
            kept = torch.rand(tokens.item.shape, device=device) >= config.event_dropout
            visible = (seen & kept.unsqueeze(1)) | torch.eye(length, dtype=torch.bool, device=device)
            mask = visible.unsqueeze(1)
        else:
            mask = seen.view(1, 1, length, length)
        for number, layer in enumerate(self.ring):
            if last is not None and number == len(self.ring) - 1:
                before = (torch.arange(length, device=device) <= last.unsqueeze(1)).view(-1, 1, 1, length)
                x = layer(x, before, last.unsqueeze(1))
            else:
                x = layer(x, mask)
        out: Tensor = self.ring_norm(x)
        return out

    def forward(self, latest: Tensor, context: Context) -> Reading:
        """latest (P, d): the ring's output at each position (see `without_ring` for none)."""
        config = self.config
        p, d = latest.shape
        sums = self.read_horizon(context.horizons)
        sums = sums + self.horizon_mass(context.masses).view(p, config.horizons, d) + self.horizon_kind
        tokens = [latest.unsqueeze(1), sums]
        known, asked = context.known, context.asked
        slots = context.slots.shape[1]
        if config.use_slots:
            features = context.features
            if not config.use_emergence:
                features = features.clone()
                features[..., STEADY : STEADY + 2 + 2 * config.horizons] = 0
            mine = known.unsqueeze(-1)
            slot = self.read_slot(context.slots) + self.slot_features(features)
            if self.training and config.scenario_dropout:
                hidden = torch.rand(known.shape, device=known.device) < config.scenario_dropout
                asked, known = asked | (known & hidden), known & ~hidden
                mine = known.unsqueeze(-1)
            tokens.append(
                slot * mine + self.read_name(context.names)[context.name] * (known | asked).unsqueeze(-1)
            )
        x = torch.cat(tokens, dim=1)
        mask = self._visible(known, x.shape[1]) if config.use_slots else None
        # The sums are seen and see nothing: their own outputs are of no use.
        lead = 1 + config.horizons
        read = torch.cat([torch.zeros(1, dtype=torch.long), torch.arange(lead, x.shape[1])]).to(x.device)
        x = self.context(x, None if mask is None else mask[:, :, read], read)
        head = self.query_norm(x[:, 0])
        direct: Tensor = self.query(head) + self.direct(sums.flatten(1)) + latest
        if not config.use_slots:
            empty = direct.new_zeros(p, slots, d)
            return Reading(direct, empty, direct.new_full((p, slots), -torch.inf))
        out = self.slot_norm(x[:, 1:])
        logits = self.weight(out).squeeze(-1).masked_fill(~known, -torch.inf)
        interests = self.interest(out)
        some = known.any(dim=1, keepdim=True)
        weights = torch.softmax(logits.masked_fill(~some, 0.0), dim=1) * some
        query = direct + (weights.unsqueeze(-1) * interests).sum(dim=1)
        if config.transfer != "none":
            interests = interests + direct.unsqueeze(1)
        return Reading(query, interests, logits)

    def without_ring(self, positions: int) -> Tensor:
        """(P, d) in the place of the ring's output, for users without events in it."""
        return self.start.expand(positions, -1)

    def _visible(self, known: Tensor, length: int) -> Tensor:
        """(P, 1, T, T): by `config.transfer`, and each token itself. With attention all see ring, sums and the user's slots."""
        lead = length - known.shape[1]
        p = known.shape[0]
        columns = torch.cat([known.new_ones(p, lead), known], dim=1)
        rows = columns.unsqueeze(1).expand(p, length, length)
        if self.config.transfer != "attention":
            rows = rows.clone()
            rows[:, :, lead:] = False
            if self.config.transfer == "none":
                rows[:, lead:, :lead] = False
        itself = torch.eye(length, dtype=torch.bool, device=known.device)
        return (rows | itself).unsqueeze(1)
