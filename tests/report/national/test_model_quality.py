"""Discrimination and calibration: numbers against their definition, and what the public profile leaves out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from riskstd.report.cases import Cases
from riskstd.report.disclosure.counts import Counts
from riskstd.report.disclosure.partitions import partitions
from riskstd.report.national.model_quality import by_tenth, model_quality, risk_at_any_facility
from riskstd.report.national.risk_bins import risk_bins
from riskstd.report.national.risk_groups import RiskGroup, merge_small, merged_runs

NOTHING_HIDDEN = Counts({"cases": 1, "events": 1}, frozenset())


def groups_of(*events: int, cases: int = 200) -> list[RiskGroup]:
    return [RiskGroup(str(k + 1), cases, n, 0.1, 0.0, 1.0) for k, n in enumerate(events)]


def test_risk_at_any_facility_is_the_mean_over_facilities():
    expected = np.array([0.001, 0.02, 0.3])
    draws = np.random.default_rng(2).normal(0.0, 0.6, 400_000)
    mean = expit(logit(expected)[:, None] + draws).mean(axis=1)
    np.testing.assert_allclose(risk_at_any_facility(expected, 0.6), mean, rtol=3e-3)


def test_c_statistic_is_the_share_of_pairs_in_order(make_report, make_cases):
    content = make_report("ASC-17", 8)
    cases = make_cases(content)
    found = model_quality(content, cases, NOTHING_HIDDEN, "facility")
    with_visit, without = cases.expected[cases.outcome == 1], cases.expected[cases.outcome == 0]
    pairs = np.sign(with_visit[:, None] - without[None, :])
    assert found.c is not None
    assert found.c.c == pytest.approx((1 + pairs.mean()) / 2)
    assert found.c.lower < found.c.c < found.c.upper


def test_groups_add_up_to_all_cases(make_report, make_cases):
    content = make_report("ASC-19", 40)
    cases = make_cases(content)
    found = model_quality(content, cases, NOTHING_HIDDEN, "facility")
    assert [name for name, _ in found.by_subgroup] == ["Age in years", "Type of procedure"]
    assert len(found.by_risk) == 10
    for groups in (found.by_risk, *(groups for _, groups in found.by_subgroup)):
        assert sum(group.cases for group in groups) == len(cases)
        assert sum(group.events for group in groups) == cases.outcome.sum()
    assert sum(found.risks.cases) == len(cases)
    assert found.left_out == ()


def test_tenths_rise_and_hold_equally_many(make_report, make_cases):
    cases = make_cases(make_report("ASC-12", 30))
    groups = by_tenth(cases, cases.expected)
    assert np.all(np.diff([group.predicted for group in groups]) > 0)
    assert max(group.cases for group in groups) - min(group.cases for group in groups) <= 2
    assert all(group.lower <= group.observed <= group.upper for group in groups)


@pytest.mark.parametrize(
    ("measure_id", "names"),
    [
        ("ASC-12", ["Age in years", "Upper GI endoscopy on the same day", "Polypectomy on the same day"]),
        ("ASC-17", ["Age in years"]),
        ("ASC-18", ["Age in years", "Number of qualifying procedures"]),
    ],
)
def test_subgroups_are_age_and_the_kind_of_procedure(make_report, make_cases, measure_id, names):
    content = make_report(measure_id, 12)
    parts = partitions(content, make_cases(content))
    assert [part.name for part in parts] == names
    assert all(part.codes.max() < len(part.labels) for part in parts)


def test_number_of_procedures_is_named_in_words(make_report, make_cases):
    content = make_report("ASC-18", 12)
    assert partitions(content, make_cases(content))[1].labels == ("1", "2", "3 and more")


@pytest.mark.parametrize(
    ("events", "merged"),
    [
        ((0, 12, 30), [("1", 0), ("2", 12), ("3", 30)]),
        ((4, 12, 30), [("1 + 2", 16), ("3", 30)]),
        ((12, 30, 4), [("1", 12), ("2 + 3", 34)]),
        ((5, 5, 5, 40), [("1 + 2 + 3", 15), ("4", 40)]),
        ((4, 3), []),
        ((40, 3), []),
    ],
)
def test_small_groups_join_their_neighbours(events, merged):
    assert [(group.label, group.events) for group in merge_small(groups_of(*events))] == merged


def test_few_cases_without_a_visit_are_small_too():
    labels = [group.label for group in merge_small(groups_of(195, 100, 100))]
    assert labels == ["1 + 2", "3"]


def test_no_run_holds_a_small_count_whatever_the_counts():
    rng = np.random.default_rng(7)
    for _ in range(300):
        counts = [(int(a), int(b)) for a, b in rng.integers(0, rng.choice([5, 15, 60]), (rng.integers(1, 12), 2))]
        runs = merged_runs(counts)
        sums = [sum(row[k] for row in counts[a:b]) for a, b in runs for k in (0, 1)]
        assert not any(1 <= n <= 10 for n in sums)
        assert not runs or [a for a, _ in runs] == [0, *(b for _, b in runs[:-1])]
        assert not runs or runs[-1][1] == len(counts)


def test_public_groups_and_bins_hold_no_small_count(make_report, make_cases):
    content = make_report("ASC-19", 60)
    found = model_quality(content, make_cases(content), NOTHING_HIDDEN, "public")
    groups = [*found.by_risk, *(group for _, groups in found.by_subgroup for group in groups)]
    assert groups
    for group in groups:
        assert not 1 <= group.events <= 10
        assert not 1 <= group.cases - group.events <= 10
    assert not any(1 <= n <= 10 for n in found.risks.cases)


def test_public_profile_leaves_out_a_table_whose_class_is_hidden(make_report, make_cases):
    content = make_report("ASC-19", 60)
    cases = make_cases(content)
    values = {"cases": 1, "events": 1, "factor.procedure_type_wound": 4}
    hidden = Counts(values, frozenset({"factor.procedure_type_wound"}))
    found = model_quality(content, cases, hidden, "public")
    assert [name for name, _ in found.by_subgroup] == ["Age in years"]
    assert found.left_out == ("Calibration by type of procedure is not shown, since it holds small counts.",)
    assert len(model_quality(content, cases, hidden, "facility").by_subgroup) == 2


def test_public_profile_shows_nothing_where_the_visits_are_few(make_report, make_cases):
    content = make_report("ASC-17", 30)
    cases = make_cases(content)
    few = np.where(np.cumsum(cases.outcome) <= 9, cases.outcome, 0)
    rare = Cases(cases.procedures, cases.visits, few, cases.X, cases.factors, cases.expected, cases.predicted)
    found = model_quality(content, rare, NOTHING_HIDDEN, "public")
    assert found.c is None
    assert found.risks is None
    assert len(found.left_out) == 1
    hidden = Counts({"cases": 1, "events": 1}, frozenset({"events"}))
    assert model_quality(content, cases, hidden, "public").c is None


def test_without_a_visit_there_is_no_c_statistic(make_report, make_cases):
    content = make_report("ASC-17", 12)
    cases = make_cases(content)
    none = Cases(
        cases.procedures, cases.visits, 0 * cases.outcome, cases.X, cases.factors, cases.expected, cases.predicted
    )
    found = model_quality(content, none, NOTHING_HIDDEN, "facility")
    assert found.c is None
    assert found.left_out == ("No c-statistic and no calibration: all cases have the same outcome.",)


def test_bins_without_cases():
    assert risk_bins(np.zeros(0)) is None
    assert risk_bins(np.full(4, 0.02), public=True) is None
    assert risk_bins(np.full(4, 0.02)).cases == (4,)
