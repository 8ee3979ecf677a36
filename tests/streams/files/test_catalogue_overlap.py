"""How a log's items and a catalogue's are compared."""

from __future__ import annotations

import pytest

from streams.files.catalogue_overlap import CatalogueOverlap, overlap_of

SHOP = [f"SKU-{n:05}" for n in range(2000)]


def compared(log_ids: list[str], shop: list[str] = SHOP) -> CatalogueOverlap:
    known = set(shop)
    described = sum(one in known for one in log_ids)
    return overlap_of(log_ids, described, shop[:1000], lambda ids: [one in known for one in ids])


def test_what_the_catalogue_has_is_counted() -> None:
    """The line gives both numbers, and no warning where more than a few are there."""
    found = compared([*SHOP[:500], *(f"other-{n}" for n in range(1500))])
    assert found == CatalogueOverlap(2000, 500)
    assert found.line() == "500 of 2,000 items of the log are in the catalogue"


@pytest.mark.parametrize(
    ("log_ids", "hint"),
    [
        ([one.lower() for one in SHOP], "in upper case"),
        ([f" {one}" for one in SHOP], "without the spaces around them"),
        ([one.removeprefix("SKU-") for one in SHOP], "with 'SKU-' before them"),
        ([f"shop/{one}" for one in SHOP], "without 'shop/SKU-' before them"),
        ([one.replace("SKU-", "ART_") for one in SHOP], "with 'SKU-' in place of 'ART_'"),
        ([f"{one}.0" for one in SHOP], "without .0 behind them"),
        ([f"nothing {n}" for n in range(100)], ""),
    ],
)
def test_ids_that_differ_in_a_usual_way_are_noticed(log_ids: list[str], hint: str) -> None:
    """Where nearly no item is in the catalogue, the warning says how the ids would match."""
    found = compared(log_ids)
    if hint.startswith("without 'shop/"):
        hint = "with 'SKU-' in place of 'shop/SKU-'"
    assert found.is_poor and found.hint == hint
    assert found.line().startswith("warning: 0 of ")


def test_padded_numbers_are_noticed() -> None:
    """Numbers that lost or gained their leading zeros in a spreadsheet."""
    padded = [f"{n:06}" for n in range(1, 500)]
    plain = [str(n) for n in range(1, 500)]
    assert compared(plain, padded).hint == "padded with zeros to 6 digits"
    assert compared(padded, plain).hint == "without leading zeros"
