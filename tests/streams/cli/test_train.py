"""From a log to a model that serves: the commands one after the other, as a user would."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from streams.settings import Settings
from support.data.event_columns import event
from support.data.streamed_logs import write_lines
from support.fakes.tiny_model import save_tiny_model
from support.servers.daemon_process import program

SETTINGS = """
[interest]
dim = 16
half_lives_s = [60.0, 3600.0]
[encoder]
dim = 16
[train]
width = 8
heads = 1
epochs = 2
batch = 64
threads = 1
mixture_epochs = 3
[log]
level = "error"
"""


def driftline(*arguments: object, fails: bool = False) -> str:
    """Run the command; its standard output, or with `fails` its error."""
    done = subprocess.run(
        [str(program()), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users who go round ten items, a third of them in another aisle; a model trained on all but the last fifth."""
    folder = tmp_path_factory.mktemp("shop")
    rows = [
        {
            **event(
                f"u{user}",
                f"i{(user + step) % 10}",
                at=step * 60.0 + user,
                scenario=("fruit", "bread", "tools")[(user + step) % 10 % 3],
                event_id=f"e{user}-{step}",
            ),
            "action": "click",
        }
        for step in range(40)
        for user in range(12)
    ]
    write_lines(folder / "events.jsonl", rows)
    (folder / "driftline.toml").write_text(SETTINGS)
    summary = driftline(
        "train", folder / "events.jsonl", "--out", folder / "model", "--holdout-share", 0.1,
        "--config", folder / "driftline.toml", "--json", "--force",
    )  # fmt: skip
    (folder / "summary.json").write_text(summary)
    return folder


def test_training_says_what_it_made(shop: Path) -> None:
    """One line of JSON; the folder has the model, its encoder, and what it was made of."""
    summary = json.loads((shop / "summary.json").read_text())
    assert (
        summary["positions"] > 200
        and summary["seed"] == 0
        and summary["fingerprint"].startswith("learned-3-")
    )
    meta = json.loads((shop / "model" / "model.json").read_text())
    report = meta["report"]
    assert report["train"]["epochs"] == 2 and report["data"]
    assert (shop / "model" / "encoder").is_dir()


def test_training_ends_with_a_verdict(shop: Path, tmp_path: Path) -> None:
    """On the part that is held back, or else on one that the judged model has not learned; beside baselines, with intervals,
    and in the model's report. It can be left out."""
    held_back = json.loads((shop / "summary.json").read_text())["verdict"]
    assert held_back["judged_on"] == "holdout"
    training = ("train", shop / "events.jsonl", "--config", shop / "driftline.toml", "--force")
    shown = driftline(*training, "--out", tmp_path / "m")
    assert "later half of the validation part" in shown and "The model is" in shown
    apart = json.loads((tmp_path / "m" / "model.json").read_text())["report"]["verdict"]
    for found in (held_back, apart):
        assert list(found["methods"]) == ["own+markov", "own+popularity-7d", "popularity", "driftline"]
        assert not found["failed"] and {"all", "repeat"} <= set(found["slices"])
        best = found["methods"][found["best_baseline"]]["all"]
        assert best == max(found["methods"][name]["all"] for name in found["differences"])
        interval = found["differences"][found["best_baseline"]]["all"]
        assert found["methods"]["driftline"]["all"] - best == pytest.approx(interval["difference"])
        assert found["better"] is (True if interval["low"] > 0 else False if interval["high"] < 0 else None)
        assert ("do not use it" in found["sentence"]) == (found["better"] is not True)
    assert apart["slices"]["all"]["targets"] < held_back["slices"]["all"]["targets"]
    driftline(*training, "--out", tmp_path / "n", "--no-verdict")
    assert json.loads((tmp_path / "n" / "model.json").read_text())["report"].get("verdict") is None


def test_a_handful_of_events_is_no_model(shop: Path, tmp_path: Path) -> None:
    """Fifty rows are refused, with what there is and what is needed; nothing is written."""
    rows = (shop / "events.jsonl").read_text().splitlines()[:50]
    (tmp_path / "few.jsonl").write_text("\n".join(rows) + "\n")
    error = driftline("train", tmp_path / "few.jsonl", "--out", tmp_path / "m", fails=True)
    assert "--force" in error and "few" in error and not (tmp_path / "m").exists()


def test_a_model_is_judged_by_what_it_has_not_seen(shop: Path) -> None:
    """`evaluate --model` ranks the held-out part, and refuses a model that was trained on it."""
    arguments = ("--model", shop / "model", "--config", shop / "driftline.toml", "--force")
    found = json.loads(driftline("evaluate", shop / "events.jsonl", *arguments, "--json"))
    assert {"popularity", "driftline"} <= set(found["tasks"]["open"]["methods"])
    error = driftline(
        "evaluate", shop / "events.jsonl", *arguments, "--test-share", 0.4, "--json", fails=True
    )
    assert "--holdout-share" in error


def test_the_settings_name_the_encoder_of_a_model(shop: Path, tmp_path: Path) -> None:
    """A model trained with an encoder of its own is judged with the one of the settings, without a flag; not with one that has
    learned from what it would be judged by, however little of it."""
    log, encoder, model = shop / "events.jsonl", tmp_path / "encoder", tmp_path / "model"
    config = tmp_path / "driftline.toml"
    config.write_text(SETTINGS.replace("[encoder]", f'[encoder]\nfitted = "{encoder}"'))
    fitting = ("fit", log, "--out", encoder, "--config", shop / "driftline.toml", "--json", "--force")
    driftline(*fitting)
    judging = ("evaluate", log, "--methods", "driftline", "--json", "--force")
    tainted = driftline(*judging, "--model", shop / "model", "--encoder", encoder, fails=True)
    assert "item encoder" in tainted and "driftline fit --holdout-share" in tainted
    driftline(*fitting, "--holdout-share", 0.1)
    training = (
        "--encoder",
        encoder,
        "--holdout-share",
        0.1,
        "--epochs",
        1,
        "--config",
        config,
        "--json",
        "--force",
    )
    driftline("train", log, "--out", model, *training)
    judging = (*judging, "--model", model, "--config")
    assert json.loads(driftline(*judging, config))["tasks"]["open"]["methods"]["driftline"]
    assert "--encoder" in driftline(*judging, shop / "driftline.toml", fails=True)


def test_a_trained_model_serves(shop: Path) -> None:
    """A new store with encoder and model of the folder; recommendations name their source and reason."""
    (shop / "serve.toml").write_text(
        SETTINGS.replace("[encoder]", f'[encoder]\nfitted = "{shop / "model" / "encoder"}"')
        + f'[transfer]\nmodel = "{shop / "model"}"\n'
    )
    config = ("--config", shop / "serve.toml")
    driftline("replay", shop / "events.jsonl", "--store", shop / "store", *config, "--json")
    found = json.loads(driftline("recommend", "u1", "--store", shop / "store", *config, "--k", 5, "--json"))
    text = json.dumps(found)
    assert any(f'"source": "{source}"' in text for source in ("again", "new", "next", "popular"))
    assert "because" in text


def test_names_of_scenarios_may_have_words(shop: Path, tmp_path: Path) -> None:
    """`train.name_words`: a scenario that training has not seen is served, but not with another text encoder."""
    text = SETTINGS.replace(
        "[encoder]", f'[encoder]\nmax_length = 64\nmodel = "{save_tiny_model(tmp_path / "text")}"'
    )
    (tmp_path / "train.toml").write_text(text.replace("[train]", "[train]\nname_words = 0.7"))
    log, model = shop / "events.jsonl", tmp_path / "model"
    driftline(
        "train", log, "--out", model, "--epochs", 1, "--config", tmp_path / "train.toml", "--json", "--force"
    )
    assert json.loads((model / "model.json").read_text())["name_source"]["words"] == 0.7
    more = [{**event("u1", "i3", at=3000.0, scenario="red bread", event_id="late"), "action": "click"}]
    write_lines(tmp_path / "late.jsonl", more)
    serving = f'\nfitted = "{model / "encoder"}"\n[transfer]\nmodel = "{model}"\n'
    for name, part in (("serve.toml", text), ("other.toml", SETTINGS)):
        (tmp_path / name).write_text(part.replace("dim = 16\n[train]", f"dim = 16{serving}[train]"))
    store = ("--store", tmp_path / "store", "--config", tmp_path / "serve.toml", "--json")
    driftline("replay", log, tmp_path / "late.jsonl", *store)
    assert json.loads(driftline("recommend", "u1", "--scenario", "red bread", "--k", 3, *store))
    other = ("--store", tmp_path / "other", "--config", tmp_path / "other.toml", "--json")
    assert "text encoder" in driftline("replay", log, *other, fails=True)


def test_tuning_writes_a_section_that_loads(shop: Path) -> None:
    """`tune` within a small budget writes [train], and does not write over a file."""
    out = shop / "tuned.toml"
    arguments = (shop / "events.jsonl", "--out", out, "--config", shop / "driftline.toml")
    found = json.loads(driftline("tune", *arguments, "--trials", 2, "--minutes", 1, "--json", "--force"))
    assert len(found["trials"]) == 2 and "learning_rate" in out.read_text()
    assert Settings.load(out).train.learning_rate == pytest.approx(found["settings"]["learning_rate"])
    assert "--force" in driftline("tune", *arguments, "--trials", 1, fails=True)
