"""Items that new users are asked about, from the file and the store."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from streams.errors import SettingsError
from streams.events.declaration import UserDeclaration
from streams.events.event import ItemRow
from streams.ingest.intake import open_intake
from streams.serving.item_tests import parse_tests
from streams.serving.probes import Probe, ProbeList, Probes
from streams.serving.recommend import Recommender
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from support.data.event_columns import NOW, columns_of, event
from support.fakes.tiny_model import save_tiny_model
from transfer.state.declared import Declaration


def probe_list(*items):
    return ProbeList(
        tuple(Probe(item, 0.4, 0.8, 0.01, f"asks about {item}", {"f1": 0.1}) for item in items), {}, 10.0
    )


PROBES = Probes(
    until=9.0,
    log="abc",
    left_out="",
    seed=0,
    users=100,
    likes={"weight": 3.0, "actions": ["purchase"], "all_alike": False},
    overall=probe_list("c3", "gone", "f2", "c1", "f4"),
    scenarios={"fruit": probe_list("f5", "f0")},
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """With a small encoder, and an action against items."""
    model = str(save_tiny_model(tmp_path_factory.mktemp("model") / "m", width=128, positions=128))
    interest = {"dim": 6, "actions": {"hide": -1.0}}
    return Settings.model_validate({"encoder": {"model": model, "dim": 6}, "interest": interest})


@pytest.fixture(scope="module")
def store(settings, tmp_path_factory):
    """Two departments; ada acts, mia has hidden an item and done nothing else, dia has only declared what she likes."""
    location = str(tmp_path_factory.mktemp("probes") / "s")
    rows = [
        ItemRow(f"{kind}{n}", f"{kind} number {n}", "", name, {"price": n})
        for kind, name in (("f", "fruit"), ("c", "car"))
        for n in range(6)
    ]
    with open_intake(location, settings, create=True) as writing:
        writing.catalogue.fit(rows)
        writing.catalogue.upsert(rows)
        writing.ingest.apply(columns_of([event("ada", f"f{n}", at=n, scenario="fruit") for n in range(3)]))
        hide = settings.interest.action_names.index("hide")
        hidden = columns_of([event("mia", "c3", at=5.0, scenario="car")])
        hidden.action[:] = hide
        writing.ingest.apply(hidden)
        writing.declaring.apply([UserDeclaration("dia", Declaration(NOW - 100, "", "red grapes", "en"))])
        assert writing.counts is not None
        writing.counts.finish()
    return location


@pytest.fixture(scope="module")
def workspace(store, settings):
    with open_for_reading(store, settings) as reading:
        yield reading


def asked(workspace, user, **request):
    tests = parse_tests(request.pop("where", ""))
    answer = Recommender(workspace, tests=tests, probes=PROBES).answer(user, **request)
    return [item.item_id for item in answer.items], {item.source for item in answer.items}


def test_a_user_without_an_act_is_asked_in_the_order_of_the_list(workspace):
    """What has left the store is passed over; each item says why it is asked."""
    answer = Recommender(workspace, probes=PROBES).answer("newcomer", k=3)
    assert [item.item_id for item in answer.items] == ["c3", "f2", "c1"] and not answer.known
    first = answer.items[0]
    assert (first.source, first.score, first.reason, first.title) == (
        "probe",
        0.4,
        "asks about c3",
        "c number 3",
    )


def test_a_user_with_an_act_gets_what_the_model_says(workspace):
    """Probes or not; from the first answer on."""
    plain = Recommender(workspace).answer("ada", k=5)
    assert Recommender(workspace, probes=PROBES).answer("ada", k=5) == plain and plain.known


def test_who_has_declared_an_interest_is_not_asked(workspace):
    """What was said is something to go by."""
    answer = Recommender(workspace, probes=PROBES).answer("dia", k=3)
    assert answer == Recommender(workspace).answer("dia", k=3) and answer.declared


def test_what_a_user_has_hidden_is_not_asked(workspace):
    """Hiding is no act: the other probes are still asked."""
    assert asked(workspace, "mia", k=2) == (["f2", "c1"], {"probe"})


def test_a_scenario_is_asked_by_its_own_list_else_by_what_is_there_of_the_whole(workspace):
    """A scenario to which nothing belongs takes all."""
    assert asked(workspace, "new", scenario="fruit")[0] == ["f5", "f0"]
    assert asked(workspace, "new", scenario="car")[0] == ["c3", "c1"]
    assert asked(workspace, "new", scenario="entry page")[0] == ["c3", "f2", "c1", "f4"]


def test_probes_pass_the_tests_of_the_request(workspace):
    """Where none does, what is popular is shown; so it is where the user's own items are asked for."""
    assert asked(workspace, "new", where="price<2")[0] == ["c1"]
    assert "probe" not in asked(workspace, "new", where="price>4", scenario="car")[1]
    assert "probe" not in asked(workspace, "new", mode="again")[1]


def test_an_answer_is_an_ordinary_event(tmp_path, settings):
    """After it the user has a state, and probes give way."""
    location = str(tmp_path / "s")
    rows = [ItemRow(f"f{n}", f"fruit {n}", "", "fruit") for n in range(6)]
    with open_intake(location, settings, create=True) as writing:
        writing.catalogue.fit(rows)
        writing.catalogue.upsert(rows)
        for step in range(2):
            found = Recommender(writing.workspace, probes=PROBES).answer("newcomer", k=2)
            assert [item.source == "probe" for item in found.items] == [step == 0] * 2
            writing.ingest.apply(columns_of([event("newcomer", found.items[0].item_id, scenario="fruit")]))


def test_a_file_says_the_same_when_it_is_read_again(tmp_path):
    """All of it."""
    PROBES.save(tmp_path / "probes.json")
    assert Probes.load(tmp_path / "probes.json") == PROBES


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda told: "not JSON", "not JSON"),
        (lambda told: json.dumps([1]), "holds no probes"),
        (lambda told: json.dumps({"format": "something"}), "holds no probes"),
        (lambda told: json.dumps({**told, "version": 2}), "version 2, this release reads 1"),
        (lambda told: json.dumps({**told, "overall": None}), "damaged"),
        (lambda told: json.dumps({**told, "overall": {**told["overall"], "items": [{}]}}), "damaged"),
        (lambda told: json.dumps({**told, "more": 1}), "damaged"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path, change, complaint):
    """In one line that says how to make one."""
    path = tmp_path / "probes.json"
    PROBES.save(path)
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(SettingsError, match=complaint) as told:
        Probes.load(path)
    assert "driftline probe LOG" in str(told.value)
    with pytest.raises(SettingsError, match="No such file"):
        Probes.load(tmp_path / "none.json")


def test_probes_of_ids_that_share_a_key_are_told_apart(workspace, monkeypatch):
    """An item of the store under the probe's key is shown only if it has the probe's id."""
    import streams.serving.probes as module

    monkeypatch.setattr(module, "item_key", lambda item: module_key("c1"))
    from sinks.points import item_key as module_key

    other = replace(PROBES, overall=probe_list("other id", "c1"))
    answer = Recommender(workspace, probes=other).answer("newcomer", k=5)
    assert [item.item_id for item in answer.items] == ["c1"]
