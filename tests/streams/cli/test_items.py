"""`driftline items` and `recommend`, as a shop calls them with its own catalogue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.data.colliding_ids import FIRST, SECOND
from support.data.streamed_logs import write_lines
from support.servers.daemon_process import driftline

HEAD = "Handle,Title,Body (HTML),Vendor,Type,Published,Variant SKU,Variant Price\n"
MAPPING = "item_id=Handle,title=Title,description=Body (HTML),scenario=Type,price=Variant Price"


def export(path: Path, prices: list[float], more: str = "") -> Path:
    """As Shopify writes it: a row a variant, title and description in the first alone."""
    rows = [
        f'coat-{n},Warm coat {n},"<p>Made of <b>wool</b> {n}</p>",Acme,Coats,true,00{n}-S,{price}\n'
        f"coat-{n},,,,,,00{n}-M,{price + 1}\n"
        for n, price in enumerate(prices)
    ]
    path.write_text(HEAD + "".join(rows) + more)
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


def items(shop: Path, *options: str) -> tuple[int, str, str]:
    done = driftline("items", str(shop / "products.csv"), "--store", str(shop / "store"), *options)
    return done.returncode, done.stdout, done.stderr


def test_the_first_hour_with_a_shops_export(shop: Path) -> None:
    """Refused with a mapping that works; tried without a write; loaded; a new price costs no text; what is taken away is said
    first, and recommendations go by attributes."""
    export(shop / "products.csv", [20.5, 30, 40, 50, 60])
    code, _, told = items(shop)
    assert code == 1 and not (shop / "store").exists()
    assert "perhaps --items-map 'item_id=Handle,title=Title,description=Body (HTML),scenario=Type'" in told

    code, told, _ = items(shop, "--items-map", MAPPING, "--dry-run")
    assert code == 0 and not (shop / "store").exists()
    assert "5 items: 5 new" in told and "5 texts to encode" in told and "nothing was written" in told

    code, told, _ = items(shop, "--items-map", MAPPING)
    assert code == 0 and "5 items: 5 new" in told and "5 texts encoded" in told
    assert "5 duplicates: " in told

    export(shop / "products.csv", [20.5, 30, 40, 50, 6])
    code, told, error = items(shop, "--items-map", MAPPING, "--json")
    counts = json.loads(told)
    assert code == 0 and (counts["rewritten"], counts["encoded"], counts["unchanged"]) == (1, 0, 4)
    assert not error  # nothing but JSON

    export(shop / "products.csv", [20.5, 30], "coat-2,,,Acme,Coats,true,002-S,40\n")
    code, _, told = items(shop, "--items-map", MAPPING)
    assert code == 1 and "1 items have a text in the store and none in the catalogue" in told
    export(shop / "products.csv", [20.5])
    code, _, told = items(shop, "--items-map", MAPPING, "--full")
    assert code == 1 and "--full would remove 4 of 5 items" in told and "--yes" in told
    code, told, _ = items(shop, "--items-map", MAPPING, "--full", "--dry-run")
    assert code == 0 and "4 of 5 items that the catalogue lacks would be removed" in told

    log = [
        {
            "user_id": "ada",
            "timestamp": 1e9 + n,
            "scenario": "Coats",
            "item_id": f"coat-{n % 2}",
            "action": "click",
        }
        for n in range(6)
    ]
    replayed = driftline("replay", str(write_lines(shop / "log.jsonl", log)), "--store", str(shop / "store"))
    assert replayed.returncode == 0 and "2 of 2 items of the log are in the catalogue" in replayed.stdout
    for where, wanted in {
        "": {"coat-0", "coat-1", "coat-2", "coat-3", "coat-4"},
        "price<35": {"coat-0", "coat-1", "coat-4"},
        'price>=30,Vendor="Acme",Published=true': {"coat-1", "coat-2", "coat-3"},
    }.items():
        done = driftline("recommend", "ada", "--store", str(shop / "store"), "--where", where, "--json")
        assert done.returncode == 0, done.stderr
        assert {one["item_id"] for one in json.loads(done.stdout)["items"]} == wanted
    again = driftline("replay", str(shop / "log.jsonl"), "--store", str(shop / "store"))
    assert again.returncode == 0 and "items of the log" not in again.stdout  # nothing was read anew
    done = driftline("recommend", "ada", "--store", str(shop / "store"), "--where", "prize<35")
    assert done.returncode == 0 and "no item passes --where" in done.stderr
    done = driftline("recommend", "ada", "--store", str(shop / "store"), "--where", "price<<2")
    assert done.returncode == 2 and "--where" in done.stderr


def test_a_catalogue_without_an_item_leaves_nothing_behind(tmp_path: Path) -> None:
    """Rows that are all wrong are an error with the reasons, and no store is made."""
    path = write_lines(tmp_path / "i.jsonl", [{"item_id": None, "title": "x"}, {"title": "y"}])
    done = driftline("items", str(path), "--store", str(tmp_path / "s"))
    assert done.returncode == 1 and "none of the 2 rows of the catalogue is an item" in done.stderr
    assert not (tmp_path / "s").exists()


def test_a_catalogue_of_which_nothing_was_written_has_failed(tmp_path: Path) -> None:
    """Its one item has the key of another one that is there: exit code 1, and no item is counted."""
    first = write_lines(tmp_path / "first.jsonl", [{"item_id": FIRST, "title": "First"}])
    second = write_lines(tmp_path / "second.jsonl", [{"item_id": SECOND, "title": "Second"}])
    store = str(tmp_path / "store")
    assert driftline("items", str(first), "--store", store).returncode == 0
    done = driftline("items", str(second), "--store", store, "--json")
    counts = json.loads(done.stdout)
    assert done.returncode == 1 and (counts["items"], counts["rejected"]) == (0, 1)
