"""Sentences on what the claims cannot tell or lacked, for reports and manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riskstd.claims import Claims

_WORDS = {
    "people_in_claims_without_a_record": "{n:,} people in the claims have no beneficiary record.",
    "people_without_birth_date": "{n:,} beneficiary records have no birth date.",
    "people_who_died_before_birth": "{n:,} beneficiary records have a death date before the birth date.",
    "person_months_with_blank_managed_care_flag": (
        "{n:,} person-months have a blank managed-care flag; a blank counts as fee for service (option blank_hmo)."
    ),
    "person_years_with_two_records": "{n:,} person-years have two beneficiary records; the higher codes are used.",
    "claims_with_two_different_base_rows": (
        "{n:,} claims have base rows that differ; the first in order of their cells stands."
    ),
    "claims_without_lines": "{n:,} claims have no lines; their diagnoses count, and they show no visit or procedure.",
    "enrolment_spans_without_end": "{n:,} enrolment spans have no end; they run to the latest end in the file.",
    "enrolment_spans_of_other_payers": "{n:,} enrolment spans are of other payers than medicare and do not count.",
    "outpatient_lines_without_bill_type": "{n:,} hospital outpatient lines have no bill type and show no visit.",
    "icd9_diagnoses": "{n:,} diagnoses are ICD-9; they have no condition category.",
    "inpatient_claims_without_principal_diagnosis": "{n:,} inpatient claims have no principal diagnosis.",
    "professional_lines_without_any_npi": "{n:,} professional lines carry no NPI at all.",
    "lines_with_same_number_and_other_content": (
        "{n:,} professional claim lines share claim and number with a line of other content; all are kept."
    ),
}


def claims_notes(claims: Claims) -> list[str]:
    """Return a sentence for every thing counted in the claims that a reader should know.

    Examples
    --------
    >>> from riskstd.claims import Claims
    >>> claims_notes(Claims.from_frames({}))
    []
    """
    counts = claims.counts.get("notes", {})
    notes = [text.format(n=counts[name]) for name, text in _WORDS.items() if counts.get(name)]
    for table, reasons in claims.counts.get("set_aside", {}).items():
        if reasons:
            parts = ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in reasons.items())
            notes.append(f"Set aside of {table.replace('_', ' ')} when reading: {parts}.")
    unreadable = claims.counts.get("unreadable_dates", {})
    if unreadable:
        notes.append(f"{sum(unreadable.values()):,} date cells could not be read and count as blank.")
    if claims.counts.get("lines_of_other_settings"):
        notes.append(f"{claims.counts['lines_of_other_settings']:,} claim lines belong to settings no measure uses.")
    if claims.absent:
        notes.append(f"The layout has no column for: {', '.join(sorted(claims.absent))}.")
    return notes
