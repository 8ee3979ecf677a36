"""What the network and the tables say of an item together, of the items that are new to the user.

    log p_new(i) = a q . t_i + b log(next(i) + e^k s(i)) + sum_h c_h log s_h(i) - log Z

next, s_h: as in `transfer.learned.mixture`, smoothed; s: the share of all time. a, b, k and c are linear in what the gates
see, with a base each for open requests and for those that name a scenario.

This is a logarithmic opinion pool (Genest & Zidek 1986; as a product of experts Hinton 2002). In the mixture the component
that speaks loudest decides; here an item for which all of them speak comes before one for which one does.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SMOOTHING = 0.1
"""Events that all candidates share evenly on top of a share of 1: items that nobody took yet keep a chance."""


class Pool(nn.Module):
    """Begins as the network times the square root of what comes next."""

    def __init__(self, features: int, shares: int) -> None:
        super().__init__()
        start = torch.tensor([1.0, 0.5, math.log(0.1), *[0.0] * shares])
        self.base = nn.Parameter(start.repeat(2, 1))
        self.of_state = nn.Linear(features, 3 + shares, bias=False)
        nn.init.zeros_(self.of_state.weight)

    def forward(
        self,
        state: Tensor,
        given: Tensor,
        logits: Tensor,
        follow: Tensor,
        shares: Tensor,
        *,
        use_network: bool = True,
        use_next: bool = True,
        use_recent: bool = True,
    ) -> Tensor:
        """(B, N) log p_new but for a constant of each row.

        state (B, F): the gates' inputs; given (B,) bool; logits (B, N) q . t; follow (B, N) p_next; shares (N, H), those of
        all time last.
        """
        factor = self.base[given.long()] + self.of_state(state)
        smooth = (shares + SMOOTHING / len(shares)) / (1 + SMOOTHING)
        logs = torch.log(smooth)
        if not use_recent:
            logs = logs[:, -1:]
        total: Tensor = factor[:, -logs.shape[1] :] @ logs.T
        if use_next:
            back_off = torch.exp(factor[:, 2:3]) * smooth[:, -1]
            total = total + factor[:, 1:2] * torch.log(follow + back_off)
        if use_network:
            total = total + factor[:, 0:1] * logits
        return total
