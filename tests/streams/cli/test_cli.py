"""The command line, as its users call it."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from support.checks.states import assert_same_states, states_of
from support.data.event_columns import event
from support.data.streamed_logs import Row, write_lines
from support.qdrant_server import QdrantServer
from support.servers.daemon_process import driftline, program

COMMANDS = [
    "quickstart", "items", "replay", "redrive", "run", "recommend", "explain", "export", "simulate", "broker", "doctor",
    "profile", "fit", "train", "tune", "rebuild", "evaluate", "manifest",
]  # fmt: skip
ITEMS = [
    {"sku": "g", "title": "Red grapes", "scenario": "fruit"},
    {"sku": "h", "title": "Green grapes", "scenario": "fruit"},
    {"sku": "o", "title": "Motor oil", "scenario": "car"},
]


def rows() -> list[Row]:
    """Three users, two items, one event a minute."""
    log = [
        event(f"u{n % 3}", "gho"[n % 2], at=n * 60.0, scenario="fruit", event_id=f"e{n}") for n in range(30)
    ]
    return [{**row, "action": ["browse", "click", "purchase"][n % 3]} for n, row in enumerate(log)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log, a catalogue, and a store that `replay` made of them."""
    folder = tmp_path_factory.mktemp("shop")
    write_lines(folder / "events.jsonl", rows())
    write_lines(folder / "items.jsonl", ITEMS)
    done = driftline(
        "replay", str(folder / "events.jsonl"), "--items", str(folder / "items.jsonl"), "--items-map", "item_id=sku",
        "--store", str(folder / "store"), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder / "summary.json").write_text(done.stdout)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command: str) -> None:
    """Every command explains itself, with an example; `quickstart` is one."""
    done = driftline(command, "--help")
    assert done.returncode == 0
    text = " ".join(done.stdout.split())
    assert command == "quickstart" or any(
        f"{word} driftline {command} " in text for word in ("Example:", "Examples:")
    )


def test_replay_ends_with_one_line_of_json(shop: Path) -> None:
    """The summary has exactly the documented keys."""
    summary = json.loads((shop / "summary.json").read_text())
    assert list(summary) == [
        "events", "applied", "rejected", "duplicates", "forgotten", "ignored", "users", "items", "seconds",
        "events_per_s",
        "in_catalogue", "reasons", "manifest",
    ]  # fmt: skip
    assert (summary["events"], summary["applied"], summary["users"], summary["items"]) == (30, 30, 3, 2)


def test_a_log_replayed_again_changes_nothing(tmp_path: Path) -> None:
    """Twice is once; the second run says that it knew all of it."""
    store = tmp_path / "store"
    log = write_lines(tmp_path / "events.jsonl", rows())
    assert driftline("replay", str(log), "--store", str(store)).returncode == 0
    again = driftline("replay", str(log), "--store", str(store), "--json")
    found = json.loads(again.stdout)
    (known,) = found.pop("manifest")["logs"]
    assert (known["rows"], known["done"], known["name"]) == (30, 30, "events.jsonl")
    assert found | {"seconds": 0, "events_per_s": 0} == {
        "events": 30, "applied": 0, "rejected": 0, "duplicates": 30, "forgotten": 0, "ignored": 0, "users": 0,
        "items": 0,
        "seconds": 0, "events_per_s": 0, "in_catalogue": None,
        "reasons": {},
    }  # fmt: skip
    copy = tmp_path / "fresh"
    driftline("replay", str(log), "--store", str(copy))
    settings = Settings.load()
    with open_for_reading(str(store), settings) as a, open_for_reading(str(copy), settings) as b:
        assert assert_same_states(a.store, b.store, a.interest, tolerance=0.0) == 3


def test_recommend_and_explain_print_the_documented_json(shop: Path) -> None:
    """Machines read the same keys in every release."""
    found = json.loads(
        driftline("recommend", "u0", "--store", str(shop / "store"), "--k", "2", "--json").stdout
    )
    assert (
        list(found) == ["user_id", "items", "user"] and found["user_id"] == "u0" and len(found["items"]) == 2
    )
    assert found["user"] == "known"
    assert list(found["items"][0]) == ["item_id", "title", "scenario", "score", "source", "because"]
    nowhere = driftline("recommend", "u0", "--store", str(shop / "store"), "--scenario", "attic", "--json")
    assert json.loads(nowhere.stdout)["items"] and "no item belongs to 'attic'" in nowhere.stderr
    told = json.loads(driftline("explain", "u0", "--store", str(shop / "store"), "--json").stdout)
    assert {"user_id", "scenarios", "recent"} <= set(told)
    assert {"name", "weight", "emergence", "mass"} <= set(told["scenarios"][0])
    assert {"timestamp", "action", "scenario", "item_id", "title"} <= set(told["recent"][0])


def test_a_user_who_is_not_known_gets_what_is_popular_and_is_called_new(shop: Path, tmp_path: Path) -> None:
    """For machines and people, by exit code 0; where nothing is counted it is an error that says so."""
    store = str(shop / "store")
    asked = driftline("recommend", "nobody", "--store", store, "--scenario", "fruit", "--json")
    assert asked.returncode == 0, asked.stderr
    found = json.loads(asked.stdout)
    assert found["user"] == "new" and {item["item_id"] for item in found["items"]} == {"g", "h"}
    assert {item["source"] for item in found["items"]} == {"popular"}
    told = driftline("recommend", "nobody", "--store", store)
    assert told.returncode == 0 and "Red grapes" in told.stdout and "not known yet" in told.stderr
    driftline("items", str(shop / "items.jsonl"), "--map", "item_id=sku", "--store", str(tmp_path / "bare"))
    failure("recommend", "nobody", "--store", str(tmp_path / "bare"), code=1, says="no counts of events")


def test_brackets_in_names_are_shown_as_they_are(tmp_path: Path) -> None:
    """What looks like a style of the terminal library is part of a path, an id or a scenario, not a style."""
    log = write_lines(
        tmp_path / "[red]log.jsonl",
        [{**event("[/b]u", "[/i]", scenario="[/]books"), "action": "click"}, {"user_id": "["}],
    )
    store = str(tmp_path / "s")
    done = driftline("replay", str(log), "--store", store)
    assert done.returncode == 0 and "[red]log.jsonl row 1: " in done.stderr, done.stderr
    told = driftline("explain", "[/b]u", "--store", store)
    assert told.returncode == 0, told.stderr
    assert all(shown in told.stdout for shown in ("[/b]u: one event so far", "[/]books", "[/i]"))
    again = driftline("recommend", "[/b]u", "--store", store)
    assert again.returncode == 0 and "[/i]" in again.stdout, again.stderr


def test_items_again_encodes_nothing(shop: Path) -> None:
    """The second load of a catalogue finds everything unchanged."""
    done = driftline(
        "items", str(shop / "items.jsonl"), "--map", "item_id=sku", "--store", str(shop / "store"), "--json"
    )
    counts = json.loads(done.stdout)
    assert (counts["items"], counts["unchanged"], counts["encoded"]) == (3, 3, 0)


def test_export_has_every_users_vector(shop: Path, tmp_path: Path) -> None:
    """The Parquet file holds what the store holds, the vector as a fixed-size list."""
    out = tmp_path / "users.parquet"
    done = driftline("export", "--store", str(shop / "store"), "--out", str(out), "--json")
    assert json.loads(done.stdout)["users"] == 3
    table = pq.read_table(out)
    assert table.schema.field("fused").type == pa.list_(pa.float32(), 128)
    settings = Settings.load()
    with open_for_reading(str(shop / "store"), settings) as workspace:
        users, _, fused = states_of(workspace.store, workspace.interest)
    order = np.argsort(table["user_id"].to_pylist())
    assert np.array(table["user_id"].to_pylist())[order].tolist() == users
    assert np.array_equal(np.array(table["fused"].to_pylist(), np.float32)[order], fused)
    assert table["weights"].to_pylist()[0] == [{"scenario": "fruit", "weight": 1.0}]


def test_rejected_rows_are_listed_by_file_and_row(tmp_path: Path) -> None:
    """A bad row costs nothing but itself; --rejects and the console say where it is, by the row of its own file."""
    good = write_lines(tmp_path / "a.jsonl", rows())
    bad = write_lines(
        tmp_path / "b.jsonl",
        [rows()[0] | {"event_id": "x"}, rows()[1] | {"timestamp": 9e12, "event_id": "y"}],
    )
    done = driftline(
        "replay",
        str(good),
        str(bad),
        "--store",
        str(tmp_path / "s"),
        "--rejects",
        str(tmp_path / "r"),
        "--json",
    )
    assert json.loads(done.stdout)["rejected"] == 1 and json.loads(done.stdout)["applied"] == 31
    (line,) = (tmp_path / "r").read_text().splitlines()
    assert json.loads(line)["row"] == 1 and json.loads(line)["file"] == str(bad)
    assert json.loads(line)["reason"] == "timestamp_in_future"
    assert "b.jsonl row 1: timestamp_in_future" in done.stderr


def failure(*arguments: str, code: int, says: str, **environment: str) -> None:
    done = driftline(*arguments, **environment)
    assert done.returncode == code, done.stderr
    assert says in " ".join(done.stderr.split()), done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_usage_and_settings_exit_with_2(shop: Path) -> None:
    """What the user typed wrong is told apart from what failed."""
    store = str(shop / "store")
    failure("recommend", "u0", "--store", store, "--mode", "sideways", code=2, says="sideways")
    failure(
        "recommend", "u0", "--store", store, "--mode", "again", "--exclude-seen", code=2, says="exclude-seen"
    )
    failure("recommend", "u0", code=2, says="--store")
    failure("recommend", "u0", "--store", store, code=2, says="DRIFTLINE_STOER", DRIFTLINE_STOER="x")
    failure("explain", "u0", "--store", store, "--config", "gone.toml", code=2, says="gone.toml")
    failure("replay", "--nonsense", code=2, says="--nonsense")
    log = str(shop / "events.jsonl")
    failure("replay", log, "--store", store, "--map", "colour=x", code=2, says="unknown field 'colour'")
    failure(
        "replay",
        log,
        "--store",
        store,
        "--action",
        "stare",
        code=2,
        says="'stare' is no action; actions are browse, click, purchase",
    )
    failure("simulate", "--rate", "0", code=2, says="--rate")


def test_failures_exit_with_1_and_say_what_to_do(shop: Path, tmp_path: Path) -> None:
    """A missing store or broker, an unknown user, another schema, a cut file: one line each, nothing written."""
    failure("recommend", "u0", "--store", str(tmp_path / "none"), code=1, says="driftline items")
    failure("explain", "nobody", "--store", str(shop / "store"), code=1, says="no user 'nobody'")
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    failure("replay", str(other), "--store", str(tmp_path / "s"), code=1, says="user_id")
    whole = tmp_path / "whole.parquet"
    pq.write_table(pa.Table.from_pylist(rows()), whole)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole.read_bytes()[:-20])
    failure("replay", str(whole), str(cut), "--store", str(tmp_path / "s"), code=1, says="cut.parquet")
    log, nowhere = str(shop / "events.jsonl"), str(tmp_path / "no" / "file")
    failure(
        "replay",
        log,
        "--store",
        str(tmp_path / "s"),
        "--rejects",
        nowhere,
        code=2,
        says=f"{nowhere}: there is no folder",
    )
    assert not (tmp_path / "s").exists()
    failure("recommend", "u0", "--store", "http://127.0.0.1:9", code=1, says="127.0.0.1")
    failure("redrive", log, "--broker", "127.0.0.1:9", code=1, says="no Kafka broker answers at 127.0.0.1:9")
    for out in (f"{nowhere}.csv", str(tmp_path), ".", "users.txt"):
        failure("export", "--store", str(shop / "store"), "--out", out, code=2, says=out)


def test_a_store_made_with_other_settings_or_another_model_is_refused(shop: Path, tmp_path: Path) -> None:
    """Vectors that can't be compared are never mixed; the message says how to fix it."""
    from support.fakes.tiny_model import save_tiny_model

    arguments = ("replay", str(shop / "events.jsonl"), "--store", str(shop / "store"))
    lives = {"DRIFTLINE_INTEREST__HALF_LIVES_S": "[10, 100]"}
    failure(
        *arguments,
        code=1,
        says="half_lives_s is [3600.0, 86400.0, 2592000.0] in the store and [10.0, 100.0] in the settings",
        **lives,
    )
    failure(
        *arguments, code=1, says="Set them as the store has them, or replay the log into a new store", **lives
    )
    model = str(save_tiny_model(tmp_path / "model"))
    fix = "configure the model that the store was made with, or make a new store"
    failure(*arguments, code=1, says=fix, DRIFTLINE_ENCODER__MODEL=model)


def test_development_round_by_command_line_alone(tmp_path: Path) -> None:
    """broker, doctor, simulate, redrive, run --drain, recommend: each with --json, each exiting with 0."""
    with subprocess.Popen(
        [str(program()), "broker", "--port", "0", "--json", "--no-topics"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as broker:
        assert broker.stdout is not None
        url = json.loads(broker.stdout.readline())["url"]
        before = driftline("doctor", "--broker", url, "--json", DRIFTLINE_ENCODER__MODEL="gone")
        assert before.returncode == 1 and "no such topic" in before.stdout
        sent = json.loads(
            driftline("simulate", "--broker", url, "--rate", "500", "--seconds", "1", "--json").stdout
        )
        assert sum(sent["sent"].values()) == 500 and sent["items"] == 120
        log = write_lines(tmp_path / "log.jsonl", rows())
        assert json.loads(driftline("redrive", str(log), "--broker", url, "--json").stdout)["sent"] == 30
        arguments = ("--broker", url, "--store", str(tmp_path / "s"))
        ran = driftline("run", *arguments, "--drain", "--json", "--metrics-port", "0")
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["applied"] == 530
        after = driftline("doctor", *arguments, "--json")
        assert after.returncode == 0 and json.loads(after.stdout)["ok"], after.stdout
        found = driftline("recommend", "ada", "--store", str(tmp_path / "s"), "--json")
        assert found.returncode == 0 and json.loads(found.stdout)["items"]
        broker.send_signal(signal.SIGTERM)
        assert broker.wait(10) == 0


def test_doctor_names_what_is_wrong(tmp_path: Path) -> None:
    """A broker that is not there, a folder that is not ours, no such model: each with what to do, none touched."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("not a store")
    arguments = ("doctor", "--broker", "127.0.0.1:9", "--store", str(tmp_path / "mine"))
    done = driftline(*arguments, "--json", DRIFTLINE_ENCODER__MODEL="gone")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and found["ok"] is False
    failed = {check["name"]: check["fix"] for check in found["checks"] if check["ok"] is False}
    assert failed.keys() == {"broker", "store", "model"} and all(failed.values())
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    table = driftline(*arguments, DRIFTLINE_ENCODER__MODEL="gone")
    assert table.returncode == 1 and "fix" in table.stdout and "nothing listens there" in table.stdout


def test_secrets_are_in_no_output(tmp_path: Path) -> None:
    """Passwords and keys are neither logged nor part of an error, at the most talkative level."""
    secrets = {
        "DRIFTLINE_BROKER__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "DRIFTLINE_BROKER__SASL_USERNAME": "me",
        "DRIFTLINE_BROKER__SASL_PASSWORD": "hunter2",
        "DRIFTLINE_STORE__API_KEY": "hunter2",
        "DRIFTLINE_LOG__LEVEL": "debug",
        "DRIFTLINE_ENCODER__MODEL": "gone",
    }
    with QdrantServer(tmp_path / "q", api_key="another") as server:
        for store in (server.url, "http://me:hunter2@127.0.0.1:9"):
            done = driftline("doctor", "--broker", "127.0.0.1:9", "--store", store, **secrets)
            assert done.returncode == 1 and "hunter2" not in done.stdout + done.stderr
    wrong = driftline("explain", "u", **secrets | {"DRIFTLINE_BROKER__SECURITY_PROTOCOL": "PLAINTEXT"})
    assert wrong.returncode == 2 and "hunter2" not in wrong.stdout + wrong.stderr


def test_version() -> None:
    """The installed version is reported."""
    from importlib.metadata import version

    assert driftline("--version").stdout.strip() == version("driftline")
