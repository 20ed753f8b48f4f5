"""The four definitions: factors, options, clauses and the tables they name."""

from __future__ import annotations

import re

import pytest

from riskstd.spec.clauses import (
    ComplicationOfCare,
    ConditionCategory,
    DiagnosisCode,
    DiagnosisPresent,
    FactorBase,
    NotEnrolledAfter,
    NotEnrolledBefore,
    ProcedureType,
)
from riskstd.spec.codetables import load_code_table
from riskstd.spec.definition import Measure
from riskstd.spec.loader import list_measures, load_measure

MEASURES = ["ASC-12", "ASC-17", "ASC-18", "ASC-19"]
PAGES = {"ASC-12": (15, 18), "ASC-17": (24, 27), "ASC-18": (28, 30), "ASC-19": (32, 35)}


@pytest.fixture(params=MEASURES)
def measure(request: pytest.FixtureRequest) -> Measure:
    return load_measure(request.param)


def kinds(measure: Measure) -> dict[str, int]:
    counts: dict[str, int] = {}
    for factor in measure.factors:
        counts[factor.kind] = counts.get(factor.kind, 0) + 1
    return counts


def test_four_measures_of_2025():
    assert list_measures() == [(name, 2025) for name in MEASURES]


# ---- risk factors ----------------------------------------------------------------------------


def test_asc_12_has_15_variables_and_the_interaction():
    measure = load_measure("ASC-12")
    assert kinds(measure) == {
        "age_bands": 1,
        "same_day_code": 2,
        "condition_category": 12,
        "interaction": 1,
    }
    assert measure.factor_columns[:4] == ["age_70_74", "age_75_79", "age_80_84", "age_85_plus"]
    assert measure.factor_columns[-4:] == [
        "age_70_74_x_arrhythmia",
        "age_75_79_x_arrhythmia",
        "age_80_84_x_arrhythmia",
        "age_85_plus_x_arrhythmia",
    ]
    assert len(measure.factor_columns) == 4 + 2 + 12 + 4


def test_asc_17_has_age_27_conditions_and_work_rvu():
    measure = load_measure("ASC-17")
    assert kinds(measure) == {"years_over": 1, "condition_category": 23, "diagnosis_code": 4, "work_rvu": 1}
    assert len(measure.factor_columns) == 29


def test_asc_18_has_age_6_conditions_number_of_procedures_and_work_rvu():
    measure = load_measure("ASC-18")
    assert kinds(measure) == {
        "years_over": 1,
        "condition_category": 5,
        "diagnosis_code": 1,
        "procedure_count": 1,
        "work_rvu": 1,
    }
    assert measure.factor_columns[-3:] == [
        "qualifying_procedures_2",
        "qualifying_procedures_3_plus",
        "work_rvu",
    ]


def test_asc_19_has_age_18_conditions_six_types_and_work_rvu():
    measure = load_measure("ASC-19")
    assert kinds(measure) == {
        "years_over": 1,
        "procedure_type": 1,
        "condition_category": 15,
        "diagnosis_code": 3,
        "work_rvu": 1,
    }
    types = [factor for factor in measure.factors if isinstance(factor, ProcedureType)]
    assert (len(types[0].types), types[0].reference) == (6, "skin")
    assert sorted(types[0].types) == load_code_table(types[0].table).roles()
    assert len([column for column in measure.factor_columns if column.startswith("procedure_type_")]) == 5


def test_every_risk_factor_names_the_manual_page_and_the_origin_of_its_values(measure: Measure):
    first, last = PAGES[measure.id]
    for factor in measure.definition.risk.factors:
        assert isinstance(factor, FactorBase)
        assert factor.origin == "cms_public"
        assert first <= int(factor.source.removeprefix("manual p. 1-")) <= last
        if isinstance(factor, ConditionCategory | DiagnosisCode | ProcedureType):
            assert factor.values_origin is not None
            assert factor.values_grade is not None
            assert factor.values_source


def test_88_categories_are_needed_51_public_and_37_rebuilt_or_empty():
    factors = [factor for name in MEASURES for factor in load_measure(name).definition.risk.factors]
    needed = {number for factor in factors if isinstance(factor, ConditionCategory) for number in factor.categories}
    public = {int(row["category"]) for row in load_code_table("condition_categories_public").rows}
    rebuilt = {int(row["category"]) for row in load_code_table("condition_categories_rebuilt").rows}
    assert (len(needed), len(needed & public)) == (88, 51)
    assert needed - public - rebuilt == {133}  # no diagnosis code belongs to it
    assert rebuilt - needed == {174}  # another reading of major traumatic fracture or internal injury


def test_56_categories_may_be_complications_of_care(measure: Measure):
    listed = {
        clause.when.is_in: len(set(clause.categories))
        for clause in measure.definition.risk.complication_of_care
        if isinstance(clause, ComplicationOfCare) and clause.when is not None
    }
    assert listed == {("hwr_56",): 56, ("none",): 0}
    assert len(measure.complication_categories) == 56
    assert not measure.with_options({"complication_of_care": "none"}).complication_categories


@pytest.mark.parametrize("name", ["ASC-12", "ASC-17", "ASC-19"])
def test_psychiatric_disorders_are_read_narrowly_or_widely(name: str):
    read = {}
    for choice in ("narrow", "broad"):
        (factor,) = [f for f in load_measure(name, options={"psychiatric": choice}).factors if f.name == "psychiatric"]
        assert isinstance(factor, ConditionCategory)
        read[choice] = factor.categories
    assert read == {"narrow": (57, 58, 59, 61, 63), "broad": (57, 58, 59, 60, 61, 62, 63)}
    assert load_measure(name).options["psychiatric"] == ("narrow" if name == "ASC-12" else "broad")


# ---- options ---------------------------------------------------------------------------------

DEFAULTS = {
    "revenue_0456_as_ed": "off",
    "carrier_ed": "off",
    "g0380_ed": "off",
    "carrier_observation": "to_2022",
    "count_ed_on_planned_inpatient": "off",
    "discontinued_procedures": "keep",
    "planned_admission_tables": "ry2021",
    "missing_principal": "unplanned",
    "index_day_diagnoses": "any_claim",
    "blank_hmo": "fee_for_service",
    "complication_of_care": "hwr_56",
    "rebuilt_categories": "use",
}


def test_options_and_their_defaults(measure: Measure):
    own = {"second_procedure": "keep_last" if measure.id == "ASC-12" else "split"}
    if measure.id != "ASC-18":
        own["psychiatric"] = "narrow" if measure.id == "ASC-12" else "broad"
    if measure.id == "ASC-19":
        own["scale"] = "ratio"
    assert measure.options == {**DEFAULTS, **own}


def test_every_option_decides_a_clause(measure: Measure):
    deciding = {clause.when.option for _, clause in measure.definition.clauses() if clause.when is not None}
    assert set(measure.options) - deciding == {"missing_principal"}  # read by the planned admission rule


def test_under_every_choice_one_clause_at_most_holds_for_each_name(measure: Measure):
    for name, option in measure.definition.options.items():
        for choice in option.choices:
            chosen = measure.with_options({name: choice})
            for names in (
                [exclusion.id for exclusion in chosen.exclusions],
                [visit.id for visit in chosen.visit_codes],
                [factor.name for factor in chosen.factors],
            ):
                assert len(names) == len(set(names))
            assert len(chosen.active(chosen.definition.score.scale)) == 1
            assert len(chosen.active(chosen.definition.risk.complication_of_care)) == 1


def test_every_choice_but_of_the_principal_diagnosis_changes_the_clauses_in_force(measure: Measure):
    for name, option in measure.definition.options.items():
        if name == "missing_principal":
            continue
        in_force = {
            choice: [clause for _, clause in measure.with_options({name: choice}).active_clauses()]
            for choice in option.choices
        }
        assert all(in_force[a] != in_force[b] for a in option.choices for b in option.choices if a < b), name


def test_blank_managed_care_flags(measure: Measure):
    for choice, flags in [("fee_for_service", ("0", "4", "")), ("not_enrolled", ("0", "4"))]:
        chosen = measure.with_options({"blank_hmo": choice})
        rules = [e for e in chosen.exclusions if isinstance(e, NotEnrolledBefore | NotEnrolledAfter)]
        assert [rule.hmo for rule in rules] == [flags, flags]


# ---- cohort, outcome, score ------------------------------------------------------------------


def test_exclusions_come_in_their_order():
    shared = [
        "outside_period",
        "facility_unknown",
        "person_unknown",
        "age_under_65",
        "not_enrolled_before",
        "not_enrolled_after",
    ]
    assert [rule.id for rule in load_measure("ASC-12").exclusions] == [
        *shared,
        "high_risk_colonoscopy",
        "high_risk_upper_gi_endoscopy",
        "inflammatory_bowel_disease",
        "diverticulitis",
        "followed_by_colonoscopy",
    ]
    for name in MEASURES[1:]:
        assert [rule.id for rule in load_measure(name).exclusions] == shared
        keep_last = load_measure(name, options={"second_procedure": "keep_last"})
        assert [rule.id for rule in keep_last.exclusions] == [*shared, "followed_by_procedure"]


def test_bowel_diagnoses_are_looked_for_in_the_year_before_on_the_day_and_at_a_visit():
    rules = [rule for rule in load_measure("ASC-12").exclusions if isinstance(rule, DiagnosisPresent)]
    assert [(r.history_days, r.index_day, r.visit_in_window) for r in rules] == [(365, True, True)] * 2


def test_the_outcome_is_the_same_for_all_measures(measure: Measure):
    assert measure.window == (0, 7)
    codes = {visit.id: visit.codes for visit in measure.visit_codes}
    assert codes == {
        "ed_revenue": ("0450", "0451", "0452", "0459", "0981"),
        "observation_revenue": ("0762",),
        "observation_hcpcs": ("G0378",),
        "observation_professional": ("99217", "99218", "99219", "99220", "99234", "99235", "99236"),
    }
    ends = [visit.valid_to for visit in measure.visit_codes if visit.valid_to is not None]
    assert [end.isoformat() for end in ends] == ["2022-12-31"]


@pytest.mark.parametrize(
    ("name", "minimum", "kind", "comparator", "cautioned"),
    [
        ("ASC-12", 30, "per_1000", "national_rate", False),
        ("ASC-17", 35, "percent", "national_rate", True),
        ("ASC-18", 35, "percent", "national_rate", True),
        ("ASC-19", 25, "ratio", "one", False),
    ],
)
def test_scale_and_categories(name: str, minimum: int, kind: str, comparator: str, cautioned: bool):
    measure = load_measure(name)
    categories = measure.definition.score.categories
    assert measure.scale.kind == kind
    assert (categories.minimum_cases, categories.comparator) == (minimum, comparator)
    assert (categories.display_level, categories.category_level) == (0.95, 0.95)
    assert bool(categories.caution) is cautioned


def test_asc_19_gives_a_rate_on_request():
    assert load_measure("ASC-19", options={"scale": "percent"}).scale.kind == "percent"


# ---- every clause ----------------------------------------------------------------------------


def test_every_clause_is_one_sentence_with_a_known_source(measure: Measure):
    clauses = list(measure.definition.clauses())
    assert len(clauses) > 50
    for path, clause in clauses:
        assert clause.says.endswith("."), path
        assert ". " not in clause.says, path
        assert clause.source.split(":")[0].split(";")[0].split()[0] in measure.definition.sources, path


def test_manual_pages_are_pages_of_the_measure(measure: Measure):

    first, last = PAGES[measure.id]
    for path, clause in measure.definition.clauses():
        for page in re.findall(r"\b1-(\d+)\b", clause.source):
            assert first <= int(page) <= last, path


def test_recalled_and_assumed_clauses_never_carry_the_best_grade(measure: Measure):
    for path, clause in measure.definition.clauses():
        if clause.origin == "assumed" or clause.source.startswith(("recalled", "inferred", "own")):
            assert clause.origin in {"reconstructed", "assumed"}, path
            assert clause.grade in {"B", "C"}, path
