"""A model that is trained on a log with hides and impressions: what it learns of them, and what it serves afterwards."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support.data.event_columns import event
from support.data.streamed_logs import write_lines
from support.servers.daemon_process import program

ACTIONS = "[interest.actions]\nhide = -1.0\nshown = 0.0\n"
SETTINGS = """
[interest]
dim = 16
half_lives_s = [60.0, 3600.0]
[encoder]
dim = 16
[train]
width = 8
heads = 1
epochs = 1
batch = 64
threads = 1
mixture_epochs = 2
[log]
level = "error"
"""


def driftline(*arguments: object) -> str:
    """Run the command; its standard output."""
    done = subprocess.run(
        [str(program()), *map(str, arguments)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users who go round ten items, hide what is opposite and are shown what comes next; and one who only ever hides."""
    folder = tmp_path_factory.mktemp("kinds")
    rows = []
    for user in range(12):
        for step in range(40):
            at, here = step * 60.0 + user, (user + step) % 10
            common = {"scenario": ("fruit", "bread", "tools")[here % 3]}
            rows.append(event(f"u{user}", f"i{here}", at=at, **common) | {"action": "click"})
            rows.append(event(f"u{user}", f"i{(here + 5) % 10}", at=at + 9, **common) | {"action": "hide"})
            rows.append(event(f"u{user}", f"i{(here + 1) % 10}", at=at + 19, **common) | {"action": "shown"})
    rows += [event("grump", f"i{n}", at=100.0 + n, scenario="fruit") | {"action": "hide"} for n in range(3)]
    rows.sort(key=lambda row: row["timestamp"])
    write_lines(folder / "log.jsonl", rows)
    (folder / "driftline.toml").write_text(SETTINGS + ACTIONS)
    config = folder / "driftline.toml"
    driftline(
        "train",
        folder / "log.jsonl",
        "--config",
        config,
        "--holdout-share",
        0.2,
        "--out",
        folder / "model",
        "--force",
    )
    return folder


def test_the_model_holds_its_actions_and_how_much_hides_take(shop: Path) -> None:
    """Chosen among shares on the validation part; targets were acts alone."""
    meta = json.loads((shop / "model" / "model.json").read_text())
    assert meta["interest"]["actions"] == {"hide": -1.0, "shown": 0.0} and meta["network"]["actions"] == 5
    judged = {row["share"]: row["log_p"] for row in meta["report"]["against"]}
    assert len(judged) == 6 and len(set(judged.values())) > 1
    assert judged[meta["network"]["against_share"]] == max(judged.values())


def test_evaluate_and_recommend_know_what_was_hidden(shop: Path) -> None:
    """Both rank without it, with an action that training never saw beside; who only ever hid gets what is popular."""
    config = shop / "later.toml"
    config.write_text(
        SETTINGS.replace("[encoder]", f'[encoder]\nfitted = "{shop}/model/encoder"')
        + f'[transfer]\nmodel = "{shop}/model"\n'
        + ACTIONS
        + "like = 2.6\n"
    )
    asked = ("--methods", "driftline,analytic,popularity", "--model", shop / "model", "--json", "--force")
    found = json.loads(driftline("evaluate", shop / "log.jsonl", "--config", config, *asked))
    assert found
    store = ("--store", shop / "store", "--config", config)
    driftline("replay", shop / "log.jsonl", *store)
    write_lines(shop / "more.jsonl", [event("u1", "i3", at=4e3, scenario="fruit") | {"action": "like"}])
    driftline("replay", shop / "more.jsonl", *store)
    popular = json.loads(driftline("recommend", "grump", *store, "--json"))["items"]
    assert popular and {one["source"] for one in popular} == {"popular"}
    assert not {"i0", "i1", "i2"} & {one["item_id"] for one in popular}
    told = json.loads(driftline("explain", "u1", *store, "--json"))
    hidden = {one["item_id"] for one in told["hidden"]}
    shown = {one["item_id"] for one in json.loads(driftline("recommend", "u1", *store, "--json"))["items"]}
    assert hidden and not hidden & shown and "i3" not in hidden
    assert told["recent"][0]["action"] == "like"
