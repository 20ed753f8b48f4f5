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
from riskstd.synth.plan import NO_DAY, NONE, People, Plan, kept, marked, numbered, year_of

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
    person_of = _person_of_claim(plan, plan.columns("carrier", "claims", "claim", "person"), wanted)
    lines = plan.columns("carrier", "lines", "claim", "first", "facility", "hcpcs", "asc", "denied")
    at = np.flatnonzero(lines["asc"] & ~lines["denied"])
    at = at[person_of[lines["claim"][at]] >= 0]
    asc_lines = pd.DataFrame(
        {
            "person": person_of[lines["claim"][at]],
            "day": lines["first"][at],
            "facility": lines["facility"][at],
            "code": lines["hcpcs"][at],
        }
    ).drop_duplicates()
    by_claim = claim_diagnoses(plan, wanted, relevant)
    visits = plan.frame("visits", "claims")
    visits = kept(visits, wanted[visits["person"].to_numpy()])
    of_visit = plan.frame("visits", "lines")
    in_visit = marked(plan.claims_planned, of_visit["claim"])
    of_visit = of_visit.merge(kept(by_claim, in_visit[by_claim["claim"].to_numpy()]), on="claim")
    visit_diagnoses = numbered(of_visit, ["visit", "code"]).drop(columns="row").drop_duplicates(ignore_index=True)
    return Facts(people, asc_lines.reset_index(drop=True), _distinct(by_claim), visits, visit_diagnoses)


def _person_of_claim(plan: Plan, claims: dict[str, np.ndarray], wanted: np.ndarray) -> np.ndarray:
    """Return the person of every claim number, `NONE` for other claims and people not wanted."""
    person_of = np.full(plan.claims_planned, NONE, dtype=np.int32)
    person_of[claims["claim"]] = np.where(wanted[claims["person"]], claims["person"], NONE)
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
    counts = np.append(counts, False)  # blanks mark the last place
    person_of = np.full(plan.claims_planned, NONE, dtype=np.int32)
    day_of_claim = np.zeros(plan.claims_planned, dtype=np.int32)
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for kind in ("carrier", "outpatient", "inpatient"):
        claims = _standing(plan, kind)
        person_of = np.maximum(person_of, _person_of_claim(plan, claims, wanted))
        day_of_claim[claims["claim"]] = claims["day"]
        slots = plan.columns(kind, "diagnoses", "claim", "code")
        for claim, code in ((claims["claim"], claims["principal"]), (slots["claim"], slots["code"])):
            at = np.flatnonzero(counts[code] & (person_of[claim] >= 0))
            found.append((claim[at], day_of_claim[claim[at]], code[at]))
        if kind == "carrier":
            lines = plan.columns(kind, "lines", "claim", "last", "diagnosis", "denied")
            at = np.flatnonzero(counts[lines["diagnosis"]] & ~lines["denied"] & (person_of[lines["claim"]] >= 0))
            found.append((lines["claim"][at], lines["last"][at], lines["diagnosis"][at]))
    claim, day, code = (np.concatenate(column) for column in zip(*found, strict=True))
    return pd.DataFrame({"claim": claim, "person": person_of[claim], "day": day, "code": code})


def _standing(plan: Plan, kind: str) -> dict[str, np.ndarray]:
    """Return claim, person, principal diagnosis and service day of the claims that are not void."""
    names = ("claim", "person", "principal", "last", "void")
    claims = plan.columns(kind, "claims", *names, *(("discharge",) if kind == "inpatient" else ()))
    claims["day"] = claims["last"]
    if kind == "inpatient":
        claims["day"] = np.where(claims["discharge"] == NO_DAY, claims["last"], claims["discharge"])
    stands = ~claims["void"]
    return {name: values[stands] for name, values in claims.items()}


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
