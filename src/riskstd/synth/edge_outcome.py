"""Edge cases of the outcome: what is a hospital visit, what is planned, what counts."""

from __future__ import annotations

from riskstd.synth.edge_patients import ACUTE, BEFORE_2023, HOSPITAL, OTHER_HOSPITAL, Ward
from riskstd.synth.plan import day_of

ED, OBSERVATION, INPATIENT = (
    "outcome.visits[ed_revenue]",
    "outcome.visits[observation_revenue]",
    "outcome.inpatient",
)
PLANNED, COUNTS = "planned_admission", "outcome.attribution"
ED_LINE, KNEE = [("0450", "99284")], "0SRD0J9"


def add_outcome_cases(ward: Ward) -> None:
    """Plant the cases of visits, stays, the planned admission algorithm and attribution."""
    _days(ward)
    _outpatient_codes(ward)
    _professional_observation(ward)
    _hospitals(ward)
    _stays(ward)
    _planned(ward)
    _planned_and_more(ward)
    _two_procedures(ward)


def _days(ward: Ward) -> None:
    for day, outcome, visits in ((-2, 0, 0), (-1, 0, 0), (0, 1, 1), (7, 1, 1), (8, 0, 0)):
        words = f"an ED visit on day {day} {'counts' if outcome else 'is outside the window'}"
        p = ward.patient(f"ed_on_day_{day}".replace("-", "minus_"), "outcome.window", words)
        p.surgery()
        p.ed(day)
        p.expect(outcome=outcome, visits=visits)
    p = ward.patient("stay_on_day_0", INPATIENT, "an unplanned stay on day 0 counts")
    p.surgery()
    p.stay(0, 2)
    p.expect(outcome=1, visits=1, planned_rule="no_planned_procedure")
    p = ward.patient("admitted_before", INPATIENT, "a stay that began the day before does not count")
    p.surgery()
    p.stay(-1, 2)
    p.expect(outcome=0, visits=0)
    p = ward.patient("ed_line_after_window", ED, "the ED line is on day 8, though the claim begins on day 6")
    p.surgery()
    p.outpatient(ED_LINE, day=6, last=8, line_day=8, visits=("ed",))
    p.expect(outcome=0, visits=0)
    p = ward.patient("ed_line_without_date", ED, "an ED line without a date is on the first day of the claim")
    p.surgery()
    p.outpatient(ED_LINE, day=5, last=6, blank_line_day=True, visits=("ed",))
    p.expect(outcome=1, visits=1)
    p = ward.patient("two_ed_claims", ED, "two ED claims of one day are two visits and one outcome")
    p.surgery()
    p.ed(3)
    p.ed(3, ccn=OTHER_HOSPITAL)
    p.expect(outcome=1, visits=2)


def _outpatient_codes(ward: Ward) -> None:
    cases = [
        ("ed_0981", [("0981", "99284")], ("ed",), "131", ""),
        ("ed_two_lines", [("0450", "99284"), ("0450", "96374")], ("ed",), "131", ""),
        ("ed_critical_access", ED_LINE, ("ed",), "851", ""),
        ("ed_and_observation", [("0450", "99284"), ("0762", "G0378")], ("ed", "observation"), "131", ""),
        ("ed_0456", [("0456", "99283")], (), "131", ""),
        ("ed_other_bill_type", ED_LINE, (), "141", ""),
        ("ed_clinic_bill_type", ED_LINE, (), "711", ""),
        ("ed_void", ED_LINE, (), "138", ""),
        ("ed_not_paid", ED_LINE, (), "131", "N"),
        ("ed_replacement", ED_LINE, ("ed",), "137", ""),
        ("observation_0762", [("0762", "")], ("observation",), "131", ""),
        ("observation_g0378", [("0760", "G0378")], ("observation",), "131", ""),
        ("treatment_room", [("0761", "96365")], (), "131", ""),
        ("observation_referral_only", [("0760", "G0379")], (), "131", ""),
    ]
    for name, lines, visits, bill_type, nonpayment in cases:
        clause = OBSERVATION if "observation" in name or name == "treatment_room" else ED
        words = f"makes {' and '.join(visits) or 'no'} visit"
        p = ward.patient(name, clause, words)
        p.surgery()
        p.outpatient(lines, day=2, visits=visits, bill_type=bill_type, nonpayment=nonpayment)  # type: ignore[arg-type]
        p.expect(outcome=int(bool(visits)), visits=len(visits))
    p = ward.patient("ed_physician_only", "options.carrier_ed", "a professional ED code alone is no visit by default")
    p.surgery()
    p.professional(["99284"], day=2, place="23", specialty="93")
    p.expect(outcome=0, visits=0)


def _professional_observation(ward: Ward) -> None:
    lists = [v for v in ward.profile.measure.visit_codes if v.claims == "professional" and v.type == "observation"]
    if not lists:
        return
    clause = f"outcome.visits[{lists[0].id}]"
    for name, base, visits in (
        ("professional_observation_2022", BEFORE_2023, 1),
        ("professional_observation_last_day", day_of(2022, 12, 29), 1),
        ("professional_observation_2023", day_of(2022, 12, 30), 0),
    ):
        words = "counts to the end of 2022" if visits else "does not count from 2023"
        p = ward.patient(name, clause, f"a professional observation line {words}", base=base)
        p.surgery()
        claim = p.professional(["99235"], day=2, place="22", diagnosis=ACUTE)
        if visits:
            p.visit("observation", 2, [claim], professional=True)
        p.expect(outcome=visits, visits=visits)
    for name, day, inside in (("admission_day", 2, True), ("discharge_day", 5, True), ("after", 6, False)):
        words = "is part of the stay" if inside else "counts by itself"
        p = ward.patient(
            f"professional_observation_{name}",
            clause,
            f"a professional observation line ({name.replace('_', ' ')} of a planned stay) {words}",
            base=BEFORE_2023,
        )
        p.surgery()
        p.stay(2, 5, "PA3", principal="M1711", procedures=(KNEE,))
        claim = p.professional(["99219"], day=day, place="22", diagnosis=ACUTE)
        p.visit("observation", day, [claim], professional=True)
        p.expect(outcome=0 if inside else 1, visits=2)


def _hospitals(ward: Ward) -> None:
    for name, ccn, bill_type, visits in (
        ("psychiatric_unit", "99S001", "111", 0),
        ("rehabilitation_unit", "99T001", "111", 0),
        ("long_term_hospital", "992001", "111", 0),
        ("critical_access_hospital", "991301", "111", 1),
        ("hospital_b_bill", HOSPITAL, "121", 0),
        ("bill_type_41", HOSPITAL, "411", 1),
    ):
        words = "is a visit" if visits else "is no visit"
        p = ward.patient(name, INPATIENT, f"a stay there {words}")
        p.surgery()
        if visits:
            p.stay(3, 6, ccn=ccn, bill_type=bill_type)
        else:
            p.admission(3, 6, ccn=ccn, bill_type=bill_type)
        p.expect(outcome=visits, visits=visits)


def _stays(ward: Ward) -> None:
    """Plant transfers and interim bills."""
    p = ward.patient(
        "ed_then_admission_same_day",
        "outcome",
        "ED at one hospital, admitted at another: two visits, one outcome",
    )
    p.surgery()
    p.ed(3)
    p.stay(3, 6, ccn=OTHER_HOSPITAL, ed_line=True)
    p.expect(outcome=1, visits=2)
    p = ward.patient("ed_then_admission_next_day", "outcome", "ED on day 3, admitted on day 4: two visits, one outcome")
    p.surgery()
    p.ed(3)
    p.stay(4, 6)
    p.expect(outcome=1, visits=2)
    p = ward.patient("transfer_on_day_0", INPATIENT, "moved to another hospital on day 0: one stay")
    p.surgery()
    first = p.admission(0, 0, status="02", principal=ACUTE)
    second = p.admission(0, 4, ccn=OTHER_HOSPITAL, source="4", principal="K922")
    p.visit("inpatient", 0, [first, second], end=4, rule="no_planned_procedure", principal="K922", ccn=HOSPITAL)
    p.expect(outcome=1, visits=1)
    p = ward.patient(
        "transfer_next_day",
        INPATIENT,
        "moved on the day after discharge with status 02: one stay, unplanned by its first diagnosis",
    )
    p.surgery()
    first = p.admission(1, 2, status="02", principal=ACUTE)
    second = p.admission(3, 6, ccn=OTHER_HOSPITAL, principal="M1711", procedures=(KNEE,))
    p.visit("inpatient", 1, [first, second], end=6, rule="PA4", principal=ACUTE, ccn=HOSPITAL)
    p.expect(outcome=1, visits=1, planned_rule="PA4")
    p = ward.patient(
        "transfer_by_source", INPATIENT, "admitted the day after from another hospital (source 4): one stay"
    )
    p.surgery()
    first = p.admission(1, 2, status="01")
    second = p.admission(3, 6, ccn=OTHER_HOSPITAL, source="4")
    p.visit("inpatient", 1, [first, second], end=6, rule="no_planned_procedure", ccn=HOSPITAL)
    p.expect(outcome=1, visits=1)
    p = ward.patient("no_transfer", INPATIENT, "admitted elsewhere the day after, no sign of a transfer: two stays")
    p.surgery()
    p.stay(1, 2)
    p.stay(3, 6, ccn=OTHER_HOSPITAL)
    p.expect(outcome=1, visits=2)
    p = ward.patient(
        "stay_joined_from_before",
        INPATIENT,
        "moved on day 1 of a stay that began before: the visit began before",
    )
    p.surgery()
    first = p.admission(-3, 1, status="02")
    second = p.admission(1, 4, ccn=OTHER_HOSPITAL, source="4")
    p.visit("inpatient", -3, [first, second], end=4, rule="no_planned_procedure", ccn=HOSPITAL)
    p.expect(outcome=0, visits=0)
    p = ward.patient("interim_bills", INPATIENT, "two bills of one admission: one stay")
    p.surgery()
    first = p.admission(2, None, thru=4, status="30", bill_type="112")
    second = p.admission(2, 7, from_day=5, bill_type="114")
    p.visit("inpatient", 2, [first, second], end=7, rule="no_planned_procedure", ccn=HOSPITAL)
    p.expect(outcome=1, visits=1)
    p = ward.patient(
        "interim_bills_new_date", INPATIENT, "still a patient, the next bill starts the day after: one stay"
    )
    p.surgery()
    first = p.admission(2, None, thru=4, status="30", bill_type="112")
    second = p.admission(5, 7, bill_type="114")
    p.visit("inpatient", 2, [first, second], end=7, rule="no_planned_procedure", ccn=HOSPITAL)
    p.expect(outcome=1, visits=1)


def _planned(ward: Ward) -> None:
    tables = ward.world.planned
    single_pcs = tables.single_codes("PA3", "procedure")[0]
    single_cm = next(code for code in tables.single_codes("PA4", "diagnosis") if not tables.has_diagnosis("PA2", code))
    for name, rule, principal, procedures in (
        ("planned_pa1", "PA1", ACUTE, ("30233G0",)),
        ("planned_pa1_second_procedure", "PA1", ACUTE, ("02HV33Z", "0TY00Z0")),
        ("planned_pa2", "PA2", "Z5111", ()),
        ("planned_pa3", "PA3", "M1711", (KNEE,)),
        ("planned_pa3_single_code", "PA3", "I2510", (single_pcs,)),
        ("unplanned_pa4", "PA4", ACUTE, (KNEE,)),
        ("unplanned_pa4_single_code", "PA4", single_cm, (KNEE,)),
        ("unplanned_other_procedure", "no_planned_procedure", "M1711", ("02HV33Z",)),
        ("unplanned_no_procedure", "no_planned_procedure", "M1711", ()),
        ("missing_principal_without_procedure", "no_planned_procedure", "", ()),
        ("missing_principal", "missing_principal_diagnosis", "", (KNEE,)),
    ):
        planned = rule in ("PA1", "PA2", "PA3")
        words = f"a stay on day 4 is {'planned' if planned else 'unplanned'} by {rule}"
        p = ward.patient(name, PLANNED, words)
        p.surgery()
        p.stay(4, 9, rule, principal=principal, procedures=procedures, diagnosis=principal or ACUTE)
        p.expect(outcome=int(not planned), visits=1, planned_rule=rule)


def _planned_and_more(ward: Ward) -> None:
    p = ward.patient("planned_then_ed", COUNTS, "an ED visit after a planned stay counts")
    p.surgery()
    p.stay(1, 3, "PA3", principal="M1711", procedures=(KNEE,))
    p.ed(5)
    p.expect(outcome=1, visits=2)
    p = ward.patient("planned_then_unplanned", COUNTS, "an unplanned stay after a planned one counts")
    p.surgery()
    p.stay(1, 2, "PA2", principal="Z5111")
    p.stay(5, 9)
    p.expect(outcome=1, visits=2)
    p = ward.patient("planned_with_ed_line", "outcome.ed_on_planned_stay", "an ED line on a planned stay belongs to it")
    p.surgery()
    p.stay(2, 5, "PA3", principal="M1711", procedures=(KNEE,), ed_line=True)
    p.expect(outcome=0, visits=1, planned_rule="PA3")


def _two_procedures(ward: Ward) -> None:
    """Plant two procedures within the window, where the measure keeps both."""
    if ward.exclusion("followed_by_procedure"):
        return
    p = ward.patient("visit_between_procedures", COUNTS, "a visit before the second procedure belongs to the first")
    p.surgery()
    p.surgery(day=4)
    p.ed(2)
    p.expect(outcome=1, visits=1)
    p.expect(day=4, outcome=0, visits=0)
    p = ward.patient("visit_after_both_procedures", COUNTS, "a visit after the second procedure belongs to the second")
    p.surgery()
    p.surgery(day=4, facility=1)
    p.ed(6)
    p.expect(outcome=0, visits=1)
    p.expect(day=4, facility=1, outcome=1, visits=1)
    p = ward.patient(
        "visit_on_second_procedure_day",
        COUNTS,
        "a visit on the day of the second procedure belongs to the second",
    )
    p.surgery()
    p.surgery(day=4)
    p.ed(4)
    p.expect(outcome=0, visits=1)
    p.expect(day=4, outcome=1, visits=1)
