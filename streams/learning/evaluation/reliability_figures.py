"""The reliability of a method as plain values, and as a table of the report."""

from __future__ import annotations

from typing import Any

from streams.learning.evaluation.reliability import (
    ENOUGH,
    KINDS,
    TARGETS,
    Reliability,
    deciles,
)
from streams.learning.evaluation.tables import markdown_table


def reliability_figures(counted: Reliability) -> dict[str, Any]:
    """For again, new and all: targets, log loss and that of uniform shares, and targets of (next to) no probability; of the
    first two also hits, predicted hits and deciles. Of all also the shares of the probability that competing items get, and
    others (leaked)."""
    out: dict[str, Any] = {}
    for number, kind in enumerate((*KINDS, "all")):
        targets, zero, loss, uniform = counted.sums[number].tolist()
        out[kind] = {
            "targets": int(targets),
            "zero": int(zero),
            "loss": loss / targets if targets else None,
            "uniform": uniform / targets if targets else None,
        }
    for number, kind in enumerate(KINDS):
        _, predicted, hits = counted.bins[number].sum(axis=1).tolist()
        out[kind] |= {
            "hits": int(hits),
            "predicted": predicted,
            "observed_over_predicted": hits / predicted if predicted else None,
            "deciles": [
                {
                    "draws": decile.draws,
                    "predicted": decile.predicted,
                    "hits": int(decile.hits),
                    "observed_over_predicted": decile.ratio if decile.hits >= ENOUGH else None,
                }
                for decile in deciles(counted, kind)
            ],
        }
    draws = max(float(counted.sums[len(KINDS), TARGETS]), 1.0)
    out["all"] |= {
        "competing_share": float(counted.bins[:, 1].sum()) / draws,
        "leaked_share": counted.leaked / draws,
    }
    return out


def reliability_lines(task: dict[str, Any]) -> list[str]:
    """The table of one task; nothing where no method gives probabilities."""
    rows = []
    for name, method in task["methods"].items():
        found = method.get("reliability")
        if found is None:
            continue
        for kind in KINDS:
            part = found[kind]
            if part["hits"] or part["predicted"]:
                worst = [
                    decile["observed_over_predicted"]
                    for decile in part["deciles"]
                    if decile["observed_over_predicted"] is not None
                ]
                rows.append(
                    [
                        name,
                        kind,
                        f"{part['hits']:,}",
                        _ratio(part["observed_over_predicted"]),
                        " ".join(_ratio(decile["observed_over_predicted"]) for decile in part["deciles"]),
                        f"{min(worst):.2f}-{max(worst):.2f}" if worst else "-",
                        *_losses(part),
                    ]
                )
        whole = found["all"]
        if whole["loss"] is not None:
            rows.append(
                [
                    name,
                    f"all (leaked {whole['leaked_share']:.4f})",
                    f"{whole['targets']:,}",
                    "",
                    "",
                    "",
                    *_losses(whole),
                ]
            )
    if not rows:
        return []
    head = [
        "method",
        "part",
        "hits",
        "observed / predicted",
        "of each decile",
        "range",
        "log loss",
        "uniform",
        "zero",
    ]
    return ["### Reliability of the probabilities", "", *markdown_table(head, rows)]


def _losses(part: dict[str, Any]) -> list[str]:
    if part["loss"] is None:
        return ["-", "-", "0"]
    above = " (above uniform)" if part["loss"] > part["uniform"] else ""
    return [f"{part['loss']:.3f}{above}", f"{part['uniform']:.3f}", f"{part['zero']:,}"]


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


DEFINITIONS = (
    f"- Reliability: a basket of m targets is m draws, so that an item of probability p is expected m p times. again: the "
    f"user's own items; new: all others that compete. Deciles, from the lowest p on, hold a tenth of the predicted hits each; "
    f"observed over predicted is given from {ENOUGH} hits on.",
    "- Log loss is in nats a target, against all competing items alike (uniform); for again and new within the part. zero: "
    "targets that were given no probability. leaked: the share of it that items got that do not compete.",
)
"""What is meant, for the end of the report."""
