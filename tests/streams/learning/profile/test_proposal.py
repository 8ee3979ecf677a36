"""Settings that fit: half-lives belong to the data, and the file is one that Driftline reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streams.errors import SettingsError
from streams.learning.profile.choice import Choice
from streams.learning.profile.half_lives import MOST, Curve, choose
from streams.learning.profile.proposal import Proposal, network_settings
from streams.learning.profile.reach import Reach
from streams.learning.profile.report import report_tables
from streams.learning.profile.run import Profile, profile
from streams.learning.profile.settings_file import settings_text, write_settings
from streams.learning.split import By, SplitPlan
from streams.settings import Settings
from support.data.profiled import DAY_S, Row, groceries, history_of, pages, row, sessions
from transfer.config import InterestConfig


def profiled(folder: Path, rows: list[Row], by: By | None = None) -> Profile:
    """With the default settings, and parts as small as they are."""
    return profile(history_of(folder, rows), InterestConfig(), plan=SplitPlan(by, force=True))


def test_sessions_get_seconds_and_groceries_days(tmp_path: Path) -> None:
    """What happened a moment ago counts in one log, habits of weeks in the other."""
    session = profiled(tmp_path, sessions()).proposal.half_lives_s
    grocery = profiled(tmp_path, groceries()).proposal.half_lives_s
    assert session[0] <= 60 and session[-1] <= 3600
    assert grocery[0] >= DAY_S and grocery[-1] >= 60 * DAY_S
    assert 3 <= len(session) <= 5 and 3 <= len(grocery) <= 5


@pytest.mark.parametrize("log", [sessions, groceries])
def test_the_proposal_foresees_better_than_the_defaults(tmp_path: Path, log: type) -> None:
    """On the items that come again, mixed as the untrained model mixes them."""
    compared = profiled(tmp_path, log(), "events").proposal.compared["again"]
    assert compared["proposed"].ndcg > compared["default"].ndcg


def test_positions_get_half_lives_in_events(tmp_path: Path) -> None:
    """A few events to a whole history; all time for shares, since positions of users can't be compared."""
    rng = np.random.default_rng(0)
    log = []
    for user in range(150):
        for n, item in enumerate(rng.permutation(200)[:40].tolist()):
            log.append({**row(user, item, 0), "timestamp": float(n)})
    proposal = profiled(tmp_path, log).proposal
    assert proposal.half_lives_s[0] <= 3 and 20 <= proposal.half_lives_s[-1] <= 60
    assert proposal.sections["counts"]["half_lives_s"].value == (float("inf"),)


@pytest.mark.parametrize(
    ("items", "settings"), [(100, {"width", "feed_forward", "dropout", "id_dropout"}), (5000, set())]
)
def test_many_events_an_item_allow_a_wider_network(tmp_path: Path, items: int, settings: set[str]) -> None:
    """Else the defaults stay."""
    found = profiled(tmp_path, groceries())
    facts = replace(found.facts, events=300_000, items=items)
    assert set(network_settings(facts)) == settings
    assert "train" not in found.proposal.sections


def test_pages_get_no_half_life_below_a_visit(tmp_path: Path) -> None:
    """The gaps between pages would win by an artefact."""
    found = profiled(tmp_path, pages())
    assert found.facts.clock.kind == "pages" and found.proposal.half_lives_s[0] >= 300


def test_a_log_of_one_event_keeps_the_half_lives(tmp_path: Path) -> None:
    """Without gaps there is nothing to fit to."""
    assert profiled(tmp_path, [row(0, 0, 0)]).proposal.half_lives_s == InterestConfig().half_lives_s


@pytest.mark.parametrize("events", [1, 30])
def test_want_of_evidence_writes_no_setting(tmp_path: Path, events: int) -> None:
    """A handful of events says nothing about a shop: no key is proposed, and the file has comments alone, which say why."""
    found = profile(
        history_of(tmp_path, [row(n % 3, n % 5, n * 60.0) for n in range(events)]), InterestConfig()
    )
    assert not found.proposal.sections
    lines = settings_text(found.proposal, "From a log.").splitlines()
    assert lines[0] == "# From a log." and all(line.startswith("# ") for line in lines)
    assert "Nothing was measured" in lines[1] and "part of the time split" in lines[1]


def test_a_log_that_is_too_short_to_ask_gets_what_is_usual_for_its_kind(tmp_path: Path) -> None:
    """Parts below 500 events are no evidence: half-lives follow the gaps of such a log, rooms are counted, the reason is told;
    `force` measures all the same."""
    history = history_of(tmp_path, sessions())
    found = profile(history, InterestConfig())
    assert not found.proposal.curves and "validation part" in found.proposal.weakness
    assert found.proposal.half_lives_s[0] <= 60 and "own_items" in found.proposal.sections["interest"]
    assert "# half_lives_s" not in settings_text(found.proposal, "x")
    assert any("Nothing was measured" in str(table.caption) for table in report_tables(found))
    assert profile(history, InterestConfig(), plan=SplitPlan(force=True)).proposal.curves


def test_a_log_of_texts_alone_is_profiled(tmp_path: Path) -> None:
    """No item, no evidence; gaps tell the half-lives."""
    log = [{**row(u, 0, n * 60.0), "item_id": "", "text": f"q {n}"} for u in range(9) for n in range(20)]
    proposal = profiled(tmp_path, log).proposal
    assert not proposal.curves and proposal.half_lives_s[0] == 120.0


@pytest.mark.parametrize("seed", range(20))
def test_half_lives_are_settings_for_any_gaps(seed: int) -> None:
    """Whatever gap, history and evidence: they ascend, at least three, at most five, and the settings take them."""
    rng = np.random.default_rng(seed)
    gap, span = float(10 ** rng.uniform(-2, 6)), float(10 ** rng.uniform(-1, 8))
    tried = np.geomspace(gap / 2, max(4 * span, gap * 9), 15)
    curves = [Curve(tried, rng.random((15, 50))) for _ in range(rng.integers(3))]
    lives = choose(gap, span, 0.0, curves)
    assert 3 <= len(lives) <= MOST
    assert InterestConfig(half_lives_s=lives).half_lives_s == lives


def test_the_file_is_read_as_it_was_proposed(tmp_path: Path) -> None:
    """Every key that the settings have arrives; the rest of the settings is as by default."""
    found = profiled(tmp_path, sessions(users=40))
    file = tmp_path / "driftline.toml"
    write_settings(file, settings_text(found.proposal, "From a log.\nIn two lines."), force=False)
    settings = Settings.load(file)
    assert settings.interest.half_lives_s == found.proposal.half_lives_s
    for section, choices in found.proposal.sections.items():
        for key, choice in choices.items():
            part = getattr(settings, section, None)
            if part is not None and key in type(part).model_fields:
                assert getattr(part, key) == choice.value
    assert settings.store == Settings.load(_empty(tmp_path)).store


def test_keys_of_other_releases_are_comments(tmp_path: Path) -> None:
    """A setting that this release doesn't know is reported, and the file can be read all the same."""
    sections = {
        "interest": {"half_lives_s": Choice((1.0, 2.0), "why")},
        "nowhere": {"window": Choice(5, "far")},
    }
    proposal = Proposal(sections, {}, {}, None, (1.0, 2.0), 64, Reach(np.zeros(0), 5))
    file = tmp_path / "d.toml"
    write_settings(file, settings_text(proposal, "x"), force=False)
    assert "# window = 5" in file.read_text() and Settings.load(file).interest.half_lives_s == (1.0, 2.0)


def test_a_file_is_not_replaced_unless_told(tmp_path: Path) -> None:
    """What stands in a settings file was perhaps written by hand."""
    file = tmp_path / "d.toml"
    file.write_text("mine")
    with pytest.raises(SettingsError, match="--force"):
        write_settings(file, "new", force=False)
    assert file.read_text() == "mine"
    write_settings(file, "new", force=True)
    assert file.read_text() == "new" and list(tmp_path.iterdir()) == [file]


def test_other_action_weights_stay(tmp_path: Path) -> None:
    """Weights that were set are used for the evidence and kept in the file."""
    found = profile(history_of(tmp_path, sessions(users=20)), InterestConfig(click_weight=2.5))
    assert found.proposal.sections["interest"]["click_weight"].value == 2.5


def _empty(folder: Path) -> Path:
    file = folder / "empty.toml"
    file.write_text("")
    return file
