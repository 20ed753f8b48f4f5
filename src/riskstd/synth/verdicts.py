"""Verdicts on planned care: exclusions, hospital visits in the window, outcomes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from riskstd.spec.clauses import (
    AgeBelow,
    ConcurrentCode,
    DiagnosisPresent,
    Exclusion,
    FacilityUnknown,
    FollowedByProcedure,
    NotEnrolledAfter,
    NotEnrolledBefore,
    OutsidePeriod,
    PersonUnknown,
)
from riskstd.synth.codebook import YEARS, CodeBook
from riskstd.synth.facts import Facts
from riskstd.synth.plan import (
    MONTHS,
    NO_DAY,
    NONE,
    VISIT_TYPES,
    People,
    kept,
    marked,
    month_of,
    numbered,
    year_of,
)

PLANNED_RULES = ("PA1", "PA2", "PA3")
INPATIENT = VISIT_TYPES.index("inpatient")

# ---- exclusions -----------------------------------------------------------------------------


def excluded_by(book: CodeBook, facts: Facts, candidates: pd.DataFrame) -> np.ndarray:
    """Return for each candidate the first exclusion that hits, None if none does."""
    reason = np.full(len(candidates), None, dtype=object)
    for clause in book.measure.exclusions:
        hits = _hits(clause, book, facts, candidates)
        reason = np.where((reason == None) & hits, clause.id, reason)  # noqa: E711
    return reason


def _hits(clause: Exclusion, book: CodeBook, facts: Facts, candidates: pd.DataFrame) -> np.ndarray:
    person, day = candidates["person"].to_numpy(), candidates["day"].to_numpy()
    people = facts.people
    match clause:
        case OutsidePeriod():
            return np.zeros(len(candidates), dtype=bool)
        case FacilityUnknown():
            return candidates["facility"].to_numpy() == NONE
        case PersonUnknown():
            return ~people.has_record[person] | (people.birth[person] == NO_DAY)
        case AgeBelow():
            return candidates["age_years"].to_numpy() < clause.age_years
        case NotEnrolledBefore():
            index_month = month_of(day)
            lacking = ~_enrolled(people, book, clause)
            return _any_month(lacking, person, index_month - clause.months, index_month)
        case NotEnrolledAfter():
            died = (people.death[person] != NO_DAY) & (people.death[person] <= day + clause.last_day)
            lacking = ~_enrolled(people, book, clause)
            return ~died & _any_month(lacking, person, month_of(day), month_of(day + clause.last_day))
        case ConcurrentCode():
            return same_day_code(book, facts, candidates, clause.table, clause.role)
        case DiagnosisPresent():
            return _diagnosis_present(clause, book, facts, candidates)
        case FollowedByProcedure():
            rows = numbered(candidates, ["person", "day"])
            pairs = rows.merge(rows, on="person", suffixes=("", "_other"))
            later = (pairs["day_other"] - pairs["day"]).between(1, clause.within_days)
            return marked(len(candidates), pairs["row"][later])
        case _:
            raise NotImplementedError(f"no bookkeeping for exclusion rule {clause.rule!r}")


def _enrolled(people: People, book: CodeBook, clause: NotEnrolledBefore | NotEnrolledAfter) -> np.ndarray:
    """Return person-months in Parts A and B, fee for service."""
    number = book.vocabulary
    buy_in = np.isin(people.buy_in, [number(code) for code in clause.buy_in])
    hmo = np.isin(people.hmo, [number(code) for code in clause.hmo])
    return buy_in & hmo & people.has_record[:, None]


def _any_month(flag: np.ndarray, person: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Tell whether a month from first to last is flagged; months outside the files are."""
    outside = (first < 0) | (last >= MONTHS)
    sums = np.zeros((flag.shape[0], MONTHS + 1), dtype=np.int32)
    np.cumsum(flag, axis=1, out=sums[:, 1:])
    low, high = np.clip(first, 0, MONTHS), np.clip(last + 1, 0, MONTHS)
    return outside | (sums[person, high] > sums[person, low])


def same_day_code(book: CodeBook, facts: Facts, candidates: pd.DataFrame, table: str, role: str) -> np.ndarray:
    """Tell which candidates have a listed code on a facility line of the person and day."""
    lines = facts.asc_lines
    year, code = year_of(lines["day"].to_numpy()), lines["code"].to_numpy()
    listed = np.zeros(len(lines), dtype=bool)
    for service_year in YEARS:
        listed |= (year == service_year) & (code >= 0) & book.in_list(table, role, year=service_year)[code]
    return np.isin(_person_day(candidates), _person_day(kept(lines, listed)))


def _person_day(frame: pd.DataFrame) -> np.ndarray:
    # Days have five digits, so one integer holds both.
    return frame["person"].to_numpy().astype(np.int64) * 100_000 + frame["day"].to_numpy()


def _diagnosis_present(clause: DiagnosisPresent, book: CodeBook, facts: Facts, candidates: pd.DataFrame) -> np.ndarray:
    listed = book.excluding(clause)
    rows = numbered(candidates, ["person", "day"])
    events = kept(facts.diagnoses, listed[facts.diagnoses["code"].to_numpy()])
    pairs = rows.merge(events, on="person", suffixes=("", "_event"))
    before = pairs["day"] - pairs["day_event"]
    hit = marked(len(rows), pairs["row"][before.between(0 if clause.index_day else 1, clause.history_days)])
    if not clause.visit_in_window:
        return hit
    with_diagnosis = kept(facts.visit_diagnoses, listed[facts.visit_diagnoses["code"].to_numpy()])
    visits = kept(facts.visits, np.isin(facts.visits["visit"].to_numpy(), with_diagnosis["visit"].to_numpy()))
    pairs = rows.merge(numbered(visits, ["person", "start"], row="visit_row"), on="person")
    return hit | marked(len(rows), pairs["row"][(pairs["start"] - pairs["day"]).between(*book.measure.window)])


# ---- outcome --------------------------------------------------------------------------------


def visits_of(book: CodeBook, facts: Facts, index: pd.DataFrame) -> pd.DataFrame:
    """Return the hospital visits in the window of every index procedure, with what counts."""
    pairs = numbered(index, ["person", "day"]).merge(facts.visits, on="person")
    pairs = pairs.sort_values(by=["row", "start", "type", "visit"], ignore_index=True)
    pairs["days_after"] = pairs["start"] - pairs["day"]
    pairs = kept(pairs, pairs["days_after"].between(*book.measure.window))
    planned = np.isin(pairs["rule"].to_numpy(), book.vocabulary.many(PLANNED_RULES))
    inside = pairs["professional"].to_numpy() & _within_admission(pairs, facts.visits)
    reason = np.where(_belongs_to_later(pairs, index), "belongs_to_later_procedure", "")
    reason = np.where(inside, "part_of_admission", reason)
    reason = np.where(planned, "planned", reason)
    return pairs.assign(planned=planned, not_counted_because=reason, counted=reason == "")


def _within_admission(pairs: pd.DataFrame, visits: pd.DataFrame) -> np.ndarray:
    """Tell which visits start on a day of an inpatient stay that is a visit."""
    stays = numbered(kept(visits, visits["type"] == INPATIENT), ["person", "start", "end"], row="stay")
    both = numbered(pairs, ["person", "start"]).merge(stays, on="person", suffixes=("", "_stay"))
    hit = (both["start"] >= both["start_stay"]) & (both["start"] <= both["end"])
    return marked(len(pairs), both["row"][hit])


def _belongs_to_later(pairs: pd.DataFrame, index: pd.DataFrame) -> np.ndarray:
    """Tell which visits start on or after a later index procedure of the person."""
    procedures = numbered(index, ["person", "day"], row="procedure")
    both = numbered(pairs, ["person", "day", "start"]).merge(procedures, on="person", suffixes=("", "_other"))
    hit = (both["day_other"] > both["day"]) & (both["day_other"] <= both["start"])
    return marked(len(pairs), both["row"][hit])


def outcomes_of(index: pd.DataFrame, visits: pd.DataFrame) -> np.ndarray:
    """Return 1 for every index procedure with a visit that counts, else 0."""
    return marked(len(index), visits["row"][visits["counted"]]).astype(np.int32)
