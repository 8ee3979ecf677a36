"""Settings of the interest state and of the analytic transfer model."""

import hashlib
import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from transfer.arrays import F64
from transfer.weigh import MEASURES, Weigh

ACTIONS = ("browse", "click", "purchase")
"""The actions that are always there; the position is the uint8 code that events and states hold. Further ones follow them
(`InterestConfig.action_names`)."""

MOST_ACTIONS = 200
"""Of all kinds; codes from 250 on have meanings of their own."""
MOST_ACTION_CHARS = 64
RESERVED_ACTIONS = ("ignore", "*")
"""Words of the action map, which can't be names."""

STATE_VERSION = 3
"""Newest version of packed states; raised when an older release would read them wrongly."""
PLAIN_VERSION = 2
"""Version of the packed states of users who declared nothing."""

SETTINGS_VERSION = 1
"""Raised when the same settings mean something else, so that older states can't be read any longer."""

MOST_SLOTS = 256
"""Slots of a user that a packed state can tell apart."""

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
ActionWeight = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]


def require_ascending(half_lives_s: tuple[float, ...]) -> None:
    """Raise ValueError unless each half-life is longer than the one before."""
    if any(later <= sooner for sooner, later in pairwise(half_lives_s)):
        raise ValueError(f"half_lives_s must ascend, each longer than the one before; got {half_lives_s}")


def require_action_names(names: Iterable[str]) -> None:
    """Raise ValueError unless these can be names of further actions.

    >>> require_action_names(["hide", "add to cart"])
    """
    seen = {name: f"{name}_weight is its setting" for name in ACTIONS}
    seen |= dict.fromkeys(RESERVED_ACTIONS, "the word is reserved")
    for number, name in enumerate(names, start=len(ACTIONS) + 1):
        if not name or len(name) > MOST_ACTION_CHARS or name != name.strip() or not name.isprintable():
            raise ValueError(
                f"{name[:40]!r} can't name an action; 1 to {MOST_ACTION_CHARS} printable characters"
            )
        # The action map does not tell upper case from lower case.
        if name.casefold() in seen:
            raise ValueError(f"{name!r} can't name a further action: {seen[name.casefold()]}")
        seen[name.casefold()] = f"{name!r} is there already"
        if number > MOST_ACTIONS:
            raise ValueError(f"more than {MOST_ACTIONS} actions")


class InterestConfig(BaseModel):
    """What an interest state holds. States of other dimensions, half-lives or action weights can't be merged or read.

    The half-lives belong to the data: minutes for session logs, days and weeks for shops. An action's weight
    multiplies its event's vector in every decayed sum.

    A list that is capped grows by up to half above its cap, and is then trimmed to the cap at once: what is dropped is far from
    what anybody asks for, and the moment follows from the user's events (`transfer/state/trims.py`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dim: int = Field(default=128, ge=1, le=8192, description="dimensions of the vectors; as encoder.dim")
    half_lives_s: tuple[PositiveFloat, ...] = Field(
        default=(3600.0, 86400.0, 2592000.0),
        min_length=2,
        max_length=16,
        description="half-lives of the decayed sums, ascending; `driftline profile` fits them to a log",
    )
    browse_weight: PositiveFloat = Field(default=0.5, description="what a browse adds to the sums")
    click_weight: PositiveFloat = Field(default=1.0, description="what a click adds")
    purchase_weight: PositiveFloat = Field(default=3.0, description="what a purchase adds")
    actions: dict[str, ActionWeight] = Field(
        default={},
        description="further actions: name = weight; below 0 speaks against an item (`hide = -1.0`), 0 was shown and not "
        "acted on (`shown = 0`)",
    )
    weigh: dict[str, Weigh] = Field(
        default={},
        description="actions whose events weigh by quantity, value or dwell_s: name = measure, or "
        "name = { by = measure, typical = amount }; a factor of 1 at the typical amount (1), 1/4 to 4 (`transfer/weigh.py`)",
    )
    max_scenarios: int = Field(
        default=32,
        ge=1,
        le=250,
        description="scenarios of a user that are kept apart; the lightest become `(other)`",
    )
    own_items: int = Field(default=128, ge=1, le=65535, description="own items of a user that are kept")
    hidden_items: int = Field(
        default=256,
        ge=1,
        le=65535,
        description="latest events against items (of a weight below 0) that are kept: what is hidden, and the window for their "
        "duplicates",
    )
    shown_items: int = Field(
        default=128, ge=1, le=65535, description="items that were shown and not acted on that are kept"
    )
    ring: int = Field(
        default=64,
        ge=1,
        le=65535,
        description="latest events of a user that are kept; also the window for duplicates",
    )

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        require_ascending(self.half_lives_s)
        return self

    @field_validator("actions")
    @classmethod
    def _named(cls, actions: dict[str, float]) -> dict[str, float]:
        require_action_names(actions)
        return actions

    @field_validator("weigh", mode="before")
    @classmethod
    def _by_name(cls, weigh: object) -> object:
        if not isinstance(weigh, dict):
            return weigh
        return {name: {"by": one} if isinstance(one, str) else one for name, one in weigh.items()}

    @model_validator(mode="after")
    def _weighs_actions(self) -> Self:
        for name in self.weigh:
            if name not in self.action_names:
                raise ValueError(f"weigh names {name[:40]!r}; actions are {', '.join(self.action_names)}")
        return self

    @property
    def measures(self) -> tuple[str, ...]:
        """What events weigh by: those of quantity, value and dwell_s that are asked for."""
        used = {one.by for one in self.weigh.values()}
        return tuple(measure for measure in MEASURES if measure in used)

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of all actions; the position is an action's code.

        >>> InterestConfig(actions={"hide": -1.0}).action_names
        ('browse', 'click', 'purchase', 'hide')
        """
        return (*ACTIONS, *self.actions)

    def action_code(self, name: str) -> int:
        """The uint8 code of an action.

        Raises:
            ValueError: there is none of that name; says which there are.
        """
        names = self.action_names
        if name not in names:
            raise ValueError(f"unknown action {name[:40]!r}; actions are {', '.join(names)}")
        return names.index(name)

    @property
    def most_scenarios(self) -> int:
        """Slots of a user at most; one more, and the lightest are folded until `max_scenarios` are left.

        >>> InterestConfig().most_scenarios
        48
        """
        return min(self.max_scenarios + self.max_scenarios // 2, MOST_SLOTS)

    @property
    def most_items(self) -> int:
        """Own items of a user at most; one more, and the heaviest `own_items` are kept."""
        return self.own_items + self.own_items // 2

    @property
    def action_weights(self) -> F64:
        """Weight of each action code, (A,) float64: above 0 an act, below 0 against the item, 0 an impression."""
        built_in = (self.browse_weight, self.click_weight, self.purchase_weight)
        return np.array([*built_in, *self.actions.values()])

    @property
    def most_shown(self) -> int:
        """Shown items of a user at most; one more, and `shown_items` are kept, those that were shown most."""
        return self.shown_items + self.shown_items // 2

    @property
    def half_lives(self) -> F64:
        """Half-lives in seconds, (K,) float64, ascending."""
        return np.array(self.half_lives_s)

    def stored_json(self) -> str:
        """What a store keeps; as earlier releases read it, unless it says what they don't know."""
        later = {"actions", "weigh", "hidden_items", "shown_items"}
        fields = type(self).model_fields
        return self.model_dump_json(
            exclude={name for name in later if getattr(self, name) == fields[name].default}
        )

    def fingerprint(self) -> str:
        """16 hex digits over everything that makes states incompatible; caps may change freely, and actions may be added.

        >>> InterestConfig().fingerprint() == InterestConfig(own_items=64).fingerprint()
        True
        >>> InterestConfig().fingerprint() == InterestConfig(dim=64).fingerprint()
        False
        """
        weights = [self.browse_weight, self.click_weight, self.purchase_weight]
        # Nothing is added where nothing weighs: states of earlier releases stay readable.
        weigh = {name: one.model_dump() for name, one in self.weigh.items()}
        decisive = [SETTINGS_VERSION, ACTIONS, self.dim, list(self.half_lives_s), weights]
        return _digest([*decisive, weigh] if weigh else decisive)


class TransferConfig(BaseModel):
    """Which transfer model is used, and the weights of the analytic one (the default); `transfer/analytic/model.py` and
    `transfer/analytic/again.py` give the formulas.

    Masses are decayed sums of action weights at the longest half-life: 1 is one fresh click at the defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: Path | None = Field(
        default=None,
        description="folder of a trained model (driftline train); without one the analytic model",
    )
    int8: bool = Field(default=False, description="a trained model's matrices in 8 bits on the CPU")
    threads: int = Field(
        default=1,
        ge=1,
        le=256,
        description="torch threads of a trained model, for a batch of users and for a request; two were no faster on an idle "
        "machine, and slower beside a busy process",
    )
    lifelong_share: Share = Field(
        default=0.5,
        description="part of the weights that goes by all that a user ever did, as far as the longest half-life forgot it",
    )
    emergence_gain: float = Field(
        default=3.0, ge=0, le=100, description="logit per unit of trusted emergence"
    )
    emergence_cap: PositiveFloat = Field(
        default=3.0, description="largest emergence, either way, that counts"
    )
    emergence_reach: Share = Field(
        default=0.8, description="how far, of its way to the heaviest one, emergence lifts an old scenario"
    )
    new_events: PositiveFloat = Field(
        default=3.0, description="events at which a new scenario is trusted by half"
    )
    new_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.9, description="weight of a trusted new scenario, at most"
    )
    emergence_z: PositiveFloat = Field(default=2.0, description="z at which emergence is trusted by half")
    pseudo_count: PositiveFloat = Field(
        default=1.0, description="events added to both sides of the log-ratio"
    )
    z_variance: PositiveFloat = Field(default=1.0, description="events added to the variance in z")
    min_age_s: PositiveFloat = Field(default=60.0, description="age of a user counts as at least this")
    shrinkage_mass: PositiveFloat = Field(
        default=3.0, description="mass at which slot and global weigh alike"
    )
    short_term_share: Share = Field(default=0.3, description="share of the shorter half-lives' global sums")
    interests: int = Field(default=4, ge=1, le=32, description="interest vectors per user, at most")
    interest_min_weight: Share = Field(
        default=0.02, description="a lighter scenario gives no interest vector"
    )
    against_share: Annotated[float, Field(ge=0, le=0.9)] = Field(
        default=0.3, description="part of a query's length that events of a weight below 0 take at most"
    )
    again_recency: Share = Field(default=0.5, description="share of the shorter half-lives in again scores")
    repeat_prior: Share = Field(default=0.3, description="share of repeats assumed before any evidence")
    repeat_strength: PositiveFloat = Field(default=4.0, description="events that the prior is worth")
    declared: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)] = Field(
        default=5.0, description="events that what a user declared is worth (docs/declared.md); 0: nothing"
    )

    def weights_json(self) -> str:
        """The analytic model's weights alone: what a reader needs to continue with the same."""
        later = {"against_share", "declared"}  # as earlier releases have it, unless it was set
        fields = type(self).model_fields
        same = {name for name in later if getattr(self, name) == fields[name].default}
        return self.model_dump_json(exclude={"model", "int8", "threads", *same})

    def fingerprint(self) -> str:
        """16 hex digits over all weights of the analytic model.

        >>> TransferConfig().fingerprint() == TransferConfig(model=Path("folder")).fingerprint()
        True
        """
        return _digest(json.loads(self.weights_json()))


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
