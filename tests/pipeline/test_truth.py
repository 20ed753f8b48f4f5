"""Index procedures, reasons, visits, planned flags, outcomes and risk factors equal the planted truth exactly."""

from __future__ import annotations

import pytest
from comparing import CASE, MEASURES, Found, Truth, rows


@pytest.fixture(scope="module", params=MEASURES)
def pair(request, claims, delivery):
    return Found(claims, request.param), Truth(delivery / "truth", request.param)


def test_index_procedures(pair):
    found, truth = pair
    columns = [*CASE, "codes", "index_code", "work_rvu", "qualifying_procedures", "age_years"]
    assert len(truth.index) > 100
    assert rows(found.index, columns) == rows(truth.index, columns)


def test_excluded_procedures_and_their_first_reason(pair):
    found, truth = pair
    assert len(truth.excluded) > 10
    assert rows(found.excluded, [*CASE, "excluded_by"]) == rows(truth.excluded, [*CASE, "excluded_by"])


def test_hospital_visits_and_planned_rules(pair):
    found, truth = pair
    columns = [*CASE, "visit_type", "start_date", "days_after", "planned", "planned_rule", "counted"]
    assert len(truth.visits) > 30
    assert rows(found.visits, columns) == rows(truth.visits, columns)


def test_outcomes(pair):
    found, truth = pair
    assert truth.outcomes["outcome"].sum() > 10
    assert rows(found.outcomes, [*CASE, "outcome"]) == rows(truth.outcomes, [*CASE, "outcome"])


def test_risk_factors(pair):
    found, truth = pair
    columns = found.measure.factor_columns
    assert set(columns) <= set(truth.factors.columns)
    assert rows(found.factors, [*CASE, *columns]) == rows(truth.factors, [*CASE, *columns])


def test_attrition_adds_up(pair):
    found, _ = pair
    attrition = found.cohort.attrition
    assert (attrition["procedures_before"] - attrition["excluded"] == attrition["procedures_after"]).all()
    assert attrition["procedures_after"].tolist()[:-1] == attrition["procedures_before"].tolist()[1:]
    assert attrition["procedures_after"].iloc[-1] == len(found.index)
    by_rule = attrition[attrition["unit"] == "procedure"].set_index("rule")["excluded"]
    reasons = found.excluded["excluded_by"].value_counts()
    assert by_rule[by_rule > 0].to_dict() == reasons.to_dict()
