"""The text model that profile proposes for a catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from encoders import packaged
from encoders.errors import MissingPackage
from streams.event_log.log import open_logs
from streams.files.catalogue_file import open_catalogue
from streams.learning.history import load_history
from streams.learning.profile import language
from streams.learning.profile.language import text_model_choice
from streams.learning.profile.run import profile
from streams.learning.profile.settings_file import settings_text
from support.data.profiled import NOW, sessions, write_log
from support.data.title_triples import CHINESE, GERMAN
from transfer.config import InterestConfig

CHINESE_TITLES = [title for triple in CHINESE for title in triple]
GERMAN_TITLES = [title for triple in GERMAN for title in triple]
ENGLISH_TITLES = [
    f"{size} {what}"
    for size in ("small", "large", "family size", "fresh", "organic")
    for what in (
        "red grapes seedless",
        "motor oil for cars",
        "rain jacket for women",
        "wireless headphones",
        "whole milk",
        "cat litter",
        "leather shoes for men",
        "cotton bed sheets",
    )
]


@pytest.mark.parametrize("titles", [CHINESE_TITLES, GERMAN_TITLES], ids=["Chinese", "German"])
def test_where_the_default_is_blind_the_multilingual_one_is_proposed(titles: list[str]) -> None:
    """By script in Chinese, by the words of the vocabulary in German, with the reason and the extra."""
    found = text_model_choice(titles)
    assert found is not None and found.value == "multilingual"
    assert "pip install 'driftline[multilingual]'" in found.reason
    script = "Han" if titles is CHINESE_TITLES else "Latin 100%"
    assert script in found.reason


def test_an_english_catalogue_keeps_the_default() -> None:
    """Also with a foreign title here and there."""
    assert text_model_choice(ENGLISH_TITLES) is None
    assert text_model_choice(ENGLISH_TITLES + GERMAN_TITLES[:10]) is None


@pytest.mark.parametrize("titles", [CHINESE_TITLES, GERMAN_TITLES], ids=["Chinese", "German"])
def test_a_mixed_catalogue_takes_the_one_that_reads_both(titles: list[str]) -> None:
    """A part that the default can't read is reason enough, since the other reads English as well."""
    found = text_model_choice(ENGLISH_TITLES + titles[:40])
    assert found is not None and found.value == "multilingual"


def test_a_tenth_in_another_script_is_enough() -> None:
    """Six Chinese titles among forty English ones, where letters alone would hardly show them."""
    found = text_model_choice(ENGLISH_TITLES + CHINESE_TITLES[:6])
    assert found is not None and "Han" in found.reason


@pytest.mark.parametrize("texts", [[], ["", " "] * 50, ["12-50", "§ 7"] * 40, CHINESE_TITLES[:5]])
def test_nothing_is_said_of_a_catalogue_without_words(texts: list[str]) -> None:
    """No texts, no letters, or a handful of texts decide nothing."""
    assert text_model_choice(texts) is None


def test_scripts_that_no_packaged_model_reads_are_said_so() -> None:
    """Greek: neither model is proposed as if it could; a folder of the user's is."""
    greek = [f"{what} {n}" for what in ("κόκκινο κρασί", "λάδι κινητήρα") for n in range(20)]
    found = text_model_choice(greek)
    assert found is not None and found.value == "minilm"
    assert "Greek 100%" in found.reason and "name a folder" in found.reason


def test_without_the_default_model_scripts_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its vocabulary comes with a package that need not be there."""

    def missing() -> Path:
        raise MissingPackage("not here")

    monkeypatch.setattr(packaged, "packaged_folder", missing)
    found = text_model_choice(CHINESE_TITLES)
    assert found is not None and found.value == "multilingual"
    assert text_model_choice(GERMAN_TITLES) is None
    assert len(GERMAN_TITLES) >= language.ENOUGH_TEXTS


def test_profile_writes_it_down(tmp_path: Path) -> None:
    """A log with a Chinese catalogue: the settings file has the model and why."""
    log = write_log(tmp_path / "log.parquet", sessions(users=20))
    items = tmp_path / "items.csv"
    rows = [f'i{number},"{title}"' for number, title in enumerate(CHINESE_TITLES)]
    items.write_text("\n".join(["item_id,title", *rows]), "utf-8")
    history = load_history(open_logs([log], now=NOW), open_catalogue([items]))
    text = settings_text(profile(history, InterestConfig()).proposal, "head")
    assert "[encoder]\n# letters of the catalogue are Han" in text
    assert 'model = "multilingual"' in text
