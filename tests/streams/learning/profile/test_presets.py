"""Presets fill in what a log can't tell, and give way to what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from streams.cli.commands import app
from streams.learning.profile.choice import Choice
from streams.learning.profile.facts import LogStatistics
from streams.learning.profile.preset_choices import PresetEvidence, with_preset
from streams.learning.profile.presets import PRESETS, PresetName
from streams.learning.profile.proposal import Proposal
from streams.learning.profile.run import profile
from streams.settings import Settings
from support.data.profiled import history_of, sessions
from transfer.config import InterestConfig

PAGE = Path(__file__).parents[4] / "docs" / "presets.md"


def examples() -> Iterator[tuple[str, dict[str, str]]]:
    """Name of each preset of the page, and its blocks by kind."""
    for section in PAGE.read_text().split("\n## ")[1:]:
        name, _, text = section.partition("\n")
        yield name, dict(re.findall(r"```(.+)\n([\s\S]*?)```", text))


@pytest.mark.parametrize(("name", "blocks"), list(examples()), ids=[name for name, _ in examples()])
def test_the_page_shows_what_profile_writes(
    name: str, blocks: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line by line, but for the head that names the log and says that nothing was measured; and the file loads."""
    monkeypatch.chdir(tmp_path)
    Path("events.jsonl").write_text(blocks["jsonl"])
    asked = ["profile", "events.jsonl", "--preset", name, "--out", "made.toml"]
    if "jsonl items" in blocks:
        Path("items.jsonl").write_text(blocks["jsonl items"])
        asked += ["--items", "items.jsonl"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    head, _, sections = Path("made.toml").read_text().partition("\n\n")
    notes = head[head.index("# preset") : head.index("# Nothing was measured")]
    assert f"{notes}\n{sections}" == blocks["toml"]
    made = Settings.load(Path("made.toml"))
    assert made.interest.half_lives_s == PRESETS[name].half_lives_s  # type: ignore[index]


def test_every_preset_is_on_the_page_and_can_be_set() -> None:
    """With half-lives that settings take."""
    assert [name for name, _ in examples()] == list(PRESETS) == list(get_args(PresetName))
    for preset in PRESETS.values():
        Settings.model_validate(
            {
                "interest": {"half_lives_s": preset.half_lives_s, "weigh": dict(preset.weigh)},
                "counts": {"half_lives_s": preset.popular_s},
                "encoder": {"max_length": preset.max_length},
            }
        )


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Proposal, LogStatistics]:
    """Of a thousand events."""
    history = history_of(tmp_path_factory.mktemp("log"), sessions(users=40))
    found = profile(history, InterestConfig())
    return found.proposal, found.facts


def test_what_a_log_tells_wins(measured: tuple[Proposal, LogStatistics]) -> None:
    """Half-lives of a thousand events stay, with their reason; and so do those that questions measured, of any log."""
    proposal, facts = measured
    assert facts.events >= 1000
    found, _ = with_preset(proposal, "games", PresetEvidence(facts), Settings())
    assert found.sections["interest"]["half_lives_s"] == proposal.sections["interest"]["half_lives_s"]
    assert found.half_lives_s == proposal.half_lives_s
    few = replace(facts, events=999)
    found, _ = with_preset(replace(proposal, curves={}), "games", PresetEvidence(few), Settings())
    chosen = found.sections["interest"]["half_lives_s"]
    assert chosen.value == PRESETS["games"].half_lives_s == found.half_lives_s
    assert "999 events" in chosen.reason and "its gaps alone would say" in chosen.reason


def test_measured_half_lives_of_a_small_log_stay(measured: tuple[Proposal, LogStatistics]) -> None:
    """Where questions could be asked, they are evidence."""
    proposal, facts = measured
    few = replace(facts, events=999)
    if not proposal.curves:
        proposal = replace(proposal, curves={"again": object()})  # type: ignore[dict-item]
    found, _ = with_preset(proposal, "games", PresetEvidence(few), Settings())
    assert found.sections["interest"]["half_lives_s"] == proposal.sections["interest"]["half_lives_s"]


def test_positions_are_no_time(measured: tuple[Proposal, LogStatistics]) -> None:
    """Half-lives in seconds mean nothing in a log without a clock."""
    proposal, facts = measured
    few = replace(facts, events=9, clock=replace(facts.clock, kind="positions"))
    bare = replace(proposal, curves={}, sections={})
    found, _ = with_preset(bare, "shop", PresetEvidence(few), Settings())
    assert set(found.sections) == {"encoder"}


@pytest.mark.parametrize(
    ("text", "length", "reason"),
    [
        ("a short title", 64, "preset support alone would say 512"),
        ("w" * 700, 256, "at most 700 bytes, about 177 tokens"),
        ("w" * 1900, 512, "at most 1900 bytes"),
        ("w" * 90_000, 512, "at most 90000 bytes"),
    ],
)
def test_texts_are_measured(
    measured: tuple[Proposal, LogStatistics], text: str, length: int, reason: str
) -> None:
    """From fifty on the catalogue tells how long they are."""
    proposal, facts = measured
    found, _ = with_preset(proposal, "support", PresetEvidence(facts, texts=[text] * 50), Settings())
    assert found.sections["encoder"]["max_length"].value == length
    assert reason in found.sections["encoder"]["max_length"].reason
    few, _ = with_preset(proposal, "support", PresetEvidence(facts, texts=[text] * 49), Settings())
    assert few.sections["encoder"]["max_length"] == Choice(512, "preset support; only 49 texts")


def test_actions_weigh_by_amounts_that_the_log_has(measured: tuple[Proposal, LogStatistics]) -> None:
    """The typical one is the median; what the log lacks is said, and what is set stays."""
    proposal, facts = measured
    facts = replace(facts, actions={"browse": 0.9, "click": 0.0, "purchase": 0.1})
    seen = PresetEvidence(facts, amounts={"quantity": [1.0, 3.0, 3.0, 9.0, 0.0] * 20}, rows=1000)
    found, notes = with_preset(proposal, "shop", seen, Settings())
    assert found.sections["interest"]["weigh"].value == {"purchase": {"by": "quantity", "typical": 3.0}}
    found, notes = with_preset(proposal, "shop", PresetEvidence(facts, rows=1000), Settings())
    assert "weigh" not in found.sections["interest"]
    assert any("quantity" in note and "the log has none" in note for note in notes)
    mine = Settings(interest=InterestConfig(weigh={"purchase": "value"}))
    found, _ = with_preset(proposal, "shop", seen, mine)
    assert "weigh" not in found.sections["interest"]


def test_what_is_set_stays(measured: tuple[Proposal, LogStatistics]) -> None:
    """A preset proposes nothing for keys of the settings."""
    proposal, facts = measured
    few, bare = replace(facts, events=9), replace(proposal, curves={}, sections={})
    settings = Settings.model_validate(
        {
            "interest": {"half_lives_s": [60.0, 600.0]},
            "counts": {"half_lives_s": [60.0]},
            "encoder": {"max_length": 99},
        }
    )
    found, _ = with_preset(bare, "news", PresetEvidence(few), settings)
    assert found.sections == {}


def test_what_the_catalogue_lacks_is_said(measured: tuple[Proposal, LogStatistics]) -> None:
    """Of the fields that tell most."""
    proposal, facts = measured
    for fields, line in (
        (frozenset({"title", "audio"}), "this catalogue lacks description, artist"),
        (frozenset(PRESETS["music"].fields), "this catalogue has all of them"),
    ):
        _, notes = with_preset(proposal, "music", PresetEvidence(facts, catalogue_fields=fields), Settings())
        assert line in notes and "audio, text" in notes[1]
    _, notes = with_preset(proposal, "music", PresetEvidence(facts), Settings())
    assert not any(note.startswith("this catalogue") for note in notes)
