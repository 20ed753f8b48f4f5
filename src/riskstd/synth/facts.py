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


def facts_of(
    plan: Plan, people: People, of_interest: np.ndarray | None = None, relevant: np.ndarray | None = None
) -> Facts:
    """Collect the facts from a plan.

    Parameters
    ----------
    plan, people
        What was planned, and for whom.
    of_interest : ndarray of bool, optional
        People whose facts are wanted; everybody if left out.
    relevant : ndarray of bool, optional
        Texts that matter as a diagnosis; all if left out.
    """
    wanted = np.ones(len(people), dtype=bool) if of_interest is None else of_interest
    person_of = _person_of_claim(plan, plan.frame("carrier", "claims"), wanted)
    lines = plan.frame("carrier", "lines")
    asc = kept(lines, lines["asc"].to_numpy() & ~lines["denied"].to_numpy())
    asc = kept(asc, person_of[asc["claim"].to_numpy()] >= 0)
    asc_lines = pd.DataFrame(
        {
            "person": person_of[asc["claim"].to_numpy()],
            "day": asc["first"].to_numpy(),
            "facility": asc["facility"].to_numpy(),
            "code": asc["hcpcs"].to_numpy(),
        }
    ).drop_duplicates()
    by_claim = claim_diagnoses(plan, wanted, relevant)
    visits = plan.frame("visits", "claims")
    visits = kept(visits, wanted[visits["person"].to_numpy()])
    of_visit = plan.frame("visits", "lines")
    of_visit = of_visit.merge(kept(by_claim, np.isin(by_claim["claim"].to_numpy(), of_visit["claim"])), on="claim")
    visit_diagnoses = numbered(of_visit, ["visit", "code"]).drop(columns="row").drop_duplicates(ignore_index=True)
    return Facts(people, asc_lines.reset_index(drop=True), _distinct(by_claim), visits, visit_diagnoses)


def _person_of_claim(plan: Plan, claims: pd.DataFrame, wanted: np.ndarray) -> np.ndarray:
    """Return the person of every claim number, `NONE` for other claims and people not wanted."""
    person_of = np.full(plan.claims_planned, NONE, dtype=np.int64)
    person = claims["person"].to_numpy()
    person_of[claims["claim"].to_numpy()] = np.where(wanted[person], person, NONE)
    return person_of


def _distinct(diagnoses: pd.DataFrame) -> pd.DataFrame:
    """Return each person, day and code once, in the order of the three."""
    # 2^17 days reach the year 2328; codes are numbers of a vocabulary of fewer than 2^22 texts.
    person, day, code = (diagnoses[name].to_numpy().astype(np.int64) for name in ("person", "day", "code"))
    key = np.sort((person << 39) | (day << 22) | code)
    key = key[np.diff(key, prepend=-1) > 0]
    return pd.DataFrame({"person": key >> 39, "day": (key >> 22) & (2**17 - 1), "code": key & (2**22 - 1)})


def claim_diagnoses(plan: Plan, wanted: np.ndarray, relevant: np.ndarray | None = None) -> pd.DataFrame:
    """Return claim, person, service day and code of every ICD-10 diagnosis that stands, of people wanted."""
    counts = ~plan.vocabulary.is_icd9()
    if relevant is not None:
        counts &= relevant
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    person_of = np.full(plan.claims_planned, NONE, dtype=np.int64)
    for kind in ("carrier", "outpatient", "inpatient"):
        claims = plan.frame(kind, "claims")
        claims = kept(claims, ~claims["void"])
        day = claims["last"].to_numpy()
        if kind == "inpatient":
            discharge = claims["discharge"].to_numpy()
            day = np.where(discharge == NO_DAY, day, discharge)
        own = _person_of_claim(plan, claims, wanted)
        day_of_claim = np.zeros(plan.claims_planned, dtype=np.int64)
        day_of_claim[claims["claim"].to_numpy()] = day
        slots = plan.frame(kind, "diagnoses")
        found = [(frame["claim"].to_numpy(), frame[name].to_numpy())
                 for frame, name in ((claims, "principal"), (slots, "code"))]  # fmt: skip
        parts += [(claim, day_of_claim[claim], code) for claim, code in found]
        if kind == "carrier":
            lines = plan.frame(kind, "lines")
            lines = kept(lines, ~lines["denied"])
            parts.append((lines["claim"].to_numpy(), lines["last"].to_numpy(), lines["diagnosis"].to_numpy()))
        person_of = np.maximum(person_of, own)
    rows = []
    for claim, day, code in parts:
        keep = (code >= 0) & (person_of[claim] >= 0)
        keep[keep] = counts[code[keep]]
        rows.append((claim[keep], day[keep], code[keep]))
    claim, day, code = (np.concatenate(column) for column in zip(*rows, strict=True))
    return pd.DataFrame({"claim": claim, "person": person_of[claim], "day": day, "code": code})


def candidates_of(book: CodeBook, facts: Facts) -> pd.DataFrame:
    """Return candidates: one row per person, day and facility with a qualifying code."""
    lines = facts.asc_lines
    year = year_of(lines["day"].to_numpy())
    number = lines["code"].to_numpy()
    texts = book.vocabulary.texts
    qualifies = np.zeros(len(lines), dtype=bool)
    for service_year in YEARS:
        qualifies |= (year == service_year) & (number >= 0) & book.listed_in(service_year)[number]
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
