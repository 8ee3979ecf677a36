"""Measures agree with a library that others use."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.evaluation.metrics import NAMES, all_means, coverage, gini, popularity_bias, values


def test_measures_are_those_of_ir_measures():
    """nDCG, recall, precision and MRR at 10 and 20 of every rank equal ir-measures'; f1 is their harmonic mean."""
    ir_measures = pytest.importorskip("ir_measures")
    from ir_measures import RR, P, R, nDCG

    ranks = np.arange(1, 31)
    qrels = [ir_measures.Qrel(f"q{rank}", "target", 1) for rank in ranks.tolist()]
    run = []
    for rank in ranks.tolist():
        names = [f"d{place}" for place in range(1, 40)]
        names[rank - 1] = "target"
        run += [
            ir_measures.ScoredDoc(f"q{rank}", name, float(-place))
            for place, name in enumerate(names, start=1)
        ]
    theirs = {"ndcg": nDCG, "recall": R, "precision": P, "mrr": RR}
    asked = {f"{kind}@{k}": measure @ k for kind, measure in theirs.items() for k in (10, 20)}
    found = {name: np.zeros(len(ranks)) for name in asked}
    by_measure = {str(measure): name for name, measure in asked.items()}
    for metric in ir_measures.iter_calc(list(asked.values()), qrels, run):
        found[by_measure[str(metric.measure)]][int(metric.query_id[1:]) - 1] = metric.value
    for name, value in found.items():
        assert values(ranks, name) == pytest.approx(value, abs=1e-9), name
    for k in (10, 20):
        p, r = found[f"precision@{k}"], found[f"recall@{k}"]
        both = np.divide(2 * p * r, p + r, out=np.zeros_like(p), where=p + r > 0)
        assert values(ranks, f"f1@{k}") == pytest.approx(both, abs=1e-9)


def test_a_rank_of_zero_is_no_hit():
    """0 stands for "not ranked" and is worth nothing under every measure."""
    assert all(value == 0 for value in all_means(np.array([0, 0])).values())
    assert set(all_means(np.array([1]))) == set(NAMES)


def test_lists_of_the_most_popular_show_as_such():
    """Always the same ten items: low coverage, a Gini coefficient near 1, full popularity bias; fair lists the opposite."""
    popularity = np.arange(100)
    same = np.tile(np.arange(90, 100), (50, 1))
    fair = np.arange(100).reshape(10, 10)
    listed = [np.bincount(top.ravel(), minlength=100) for top in (same, fair)]
    assert (coverage(same, 100), coverage(fair, 100)) == (0.1, 1.0)
    assert gini(listed[0]) == pytest.approx(0.9) and gini(listed[1]) == 0
    assert popularity_bias(same, popularity) > 0.9
    assert popularity_bias(fair[1:], popularity) == pytest.approx(0.55, abs=0.01)
