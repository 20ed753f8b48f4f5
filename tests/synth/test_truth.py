"""The truth: consistent with itself and the model, and what every edge case expects."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit

from riskstd.spec import load_measure
from riskstd.synth.synthesize import MEASURES

KEY = ["measure", "person_id", "facility_id", "procedure_date"]
EVENT_RATES = {"ASC-12": 0.010, "ASC-17": 0.021, "ASC-18": 0.050, "ASC-19": 0.017}


def _keys(table, columns=KEY):
    return list(zip(*(table[c].to_pylist() for c in columns), strict=True))


def test_counts_agree_with_the_summary(small):
    for name, counts in (
        ("index_procedures", small.summary.index_procedures),
        ("excluded_procedures", small.summary.excluded_procedures),
    ):
        found = small.truth(name)["measure"].to_pylist()
        assert {m: found.count(m) for m in MEASURES} == counts
    outcomes = small.truth("outcomes")
    assert sum(small.summary.events.values()) == sum(outcomes["outcome"].to_pylist())


def test_no_procedure_is_both_in_and_out(small):
    index, excluded = _keys(small.truth("index_procedures")), _keys(small.truth("excluded_procedures"))
    assert len(set(index)) == len(index)
    assert len(set(excluded)) == len(excluded)
    assert not set(index) & set(excluded)
    assert index == _keys(small.truth("outcomes"))


def test_an_outcome_is_a_visit_that_counts(large):
    visits = large.truth("hospital_visits")
    counted = {key for key, counts in zip(_keys(visits), visits["counted"].to_pylist(), strict=True) if counts}
    outcomes = large.truth("outcomes")
    events = {key for key, y in zip(_keys(outcomes), outcomes["outcome"].to_pylist(), strict=True) if y}
    assert counted == events
    assert set(visits["days_after"].to_pylist()) == set(range(8))


def test_planned_visits_are_planned_by_a_rule_and_do_not_count(large):
    rows = large.truth("hospital_visits").to_pylist()
    for row in rows:
        assert row["planned"] == (row["planned_rule"] in ("PA1", "PA2", "PA3"))
        assert row["counted"] == (row["not_counted_because"] is None)
        assert (row["visit_type"] == "inpatient") == (row["planned_rule"] != "never_planned_visit_type")
        assert not (row["planned"] and row["counted"])
    assert {row["planned_rule"] for row in rows} >= {"PA1", "PA2", "PA3", "PA4", "no_planned_procedure"}


@pytest.mark.parametrize("measure", MEASURES)
def test_event_rates_are_as_published(large, measure):
    outcomes = large.truth("outcomes").to_pydict()
    y = np.array([o for o, m in zip(outcomes["outcome"], outcomes["measure"], strict=True) if m == measure])
    rate = EVENT_RATES[measure]
    assert abs(y.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / len(y)) + 0.1 * rate


@pytest.mark.parametrize("measure", MEASURES)
def test_probability_follows_from_factors_coefficients_and_effect(large, measure):
    model = json.loads((large.folder / "truth/coefficients.json").read_text())[measure]
    factors = large.truth(f"risk_factors_{measure}")
    columns = load_measure(measure).factor_columns
    assert factors.column_names[3:] == columns == list(model["beta"])
    facilities = large.truth("facilities").to_pylist()
    effect = {f["facility_id"]: f["effect"] for f in facilities if f["measure"] == measure}
    x = np.column_stack([factors[c].to_numpy() for c in columns]).astype(float)
    w = np.array([effect[f] for f in factors["facility_id"].to_pylist()])
    predictor = model["mu"] + x @ np.array(list(model["beta"].values())) + w
    index = large.truth("index_procedures")
    own = np.array(index["measure"].to_pylist()) == measure
    np.testing.assert_allclose(index["linear_predictor"].to_numpy()[own], predictor, atol=1e-9)
    np.testing.assert_allclose(index["probability"].to_numpy()[own], expit(predictor), atol=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_facility_effects_spread_by_tau(large, measure):
    model = json.loads((large.folder / "truth/coefficients.json").read_text())[measure]
    effects = [f["effect"] for f in large.truth("facilities").to_pylist() if f["measure"] == measure]
    n = len(effects)
    assert np.std(effects) == pytest.approx(model["tau"], abs=4 * model["tau"] / np.sqrt(2 * n))


def test_most_facilities_do_one_or_two_measures(large):
    does = large.truth("facilities")["facility_id"].to_pylist()
    counts = np.unique(does, return_counts=True)[1]
    assert len(counts) == large.summary.facilities == 80
    assert (counts <= 2).mean() > 0.5


def test_every_factor_column_varies(large):
    for measure in MEASURES:
        factors = large.truth(f"risk_factors_{measure}")
        flat = [c for c in factors.column_names[3:] if len(factors[c].unique()) < 2]
        assert not flat, measure


def test_every_exclusion_occurs(small):
    found = set(
        zip(
            *small.truth("excluded_procedures").select(["measure", "excluded_by"]).to_pydict().values(),
            strict=True,
        )
    )
    expected = {(m, e.id) for m in MEASURES for e in load_measure(m).exclusions if e.rule != "outside_period"}
    assert found == expected


# ---- edge cases -------------------------------------------------------------------------------


def _books(delivery):
    index = dict(
        zip(
            _keys(delivery.truth("index_procedures")),
            delivery.truth("outcomes")["outcome"].to_pylist(),
            strict=True,
        )
    )
    excluded = delivery.truth("excluded_procedures")
    excluded = dict(zip(_keys(excluded), excluded["excluded_by"].to_pylist(), strict=True))
    visits: dict[tuple, list[str]] = {}
    table = delivery.truth("hospital_visits")
    for key, rule in zip(_keys(table), table["planned_rule"].to_pylist(), strict=True):
        visits.setdefault(key, []).append(rule)
    factors = {
        (measure, *key): row
        for measure in MEASURES
        for table in [delivery.truth(f"risk_factors_{measure}")]
        for key, row in zip(_keys(table, KEY[1:]), table.to_pylist(), strict=True)
    }
    return index, excluded, visits, factors


@pytest.fixture(scope="module")
def books(small):
    return _books(small)


@pytest.mark.parametrize("measure", MEASURES)
def test_edge_cases_come_out_as_expected(small, books, measure):
    index, excluded, visits, factors = books
    wrong = []
    for case in small.truth("edge_cases").to_pylist():
        if case["measure"] != measure:
            continue
        key = tuple(case[c] for c in KEY)
        found = {"in_cohort": key in index, "excluded_by": excluded.get(key)}
        expected = {"in_cohort": case["in_cohort"], "excluded_by": case["excluded_by"]}
        if case["outcome"] is not None:
            found["outcome"], expected["outcome"] = index.get(key), case["outcome"]
        if case["visits"] is not None:
            found["visits"], expected["visits"] = len(visits.get(key, [])), case["visits"]
        if case["planned_rule"] is not None:
            found["rules"], expected["rules"] = visits.get(key), [case["planned_rule"]]
        wanted = json.loads(case["factors"])
        found["factors"] = {name: float(factors[key][name]) for name in wanted} if key in factors else {}
        expected["factors"] = wanted
        if found != expected:
            wrong.append((case["name"], found, expected))
    assert not wrong


REQUIRED = """
    age_64 age_65_on_the_day managed_care_in_lookback no_part_b_in_lookback part_b_lost_in_window
    death_on_day_3 death_on_day_7 death_on_day_8 enrolled_twelve_months twelfth_month_lacking
    no_birth_date no_record no_npi ed_on_day_0 ed_on_day_7 ed_on_day_8 ed_on_day_minus_2
    observation_0762 observation_g0378 professional_observation_2022 professional_observation_2023
    professional_observation_admission_day planned_pa1 planned_pa2 planned_pa3 unplanned_pa4
    missing_principal planned_then_ed planned_with_ed_line psychiatric_unit critical_access_hospital
    transfer_on_day_0 interim_bills two_facilities_one_day two_codes denied_line denied_claim
    place_24_only ed_other_bill_type ed_void complication_index_day complication_history
    diagnosis_first_day_of_look_back diagnosis_before_look_back icd9_diagnosis
"""
ONLY = {
    "ASC-12": """
        two_categories
        high_risk_colonoscopy_same_claim high_risk_upper_gi_endoscopy_other_facility
        followed_after_3_days inflammatory_bowel_disease_first_day_of_history
        inflammatory_bowel_disease_index_day inflammatory_bowel_disease_at_visit
        diverticulitis_before_history diverticulitis_at_visit upper_gi_endoscopy_same_claim
        polypectomy_same_claim age_x_arrhythmia_oldest age_85
    """,
    "ASC-17": """
        two_categories
        visit_between_procedures visit_after_both_procedures code_of_another_year
    """,
    "ASC-18": """
        visit_between_procedures three_codes code_of_another_year
    """,
    "ASC-19": """
        two_categories
        visit_on_second_procedure_day type_vascular type_none code_of_another_year
    """,
}


@pytest.mark.parametrize("measure", MEASURES)
def test_every_edge_case_is_planted(small, measure):
    cases = small.truth("edge_cases").to_pylist()
    names = {case["name"] for case in cases if case["measure"] == measure}
    assert names >= {*REQUIRED.split(), *ONLY[measure].split()}
    factors = load_measure(measure).factors
    assert names >= {f"condition_{f.name}" for f in factors if f.kind in ("condition_category", "diagnosis_code")}


def test_edge_cases_can_be_left_out(large):
    assert large.summary.edge_cases == 0
    assert len(large.truth("edge_cases")) == 0
    assert not [p for p in large.claims("mbsf")["BENE_ID"].to_pylist() if p.startswith("SYNE")]
