"""What the network and the counts together say about items that are new to the user.

    log p_new(i) = a q . t_i + b log(next(i) + e^k s(i)) + sum_h c_h log s_h(i) + d cos(w, v_i) - log Z

next: as in `transfer.learned.mixture`; s_h: shares of all events at each half-life, then of all debuts (events that were their
user's first with the item), smoothed; s: the last of them. The powers a, b, c_h and k are a set for open
requests and one for those that name a scenario. w: what the user declared, where one did, and v_i the item's base
vector; their power d is fitted afterwards, and changes nothing for all others (`streams/learning/training/declared.py`).

This is a logarithmic opinion pool (Genest & Zidek 1986; as a product of experts Hinton 2002). In the mixture the component
that speaks loudest decides; here an item for which all of them speak comes before one for which one does. Powers of shares may
be negative: much taken today and little before is a trend.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SMOOTHING = 0.1
"""Events that all candidates share evenly on top of a share of 1: items that were never taken keep a chance."""
NETWORK, NEXT, BACK_OFF, SHARES = 0, 1, 2, 3
"""Columns of the powers: a, b, k, then c_h."""


class Pool(nn.Module):
    """Begins as the network times the square root of what comes next. Powers of what is not used are 0 throughout."""

    used: Tensor
    """(3 + C,) 1 for what takes part, 0 for the rest"""

    def __init__(
        self,
        horizons: int,
        use_network: bool = True,
        use_next: bool = True,
        use_recent: bool = True,
        use_debuts: bool = True,
    ) -> None:
        """horizons: half-lives of the shares, H = C / 2."""
        super().__init__()
        start = torch.tensor([1.0, 0.5, math.log(0.1), *[0.0] * (2 * horizons)])
        self.powers = nn.Parameter(start.repeat(2, 1))
        lives = [*[use_recent] * (horizons - 1), True]
        used = [use_network, use_next, True, *lives, *(each and use_debuts for each in lives)]
        self.register_buffer("used", torch.tensor(used, dtype=torch.float32), persistent=False)

    def forward(self, given: bool, logits: Tensor, follow: Tensor, logs: Tensor) -> Tensor:
        """(B, N) log p_new but for a constant of each row.

        logits (B, N) q . t; follow (B, N) p_next; logs (N, C) `log_shares` of events by half-life, of all time last, then of
        debuts.
        """
        powers = self.powers[int(given)] * self.used
        return multiplied(powers, logits, log_follow(follow, logs, powers[BACK_OFF]), logs)

    def speaks(
        self,
        given: bool,
        logits: Tensor,
        follow: Tensor,
        logs: Tensor,
        likely: Tensor,
        columns: Tensor,
        declared: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """What speaks for the items at columns (K,): "new" (the network), "next" and "popular" -> (B, K), sums to 1; "declared"
        too, where `declared` (B, N), what was declared times its power, is given.

        likely (B, N): p_new, or in proportion to it. Each logarithm times its power counts as far as it exceeds its mean over
        p_new: being popular is no reason among items that all are. What no part speaks for goes to the network.
        """
        powers = self.powers[int(given)] * self.used
        parts = {
            "new": powers[NETWORK] * logits,
            "next": powers[NEXT] * log_follow(follow, logs, powers[BACK_OFF]),
            "popular": (logs @ powers[SHARES:]).expand_as(logits),
        }
        if declared is not None:
            parts["declared"] = declared
        weight = likely / likely.sum(dim=1, keepdim=True).clamp_min(1e-30)
        over = {
            name: (part[:, columns] - (weight * part).sum(dim=1, keepdim=True)).clamp_min(0)
            for name, part in parts.items()
        }
        # To the share of all time, since nothing leads to the item.
        backed = over["next"] * (follow[:, columns] <= 0)
        over["next"], over["popular"] = over["next"] - backed, over["popular"] + backed
        over["new"] = over["new"] + 1e-9
        sums = over["new"] + over["next"] + over["popular"]
        if declared is not None:
            sums = sums + over["declared"]
        return {name: part / sums for name, part in over.items()}


def multiplied(powers: Tensor, logits: Tensor, log_follow_: Tensor, log_shares_: Tensor) -> Tensor:
    """(B, N) the sum of all logs, each times its power (3 + C,); shares (N, C) or (B, N, C)."""
    return powers[NETWORK] * logits + powers[NEXT] * log_follow_ + log_shares_ @ powers[SHARES:]


def log_shares(shares: Tensor) -> Tensor:
    """(N, C) logs of smoothed shares."""
    return torch.log((shares + SMOOTHING / len(shares)) / (1 + SMOOTHING))


def log_follow(follow: Tensor, log_shares_: Tensor, back_off: Tensor) -> Tensor:
    """(B, N) log of what follows, backed off to the last of the shares (N, C) or (B, N, C)."""
    return torch.log(follow + torch.exp(back_off + log_shares_[..., -1]))
