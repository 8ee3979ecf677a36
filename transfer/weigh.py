"""What quantity, value or time spent make of an event's weight: a factor that grows slowly and is bounded.

    factor = min(max(log(1 + x / typical) / log 2, 1/4), 4)

It is 1 at the typical amount, 1/4 at nothing and 4 at fifteen times as much; an event without the amount has 1.
"""

from typing import Annotated, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from transfer.arrays import F32, F64

Measure = Literal["quantity", "value", "dwell_s"]
MEASURES: tuple[str, ...] = get_args(Measure)
LEAST, MOST = 0.25, 4.0


class Weigh(BaseModel):
    """By what the events of an action weigh; `"quantity"` stands for `{by = "quantity"}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    by: Measure = Field(default="quantity", description="the amount that counts")
    typical: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=1.0, description="the amount at which an event weighs as its action says"
    )


def weigh_factors(amount: F64, typical: float) -> F32:
    """Factors (B,) float32 of amounts (B,), NaN for none; what is below 0 is as 0.

    >>> weigh_factors(np.array([0.0, 2.0, 6.0, 1e9, np.nan]), 2.0).tolist()
    [0.25, 1.0, 2.0, 4.0, 1.0]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        factor = np.clip(np.log1p(np.maximum(amount, 0.0) / typical) / np.log(2.0), LEAST, MOST)
    return np.where(np.isnan(amount), 1.0, factor).astype(np.float32)
