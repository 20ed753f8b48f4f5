"""Edge cases of the risk factors: history, index day, complications of care, ages, types."""

from __future__ import annotations

from riskstd.spec.clauses import AgeBands, Interaction, ProcedureType, SameDayCode
from riskstd.spec.definition import columns_of
from riskstd.synth.codebook import YEARS
from riskstd.synth.edge_patients import MEANINGLESS, Patient, Ward
from riskstd.synth.plan import ICD9, day_of
from riskstd.synth.profile import conditions


def add_risk_cases(ward: Ward) -> None:
    """Plant the cases of look-back, complication of care, ages, same-day codes and types."""
    excluded = [
        ward.profile.measure.table(e.table).codes(e.role)
        for e in ward.profile.measure.exclusions
        if e.rule == "diagnosis_present"
    ]
    codes = [
        code for condition in conditions() for code in condition.codes if not any(code in listed for listed in excluded)
    ]
    _look_back(ward, next(code for code in codes if ward.book.factors_of(code, index_day=True)))
    _complications(ward, codes)
    _claims(ward, next(code for code in codes if ward.book.factors_of(code, index_day=True)))
    _every_condition(ward, codes)
    _two_categories(ward, codes)
    _ages(ward)
    for factor in ward.profile.measure.factors:
        match factor:
            case SameDayCode():
                _same_day(ward, factor)
            case ProcedureType():
                _types(ward, factor)
            case Interaction():
                _interaction(ward, factor, codes)
            case _:
                pass


def _factors(ward: Ward, codes: list[str], value: int = 1, *, index_day: bool = False) -> dict[str, float]:
    return {name: value for code in codes for name in ward.book.factors_of(code, index_day=index_day)}


def _look_back(ward: Ward, code: str) -> None:
    for name, day, value in (
        ("first_day_of_look_back", -365, 1),
        ("before_look_back", -366, 0),
        ("day_before", -1, 1),
        ("index_day", 0, 1),
        ("day_after", 1, 0),
    ):
        words = f"a diagnosis on day {day} {'sets' if value else 'does not set'} the factor"
        p = ward.patient(f"diagnosis_{name}", "risk.history_days", words)
        p.surgery()
        p.professional(["99213"], day=day, diagnosis=code)
        p.expect(outcome=0, factors=_factors(ward, [code], value))


def _complications(ward: Ward, codes: list[str]) -> None:
    history_only = [
        code
        for code in codes
        if ward.book.factors_of(code, index_day=False) and not ward.book.factors_of(code, index_day=True)
    ]
    if not history_only:
        return
    code = history_only[0]
    for name, day, value in (("index_day", 0, 0), ("history", -30, 1)):
        words = f"a complication-of-care category on day {day} {'sets' if value else 'does not set'} the factor"
        p = ward.patient(f"complication_{name}", "risk.complication_of_care", words)
        p.surgery()
        p.professional(["99213"], day=day, diagnosis=code)
        p.expect(outcome=0, factors=_factors(ward, [code], value))
    p = ward.patient(
        "complication_both", "risk.complication_of_care", "history sets it whatever stands on the index day"
    )
    p.surgery(diagnosis=code)
    p.professional(["99213"], day=-200, diagnosis=code)
    p.expect(outcome=0, factors=_factors(ward, [code]))


def _claims(ward: Ward, code: str) -> None:
    """Plant diagnoses by kind of claim, date and version."""
    yes, no = _factors(ward, [code]), _factors(ward, [code], 0)

    def start(name: str, words: str) -> Patient:
        p = ward.patient(name, "risk.history_days", words)
        p.surgery()
        return p

    p = start("inpatient_discharge_in_look_back", "admitted before the look-back, discharged in it: counts")
    p.stay(-370, -364, principal=MEANINGLESS, diagnosis=code)
    p.expect(factors=yes)
    p = start("inpatient_discharge_before", "discharged before the look-back: does not count")
    p.stay(-370, -366, principal=MEANINGLESS, diagnosis=code)
    p.expect(factors=no)
    p = start("outpatient_diagnosis", "a hospital outpatient diagnosis counts")
    p.outpatient([("0510", "G0463")], day=-60, diagnosis=code)
    p.expect(factors=yes)
    p = start("outpatient_void_diagnosis", "a diagnosis of a void claim does not count")
    p.outpatient([("0510", "G0463")], day=-60, diagnosis=code, bill_type="138")
    p.expect(factors=no)
    p = start("line_diagnosis", "a diagnosis of a line counts on the day of the line")
    p.professional(["99213"], day=-20, line_diagnosis=code)
    p.expect(factors=yes)
    p = start("line_diagnosis_before", "the line is before the look-back, though the claim ends in it")
    p.professional(["99213"], day=-366, last=-364, line_day=-366, line_diagnosis=code)
    p.expect(factors=no)
    p = start("claim_diagnosis_by_last_day", "a diagnosis of the claim counts on its last day")
    p.professional(["99213"], day=-366, last=-364, line_day=-366, diagnosis=code, line_diagnosis=MEANINGLESS)
    p.expect(factors=yes)
    p = start("icd9_diagnosis", "an ICD-9 code does not count")
    p.professional(["99213"], day=-60, diagnosis=ICD9 + "41401", line_diagnosis=MEANINGLESS)
    p.expect(factors=no)
    p = ward.patient("denied_claim_diagnosis", "risk.history_days", "a diagnosis of a denied claim does not count")
    p.surgery()
    p.surgery(["66984"], day=-30, payment="0", indicator="D", diagnosis=code, surgeon=False)
    p.expect(factors=no)
    p = ward.patient("equipment_diagnosis", "risk.history_days", "a diagnosis of an equipment claim does not count")
    p.surgery()
    p.surgery(["E0143"], day=-30, claim_type="72", diagnosis=code, surgeon=False, place="12")
    p.expect(factors=no)


def _every_condition(ward: Ward, codes: list[str]) -> None:
    """Plant one person for every factor that comes from diagnoses."""
    for factor in ward.book.condition_factors:
        code = next((c for c in codes if factor.name in ward.book.factors_of(c, index_day=False)), None)
        if code is None:
            continue
        p = ward.patient(
            f"condition_{factor.name}",
            f"risk.factors[{factor.name}]",
            "a diagnosis in the history sets the factor",
        )
        p.surgery()
        p.professional(["99213"], day=-100, diagnosis=code)
        others = {f.name: 0 for f in ward.book.condition_factors}
        p.expect(outcome=0, factors=others | _factors(ward, [code]))


def _two_categories(ward: Ward, codes: list[str]) -> None:
    mapped = sorted(
        {
            code
            for clause in ward.profile.measure.condition_maps
            for code in ward.profile.measure.table(clause.table).category_map().exact
        }
    )
    known = [code for code in (*codes, *mapped) if len(ward.book.categories(code)) > 1]
    known = [code for code in known if ward.book.factors_of(code, index_day=False)]
    # A code that sets two factors if there is one, else one whose other category has no factor.
    best = max(known, key=lambda code: min(2, len(ward.book.factors_of(code, index_day=False))), default=None)
    if best is None:
        return
    names = ward.book.factors_of(best, index_day=False)
    p = ward.patient("two_categories", "risk.condition_maps", "every category of a code sets its factor")
    p.surgery()
    p.professional(["99213"], day=-50, diagnosis=best)
    p.expect(outcome=0, factors=dict.fromkeys(names, 1))


def _ages(ward: Ward) -> None:
    for factor in ward.profile.measure.factors:
        if isinstance(factor, AgeBands):
            names = columns_of(factor)
            for name, low in zip(names, factor.lower_bounds[1:], strict=True):
                p = ward.patient(
                    f"age_{low}",
                    f"risk.factors[{factor.name}]",
                    f"turns {low} on the day",
                    birth=day_of(2023 - low, 3, 15),
                )
                p.surgery()
                p.expect(outcome=0, factors={n: float(n == name) for n in names})
            low = factor.lower_bounds[1]
            p = ward.patient(
                f"age_{low}_next_day",
                f"risk.factors[{factor.name}]",
                f"turns {low} the day after",
                birth=day_of(2023 - low, 3, 16),
            )
            p.surgery()
            p.expect(outcome=0, factors=dict.fromkeys(names, 0))


def _same_day(ward: Ward, factor: SameDayCode) -> None:
    listed = ward.book.codes(factor.table, factor.role, 2023)
    code = sorted(listed.exact)[0]
    clause, own = f"risk.factors[{factor.name}]", ward.common_codes()[0]
    qualifies = code in ward.book.qualifying(2023)
    for name, words, value in (
        ("same_claim", "a listed code on the facility claim sets the factor", 1),
        ("other_facility", "a listed code at another facility that day sets the factor", 1),
        ("surgeon_only", "a listed code on the surgeon's line alone does not", 0),
        ("denied_line", "a listed code on a denied line does not", 0),
        ("day_before", "a listed code on the day before does not", 0),
    ):
        if name == "day_before" and qualifies:
            continue
        p = ward.patient(f"{factor.name}_{name}", clause, words)
        p.surgery([own, code] if name == "same_claim" else [own], surgeon=False)
        match name:
            case "other_facility":
                p.surgery([code], facility=1)
            case "surgeon_only":
                p.professional([code], day=0, place="24", specialty=ward.profile.specialty, service="2")
            case "denied_line":
                p.surgery([code], indicator="D", surgeon=False)
            case "day_before":
                p.surgery([code], day=-1)
            case _:
                pass
        p.expect(outcome=0, factors={factor.name: value})


def _types(ward: Ward, factor: ProcedureType) -> None:
    names = dict(zip([k for k in factor.types if k != factor.reference], columns_of(factor), strict=True))
    qualifying = [
        c for c in sorted(ward.book.qualifying(2023).exact) if all(c in ward.book.qualifying(y) for y in YEARS)
    ]
    for kind in (*factor.types, None):
        code = next((c for c in qualifying if ward.book.type_of(factor, c, 2023) == kind), None)
        if code is None:
            continue
        words = f"the index code is of type {kind}" if kind else "a code without a type is the reference"
        p = ward.patient(f"type_{kind or 'none'}", f"risk.factors[{factor.name}]", words)
        p.surgery([code])
        p.expect(outcome=0, factors={column: float(k == kind) for k, column in names.items()})


def _interaction(ward: Ward, factor: Interaction, codes: list[str]) -> None:
    by_name = {f.name: f for f in ward.profile.measure.factors}
    ages, condition = by_name[factor.factors[0]], factor.factors[1]
    code = next((c for c in codes if condition in ward.book.factors_of(c, index_day=False)), None)
    if not isinstance(ages, AgeBands) or code is None:
        return
    columns = [f"{age}_x_{condition}" for age in columns_of(ages)]
    for name, words, born, day, last in (
        ("oldest", "oldest age class and the condition", 1930, -40, 1),
        ("reference_age", "reference age class and the condition", 1956, -40, 0),
        ("without_condition", "oldest age class, the condition after the procedure", 1930, 3, 0),
    ):
        p = ward.patient(f"{factor.name}_{name}", f"risk.factors[{factor.name}]", words, birth=day_of(born, 1, 5))
        p.surgery()
        p.professional(["99213"], day=day, diagnosis=code)
        p.expect(outcome=0, factors=dict.fromkeys(columns, 0) | {columns[-1]: last})
