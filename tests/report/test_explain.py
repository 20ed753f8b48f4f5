"""Steps to the score, case mix, visits to review, and the number of visits that changes a category."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from riskstd.rates import score_facilities
from riskstd.report import IntervalFacts
from riskstd.report.cases import Cases, Factor
from riskstd.report.facility.drivers import decompose, mix_differences
from riskstd.report.facility.visits import count_visits, visits_to_review
from riskstd.report.facility.whatif import Change, FlagRule, WhatIf, flag_rule, posterior_of, what_if
from riskstd.spec import load_measure

MU, BETA, TAU, NATION = -4.0, np.array([0.8, 0.3]), 0.5, 0.024
FACTS = IntervalFacts("plug-in")


def rows_of(seed=1, n=260, rate=0.02):
    """Risk factors and outcomes of one facility."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.random(n) < 0.15, rng.normal(0, 1, n)]).astype(float)
    return X, (rng.random(n) < rate).astype(int)


def with_visits(y, k):
    """The first k cases have a visit."""
    return (np.arange(len(y)) < k).astype(int)


def rate_row(X, y, *, measure, level=None):
    frame = score_facilities(
        y, X, ["A"] * len(y), mu=MU, beta=BETA, tau=TAU, measure=measure, national_rate=NATION, level=level
    ).to_frame()
    return frame.to_dict("records")[0]


def comparator(measure):
    return 1.0 if measure.scale.kind == "ratio" else NATION * {"per_1000": 1000, "percent": 100}[measure.scale.kind]


def expected_of(X):
    return 1 / (1 + np.exp(-(MU + X @ BETA)))


def make_cases(X, y, visits=None, *, first=100):
    numbers = np.arange(first, first + len(y))
    procedures = pd.DataFrame(
        {
            "procedure_id": numbers,
            "facility_id": "A",
            "procedure_date": pd.Timestamp("2023-03-04").date(),
            "index_code": "45378",
        }
    )
    if visits is None:
        visits = [(int(number), "ed", 2, True) for number in numbers[y == 1]]
    table = pd.DataFrame(visits, columns=["procedure_id", "visit_type", "days_after", "counted"])
    table["principal_diagnosis"] = "K922"
    factors = (Factor("flag", "Heart failure", BETA[0], True), Factor("age", "Age", BETA[1], False))
    return Cases(procedures, table, y, X, factors, expected_of(X), expected_of(X))


@pytest.mark.parametrize("measure_id", ["ASC-12", "ASC-17", "ASC-19"])
@pytest.mark.parametrize("visits", [0, 1, 5, 260])
def test_the_steps_add_up_to_the_observed_rate_and_to_the_score(measure_id, visits):
    measure = load_measure(measure_id)
    X, y = rows_of()
    row = rate_row(X, with_visits(y, visits), measure=measure)
    steps = decompose(row, measure, national_rate=NATION, expected_of_all=0.0221)
    unit = comparator(measure) / NATION
    assert steps.observed == pytest.approx(unit * visits / 260, abs=1e-12)
    assert steps.score == pytest.approx(row["rate"], rel=1e-12)
    assert steps.national + steps.average_facility == pytest.approx(unit * 0.0221)
    assert steps.case_mix == pytest.approx(unit * (row["expected"] - 0.0221))
    assert steps.shrinkage == pytest.approx(comparator(measure) * (row["ratio"] - visits / 260 / row["expected"]))


def test_a_facility_like_the_nation_has_no_step_of_its_own():
    measure = load_measure("ASC-17")
    row = {"cases": 1000, "observed": 24, "expected": 0.024, "predicted": 0.024}
    steps = decompose(row, measure, national_rate=0.024, expected_of_all=0.024)
    parts = (steps.average_facility, steps.case_mix, steps.own_results, steps.risk_adjustment, steps.shrinkage)
    np.testing.assert_allclose(parts, 0, atol=1e-12)
    assert steps.score == pytest.approx(2.4)


def test_case_mix_names_the_factor_that_moves_risk_most_and_leaves_out_small_counts():
    X, y = rows_of()
    own = make_cases(X, y)
    means = np.array([0.02, 0.0])
    found = mix_differences(own, means, 100_000)
    assert found[0].label == "Heart failure"
    assert found[0].contribution == pytest.approx(0.8 * (X[:, 0].mean() - 0.02))
    elsewhere = X[:, 0].sum() + 4
    hidden = mix_differences(own, np.array([elsewhere / 100_000, 0.0]), 100_000)
    assert [d.label for d in hidden] == ["Age"]


def test_visits_are_ranked_by_surprise_and_named_by_the_first_that_counts():
    X = np.array([[1.0, 2.0], [0.0, -1.0], [0.0, 0.0], [0.0, -1.0], [0.0, 0.0]])
    y = np.array([1, 1, 1, 1, 0])
    visits = [
        (100, "ed", 1, True),
        (101, "inpatient", 5, True),
        (101, "ed", 3, True),
        (101, "observation", 3, True),
        (101, "inpatient", 0, False),
        (103, "ed", 7, True),
        (104, "inpatient", 1, False),
    ]
    own = make_cases(X, y, visits)
    found = visits_to_review(own)
    assert [visit.case_number for visit in found] == [101, 103, 102, 100]
    assert (found[0].days_after, found[0].visit_type, found[0].further) == (3, "observation", 2)
    assert (found[2].days_after, found[2].visit_type, found[2].diagnosis) == (None, "", "")
    assert [visit.risk for visit in found] == sorted(visit.risk for visit in found)
    table = count_visits(own, (0, 7))
    assert table.rows["ed"] == (0, 1, 0, 1, 0, 0, 0, 1)
    assert table.total == 5
    assert visits_to_review(make_cases(X, np.zeros(5, dtype=int))) == []


@pytest.mark.parametrize("measure_id", ["ASC-12", "ASC-19"])
@pytest.mark.parametrize("n", [90, 260, 900])
def test_the_rule_gives_the_category_of_scoring_again_at_every_number_of_visits(measure_id, n):
    measure = load_measure(measure_id)
    X, y = rows_of(n=n)
    labels = measure.definition.score.categories.labels
    words = {"better": labels.better, "same": labels.no_different, "worse": labels.worse}
    observed = 4
    row = rate_row(X, with_visits(y, observed), measure=measure)
    posterior = posterior_of(expected_of(X), TAU)
    rule = flag_rule(posterior, row, comparator(measure), FACTS)
    assert rule.worse_from is not None
    for k in [*range(60), n - 1, n]:
        again = rate_row(X, with_visits(y, k), measure=measure)
        mode, spread = posterior.at(k)
        assert mode == pytest.approx(again["effect"], abs=1e-7)
        assert spread == pytest.approx(again["effect_se"], rel=1e-6)
        assert posterior.ratio(mode) == pytest.approx(again["ratio"], rel=1e-7)
        assert words[rule.category(k)] == again["category"]


@pytest.mark.parametrize("observed", [0, 3, 9, 25])
def test_the_smallest_change_changes_the_category_and_one_less_does_not(observed):
    measure = load_measure("ASC-17")
    X, y = rows_of(n=700)
    row = rate_row(X, with_visits(y, observed), measure=measure)
    rule = flag_rule(posterior_of(expected_of(X), TAU), row, comparator(measure), FACTS)
    found = what_if(rule, observed)
    categories = [rate_row(X, with_visits(y, k), measure=measure)["category"] for k in range(60)]
    for change, sign in ((found.fewer, -1), (found.more, 1)):
        if change is None:
            continue
        beyond = categories[: observed + 1][::-1] if sign < 0 else categories[observed:]
        differs = [k for k, category in enumerate(beyond) if category != categories[observed]]
        assert change.visits == (differs[0] if differs else None)


def test_a_wider_interval_of_the_run_asks_for_more_visits():
    measure = load_measure("ASC-17")
    X, y = rows_of(n=700)
    row = rate_row(X, with_visits(y, 12), measure=measure)
    wide = {**row, "lower": row["lower"] * 0.8, "upper": row["upper"] * 1.2}
    posterior = posterior_of(expected_of(X), TAU)
    plain, calibrated = (flag_rule(posterior, r, comparator(measure), FACTS) for r in (row, wide))
    assert calibrated.worse_from > plain.worse_from
    assert (calibrated.better_up_to or -1) <= plain.better_up_to


def test_the_rule_gives_the_category_that_was_observed_for_any_interval():
    measure = load_measure("ASC-17")
    X, y = rows_of(n=700)
    row = rate_row(X, with_visits(y, 14), measure=measure)
    posterior, line = posterior_of(expected_of(X), TAU), comparator(measure)
    for low, high, kind in ((1.001, 3, "worse"), (0.999, 3, "same"), (0.3, 1.001, "same"), (0.3, 0.999, "better")):
        rule = flag_rule(posterior, {**row, "lower": low * line, "upper": high * line}, line, FACTS)
        assert rule.category(14) == kind


def test_a_category_level_above_the_printed_one_asks_for_more_visits():
    measure = load_measure("ASC-17")
    X, y = rows_of(n=700)
    row = rate_row(X, with_visits(y, 12), measure=measure)
    posterior, line = posterior_of(expected_of(X), TAU), comparator(measure)
    strict = flag_rule(posterior, row, line, IntervalFacts("plug-in", level=0.95, category_level=0.99))
    again = rate_row(X, with_visits(y, 12), measure=measure, level=0.99)
    direct = flag_rule(posterior, again, line, IntervalFacts("plug-in", level=0.99, category_level=0.99))
    assert strict == direct


def test_without_interval_spread_or_possible_visits_no_number_is_named():
    measure = load_measure("ASC-17")
    X, y = rows_of(n=40)
    row = rate_row(X, with_visits(y, 0), measure=measure)
    posterior, line = posterior_of(expected_of(X), TAU), comparator(measure)
    assert flag_rule(posterior, {**row, "lower": math.nan}, line, FACTS) is None
    assert flag_rule(posterior_of(expected_of(X), 0.0), row, line, FACTS) == FlagRule(None, None)
    assert flag_rule(posterior, row, line, FACTS).better_up_to is None
    one = posterior_of(expected_of(X[:1]), 0.1)
    single = score_facilities([0], X[:1], ["A"], mu=MU, beta=BETA, tau=0.1, national_rate=NATION).to_frame()
    assert flag_rule(one, single.to_dict("records")[0], NATION * 100, FACTS) == FlagRule(None, None)


def test_changes_by_category():
    assert what_if(FlagRule(2, 9), 9) == WhatIf("worse", Change(1, "same"), None)
    assert what_if(FlagRule(2, 9), 12) == WhatIf("worse", Change(4, "same"), None)
    assert what_if(FlagRule(2, 9), 2) == WhatIf("better", None, Change(1, "same"))
    assert what_if(FlagRule(2, 9), 5) == WhatIf("same", Change(3, "better"), Change(4, "worse"))
    assert what_if(FlagRule(8, 9), 9) == WhatIf("worse", Change(1, "better"), None)
    assert what_if(FlagRule(None, None), 0) == WhatIf("same", Change(None, "better"), Change(None, "worse"))


def test_extreme_numbers_of_visits_have_a_mode():
    posterior = posterior_of(np.full(2000, 0.001), 2.0)
    for k in (0, 1, 1000, 1999, 2000):
        mode, spread = posterior.at(k)
        p = 1 / (1 + np.exp(-(logit(0.001) + mode)))
        assert k - 2000 * p - mode / 4 == pytest.approx(0, abs=1e-6)
        assert spread <= 2.0
