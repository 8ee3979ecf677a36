"""Sizes of the learned transfer model, kept with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Transfer = Literal["attention", "blend", "none"]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class NetworkConfig(BaseModel):
    """Everything that decides the shape of the network."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dim: int = Field(ge=1, description="dimensions of base vectors and of states")
    horizons: int = Field(ge=2, description="half-lives of the states")
    actions: int = Field(default=3, ge=1)
    width: int = Field(default=64, ge=4, description="dimensions inside, and of queries and towers")
    heads: int = Field(default=2, ge=1)
    layers: int = Field(default=2, ge=1, description="attention layers over the ring")
    feed_forward: float = Field(default=2.0, gt=0, description="hidden units of a layer, in widths")
    ring: int = Field(default=32, ge=1, description="latest events that are read")
    gap_edges_s: tuple[float, ...] = Field(
        default=(), description="ascending bounds of the classes of time between two events of the ring"
    )
    use_ring: bool = True
    use_slots: bool = Field(default=True, description="scenario slots are tokens, and lend to each other")
    use_emergence: bool = Field(default=True, description="slots carry emergence, z and fast rates")
    transfer: Transfer = Field(
        default="attention",
        description="what a scenario's interest borrows: attention, from the other slots and the whole of the user's sums; "
        "blend, from the sums alone; none, nothing",
    )
    against_share: float = Field(
        default=0.3, ge=0, le=0.9, description="part of a query that events below weight 0 take at most"
    )
    dropout: Fraction = 0.2
    id_dropout: Fraction = Field(default=0.1, description="items whose learned id is hidden: new items")
    event_dropout: Fraction = Field(default=0.1, description="events of the ring that are hidden")
    scenario_dropout: Fraction = Field(
        default=0.1, description="slots that are hidden: scenarios never visited"
    )
