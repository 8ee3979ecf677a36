"""The report says what was found, and is whole."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from streams.learning.evaluation.plan import Plan
from streams.learning.evaluation.report import write_report
from streams.learning.evaluation.run import evaluate
from streams.learning.evaluation.slices import MAIN
from streams.learning.evaluation.summary import summarise
from streams.learning.evaluation.weights import ShownModel, emerging_users, weight_shifts
from streams.learning.split import split_of
from support.data.histories import history_of, random_history
from support.fakes.learned import random_model
from transfer.analytic.model import AnalyticTransfer
from transfer.config import InterestConfig
from transfer.protocols import TransferModel


@pytest.fixture(scope="module")
def evaluation():
    history = random_history(events=900)
    return evaluate(
        history,
        split_of(history, "time", force=True),
        Plan(["popularity", "own+popularity-7d", "own"], ("open", "given")),
    )


def test_figures_are_the_means_over_targets(evaluation):
    """all is the mean of its groups, weighted; the subject's difference is the difference of the figures."""
    figures = json.loads(json.dumps(summarise(evaluation, "own", draws=100)))
    for task in figures["tasks"].values():
        assert task["subject"] == "own"
        for name, method in task["methods"].items():
            by_slice, sizes = method["slices"], {key: part["targets"] for key, part in task["slices"].items()}
            for parts in (("emerging", "old"), ("activity/low", "activity/middle", "activity/high")):
                mean = (
                    sum(by_slice[part]["ndcg@10"] * sizes[part] for part in parts if part in sizes)
                    / sizes["all"]
                )
                assert by_slice["all"]["ndcg@10"] == pytest.approx(mean)
            assert 0 < method["lists"]["coverage"] <= 1 and 0 <= method["lists"]["gini"] < 1
            reliable = method["reliability"]
            assert (reliable is not None) == (name == "own+popularity-7d")
            if reliable is not None:
                known = (
                    task["slices"]["all"]["targets"]
                    - task["slices"].get("unknown", {"targets": 0})["targets"]
                )
                assert (
                    reliable["all"]["targets"] == reliable["again"]["hits"] + reliable["new"]["hits"] == known
                )
                assert reliable["again"]["hits"] == task["slices"]["repeat"]["targets"]
            if name != "own":
                difference = task["differences"][name]["all"]
                own = task["methods"]["own"]["slices"]["all"]["ndcg@10"]
                assert difference["difference"] == pytest.approx(own - by_slice["all"]["ndcg@10"])
                assert difference["low"] <= difference["difference"] <= difference["high"]
                assert difference["corrected_low"] <= difference["low"] <= difference["high"]
                assert difference["high"] <= difference["corrected_high"]
                corrected = {
                    part for part, found in task["differences"][name].items() if "corrected_low" in found
                }
                assert corrected == {*MAIN} & {*task["slices"]} - {"unknown"}
                assert difference["corrected_for"] == len(corrected)


def test_the_report_has_every_plot_it_shows(evaluation, tmp_path):
    """report.md names each method, its images exist and are PNG, and results.json is the figures."""
    pytest.importorskip("matplotlib")
    config = InterestConfig(dim=8)
    history = evaluation.history
    users = emerging_users(evaluation.tasks[0].facts, 2)
    shown = ShownModel("analytic", AnalyticTransfer(config))
    shifts = weight_shifts(history, users, shown, config, float(history.time.min()))
    figures = summarise(evaluation, draws=50)
    path = write_report(tmp_path / "report", evaluation, figures, "driftline evaluate log", shifts)
    text = path.read_text()
    images = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert "open-slices.png" in images and "given-over-time.png" in images
    assert "given-reliability.png" in images
    reliable = [line for line in text.splitlines() if line.startswith("| own+popularity-7d | again")]
    assert len(reliable) == 2 and "### Reliability" in text
    assert "weight-shift.png" in images or not shifts
    for image in images:
        assert (path.parent / image).read_bytes().startswith(b"\x89PNG")
    assert all(f"| {name} |" in text for name in ("popularity", "own+popularity-7d", "own"))
    assert json.loads((path.parent / "results.json").read_text()) == json.loads(json.dumps(figures))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)


def test_weights_over_time_are_those_of_the_states(evaluation):
    """Each reading sums to 1; the last is what the model says of all the user's events at once."""
    history, config = evaluation.history, InterestConfig(dim=8)
    model = ShownModel("analytic", AnalyticTransfer(config))
    (many,) = weight_shifts(history, [3], model, config, 0.0, points=9)
    assert many.model == "analytic"
    (once,) = weight_shifts(history, [3], model, config, 0.0, points=1)
    assert many.weights.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert many.events[-1] == history.offsets[4] - history.offsets[3]
    assert len(once.events) == 1 and set(once.scenarios) <= set(many.scenarios)
    (late,) = weight_shifts(history, [3], model, config, float(history.time[history.offsets[4] - 1]))
    assert dict(zip(late.scenarios, late.weights[-1], strict=True)) == pytest.approx(
        {name: many.weights[-1, many.scenarios.index(name)] for name in late.scenarios}, abs=1e-5
    )


def test_a_trained_model_reads_what_the_items_are(evaluation):
    """Its weights over time hang on the items' base vectors, those of the analytic model do not."""
    history, config = evaluation.history, InterestConfig(dim=16)
    base = np.random.default_rng(0).normal(size=(len(history.items), 16)).astype(np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)

    def course(model: TransferModel, vectors: np.ndarray | None) -> np.ndarray:
        (found,) = weight_shifts(history, [3], ShownModel("trained", model, vectors), config, 0.0, points=9)
        assert found.model == "trained"
        np.testing.assert_allclose(found.weights.sum(axis=1), 1.0, atol=1e-5)
        return found.weights[:, np.argsort(found.scenarios)]

    trained, analytic = random_model(config), AnalyticTransfer(config)
    np.testing.assert_allclose(course(analytic, base), course(analytic, None), atol=1e-6)
    assert not np.allclose(course(trained, base), course(trained, None), atol=1e-3)
    assert not np.allclose(course(trained, base), course(analytic, base), atol=1e-3)


@pytest.mark.parametrize("again", [False, True])
def test_a_log_without_repeats_or_without_new_items_has_a_report(tmp_path, again):
    """Films are rated once, and a few goods are bought again for ever: one panel of the reliability diagram stays empty."""
    pytest.importorskip("matplotlib")
    item = (lambda n: f"i{n % 2}") if again else (lambda n: f"i{(n * n + n // 40) % 97}")
    rows = [(f"u{n % 40}", item(n // 40), n * 60.0, "s") for n in range(3200)]
    seen: set[tuple[str, str]] = set()
    kept = [row for row in rows if again or not (row[:2] in seen or seen.add(row[:2]))]
    history = history_of(kept)
    found = evaluate(history, split_of(history, "time", force=True), Plan(["own+popularity-7d"]))
    figures = summarise(found, draws=10)
    reliable = figures["tasks"]["open"]["methods"]["own+popularity-7d"]["reliability"]
    assert bool(reliable["again"]["hits"]) == again == (not reliable["new"]["hits"])
    assert write_report(tmp_path / "report", found, figures, "driftline evaluate").exists()
    assert (tmp_path / "report" / "open-reliability.png").exists()
