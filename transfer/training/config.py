"""How a model is trained; kept with it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from transfer.learned.config import Transfer


class TrainConfig(BaseModel):
    """Settings of `driftline train`; the defaults suit two cores."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seed: int = Field(0, description="of initial weights, dropout and the order of batches")
    name_words: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="cosine of a scenario name's vector with that of its words by the text encoder; the rest is the name's own",
    )
    width: int = Field(64, ge=4, description="dimensions inside the network, and of queries and towers")
    heads: int = Field(2, ge=1, description="attention heads")
    layers: int = Field(1, ge=1, description="attention layers over the ring")
    feed_forward: float = Field(1.0, gt=0, description="hidden units of a layer, in widths")
    ring: int = Field(32, ge=2, description="latest events that the network reads")
    dropout: float = Field(0.3, ge=0, lt=1, description="dropout inside the network")
    id_dropout: float = Field(
        0.3, ge=0, lt=1, description="share of items whose learned id is hidden, as of new items"
    )
    event_dropout: float = Field(0.1, ge=0, lt=1, description="share of events of the ring that are hidden")
    scenario_dropout: float = Field(
        0.1, ge=0, lt=1, description="share of scenario slots that are hidden, as of scenarios never visited"
    )
    rare: int = Field(1, ge=0, description="items with fewer training events have no learned id")
    epochs: int = Field(12, ge=1, description="epochs of the network, at most")
    patience: int = Field(3, ge=1, description="epochs without a better validation before training stops")
    refit: bool = Field(
        True,
        description="the network learns on from the validation part; powers and gates are fitted on its halves, each "
        "foreseen by a network that has learned the other alone",
    )
    batch: int = Field(512, ge=1, description="positions of a step, about")
    learning_rate: float = Field(2e-3, gt=0, description="learning rate of the network")
    weight_decay: float = Field(0.01, ge=0, description="weight decay of the network")
    gradient_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    full_softmax_items: int = Field(50_000, ge=1, description="above this many items the softmax is sampled")
    samples: int = Field(
        4096,
        ge=256,
        description="uniform negatives of a step, beside half as many of the most frequent items",
    )
    repeat_loss: float = Field(1.0, ge=0, description="weight of targets that the user had before")
    given_loss: float = Field(0.5, ge=0, description="weight of requests that name the scenario")
    scenario_loss: float = Field(0.1, ge=0, description="weight of telling the scenario of the next event")
    adversarial: float = Field(0.0, ge=0, description="length of the perturbation of the sums (0: none)")
    threads: int = Field(0, ge=0, description="torch threads; 0: one a core")
    places: int = Field(24, ge=1, description="latest items that item-to-item evidence starts from")
    count_blocks: int = Field(128, ge=1, description="how often counts continue within the validation part")
    mixture_hidden: int = Field(32, ge=1, description="hidden units of the gate")
    mixture_epochs: int = Field(30, ge=1, description="epochs of the mixture")
    mixture_rate: float = Field(3e-3, gt=0, description="learning rate of the mixture")
    mixture_queries: int = Field(
        30_000, ge=100, description="requests that the mixture is fitted on, at most"
    )
    pool_queries: int = Field(8000, ge=64, description="requests that the pool is fitted on, at most")
    mixture_earlier_share: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="last part of the training time that counted components learn from first",
    )
    use_slots: bool = Field(
        True, description="ablation: scenario slots; without them one interest for all scenarios"
    )
    use_emergence: bool = Field(True, description="ablation: slots carry emergence")
    use_ring: bool = Field(True, description="ablation: the network reads the ring")
    transfer: Transfer = Field(
        "attention",
        description="what a scenario's interest borrows: attention, from the other slots and the user's sums; blend, from the "
        "sums alone; none, nothing",
    )
    use_again: bool = Field(True, description="ablation: the user's own items are a component")
    use_new: bool = Field(
        True, description="ablation: the network ranks new items; without it counting alone does"
    )
    use_next: bool = Field(True, description="ablation: transitions rank items")
    use_recent: bool = Field(
        True, description="ablation: recent shares; without them those of all time alone"
    )
    use_debuts: bool = Field(True, description="ablation: new items by debuts; without them by all events")
