"""A trained model in service: made again by rebuild, kept current by events, recommending by its mixture with reasons."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from encoders.config import EncoderConfig
from sinks.errors import StoreMismatch
from sinks.item_filter import AttributeTest
from streams.errors import SettingsError
from streams.event_log.log import open_logs
from streams.events.columns import EventColumns
from streams.events.event import ItemRow
from streams.files.catalogue_file import open_catalogue
from streams.ingest.intake import Intake, open_intake
from streams.learning.history import load_history
from streams.serving.answer import Recommendation
from streams.serving.model_ranker import ranker_of
from streams.serving.recommend import Recommender, read_state, recommend
from streams.settings import Settings
from streams.workspace.workspace import Workspace, open_for_reading
from support.checks.states import states_of
from support.data.event_columns import NOW, columns_of, event
from support.fakes.small_model import save_small_model
from support.qdrant_server import QdrantServer
from support.servers.quick_folder import quick_folder
from transfer.config import InterestConfig, TransferConfig
from transfer.errors import ModelError
from transfer.learned.model import LearnedModel
from transfer.state.states import stack, take_users

DIM = 24
PLAIN = Settings(interest=InterestConfig(dim=DIM), encoder=EncoderConfig(dim=DIM))
USERS = [f"u{n}" for n in range(10)]
ROWS = [ItemRow(f"i{n}", "", "", ("toys", "garden")[n % 2]) for n in range(30)]


def events(start: int, count: int = 60) -> EventColumns:
    return columns_of(
        [
            event(
                USERS[n % len(USERS)],
                f"i{(n * n) % 33}",
                at=500.0 * n - 50_000,
                scenario=("toys", "garden")[n % 3 == 0],
            )
            for n in range(start, start + count)
        ]
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("models") / "m", PLAIN, [f"i{n}" for n in range(20)])


@pytest.fixture
def learned(model: Path) -> Settings:
    return PLAIN.model_copy(update={"transfer": TransferConfig(model=model)})


@pytest.fixture(params=["folder", pytest.param("server", marks=pytest.mark.server)])
def location(request: pytest.FixtureRequest) -> Iterator[str]:
    with quick_folder() as folder:
        if request.param == "folder":
            yield str(folder / "s")
        else:
            with QdrantServer(folder / "q") as server:
                yield server.url


def filled(intake: Intake, start: int = 0) -> None:
    if not start:
        intake.catalogue.upsert(ROWS)
    intake.ingest.apply(events(start))
    if intake.counts is not None:
        intake.counts.write()


def rebuild(location: str, model: str | Path, config: Path) -> dict[str, object]:
    config.write_text(f"[interest]\ndim = {DIM}\n[encoder]\ndim = {DIM}\n")
    command = [sys.executable, "-c", "from streams.cli.main import main; main()", "rebuild", str(model)]
    command += ["--store", location, "--config", str(config), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_refuse_gives_what_events_give(location: str, learned: Settings, model: Path, tmp_path: Path) -> None:
    """A store that was made analytic and refused has the vectors of one that had the model from the beginning."""
    with open_intake(location, PLAIN, create=True) as intake:
        filled(intake)
    assert rebuild(location, model, tmp_path / "c.toml")["users"] == len(USERS)
    with open_intake(str(tmp_path / "other"), learned, create=True) as fresh:
        filled(fresh)
        filled(fresh, 60)
        with open_intake(location, learned, create=True) as refused:
            filled(refused, 60)
            assert refused.store.versions.opened.tower and fresh.store.versions.opened.tower
            for one, other in zip(
                states_of(refused.store, PLAIN.interest)[::2],
                states_of(fresh.store, PLAIN.interest)[::2],
                strict=True,
            ):
                if isinstance(one, np.ndarray):
                    np.testing.assert_allclose(one, other, atol=1e-5)
                else:
                    assert one == other
            query = states_of(fresh.store, PLAIN.interest)[2][0]
            first, second = (
                [(item.item_id, round(item.score, 4)) for item in each.store.items.search(query, 10)]
                for each in (refused, fresh)
            )
            assert first == second
    with pytest.raises(StoreMismatch, match=r"transfer\.model"):
        open_for_reading(location, PLAIN)


def test_recommendations_are_the_mixtures(location: str, learned: Settings) -> None:
    """Scores are probabilities; each item has a source, and an event of the user's or a scenario."""
    with open_intake(location, learned, create=True) as intake:
        workspace = intake.workspace
        filled(intake)
        ranker = ranker_of(workspace)
        sources = set()
        for user in USERS:
            for scenario in (None, "garden", "nowhere"):
                found = recommend(workspace, user, k=33, scenario=scenario, ranker=ranker)
                assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
                if scenario == "garden":
                    assert {item.scenario for item in found} == {"garden"}
                else:
                    assert sum(item.score for item in found) == pytest.approx(1.0, abs=2e-2)
                check_reasons(workspace, user, found)
                sources |= {item.source for item in found}
        assert sources >= {"again", "new"}


def test_what_is_hidden_is_left_out_of_the_mixture(location: str, learned: Settings) -> None:
    """A trained model's ranking less what is hidden or does not pass: the same order and scores, own items included."""
    marked = [
        ItemRow(row.item_id, "", "", row.scenario, {"hidden": n % 3 == 0, "price": n})
        for n, row in enumerate(ROWS)
    ]
    with open_intake(location, learned, create=True) as intake:
        workspace = intake.workspace
        filled(intake)
        ranker = ranker_of(workspace)
        before = recommend(workspace, "u1", k=33, ranker=ranker)
        counts = intake.catalogue.upsert(marked)
        assert (counts.encoded, counts.rewritten) == (0, 30)
        tests = (AttributeTest("price", ">=", 10, absent=True),)
        for given, least in (((), 0), (tests, 10)):
            shown = {row.item_id for n, row in enumerate(ROWS) if n % 3 and n >= least}
            others = {one.item_id for one in before} - {row.item_id for row in ROWS}
            wanted = [one for one in before if one.item_id in shown | others]
            found = Recommender(workspace, ranker, given).recommend("u1", k=33)
            assert [one.item_id for one in found] == [one.item_id for one in wanted]
            np.testing.assert_allclose([one.score for one in found], [one.score for one in wanted], rtol=1e-5)


DEPARTMENTS = ("garden", "toys")


def department_events() -> list[dict[str, Any]]:
    """Each item in one department only; nobody has met the last two of the 40 that the catalogue knows."""
    return [
        event(f"u{n % 7}", f"i{item}", at=60.0 * n, scenario=DEPARTMENTS[item % 2])
        for n, item in enumerate(np.random.default_rng(0).integers(0, 38, 200).tolist())
    ]


@pytest.mark.parametrize("words", [None, "shelf", "toys"])
def test_a_department_is_what_its_events_say(words: str | None, learned: Settings, tmp_path: Path) -> None:
    """A request that names a department is about the items that are met there, as in an evaluation of the same log: without a
    catalogue, and with one that has other words or contradicts."""
    rows = [] if words is None else [ItemRow(f"i{n}", f"Item {n}", "", words) for n in range(40)]
    log = department_events()
    (tmp_path / "log.jsonl").write_text("".join(json.dumps({**row, "action": "click"}) + "\n" for row in log))
    (tmp_path / "items.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
    catalogue = open_catalogue([tmp_path / "items.jsonl"]) if rows else None
    history = load_history(open_logs([tmp_path / "log.jsonl"], now=NOW), catalogue)
    judged = {
        item: history.scenarios[scenario] if scenario >= 0 else ""
        for item, scenario in zip(history.items, history.item_scenario.tolist(), strict=True)
    }
    with open_intake(str(tmp_path / "s"), learned, create=True) as intake:
        workspace = intake.workspace
        intake.catalogue.upsert(rows)
        intake.ingest.apply(columns_of(log))
        assert intake.counts is not None
        intake.counts.write()
        for name in DEPARTMENTS:
            found = recommend(workspace, "u1", k=40, scenario=name)
            assert {item.item_id for item in found} == {
                item for item, scenario in judged.items() if scenario == name
            }
            assert {item.scenario for item in found} == {name}
            assert ranker_of(workspace).has_items(name)
        everything = {item.item_id for item in recommend(workspace, "u1", k=40, scenario="shelf")}
        assert ranker_of(workspace).has_items("shelf") == (words == "shelf")
        assert everything == set(judged)
        assert not ranker_of(workspace).has_items("attic")
        several_as_one_by_one(workspace, [None, "garden", "shelf", "attic", "garden"])


def several_as_one_by_one(workspace: Workspace, scenarios: list[str | None]) -> None:
    """Requests that are answered together, by several users, get the scores and reasons of each alone."""
    ranker = ranker_of(workspace)
    states = stack([read_state(workspace, f"u{number}") for number in range(len(scenarios))])
    together = ranker.score(states, scenarios, 5, explained=True)
    for row, scenario in enumerate(scenarios):
        alone = ranker.score(take_users(states, np.array([row])), [scenario], 5, explained=True)
        np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=1e-3, atol=1e-6)
        best = np.argsort(-alone.scores[0])[:5]
        assert together.reasons(row, best) == alone.reasons(0, best)


def check_reasons(workspace: Workspace, user: str, found: list[Recommendation]) -> None:
    states = read_state(workspace, user)
    times = set(states.ring_time.tolist()) | set(states.own_last.tolist())
    for item in found:
        assert item.because is not None
        if item.source == "again":
            assert item.because.item_id == item.item_id
        if item.source in ("again", "next"):
            assert item.because.timestamp in times
            assert item.because.action == "click" and item.because.scenario in ("toys", "garden")
        if item.source == "popular":
            assert item.because.timestamp is None


def test_modes(location: str, learned: Settings) -> None:
    """`again` recommends own items only, `new` and `exclude_seen` none that was met."""
    with open_intake(location, learned, create=True) as intake:
        workspace = intake.workspace
        filled(intake)
        states = read_state(workspace, "u3")
        own = {
            item.item_id for item in workspace.store.items.read(states.own_item.tolist()) if item is not None
        }
        assert {item.item_id for item in recommend(workspace, "u3", k=50, mode="again")} == own
        assert not {item.item_id for item in recommend(workspace, "u3", k=50, mode="new")} & own
        assert not {item.item_id for item in recommend(workspace, "u3", k=50, exclude_seen=True)} & own


def test_a_model_of_other_states_is_refused(tmp_path: Path, learned: Settings) -> None:
    """Other half-lives than the model was trained with: an error that names both."""
    other = learned.model_copy(
        update={"interest": InterestConfig(dim=DIM, half_lives_s=(60.0, 600.0, 6000.0))}
    )
    with pytest.raises(ModelError, match="6000"):
        open_intake(str(tmp_path / "s"), other, create=True)
    with pytest.raises(SettingsError, match="driftline train"):
        open_intake(
            str(tmp_path / "s"),
            PLAIN.model_copy(update={"transfer": TransferConfig(model=tmp_path / "absent")}),
            create=True,
        )


@pytest.mark.parametrize("threads", [1, 3])
def test_a_trained_model_takes_the_threads_of_the_settings(
    threads: int, tmp_path: Path, learned: Settings, model: Path
) -> None:
    """For a batch of users and for a request, however many others in the process take."""
    settings = learned.model_copy(update={"transfer": TransferConfig(model=model, threads=threads)})
    with open_intake(str(tmp_path / "s"), settings, create=True) as intake:
        taken: list[int] = []
        loaded = intake.workspace.model
        assert isinstance(loaded, LearnedModel) and loaded.mixture is not None
        for part in (loaded.network, loaded.mixture):
            part.register_forward_hook(lambda *_: taken.append(torch.get_num_threads()))
        before = torch.get_num_threads()
        filled(intake)
        fused = len(taken)
        assert recommend(intake.workspace, "u1")
        assert 0 < fused < len(taken) and set(taken) == {threads}
        assert torch.get_num_threads() == before


def test_int8_is_a_model_of_its_own(tmp_path: Path, learned: Settings, model: Path) -> None:
    """In 8 bits a model answers nearly the same, says that it is another, and searches the same items."""
    small = learned.model_copy(update={"transfer": TransferConfig(model=model, int8=True)})
    with (
        open_intake(str(tmp_path / "s"), learned, create=True) as intake,
        open_intake(str(tmp_path / "t"), small, create=True) as other,
    ):
        filled(intake)
        filled(other)
        exact, quantised = intake.workspace.model, other.workspace.model
        states = states_of(intake.store, PLAIN.interest)[1]
        assert quantised.fingerprint != exact.fingerprint
        cosine = (exact(states).fused * quantised(states).fused).sum(axis=1)
        assert cosine.min() > 0.98
        assert isinstance(exact, LearnedModel) and isinstance(quantised, LearnedModel)
        keys, base = exact.items.keys, exact.items.vectors
        np.testing.assert_allclose(
            exact.item_vectors(keys, base), quantised.item_vectors(keys, base), atol=1e-6
        )
    with pytest.raises(StoreMismatch, match="rebuild"):
        open_intake(str(tmp_path / "s"), small, create=True)
