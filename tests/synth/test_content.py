"""The content the generator writes by hand agrees with the definitions' tables."""

from __future__ import annotations

import numpy as np
import pytest

from riskstd.synth import stays
from riskstd.synth.carrier import Pool, make_pool
from riskstd.synth.codebook import CodeBook, PlannedTables
from riskstd.synth.landsize import LandSize
from riskstd.synth.people import GAP_DAYS, draw_health, procedure_counts, procedure_days
from riskstd.synth.plan import NO_DAY, People, Plan, Vocabulary, day_of, month_of, year_of
from riskstd.synth.profile import conditions, measure_profile, texture
from riskstd.synth.synthesize import MEASURES
from riskstd.synth.verdicts import PLANNED_RULES


@pytest.fixture(scope="module")
def planned():
    return PlannedTables(measure_profile("ASC-12").measure)


def test_planned_stays_meet_the_rule_they_are_made_for(planned):
    for diagnosis, procedure in zip(stays.PLANNED_DIAGNOSES, stays.PLANNED_PROCEDURES, strict=True):
        assert planned.has_procedure("PA3", procedure)
        assert not planned.has_procedure("PA1", procedure)
        assert not planned.has_diagnosis("PA2", diagnosis)
        assert not planned.has_diagnosis("PA4", diagnosis)
    for code in stays.OTHER_PROCEDURES:
        assert not planned.has_procedure("PA1", code)
        assert not planned.has_procedure("PA3", code)
    assert planned.has_procedure("PA1", "30233G0")
    assert planned.has_diagnosis("PA2", "Z5111")


@pytest.mark.parametrize("measure", MEASURES)
def test_visit_diagnoses_plan_nothing(planned, measure):
    codes = measure_profile(measure).visit_diagnoses
    assert not [code for code in codes if planned.has_diagnosis("PA2", code)]
    assert [code for code in codes if planned.has_diagnosis("PA4", code)]


@pytest.mark.parametrize("measure", MEASURES)
def test_some_condition_sets_each_factor_from_history(measure):
    book = CodeBook(measure_profile(measure).measure, Vocabulary())
    codes = [code for condition in conditions() for code in condition.codes]
    reached = {name for code in codes for name in book.factors_of(code, index_day=False)}
    assert reached == {factor.name for factor in book.condition_factors}


@pytest.mark.parametrize("measure", MEASURES)
def test_common_codes_qualify_in_every_year(measure):
    profile = measure_profile(measure)
    book = CodeBook(profile.measure, Vocabulary())
    assert not [c for c in profile.codes for year in (2022, 2023, 2024) if c not in book.qualifying(year)]


def test_shares_add_up():
    assert sum(measure_profile(m).share for m in MEASURES) == pytest.approx(1)
    assert sum(texture()["day_weights"]) == pytest.approx(1)


def test_procedures_of_a_person_lie_apart_on_weekdays():
    rng = np.random.default_rng(3)
    counts = procedure_counts(5_000, rng)
    person, day = procedure_days(counts, rng)
    assert len(day) == counts.sum() == 5_000
    assert set((day + 3) % 7) == {0, 1, 2, 3, 4}
    gaps = np.diff(day)[np.diff(person) == 0]
    assert gaps.min() >= GAP_DAYS - 2


def test_months_and_years_of_days():
    days = np.array([day_of(2021, 1, 1), day_of(2022, 12, 31), day_of(2024, 2, 29)])
    assert month_of(days).tolist() == [0, 23, 37]
    assert year_of(days).tolist() == [2021, 2022, 2024]


def test_plan_refuses_unknown_columns_and_keeps_blanks():
    plan = Plan()
    with pytest.raises(KeyError, match="no column"):
        plan.add("carrier", "claims", colour=1)
    plan.add("carrier", "claims", claim=plan.new_claims(2), person=[0, 1])
    frame = plan.frame("carrier", "claims")
    assert frame["first"].tolist() == [NO_DAY, NO_DAY]
    assert plan.frame("inpatient", "claims").empty


def test_pool_draws_nothing_for_people_without_conditions():
    from riskstd.synth.people import Health

    pool = make_pool(Vocabulary(), LandSize())
    assert isinstance(pool, Pool)
    nobody = Health(np.zeros(2), np.array([0]), np.array([0]), np.array([0, 1]), np.array([1, 0]))
    drawn = pool.condition(nobody, np.array([0, 1]), np.random.default_rng(0), 1.0)
    assert drawn[0] >= 0
    assert drawn[1] == -1


def test_planned_rules_are_the_planned_ones():
    assert PLANNED_RULES == ("PA1", "PA2", "PA3")


def test_conditions_are_as_common_as_said_and_go_together():
    n = 40_000
    people = People(*(np.zeros(n) for _ in range(7)))
    health = draw_health(people, np.full(n, 73.0), np.random.default_rng(8))
    has = np.zeros((n, len(conditions())), dtype=bool)
    has[health.person, health.condition] = True
    shares = np.array([condition.share for condition in conditions()])
    np.testing.assert_allclose(has.mean(axis=0), shares, atol=4 * np.sqrt(0.25 / n))
    common = [i for i, share in enumerate(shares) if share > 0.05]
    correlations = np.corrcoef(has[:, common].T)[np.triu_indices(len(common), 1)]
    assert correlations.min() > 0
    assert 0.05 < correlations.mean() < 0.2
    assert has[health.frailty > 1].mean() > 1.4 * has.mean()
