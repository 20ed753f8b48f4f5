"""Facts: planned care in the terms of the rules, and the candidates in it.

The generator keeps its own books under the rules of docs/measure-logic.md. They rest on what was planned
(visits with their rule, diagnoses with their day), never on claims as a reader would see them, and share
no code with the engine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from riskstd.synth.codebook import YEARS, CodeBook
from riskstd.synth.plan import NO_DAY, NONE, People, Plan, kept, numbered, year_of

KEY = ["person", "day", "facility"]


@dataclass(frozen=True)
class Facts:
    """Planned care in the terms of the rules, all frames with a `person` column.

    Attributes
    ----------
    people : People
    asc_lines : DataFrame
        `person, day, facility, code`: ASC facility lines that stand.
    diagnoses : DataFrame
        `person, day, code`: ICD-10 diagnoses that stand, by service date.
    visits : DataFrame
        `visit, person, type, start, end, rule, principal, ccn, professional`.
    visit_diagnoses : DataFrame
        `visit, code`: ICD-10 diagnoses on the claims of visits.
    """

    people: People
    asc_lines: pd.DataFrame
    diagnoses: pd.DataFrame
    visits: pd.DataFrame
    visit_diagnoses: pd.DataFrame


def facts_of(plan: Plan, people: People) -> Facts:
    """Collect the facts from a plan."""
    carrier = plan.frame("carrier", "claims")
    lines = plan.frame("carrier", "lines")
    person_of = np.full(plan.claims_planned, NONE, dtype=np.int64)
    person_of[carrier["claim"].to_numpy()] = carrier["person"].to_numpy()
    asc = kept(lines, lines["asc"] & ~lines["denied"])
    asc_lines = pd.DataFrame(
        {
            "person": person_of[asc["claim"].to_numpy()],
            "day": asc["first"].to_numpy(),
            "facility": asc["facility"].to_numpy(),
            "code": asc["hcpcs"].to_numpy(),
        }
    ).drop_duplicates()
    by_claim = claim_diagnoses(plan)
    diagnoses = numbered(by_claim, ["person", "day", "code"]).drop(columns="row").drop_duplicates(ignore_index=True)
    of_visit = plan.frame("visits", "lines").merge(by_claim, on="claim")
    visit_diagnoses = numbered(of_visit, ["visit", "code"]).drop(columns="row").drop_duplicates(ignore_index=True)
    return Facts(people, asc_lines.reset_index(drop=True), diagnoses, plan.frame("visits", "claims"), visit_diagnoses)


def claim_diagnoses(plan: Plan) -> pd.DataFrame:
    """Return claim, person, service day and code of every ICD-10 diagnosis that stands."""
    parts = []
    for kind in ("carrier", "outpatient", "inpatient"):
        claims = plan.frame(kind, "claims")
        claims = kept(claims, ~claims["void"])
        day = claims["last"].to_numpy()
        if kind == "inpatient":
            discharge = claims["discharge"].to_numpy()
            day = np.where(discharge == NO_DAY, day, discharge)
        own = pd.DataFrame({"claim": claims["claim"], "person": claims["person"], "day": day})
        parts.append(own.assign(code=claims["principal"]))
        parts.append(own.merge(plan.frame(kind, "diagnoses").drop(columns="slot"), on="claim"))
        if kind == "carrier":
            lines = plan.frame(kind, "lines")
            lines = kept(lines, ~lines["denied"])
            codes = pd.DataFrame({"claim": lines["claim"], "day": lines["last"], "code": lines["diagnosis"]})
            parts.append(codes.merge(own.drop(columns="day"), on="claim"))
    found = pd.concat(parts, ignore_index=True)
    found = kept(found, found["code"] >= 0)
    return kept(found, ~plan.vocabulary.is_icd9()[found["code"].to_numpy()])


def candidates_of(book: CodeBook, facts: Facts) -> pd.DataFrame:
    """Return candidates: one row per person, day and facility with a qualifying code."""
    lines = facts.asc_lines
    year = year_of(lines["day"].to_numpy())
    number = lines["code"].to_numpy()
    texts = book.vocabulary.texts
    qualifies = np.zeros(len(lines), dtype=bool)
    for service_year in YEARS:
        codes = book.qualifying(service_year)
        listed = np.array([text in codes for text in texts], dtype=bool)
        qualifies |= (year == service_year) & (number >= 0) & listed[number]
    found = kept(lines, qualifies)
    text = [texts[code] for code in found["code"]]
    pairs = list(zip(text, year[qualifies].tolist(), strict=True))
    rvu = {pair: book.work_rvu(*pair) for pair in set(pairs)}
    found = found.assign(text=text, rvu=np.array([rvu[pair] for pair in pairs], dtype=float))
    found = found.sort_values(by=[*KEY, "text"], ignore_index=True)
    best = found.sort_values(by=[*KEY, "rvu", "text"], ascending=[True, True, True, False, True])
    rows = best.groupby(KEY, sort=True).agg(
        index_code=("code", "first"), work_rvu=("rvu", "first"), qualifying_procedures=("code", "size")
    )
    ends = np.cumsum(rows["qualifying_procedures"].to_numpy())
    ordered = found["text"].tolist()
    starts = ends - rows["qualifying_procedures"].to_numpy()
    codes = [" ".join(ordered[first:last]) for first, last in zip(starts, ends, strict=True)]
    rows = rows.assign(codes=codes).reset_index()
    rows["age_years"] = ages(facts.people.birth[rows["person"].to_numpy()], rows["day"].to_numpy())
    return rows


def ages(birth: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Return full years of age; -1 without a birth date."""
    known = birth != NO_DAY
    born = np.where(known, birth, 0).astype("datetime64[D]")
    now = day.astype("datetime64[D]")
    years = year_of(day) - year_of(born.astype(np.int64))
    return np.where(known, years - (_month_day(now) < _month_day(born)), -1)


def _month_day(days: np.ndarray) -> np.ndarray:
    months = days.astype("datetime64[M]")
    return (months.astype(np.int64) % 12) * 32 + (days - months.astype("datetime64[D]")).astype(np.int64)
