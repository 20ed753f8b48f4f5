"""The generator's own bookkeeping: verdicts on planned care under the rules of docs/measure-logic.md.

It reads what was planned (visits with their rule, diagnoses with their day), never claims
as a reader would see them, and shares no code with the engine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from riskstd.spec.clauses import (
    AgeBands,
    AgeBelow,
    ConcurrentCode,
    DiagnosisPresent,
    Exclusion,
    FacilityUnknown,
    FollowedByProcedure,
    Interaction,
    NotEnrolledAfter,
    NotEnrolledBefore,
    OutsidePeriod,
    PersonUnknown,
    ProcedureCount,
    ProcedureType,
    SameDayCode,
    WorkRvu,
    YearsOver,
)
from riskstd.spec.definition import columns_of
from riskstd.synth.codebook import YEARS, CodeBook
from riskstd.synth.plan import MONTHS, NO_DAY, NONE, People, Plan, month_of, year_of

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
    person_of = carrier.set_index("claim")["person"]
    asc = lines[lines["asc"] & ~lines["denied"]]
    asc_lines = pd.DataFrame(
        {
            "person": person_of.loc[asc["claim"]].to_numpy(),
            "day": asc["first"].to_numpy(),
            "facility": asc["facility"].to_numpy(),
            "code": asc["hcpcs"].to_numpy(),
        }
    ).drop_duplicates()
    by_claim = claim_diagnoses(plan)
    diagnoses = by_claim[["person", "day", "code"]].drop_duplicates()
    visit_claims = plan.frame("visits", "lines")
    visit_diagnoses = visit_claims.merge(by_claim[["claim", "code"]], on="claim")[["visit", "code"]]
    return Facts(
        people,
        asc_lines.reset_index(drop=True),
        diagnoses.reset_index(drop=True),
        plan.frame("visits", "claims"),
        visit_diagnoses.drop_duplicates().reset_index(drop=True),
    )


def claim_diagnoses(plan: Plan) -> pd.DataFrame:
    """Return claim, person, service day and code of every ICD-10 diagnosis that stands."""
    parts = []
    for kind in ("carrier", "outpatient", "inpatient"):
        claims = plan.frame(kind, "claims")
        claims = claims[~claims["void"]].copy()
        claims["day"] = claims["last"]
        if kind == "inpatient":
            claims["day"] = claims["discharge"].where(claims["discharge"] != NO_DAY, claims["last"])
        slots = plan.frame(kind, "diagnoses").merge(claims[["claim", "person", "day"]], on="claim")
        principal = claims[["claim", "person", "day", "principal"]].rename(columns={"principal": "code"})
        parts += [slots[["claim", "person", "day", "code"]], principal]
        if kind == "carrier":
            lines = plan.frame(kind, "lines")
            lines = lines[~lines["denied"]].merge(claims[["claim", "person"]], on="claim")
            own = lines[["claim", "person", "last", "diagnosis"]]
            parts.append(own.rename(columns={"last": "day", "diagnosis": "code"}))
    found = pd.concat(parts, ignore_index=True)
    found = found[found["code"] >= 0]
    return found[~plan.vocabulary.is_icd9()[found["code"].to_numpy()]]


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
    found = lines[qualifies].copy()
    found["text"] = np.array(texts, dtype=object)[found["code"].to_numpy()] if len(found) else ""
    pairs = sorted(set(zip(found["text"], year[qualifies].tolist(), strict=True)))
    rvu = {pair: book.work_rvu(*pair) for pair in pairs}
    found["rvu"] = [rvu[pair] for pair in zip(found["text"], year[qualifies].tolist(), strict=True)]
    found["rvu"] = found["rvu"].astype(float)
    found = found.sort_values([*KEY, "rvu", "text"], ascending=[True, True, True, False, True])
    grouped = found.groupby(KEY, sort=True)
    rows = grouped.agg(
        index_code=("code", "first"), work_rvu=("rvu", "first"), qualifying_procedures=("code", "size")
    )
    in_code_order = found.sort_values([*KEY, "text"]).groupby(KEY, sort=True)
    rows["codes"] = in_code_order["text"].agg(" ".join)
    rows = rows.reset_index()
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
            return _same_day_code(book, facts, candidates, clause.table, clause.role)
        case DiagnosisPresent():
            return _diagnosis_present(clause, book, facts, candidates)
        case FollowedByProcedure():
            pairs = (
                candidates[["person", "day"]]
                .reset_index(names="row")
                .merge(candidates[["person", "day"]], on="person", suffixes=("", "_other"))
            )
            later = (pairs["day_other"] - pairs["day"]).between(1, clause.within_days)
            return np.isin(np.arange(len(candidates)), pairs.loc[later, "row"])
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


def _same_day_code(
    book: CodeBook, facts: Facts, candidates: pd.DataFrame, table: str, role: str
) -> np.ndarray:
    lines = facts.asc_lines
    year = year_of(lines["day"].to_numpy())
    listed = np.zeros(len(lines), dtype=bool)
    code = lines["code"].to_numpy()
    for service_year in YEARS:
        listed |= (year == service_year) & (code >= 0) & book.in_list(table, role, year=service_year)[code]
    days = lines.loc[listed, ["person", "day"]].drop_duplicates()
    return _has_pair(candidates, days)


def _has_pair(candidates: pd.DataFrame, days: pd.DataFrame) -> np.ndarray:
    # Days and persons are small numbers, so one integer tells both.
    left = candidates["person"].to_numpy().astype(np.int64) * 100_000 + candidates["day"].to_numpy()
    right = days["person"].to_numpy().astype(np.int64) * 100_000 + days["day"].to_numpy()
    return np.isin(left, right)


def _diagnosis_present(
    clause: DiagnosisPresent, book: CodeBook, facts: Facts, candidates: pd.DataFrame
) -> np.ndarray:
    listed = book.excluding(clause)
    events = facts.diagnoses[listed[facts.diagnoses["code"].to_numpy()]]
    rows = candidates[["person", "day"]].reset_index(names="row")
    pairs = rows.merge(events, on="person", suffixes=("", "_event"))
    before = pairs["day"] - pairs["day_event"]
    hit = set(pairs.loc[before.between(0 if clause.index_day else 1, clause.history_days), "row"])
    if clause.visit_in_window:
        bad = facts.visit_diagnoses.loc[listed[facts.visit_diagnoses["code"].to_numpy()], "visit"]
        visits = facts.visits[facts.visits["visit"].isin(set(bad))]
        pairs = rows.merge(visits[["person", "start"]], on="person")
        first, last = book.measure.window
        hit |= set(pairs.loc[(pairs["start"] - pairs["day"]).between(first, last), "row"])
    return np.isin(np.arange(len(candidates)), list(hit))


# ---- outcome --------------------------------------------------------------------------------


def visits_of(book: CodeBook, facts: Facts, index: pd.DataFrame) -> pd.DataFrame:
    """Return the hospital visits in the window of every index procedure, with what counts."""
    first, last = book.measure.window
    rows = index[["person", "day"]].reset_index(names="row")
    pairs = rows.merge(facts.visits, on="person").sort_values(
        ["row", "start", "type", "visit"], ignore_index=True
    )
    pairs["days_after"] = pairs["start"] - pairs["day"]
    pairs = pairs[pairs["days_after"].between(first, last)].reset_index(drop=True)
    planned_rules = [book.vocabulary(rule) for rule in ("PA1", "PA2", "PA3")]
    pairs["planned"] = pairs["rule"].isin(planned_rules)
    inside = pairs["professional"].to_numpy() & _within_admission(pairs, facts.visits)
    later = _belongs_to_later(pairs, index)
    reason = np.where(inside, "part_of_admission", np.where(later, "belongs_to_later_procedure", ""))
    pairs["not_counted_because"] = np.where(pairs["planned"], "planned", reason)
    pairs["counted"] = pairs["not_counted_because"] == ""
    return pairs


def _within_admission(pairs: pd.DataFrame, visits: pd.DataFrame) -> np.ndarray:
    stays = visits.loc[visits["type"] == 2, ["person", "start", "end"]]
    own = pairs.reset_index(names="pair")[["pair", "person", "start"]].merge(
        stays, on="person", suffixes=("", "_stay")
    )
    hit = own.loc[(own["start"] >= own["start_stay"]) & (own["start"] <= own["end"]), "pair"]
    return np.isin(np.arange(len(pairs)), hit)


def _belongs_to_later(pairs: pd.DataFrame, index: pd.DataFrame) -> np.ndarray:
    own = pairs.reset_index(names="pair")[["pair", "person", "day", "start"]].merge(
        index[["person", "day"]], on="person", suffixes=("", "_other")
    )
    hit = own.loc[(own["day_other"] > own["day"]) & (own["day_other"] <= own["start"]), "pair"]
    return np.isin(np.arange(len(pairs)), hit)


def outcomes_of(index: pd.DataFrame, visits: pd.DataFrame) -> np.ndarray:
    """Return 1 for every index procedure with a visit that counts, else 0."""
    return np.isin(np.arange(len(index)), visits.loc[visits["counted"], "row"]).astype(np.int32)


# ---- risk factors ---------------------------------------------------------------------------


def risk_factors(book: CodeBook, facts: Facts, candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the risk-factor columns of every candidate, in the order of the definition."""
    columns = _condition_columns(book, facts, candidates)
    groups: dict[str, list[str]] = {}
    age = candidates["age_years"].to_numpy()
    for factor in book.measure.factors:
        names = columns_of(factor)
        groups[factor.name] = names
        match factor:
            case AgeBands():
                columns.update(_classes(age, factor.lower_bounds, names))
            case YearsOver():
                columns[names[0]] = age - factor.start_years
            case SameDayCode():
                columns[names[0]] = _same_day_code(book, facts, candidates, factor.table, factor.role).astype(
                    int
                )
            case WorkRvu():
                columns[names[0]] = candidates["work_rvu"].to_numpy()
            case ProcedureCount():
                columns.update(
                    _classes(candidates["qualifying_procedures"].to_numpy(), factor.lower_bounds, names)
                )
            case ProcedureType():
                kinds = _types(book, factor, candidates)
                others = [kind for kind in factor.types if kind != factor.reference]
                columns.update({n: (kinds == k).astype(int) for n, k in zip(names, others, strict=True)})
            case Interaction():
                one, other = factor.factors
                for a in groups[one]:
                    columns.update({f"{a}_x_{b}": columns[a] * columns[b] for b in groups[other]})
            case _:
                pass
    return pd.DataFrame({name: columns[name] for name in book.measure.factor_columns})


def _classes(values: np.ndarray, lower_bounds: tuple[int, ...], names: list[str]) -> dict[str, np.ndarray]:
    position = np.searchsorted(lower_bounds, values, side="right") - 1
    return {name: (position == i).astype(int) for i, name in enumerate(names, start=1)}


def _types(book: CodeBook, factor: ProcedureType, candidates: pd.DataFrame) -> np.ndarray:
    year = year_of(candidates["day"].to_numpy()).tolist()
    pairs = list(zip(candidates["index_code"].tolist(), year, strict=True))
    known = {p: book.type_of(factor, book.vocabulary.texts[p[0]], p[1]) for p in set(pairs)}
    return np.array([known[pair] for pair in pairs], dtype=object)


def _condition_columns(book: CodeBook, facts: Facts, candidates: pd.DataFrame) -> dict[str, np.ndarray]:
    history, index_day = book.diagnosis_flags(index_day=False), book.diagnosis_flags(index_day=True)
    relevant = (history | index_day).any(axis=1)
    rows = candidates[["person", "day"]].reset_index(names="row")
    events = facts.diagnoses[relevant[facts.diagnoses["code"].to_numpy()]]
    pairs = rows.merge(events, on="person", suffixes=("", "_event"))
    before = (pairs["day"] - pairs["day_event"]).to_numpy()
    row, code = pairs["row"].to_numpy(), pairs["code"].to_numpy()
    past = (before >= 1) & (before <= book.measure.definition.risk.history_days)
    today = (before == 0) & book.measure.definition.risk.index_day
    columns = {}
    for position, factor in enumerate(book.condition_factors):
        flag = np.zeros(len(candidates), dtype=int)
        flag[row[(past & history[code, position]) | (today & index_day[code, position])]] = 1
        columns[factor.name] = flag
    return columns
