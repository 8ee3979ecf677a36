"""One mixture over items, repeat and explore, with a gate that sees the state and the request.

    p(i) = g_again p_again(i)  for the user's own items
    p(i) = g_new p_new(i)      for all others
    and where a request names a scenario, for own items also + g_next p_next(i) + sum_h g_pop,h p_pop,h(i); what these two
    leave of their gates goes to the others, by p_new

again   softmax over the own items of a small network on each one's masses, count, recency and what the counts say of it
new     the network's q . t_i (`transfer.learned.network`), what follows the latest items (*next*) and the shares of all events
        (*popular*), multiplied (`transfer.learned.pool`): that is the order; its softmax at several temperatures, mixed, is the
        probability (`transfer.learned.temperatures`)
next    sum_j a_j T(j, i) over the user's latest items j, a = softmax of a linear map of their places and of how much the
        counts have seen follow each; T: transitions to the next basket and within the window
popular the item's share of all events at each half-life of the counts; its most recent ones are the trend. For p_new also its
        share of all debuts, events that were their user's first with the item

With a request's scenario every part is that of the scenario's items alone, normalised there, and the gates see how much
the user has done in it. All of it is trained by the likelihood of what came next (repeat and explore as in RepeatNet, Ren
et al. 2019); for gates and weights p_next and p_pop then add to all items. In a ranking items that are not the user's own
keep the order of p_new, through which *next* and *popular* speak of them: as addends they bring what is popular and unlike the
user before what all parts speak for. They also add in the first stage of training, without a network, for open requests too:
there the weights a_j are found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from transfer.arrays import F64
from transfer.learned.pool import Pool
from transfer.learned.temperatures import Ladder, doubling, log_mixture
from transfer.popular import PopularRule

COMPONENTS = ("again", "new", "next", "popular")
FAINT = 1e-9
SEEN = 2
"""Features of how much follows a place: what was seen follow it once or twice predicts less than what followed often."""


class DeclaredPowers(BaseModel):
    """At which power what users declare is multiplied into *new*; 0: not at all. Of a user of n events k / (k + n) of it, k
    `events`: what is said fades beside what is done."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    open: float = Field(default=0.0, ge=0, description="of open requests")
    given: float = Field(default=0.0, ge=0, description="of those that name a scenario")
    events: float = Field(default=0.0, ge=0, description="k; 0: users without events alone")

    def part(self, events: F64) -> F64:
        """(U,) what of the power is left for users of n events.

        >>> DeclaredPowers(events=5.0).part(np.array([0.0, 5.0])).tolist()
        [1.0, 0.5]
        """
        left: F64 = np.where(events > 0, self.events / np.maximum(self.events + events, 1e-12), 1.0)
        return left

    def of(self, given: bool) -> float:
        """The power for a kind of requests."""
        return self.given if given else self.open


class MixtureConfig(BaseModel):
    """Everything that decides the shape of the mixture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    own_features: int = Field(ge=1)
    place_features: int = Field(ge=1)
    user_features: int = Field(ge=1)
    scenario_features: int = Field(ge=0, description="of the request's scenario; zeros when none is named")
    shares: int = Field(ge=1, description="half-lives of the shares")
    places: int = Field(default=24, ge=1, description="latest items that item-to-item evidence starts from")
    hidden: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    use_again: bool = Field(default=True, description="without it own items compete like all others")
    use_next: bool = True
    use_new: bool = Field(default=True, description="the network; without it, *new* is what the counts say")
    use_recent: bool = Field(default=True, description="shares of less than all time: the trend")
    use_debuts: bool = Field(
        default=True, description="shares of debuts, in *new*; own items know them anyway"
    )
    rungs: int = Field(default=4, ge=1, le=16, description="temperatures of *new*")
    heads: tuple[int, ...] = Field(
        default=(1, 16, 128),
        min_length=1,
        description="how many of the best new items count alike, in parts of *new*",
    )
    popular: PopularRule = Field(
        default=PopularRule(), description="what users get of whom nothing or little is known"
    )
    declared: DeclaredPowers = Field(default=DeclaredPowers(), description="powers of what users declare")

    @property
    def ladder(self) -> Ladder:
        """The parts of *new*."""
        return doubling(self.heads, self.rungs)

    @property
    def gates(self) -> int:
        """Number of gates: again, new, next and one for each half-life of the shares."""
        return 3 + self.shares


@dataclass(slots=True)
class MixtureInput:
    """B requests, and what is known of them."""

    user: Tensor
    """(B, Fu)"""
    scenario: Tensor
    """(B, Fs), zeros for an open request"""
    given: Tensor
    """(B,) bool: the request names a scenario"""
    own_request: Tensor
    """(O,) request of each own item (of the scenario, if one is named), ascending"""
    own: Tensor
    """(O, Fo)"""
    places: Tensor
    """(B, M, Fp)"""
    place_mass: Tensor
    """(B, M, 2) how much the counts say follows each place's item, in the scenario if one is named; 0: nothing"""
    others: Tensor
    """(B,) bool: there is a candidate that is not the user's own"""


@dataclass(slots=True)
class MixtureWeights:
    """The mixture's answer for B requests."""

    gates: Tensor
    """(B, G) logs: again, new, next, then the shares; -inf for what does not add"""
    own: Tensor
    """(O,) log p_again"""
    places: Tensor
    """(B, M) weights a_j of the places; sum to 1 over those with mass"""
    column: Tensor
    """(2,) how the transitions' two columns mix"""
    rungs: Tensor
    """(B, K) logs of how the temperatures of *new* mix"""


class Mixture(nn.Module):
    """See the head of this file."""

    def __init__(self, config: MixtureConfig) -> None:
        super().__init__()
        self.config = config
        h = config.hidden
        self.again = nn.Sequential(
            nn.Linear(config.own_features, h),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(h, h),
            nn.GELU(),
            nn.Linear(h, 1),
        )
        self.again_given = nn.Linear(config.own_features, 1)
        self.place = nn.Linear(config.place_features + SEEN, 1)
        self.column = nn.Parameter(torch.zeros(2))
        state = config.user_features + config.scenario_features + 1 + SEEN
        self.pool = Pool(config.shares, config.use_new, config.use_next, config.use_recent, config.use_debuts)
        self.gate = nn.Sequential(
            nn.Linear(state, h),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(h, h),
            nn.GELU(),
            nn.Linear(h, config.gates + config.ladder.size),
        )
        self.rungs = nn.Parameter(torch.zeros(2, config.ladder.size))
        nn.init.zeros_(self.again_given.weight)
        with torch.no_grad():  # at first all users have the same weights of rungs
            for value in list(self.gate.parameters())[-2:]:
                value[config.gates :] = 0

    def forward(self, inputs: MixtureInput, counted: bool = False) -> MixtureWeights:
        """Gates and the weights inside the components; `counted`: without *new*, as in the first stage of training."""
        config = self.config
        requests = len(inputs.user)
        column = torch.softmax(self.column, 0)
        mass = inputs.place_mass @ column
        seen = torch.log1p(inputs.place_mass)
        place = self.place(torch.cat([inputs.places, seen], dim=2)).squeeze(-1)
        place = place.masked_fill(mass <= 0, -torch.inf)
        some = (mass > 0).any(dim=1)
        # A place counts by what follows it in the scenario: there the weights are those of p_next restricted to it.
        place = place + torch.log(mass.clamp_min(FAINT)) * inputs.given.unsqueeze(1)
        places = torch.softmax(place.masked_fill(~some.unsqueeze(1), 0.0), dim=1) * some.unsqueeze(1)
        score = self.again(inputs.own).squeeze(-1)
        score = score + self.again_given(inputs.own).squeeze(-1) * inputs.given[inputs.own_request]
        own = score - segment_logsumexp(score, inputs.own_request, requests)[inputs.own_request]
        backed = (places.unsqueeze(2) * seen).sum(dim=1)
        user = torch.cat(
            [inputs.user, inputs.scenario, inputs.given.unsqueeze(1).to(inputs.user), backed], dim=1
        )
        gate, by_state = self.gate(user).split([config.gates, config.ladder.size], dim=1)
        has_own = torch.zeros(requests, dtype=torch.bool, device=gate.device)
        has_own[inputs.own_request] = True
        allowed = torch.ones_like(gate, dtype=torch.bool)
        allowed[:, 0] = has_own & config.use_again
        allowed[:, 1] = (inputs.others | (not config.use_again)) & (not counted)
        adds = inputs.given | counted
        allowed[:, 2] = some & adds & config.use_next
        allowed[:, 3:] = adds.unsqueeze(1)
        if not config.use_recent:
            allowed[:, 3:-1] = False
        gates = torch.log_softmax(gate.masked_fill(~allowed, -torch.inf), dim=1)
        rungs = torch.log_softmax(self.rungs[inputs.given.long()] + by_state, dim=1)
        return MixtureWeights(gates, own, places, column, rungs)


def segment_logsumexp(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """(count,) log of the sum of exp of the values of each owner; -inf for one without values."""
    most = values.new_full((count,), -torch.inf).scatter_reduce(0, owner, values.detach(), "amax")
    safe = most.masked_fill(most == -torch.inf, 0.0)
    total = values.new_zeros(count).index_add(0, owner, torch.exp(values - safe[owner]))
    return torch.log(total) + safe


@dataclass(slots=True)
class TargetEvidence:
    """What the components say of T targets of B requests."""

    request: Tensor
    """(T,) whose it is"""
    own_row: Tensor
    """(T,) its own item, -1 if it is none"""
    log_new: Tensor
    """(T, K) log p_new at each temperature; anything for an own item"""
    follow: Tensor
    """(T, M, 2) transitions from each place to it"""
    shares: Tensor
    """(T, H)"""
    place_mass: Tensor
    """(B, M, 2) as in `MixtureInput`"""
    own_share: Tensor
    """(B, 1 + H) of p_next and of each share the part that the user's own items have"""


def log_likelihood(weights: MixtureWeights, seen: TargetEvidence) -> Tensor:
    """(T,) log p of each target, as it is ranked: what *next* and *popular* do not give to own items goes to p_new."""
    gates, own = weights.gates, seen.own_row >= 0
    new, old = torch.nonzero(~own).squeeze(1), torch.nonzero(own).squeeze(1)
    # Apart, not by a mask: the gradient of what nothing speaks for is not a number.
    of_new = seen.request[new]
    others_share = torch.log((1 - seen.own_share[of_new]).clamp_min(FAINT))
    left = torch.cat([gates[of_new, 1:2], gates[of_new, 2:] + others_share], dim=1)
    likely = torch.logsumexp(left, dim=1) + log_mixture(seen.log_new[new], weights.rungs[of_new])
    return torch.cat([likely, _log_added(weights, seen, old)])[torch.argsort(torch.cat([new, old]))]


def log_counted(weights: MixtureWeights, seen: TargetEvidence) -> Tensor:
    """(T,) log p of each target by the counted components alone, which add to all items."""
    return _log_added(weights, seen, torch.arange(len(seen.request)))


def _log_added(weights: MixtureWeights, seen: TargetEvidence, rows: Tensor) -> Tensor:
    """(R,) log of what *again*, *next* and *popular* give to some of the targets together."""
    request, own_row = seen.request[rows], seen.own_row[rows]
    gates = weights.gates[request]
    again = torch.where(own_row >= 0, weights.own[own_row.clamp_min(0)], -torch.inf)
    mass = (seen.place_mass @ weights.column)[request]
    after = torch.where(mass > 0, (seen.follow[rows] @ weights.column) / mass.clamp_min(FAINT), 0.0)
    leads = torch.log((weights.places[request] * after).sum(dim=1).clamp_min(FAINT))
    parts = [again.unsqueeze(1), leads.unsqueeze(1), torch.log(seen.shares[rows].clamp_min(FAINT))]
    return torch.logsumexp(torch.cat([gates[:, :1], gates[:, 2:]], 1) + torch.cat(parts, 1), dim=1)
