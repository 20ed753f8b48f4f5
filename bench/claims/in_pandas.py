"""Cohort, outcome and risk factors in pandas, written plainly: each table read once and cut to the candidates."""

# ruff: noqa: ARG001
# Rules share one signature.
from __future__ import annotations

import time
from pathlib import Path

import lookups
import numpy as np
import pandas as pd

from riskstd.spec.clauses import (
    AgeBands,
    ConditionCategory,
    DiagnosisCode,
    Interaction,
    ProcedureCount,
    ProcedureType,
    SameDayCode,
    WorkRvu,
    YearsOver,
)
from riskstd.spec.definition import columns_of


def run(folder: Path, measures: list) -> tuple[dict[str, dict[str, pd.DataFrame]], dict[str, float]]:
    """Return the stage tables of every measure, and seconds by step."""
    start = time.perf_counter()
    tables, facility_lines = read(folder, measures)
    seconds = {"cut": time.perf_counter() - start, "cohort": 0.0, "outcome": 0.0, "risk_factors": 0.0}
    results = {}
    for measure in measures:
        times = [time.perf_counter()]
        candidates = candidates_of(facility_lines, measure, tables)
        reasons = exclusions(candidates, facility_lines, tables, measure)
        cohort = candidates[~candidates.procedure_id.isin(reasons.index)]
        times.append(time.perf_counter())
        visits = hospital_visits(cohort, tables, measure)
        outcomes = cohort[["procedure_id"]].copy()
        counted = visits.loc[visits.not_counted_because.isna(), "procedure_id"]
        outcomes["outcome"] = outcomes.procedure_id.isin(counted).astype("int32")
        times.append(time.perf_counter())
        risk = risk_factors(cohort, facility_lines, tables, measure)
        times.append(time.perf_counter())
        for name, seconds_of in zip(("cohort", "outcome", "risk_factors"), np.diff(times), strict=True):
            seconds[name] += seconds_of
        excluded = candidates.merge(reasons.rename("excluded_by"), left_on="procedure_id", right_index=True)
        results[measure.id] = {
            "cohort": cohort[lookups.COHORT],
            "excluded": excluded[[*lookups.COHORT, "excluded_by"]],
            "visits": visits[lookups.VISITS],
            "outcomes": outcomes,
            "risk_factors": risk,
        }
    return results, seconds


def read(folder: Path, measures: list) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    def table(name: str) -> pd.DataFrame:
        return pd.read_parquet(folder / f"{name}.parquet", columns=list(lookups.COLUMNS[name]))

    lines = table("professional_lines")
    facility_lines = facility_lines_of(lines, measures[0].definition.cohort.facility_line)
    codes = {
        code for m in measures for c in m.visit_codes if c.claims == "professional" for code in lookups.visit_codes(c)
    }
    tables = {"professional_lines": lines[lines.hcpcs.isin(codes)]}
    del lines
    people = np.unique(np.concatenate([qualifying_lines(facility_lines, m).person_key.to_numpy() for m in measures]))
    tables["professional_lines"] = tables["professional_lines"][tables["professional_lines"].person_key.isin(people)]
    for name in lookups.COLUMNS:
        if name not in tables:
            rows = table(name)
            tables[name] = rows[rows.person_key.isin(people)]
    return tables, facility_lines


def facility_lines_of(lines: pd.DataFrame, clause) -> pd.DataFrame:
    at_place = lines.specialty.isin(clause.specialty) & lines.place_of_service.isin(clause.place_of_service)
    found = lines[lines.type_of_service.isin(clause.type_of_service) | at_place].copy()
    facility = found[clause.facility_keys[0]]
    for key in clause.facility_keys[1:]:
        facility = facility.fillna(found[key])
    found["facility_id"] = facility
    found["line_date"] = pd.to_datetime(found.line_date)
    found["year"] = found.line_date.dt.year
    return found[[*lookups.KEY, "hcpcs", "claim_id", "year"]]


def qualifying_lines(lines: pd.DataFrame, measure) -> pd.DataFrame:
    pairs = lines[["hcpcs", "year"]].dropna().drop_duplicates().itertuples(index=False, name=None)
    codes = pd.DataFrame(lookups.qualifying(measure, list(pairs)), columns=["hcpcs", "year", "work_rvu"])
    return lines.merge(codes.astype({"work_rvu": "float64"}), on=["hcpcs", "year"])


def candidates_of(lines: pd.DataFrame, measure, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    key = lookups.KEY
    codes = qualifying_lines(lines, measure).groupby([*key, "hcpcs"], dropna=False, as_index=False)
    codes = codes.agg(work_rvu=("work_rvu", "max"), claim_id=("claim_id", "min"))
    codes = codes.sort_values([*key, "work_rvu", "hcpcs"], ascending=[True, True, True, False, True])
    day = codes.groupby(key, dropna=False)
    found = day.agg(
        index_code=("hcpcs", "first"),
        work_rvu=("work_rvu", "first"),
        qualifying_procedures=("hcpcs", "size"),
        claim_id=("claim_id", "min"),
    )
    joined = codes.sort_values([*key, "hcpcs"]).groupby(key, dropna=False).hcpcs.agg(" ".join)
    found = found.assign(codes=joined).reset_index()
    found = found.sort_values(key, na_position="first", ignore_index=True)
    found["procedure_id"] = np.arange(1, len(found) + 1)
    found = found.rename(columns={"line_date": "procedure_date"}).merge(tables["people"], how="left", on="person_key")
    birth, date = pd.to_datetime(found.birth_date), found.procedure_date
    ahead = (date.dt.month < birth.dt.month) | ((date.dt.month == birth.dt.month) & (date.dt.day < birth.dt.day))
    found["age_years"] = date.dt.year - birth.dt.year - ahead
    return found


def exclusions(candidates, lines, tables, measure) -> pd.Series:
    """Return the first reason by procedure."""
    reasons = pd.Series(dtype="str")
    for clause in measure.exclusions:
        ids = RULES[clause.rule](clause, candidates, lines, tables, measure)
        new = np.setdiff1d(ids, reasons.index.to_numpy(dtype="int64"))
        reasons = pd.concat([reasons, pd.Series(clause.id, index=new, dtype="str")])
    return reasons


def outside_period(clause, candidates, lines, tables, measure):
    return np.array([], dtype="int64")


def facility_unknown(clause, candidates, lines, tables, measure):
    return candidates.procedure_id[candidates.facility_id.isna()]


def person_unknown(clause, candidates, lines, tables, measure):
    return candidates.procedure_id[candidates.birth_date.isna()]


def age_below(clause, candidates, lines, tables, measure):
    return candidates.procedure_id[candidates.age_years < clause.age_years]


def month_of(day: pd.Series) -> pd.Series:
    return day.dt.year * 12 + day.dt.month - 1


def not_enrolled_before(clause, candidates, lines, tables, measure):
    month = month_of(candidates.procedure_date)
    return lacking_months(clause, candidates, month - clause.months, month, tables)


def not_enrolled_after(clause, candidates, lines, tables, measure):
    last = candidates.procedure_date + pd.Timedelta(days=clause.last_day)
    death = pd.to_datetime(candidates.death_date)
    alive = death.isna() | (death > last)
    rows = candidates[alive]
    return lacking_months(clause, rows, month_of(rows.procedure_date), month_of(last[alive]), tables)


def lacking_months(clause, rows, first, last, tables):
    spans = pd.DataFrame(
        {"procedure_id": rows.procedure_id, "person_key": rows.person_key, "first": first, "last": last}
    )
    months = tables["enrollment"]
    months = months[months.buy_in.isin(clause.buy_in) & months.hmo.fillna("").isin(clause.hmo)]
    joined = spans.merge(months, on="person_key")
    inside = joined[joined.month.between(joined["first"], joined["last"])]
    counts = spans.procedure_id.map(inside.groupby("procedure_id").month.nunique()).fillna(0)
    return spans.procedure_id[counts < spans["last"] - spans["first"] + 1]


def concurrent_code(clause, candidates, lines, tables, measure):
    return same_day(candidates, listed_lines(lines, clause, measure))


def listed_lines(lines, clause, measure) -> pd.DataFrame:
    pairs = lines[["hcpcs", "year"]].dropna().drop_duplicates().itertuples(index=False, name=None)
    codes = lookups.listed_codes(measure, clause.table, clause.role, list(pairs))
    return lines.merge(pd.DataFrame(codes, columns=["hcpcs", "year"]).astype({"year": "int32"}), on=["hcpcs", "year"])


def same_day(candidates, lines):
    days = lines[["person_key", "line_date"]].drop_duplicates().rename(columns={"line_date": "procedure_date"})
    return candidates.merge(days, on=["person_key", "procedure_date"]).procedure_id


def diagnosis_present(clause, candidates, lines, tables, measure):
    diagnoses = tables["diagnoses"]
    diagnoses = diagnoses[diagnoses.person_key.isin(candidates.person_key)].copy()
    diagnoses["service_date"] = pd.to_datetime(diagnoses.service_date)
    diagnoses["year"] = diagnoses.service_date.dt.year
    key = ["code", "icd_version", "year"]
    triples = diagnoses[key].drop_duplicates().itertuples(index=False, name=None)
    wanted = pd.DataFrame(lookups.listed_diagnoses(measure, clause, list(triples)), columns=key)
    listed = diagnoses.merge(wanted.astype({"icd_version": "int32", "year": "int32"}), on=key)
    rows = candidates[["procedure_id", "person_key", "procedure_date"]]
    joined = rows.merge(listed, on="person_key")
    before = (joined.procedure_date - joined.service_date).dt.days
    ids = joined.procedure_id[before.between(0 if clause.index_day else 1, clause.history_days)]
    if not clause.visit_in_window:
        return ids.unique()
    visits = find_visits(tables, measure, listed.person_key.unique())
    of_lines = visits[visits.stay_id.isna()][["person_key", "start_date", "claim_id", "route"]]
    stays = tables["inpatient_claims"][["person_key", "stay_id", "claim_id"]]
    of_stays = visits[visits.stay_id.notna()].drop(columns="claim_id").merge(stays, on=["person_key", "stay_id"])
    claims = pd.concat([of_lines, of_stays[of_lines.columns]]).rename(columns={"route": "setting"})
    with_code = claims.merge(listed[["person_key", "claim_id", "setting"]].drop_duplicates())
    joined = rows.merge(with_code, on="person_key")
    after = (joined.start_date - joined.procedure_date).dt.days
    return np.union1d(ids, joined.procedure_id[after.between(*measure.window)])


def followed_by_procedure(clause, candidates, lines, tables, measure):
    rows = candidates[["procedure_id", "person_key", "procedure_date"]]
    joined = rows.merge(rows[["person_key", "procedure_date"]], on="person_key", suffixes=("", "_later"))
    days = (joined.procedure_date_later - joined.procedure_date).dt.days
    return joined.procedure_id[days.between(1, clause.within_days)].unique()


RULES = lookups.rules(globals())


def find_visits(tables, measure, people) -> pd.DataFrame:
    parts = [line_visits(tables, clause, people) for clause in measure.visit_codes]
    return pd.concat([*parts, stay_visits(tables, measure, people)], ignore_index=True).drop_duplicates()


def line_visits(tables, clause, people) -> pd.DataFrame:
    lines = tables[f"{clause.claims}_lines"]
    lines = lines[lines.person_key.isin(people)]
    column = lines.revenue_code if clause.code_system == "revenue" else lines.hcpcs
    lines = lines[column.isin(lookups.visit_codes(clause))].copy()
    lines["line_date"] = pd.to_datetime(lines.line_date)
    if clause.valid_to is not None:
        lines = lines[lines.line_date <= pd.Timestamp(clause.valid_to)]
    if clause.bill_types and "bill_type" in lines:
        lines = lines[lines.bill_type.str[:2].isin(clause.bill_types)]
    days = lines.drop_duplicates(["person_key", "claim_id", "line_date"])
    diagnoses = tables["diagnoses"]
    principal = diagnoses[(diagnoses.role == "principal") & (diagnoses.setting == clause.claims)]
    principal = principal[principal.claim_id.isin(days.claim_id)]
    principal = principal.groupby(["person_key", "claim_id"], as_index=False).code.min()
    days = days[["person_key", "claim_id", "line_date"]].merge(principal, how="left", on=["person_key", "claim_id"])
    return days.rename(columns={"line_date": "start_date", "code": "principal_diagnosis"}).assign(
        visit_type=clause.type, route=clause.claims, stay_id=pd.array([pd.NA] * len(days), "Int64")
    )


def stay_visits(tables, measure, people) -> pd.DataFrame:
    clause = measure.definition.outcome.inpatient
    made = tables["inpatient_claims"]
    made = made[made.person_key.isin(people)]
    ccn = made.provider_ccn
    acute = ccn.str[2:3].isin(clause.ccn_third) | ccn.str[2:4].isin(clause.ccn_third_fourth)
    made = made[acute & made.bill_type.str[:2].isin(clause.bill_types)].copy()
    for name in ("admission_date", "discharge_date", "thru_date"):
        made[name] = pd.to_datetime(made[name])
    made["end"] = made.discharge_date.fillna(made.thru_date).fillna(made.admission_date)
    stay = ["person_key", "stay_id"]
    made["start_date"] = made.groupby(stay).admission_date.transform("min")
    first = made.sort_values([*stay, "admission_date", "end", "claim_id"]).drop_duplicates(stay)
    usable = made[made.principal_diagnosis.notna() & (made.principal_icd_version == 10)]
    usable = usable[usable.admission_date == usable.start_date]
    usable = usable.sort_values([*stay, "thru_date", "claim_id"], ascending=[True, True, False, True])
    principal = usable.drop_duplicates(stay)[[*stay, "principal_diagnosis"]]
    visits = first[[*stay, "start_date", "claim_id"]].merge(principal, how="left", on=stay)
    visits["stay_id"] = visits.stay_id.astype("Int64")
    return visits.assign(visit_type="inpatient", route="inpatient")


def hospital_visits(cohort, tables, measure) -> pd.DataFrame:
    rows = cohort[["procedure_id", "person_key", "procedure_date"]]
    visits = find_visits(tables, measure, rows.person_key.unique())
    near = rows.merge(visits, on="person_key")
    near = near[(near.start_date - near.procedure_date).dt.days.between(*measure.window)]
    near = with_planned(near, tables, measure)
    reason = pd.Series(pd.NA, index=near.index, dtype="str")
    reason[belongs_to_later(near, rows)] = "belongs_to_later_procedure"
    reason[inside_a_stay(near, visits, tables)] = "part_of_admission"
    reason[near.planned] = "planned"
    return near.assign(not_counted_because=reason)


def with_planned(near, tables, measure) -> pd.DataFrame:
    stay = ["person_key", "stay_id"]
    keys = near[near.stay_id.notna()][[*stay, "principal_diagnosis"]].drop_duplicates()
    claims = tables["inpatient_claims"][["person_key", "claim_id", "stay_id"]].merge(
        keys[stay].drop_duplicates(), on=stay
    )
    done = claims.merge(tables["procedures"], on=["person_key", "claim_id"])[[*stay, "code"]].drop_duplicates()
    flags = lookups.planned_procedures(measure, list(done.code.unique()))
    done["pa1"], done["pa3"] = (done.code.map(lambda code, n=n: flags[code][n]).astype(bool) for n in (0, 1))
    keys = keys.merge(done.groupby(stay, as_index=False)[["pa1", "pa3"]].any(), how="left", on=stay)
    codes = lookups.planned_diagnoses(measure, list(keys.principal_diagnosis.dropna().unique()))
    missing = keys.principal_diagnosis.isna()
    pa1, pa3 = (keys[name].fillna(False).astype(bool) for name in ("pa1", "pa3"))
    pa2, pa4 = (
        keys.principal_diagnosis.map(lambda code, n=n: codes[code][n], na_action="ignore").fillna(False).astype(bool)
        for n in (0, 1)
    )
    keys["planned"] = pa1 | pa2 | (pa3 & ~pa4 & ~missing)
    keys["planned_rule"] = np.select(
        [pa1, pa2, ~pa3, missing, pa4],
        ["PA1", "PA2", "no_planned_procedure", "missing_principal_diagnosis", "PA4"],
        "PA3",
    )
    near = near.merge(keys[[*stay, "planned", "planned_rule"]], how="left", on=stay)
    near["planned"] = near.planned.fillna(False).astype(bool)
    near["planned_rule"] = near.planned_rule.fillna("never_planned_visit_type")
    return near


def inside_a_stay(near, visits, tables) -> pd.Series:
    made = visits[visits.visit_type == "inpatient"][["person_key", "stay_id"]]
    stays = tables["stays"].merge(made, on=["person_key", "stay_id"])[
        ["person_key", "admission_date", "discharge_date"]
    ]
    rows = near[near.route == "professional"][["person_key", "start_date"]].reset_index().merge(stays, on="person_key")
    inside = rows.start_date.between(pd.to_datetime(rows.admission_date), pd.to_datetime(rows.discharge_date))
    return near.index.isin(rows["index"][inside])


def belongs_to_later(near, rows) -> pd.Series:
    later = rows[["person_key", "procedure_date"]].drop_duplicates().rename(columns={"procedure_date": "other"})
    joined = near[["person_key", "procedure_date", "start_date"]].reset_index().merge(later, on="person_key")
    hit = (joined.other > joined.procedure_date) & (joined.other <= joined.start_date)
    return near.index.isin(joined["index"][hit])


def risk_factors(cohort, lines, tables, measure) -> pd.DataFrame:
    near = near_diagnoses(cohort, tables["diagnoses"], measure)
    hits = pd.DataFrame(
        lookups.factors_of(measure, list(near.code.unique())), columns=["code", "factor", "index_day_counts"]
    )
    joined = near.merge(hits, on="code")
    found = joined[joined.in_history | joined.index_day_counts.astype(bool)]
    wide = cohort.set_index("procedure_id")
    columns: dict[str, pd.Series] = {}
    ids = {name: group.procedure_id for name, group in found.groupby("factor")}
    for factor in measure.factors:
        match factor:
            case ConditionCategory() | DiagnosisCode():
                columns[factor.name] = wide.index.isin(ids.get(factor.name, []))
            case SameDayCode():
                columns[factor.name] = wide.index.isin(same_day(cohort, listed_lines(lines, factor, measure)))
            case YearsOver():
                columns[factor.name] = wide.age_years - factor.start_years
            case WorkRvu():
                columns[factor.name] = wide.work_rvu
            case AgeBands():
                columns |= bands(wide.age_years, factor)
            case ProcedureCount():
                columns |= bands(wide.qualifying_procedures, factor)
            case ProcedureType():
                kinds = lookups.types_of(measure, factor, list(wide.index_code.unique()))
                columns |= {f"{factor.name}_{kind}": wide.index_code.isin(codes) for kind, codes in kinds.items()}
    table = pd.DataFrame(columns, index=wide.index).astype("float64")
    for factor in measure.factors:
        if isinstance(factor, Interaction):
            first, second = ({f.name: columns_of(f) for f in measure.factors}[name] for name in factor.factors)
            for a in first:
                for b in second:
                    table[f"{a}_x_{b}"] = table[a] * table[b]
    return table[measure.factor_columns].reset_index()


def bands(value, factor) -> dict[str, pd.Series]:
    lows = factor.lower_bounds[1:]
    highs = [*(low - 1 for low in lows[1:]), np.inf]
    return {name: value.between(low, high) for name, low, high in zip(columns_of(factor), lows, highs, strict=True)}


def near_diagnoses(cohort, diagnoses, measure) -> pd.DataFrame:
    risk = measure.definition.risk
    rows = diagnoses[(diagnoses.icd_version == 10) & diagnoses.setting.isin(risk.settings)]
    rows = rows[rows.person_key.isin(cohort.person_key)]
    rows = rows[["person_key", "code", "service_date", "setting"]].drop_duplicates()
    joined = cohort[["procedure_id", "person_key", "procedure_date"]].merge(rows, on="person_key")
    before = (joined.procedure_date - pd.to_datetime(joined.service_date)).dt.days
    joined["in_history"] = before.between(1, risk.history_days)
    on_day = (before == 0) & joined.setting.isin(measure.index_day_settings)
    near = joined[joined.in_history | on_day]
    return near.groupby(["procedure_id", "code"], as_index=False).in_history.any()
