"""Actions of a store: names under codes for good, weights that stay once they are used, whatever order the settings have."""

from pathlib import Path

import pytest

from sinks.actions import MOST_STORED
from sinks.errors import ActionsDiffer
from streams.settings import Settings
from streams.workspace.vocabulary import ActionUse
from streams.workspace.workspace import open_existing, open_for_reading, open_workspace
from transfer.config import MOST_ACTIONS


def settings(folder: Path, **actions: float) -> Settings:
    """Settings of small vectors and these further actions."""
    small = {"dim": 8}
    return Settings.load(flags={"interest": {**small, "actions": actions}, "encoder": small})


def test_codes_are_those_of_the_store(tmp_path: Path) -> None:
    """Actions of other settings follow; those that the settings no longer name stay."""
    store = str(tmp_path / "store")
    with open_workspace(store, settings(tmp_path, hide=-1.0, shown=0.0), create=True) as first:
        assert first.interest.action_names[3:] == ("hide", "shown")
    with open_workspace(store, settings(tmp_path, like=2.0, shown=0.0), create=False) as second:
        assert second.interest.action_names[3:] == ("hide", "shown", "like")
        assert second.interest.action_weights.tolist()[3:] == [-1.0, 0.0, 2.0]
        assert second.settings.interest == second.interest
        assert second.model.fingerprint == first.model.fingerprint
    for open_it in (open_existing, open_for_reading):
        with open_it(store, settings(tmp_path)) as opened:
            assert opened.interest.action_names[3:] == ("hide", "shown", "like")


def test_another_weight_of_a_used_action_is_refused_by_name(tmp_path: Path) -> None:
    """With the stored weight and the one that is set; of one without events it is taken."""
    store = str(tmp_path / "store")
    with open_workspace(store, settings(tmp_path, hide=-1.0, skip=-0.5), create=True) as first:
        ActionUse(first.store.actions, first.interest).tell(
            first.interest.action_weights.argmin(keepdims=True)
        )
    with open_workspace(store, settings(tmp_path, hide=-1.0, skip=-0.25), create=False) as second:
        assert second.interest.actions == {"hide": -1.0, "skip": -0.25}
    for open_it in (lambda s: open_workspace(store, s, create=False), lambda s: open_existing(store, s)):
        with pytest.raises(ActionsDiffer, match="action 'hide' with a weight of -1, the settings say -2"):
            open_it(settings(tmp_path, hide=-2.0))
    with open_for_reading(store, settings(tmp_path, hide=-2.0)) as reader:
        assert reader.interest.actions["hide"] == -1.0


def test_another_spelling_of_a_stored_action_is_refused(tmp_path: Path) -> None:
    """Whatever its weight: events name actions in any case, and would be counted again under the other name."""
    store = str(tmp_path / "store")
    with open_workspace(store, settings(tmp_path, hide=-1.0), create=True) as first:
        ActionUse(first.store.actions, first.interest).tell(
            first.interest.action_weights.argmin(keepdims=True)
        )
    for open_it in (lambda s: open_workspace(store, s, create=False), lambda s: open_existing(store, s)):
        with pytest.raises(ActionsDiffer, match="knows the action 'hide', the settings spell it 'Hide'"):
            open_it(settings(tmp_path, Hide=3.0))
    with open_existing(store, settings(tmp_path)) as opened:
        assert opened.interest.action_names[3:] == ("hide",)


def test_a_store_takes_no_more_actions_than_there_are_codes(tmp_path: Path) -> None:
    """However few the settings of each time name: codes of all are kept."""
    store = str(tmp_path / "store")
    some = {f"a{number}": 1.0 for number in range(MOST_STORED)}
    open_workspace(store, settings(tmp_path, **some), create=True).close()
    with pytest.raises(ActionsDiffer, match=f"knows {MOST_STORED} further actions, the settings add 1; "):
        open_workspace(store, settings(tmp_path, a0=1.0, one_more=1.0), create=False)
    with open_existing(store, settings(tmp_path)) as opened:
        assert len(opened.interest.action_names) == MOST_ACTIONS


def test_two_processes_with_different_new_actions_agree_on_codes(tmp_path: Path) -> None:
    """One that opened before the other knows fewer, under the same codes; a weight that changed under its hands ends it."""
    store = str(tmp_path / "store")
    with open_workspace(store, settings(tmp_path, hide=-1.0), create=True) as first:
        with_more = first.store.actions.register({"like": 2.0, "hide": -3.0})
        assert [action.name for action in with_more] == ["hide", "like"]
        with pytest.raises(
            ActionsDiffer, match="another process has changed the weight of the action 'hide'"
        ):
            ActionUse(first.store.actions, first.interest).tell(
                first.interest.action_weights.argmin(keepdims=True)
            )
