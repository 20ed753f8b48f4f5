"""Edge cases of the cohort: who is a candidate, and who is excluded."""

from __future__ import annotations

from riskstd.spec.clauses import ConcurrentCode, DiagnosisPresent, FollowedByProcedure
from riskstd.synth.codebook import YEARS
from riskstd.synth.edge_patients import MEANINGLESS, Ward
from riskstd.synth.plan import MONTHS, NO_DAY, day_of
from riskstd.synth.profile import conditions


def add_cohort_cases(ward: Ward) -> None:
    """Plant the cases of candidates, enrolment, concurrent codes and diagnoses."""
    _candidates(ward)
    _index_codes(ward)
    _people(ward)
    _enrolled_before(ward)
    _enrolled_after(ward)
    for clause in ward.profile.measure.exclusions:
        match clause:
            case ConcurrentCode():
                _concurrent(ward, clause)
            case DiagnosisPresent():
                _diagnosis(ward, clause)
            case FollowedByProcedure():
                _followed(ward, clause)
            case _:
                pass


def _candidates(ward: Ward) -> None:
    line, codes = "cohort.facility_line", "cohort.codes"
    for key in ("billing", "organization", "performing"):
        p = ward.patient(f"facility_npi_{key}", line, f"the facility is the {key} NPI")
        p.surgery(key=key)
        p.expect(outcome=0)
    p = ward.patient("facility_by_type_of_service", line, "type of service F alone makes a facility line")
    p.surgery(specialty="")
    p.expect(outcome=0)
    p = ward.patient("facility_by_specialty", line, "specialty 49 at place of service 24 makes a facility line")
    p.surgery(type_of_service="2")
    p.expect(outcome=0)
    p = ward.patient("specialty_elsewhere", line, "specialty 49 at another place of service is no facility line")
    p.surgery(type_of_service="2", place="11", surgeon=False)
    p.expect(is_candidate=False)
    p = ward.patient("place_24_only", line, "surgeon and anesthesia lines at place of service 24 are no facility lines")
    p.professional(ward.common_codes()[:1], day=0, place="24", specialty=ward.profile.specialty, service="2")
    p.professional([ward.profile.anesthesia], day=0, place="24", specialty="05", service="7")
    p.expect(is_candidate=False)
    for name, words, how in (
        ("denied_line", "a denied line forms no procedure", {"indicator": "D"}),
        ("denied_claim", "a denied claim forms no procedure", {"payment": "0"}),
        ("equipment_claim", "a claim of type 72 forms no procedure", {"claim_type": "72"}),
    ):
        p = ward.patient(name, line, words)
        p.surgery(surgeon=False, **how)  # type: ignore[arg-type]
        p.expect(is_candidate=False)
    p = ward.patient("other_code", codes, "a code outside the list does not qualify")
    p.surgery(["66984"])
    p.expect(is_candidate=False)
    year_bound = _code_of_other_years(ward)
    if year_bound:
        p = ward.patient("code_of_another_year", codes, "a code that qualifies in another year does not qualify")
        p.surgery([year_bound])
        p.expect(is_candidate=False)
    p = ward.patient("discontinued", "options.discontinued_procedures", "modifier 73 does not exclude by default")
    p.surgery(modifier="73")
    p.expect(outcome=0)
    unknown = ward.exclusion("facility_unknown")
    if unknown:
        p = ward.patient("no_npi", _path(unknown.id), "without any NPI the facility is unknown")
        p.surgery(key="none", facility=-1)
        p.expect(facility=-1, excluded_by=unknown.id)


def _code_of_other_years(ward: Ward) -> str | None:
    ever = {code for year in (*YEARS, 2025, 2026) for code in ward.book.qualifying(year).exact}
    missing = sorted(ever - ward.book.qualifying(2023).exact)
    return missing[0] if missing else None


def _index_codes(ward: Ward) -> None:
    codes, record = ward.common_codes(), "cohort.record"
    low, high = codes[0], codes[-1]
    p = ward.patient("two_codes", record, "the code with the highest work RVU is the index code")
    p.surgery([low, high])
    p.expect(outcome=0, factors=_known(ward, {"work_rvu": ward.book.work_rvu(high, 2023) or 0.0}))
    p = ward.patient("same_code_twice", record, "a code on two lines is one qualifying procedure")
    p.surgery([low, low])
    p.expect(outcome=0)
    if len(codes) > 2:
        p = ward.patient("three_codes", record, "three codes are three qualifying procedures")
        p.surgery([low, codes[1], high])
        p.expect(outcome=0, factors=_known(ward, {"qualifying_procedures_3_plus": 1}))
    p = ward.patient(
        "two_facilities_one_day",
        record,
        "two facilities on one day are two procedures; a visit counts for both",
    )
    p.surgery()
    p.surgery(facility=1)
    p.ed(1)
    p.expect(outcome=1)
    p.expect(facility=1, outcome=1)


def _known(ward: Ward, factors: dict[str, float]) -> dict[str, float]:
    columns = ward.profile.measure.factor_columns
    return {name: value for name, value in factors.items() if name in columns}


def _people(ward: Ward) -> None:
    clause = ward.exclusion("person_unknown")
    if clause:
        p = ward.patient("no_birth_date", _path(clause.id), "without a birth date the person is unknown", birth=NO_DAY)
        p.surgery()
        p.expect(excluded_by=clause.id)
        p = ward.patient(
            "no_record",
            _path(clause.id),
            "without a beneficiary record the person is unknown",
            has_record=False,
        )
        p.surgery()
        p.expect(excluded_by=clause.id)
    clause = ward.exclusion("age_below")
    if clause:
        p = ward.patient("age_64", _path(clause.id), "turns 65 the day after: excluded", birth=day_of(1958, 3, 16))
        p.surgery()
        p.expect(excluded_by=clause.id)
        p = ward.patient("age_65_on_the_day", _path(clause.id), "turns 65 on the day: kept", birth=day_of(1958, 3, 15))
        p.surgery()
        p.expect(outcome=0, factors=_known(ward, {"age_years_over_65": 0}))


def _enrolled_before(ward: Ward) -> None:
    clause = ward.exclusion("not_enrolled_before")
    if clause is None:
        return
    for name, words, changes in (
        (
            "managed_care_in_lookback",
            "a month of managed care in the twelve months before",
            {"hmo": {-5: "1"}},
        ),
        ("no_part_b_in_lookback", "a month with Part A alone", {"buy_in": {-3: "1"}}),
        ("no_part_a_in_lookback", "a month with Part B alone", {"buy_in": {-7: "2"}}),
        ("index_month_lacking", "the index month itself lacks Part B", {"buy_in": {0: "1"}}),
        (
            "twelfth_month_lacking",
            "enrolled from eleven months before",
            {"buy_in": dict.fromkeys(range(-26, -11), "0")},
        ),
    ):
        p = ward.patient(name, _path(clause.id), f"{words}: excluded", **changes)  # type: ignore[arg-type]
        p.surgery()
        p.expect(excluded_by=clause.id)
    year_off = ward.patient(
        "year_without_record", _path(clause.id), "no record for the year before: excluded",
        buy_in=dict.fromkeys(range(-14, -2), "0"),
    )  # fmt: skip
    year_off.surgery()
    year_off.expect(excluded_by=clause.id)
    for name, words, changes in (
        (
            "enrolled_twelve_months",
            "enrolled from twelve months before",
            {"buy_in": dict.fromkeys(range(-26, -12), "0")},
        ),
        (
            "state_buy_in",
            "entitlement code C is Parts A and B",
            {"buy_in": dict.fromkeys(range(-12, 2), "C")},
        ),
        (
            "blank_managed_care_flag",
            "a blank managed-care flag is fee for service",
            {"hmo": dict.fromkeys(range(-12, 2), "")},
        ),
        (
            "managed_care_flag_4",
            "managed-care code 4 is fee for service",
            {"hmo": dict.fromkeys(range(-12, 2), "4")},
        ),
    ):
        p = ward.patient(name, _path(clause.id), f"{words}: kept", **changes)  # type: ignore[arg-type]
        p.surgery()
        p.expect(outcome=0)


def _enrolled_after(ward: Ward) -> None:
    clause = ward.exclusion("not_enrolled_after")
    if clause is None:
        return
    path, out = _path(clause.id), {"buy_in": dict.fromkeys(range(1, MONTHS - 26), "0")}
    late_march = day_of(2023, 3, 28)
    for name, words, base, changes in (
        (
            "part_b_lost_in_window",
            "Part B ends with the month, day 7 is in the next",
            late_march,
            {"buy_in": {1: "1"}},
        ),
        ("managed_care_in_window", "managed care starts within the window", late_march, {"hmo": {1: "C"}}),
        (
            "death_on_day_8",
            "died on day 8, not enrolled in the month of day 7",
            day_of(2023, 3, 25),
            out | {"death": 8},
        ),
    ):
        p = ward.patient(name, path, f"{words}: excluded", base=base, **changes)  # type: ignore[arg-type]
        p.surgery()
        p.expect(excluded_by=clause.id)
    for name, words, base, changes in (
        (
            "managed_care_after_window",
            "managed care starts the day after day 7",
            day_of(2023, 3, 24),
            {"hmo": {1: "C"}},
        ),
        (
            "death_on_day_3",
            "died on day 3 without enrolment in that month",
            day_of(2023, 3, 29),
            out | {"death": 3},
        ),
        (
            "death_on_day_7",
            "died on day 7 without enrolment in that month",
            day_of(2023, 3, 26),
            out | {"death": 7},
        ),
    ):
        p = ward.patient(name, path, f"{words}: kept", base=base, **changes)  # type: ignore[arg-type]
        p.surgery()
        p.expect(outcome=0)


def _concurrent(ward: Ward, clause: ConcurrentCode) -> None:
    code = sorted(ward.book.codes(clause.table, clause.role, 2023).exact)[0]
    path, own = _path(clause.id), ward.common_codes()[0]
    p = ward.patient(f"{clause.id}_same_claim", path, "a listed code on the facility claim: excluded")
    p.surgery([own, code])
    p.expect(excluded_by=clause.id)
    p = ward.patient(f"{clause.id}_other_facility", path, "a listed code at another facility that day: excluded")
    p.surgery()
    p.surgery([code], facility=1)
    p.expect(excluded_by=clause.id)
    p = ward.patient(f"{clause.id}_surgeon_only", path, "a listed code on the surgeon's line alone: kept")
    p.surgery()
    p.professional([code], day=0, place="24", specialty=ward.profile.specialty, service="2")
    p.expect(outcome=0)
    p = ward.patient(f"{clause.id}_next_day", path, "a listed code on the next day: kept")
    p.surgery()
    p.surgery([code], day=1)
    p.expect(outcome=0)


def _diagnosis(ward: Ward, clause: DiagnosisPresent) -> None:
    codes = ward.profile.measure.table(clause.table).codes(clause.role, system="ICD-10-CM")
    code = next(code for condition in conditions() for code in condition.codes if code in codes)
    path, span = _path(clause.id), clause.history_days
    for name, words, day, out in (
        ("first_day_of_history", f"the diagnosis {span} days before: excluded", -span, True),
        ("before_history", f"the diagnosis {span + 1} days before: kept", -span - 1, False),
        ("index_day", "the diagnosis on the index day: excluded", 0, clause.index_day),
        ("office_after", "the diagnosis at an office visit on day 3: kept", 3, False),
    ):
        p = ward.patient(f"{clause.id}_{name}", path, words)
        p.surgery()
        p.professional(["99213"], day=day, diagnosis=code)
        p.expect(excluded_by=clause.id if out else None, outcome=None if out else 0)
    p = ward.patient(f"{clause.id}_at_visit", path, "the diagnosis at an ED visit on day 4: excluded")
    p.surgery()
    p.ed(4, diagnosis=code)
    p.expect(excluded_by=clause.id if clause.visit_in_window else None)
    p = ward.patient(f"{clause.id}_at_later_visit", path, "the diagnosis at an ED visit on day 8: kept")
    p.surgery()
    p.ed(8, diagnosis=code)
    p.expect(outcome=0, visits=0)
    p = ward.patient(f"{clause.id}_at_planned_stay", path, "the diagnosis at a planned stay on day 2: excluded")
    p.surgery()
    claim = p.admission(2, 5, principal="Z5111", diagnosis=code)
    p.visit("inpatient", 2, [claim], end=5, rule="PA2", principal="Z5111", ccn="990001")
    p.expect(excluded_by=clause.id if clause.visit_in_window else None)


def _followed(ward: Ward, clause: FollowedByProcedure) -> None:
    path, within = _path(clause.id), clause.within_days
    for later in (3, within):
        p = ward.patient(
            f"followed_after_{later}_days",
            path,
            f"another procedure {later} days later: excluded, the later one kept",
        )
        p.surgery()
        p.surgery(day=later, facility=1)
        p.ed(2, diagnosis=MEANINGLESS)
        p.expect(excluded_by=clause.id)
        p.expect(day=later, facility=1, outcome=0, visits=0)
    p = ward.patient("followed_after_window", path, f"another procedure {within + 1} days later: both kept")
    p.surgery()
    p.surgery(day=within + 1)
    p.expect(outcome=0)
    p.expect(day=within + 1, outcome=0)


def _path(clause_id: str) -> str:
    return f"cohort.exclusions[{clause_id}]"
