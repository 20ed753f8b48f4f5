"""Cohort, outcome and risk factors in polars, written plainly: lazy scans, each table cut to the candidates' people."""

# ruff: noqa: ARG001
# Rules share one signature.
from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import lookups
import polars as pl

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

col = pl.col


def run(folder: Path, measures: list) -> tuple[dict[str, dict[str, pl.DataFrame]], dict[str, float]]:
    """Return the stage tables of every measure, and seconds by step."""
    start = time.perf_counter()
    tables, facility_lines = read(folder, measures)
    seconds = {"cut": time.perf_counter() - start, "cohort": 0.0, "outcome": 0.0, "risk_factors": 0.0}
    results = {}
    for measure in measures:
        times = [time.perf_counter()]
        candidates = candidates_of(facility_lines, measure, tables)
        reasons = exclusions(candidates, facility_lines, tables, measure)
        cohort = candidates.join(reasons, on="procedure_id", how="anti")
        times.append(time.perf_counter())
        visits = hospital_visits(cohort, tables, measure)
        counted = visits.filter(col("not_counted_because").is_null())["procedure_id"].unique()
        outcomes = cohort.select("procedure_id", outcome=col("procedure_id").is_in(counted.implode()).cast(pl.Int32))
        times.append(time.perf_counter())
        risk = risk_factors(cohort, facility_lines, tables, measure)
        times.append(time.perf_counter())
        for name, (a, b) in zip(("cohort", "outcome", "risk_factors"), pairwise(times), strict=True):
            seconds[name] += b - a
        results[measure.id] = {
            "cohort": cohort.select(lookups.COHORT),
            "excluded": candidates.join(reasons, on="procedure_id").select(*lookups.COHORT, "excluded_by"),
            "visits": visits.select(lookups.VISITS),
            "outcomes": outcomes,
            "risk_factors": risk,
        }
    return results, seconds


def read(folder: Path, measures: list) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    def table(name: str) -> pl.LazyFrame:
        return pl.scan_parquet(folder / f"{name}.parquet").select(lookups.COLUMNS[name])

    clause = measures[0].definition.cohort.facility_line
    codes = {
        code for m in measures for c in m.visit_codes if c.claims == "professional" for code in lookups.visit_codes(c)
    }
    at_place = col("specialty").is_in(clause.specialty) & col("place_of_service").is_in(clause.place_of_service)
    of_facility = col("type_of_service").is_in(clause.type_of_service) | at_place
    lines = (
        table("professional_lines").filter(of_facility | col("hcpcs").is_in(sorted(codes))).collect(engine="streaming")
    )
    facility_lines = lines.filter(of_facility).with_columns(
        facility_id=pl.coalesce(clause.facility_keys), year=col("line_date").dt.year()
    )
    people = pl.concat([qualifying_lines(facility_lines, m).select("person_key") for m in measures]).unique()
    tables = {"professional_lines": lines.join(people, on="person_key", how="semi")}
    for name in lookups.COLUMNS:
        if name not in tables:
            kept = table(name).join(people.lazy(), on="person_key", how="semi")
            tables[name] = kept.collect(engine="streaming")
    return tables, facility_lines


def pairs_of(lines: pl.DataFrame) -> list[tuple[str, int]]:
    return lines.select("hcpcs", "year").drop_nulls().unique().rows()


def qualifying_lines(lines: pl.DataFrame, measure) -> pl.DataFrame:
    rows = lookups.qualifying(measure, pairs_of(lines))
    codes = pl.DataFrame(rows, {"hcpcs": pl.String, "year": pl.Int32, "work_rvu": pl.Float64}, orient="row")
    return lines.join(codes, on=["hcpcs", "year"])


def candidates_of(lines: pl.DataFrame, measure, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    key = lookups.KEY
    codes = qualifying_lines(lines, measure).group_by(*key, "hcpcs").agg(col("work_rvu").max(), col("claim_id").min())
    by_rvu = pl.struct(-col("work_rvu").fill_null(-1.0), col("hcpcs"))
    found = codes.group_by(key).agg(
        codes=col("hcpcs").sort().str.join(" "),
        index_code=col("hcpcs").sort_by(by_rvu).first(),
        work_rvu=col("work_rvu").sort_by(by_rvu).first(),
        qualifying_procedures=pl.len().cast(pl.Int32),
        claim_id=col("claim_id").min(),
    )
    found = found.sort(key, nulls_last=False).with_row_index("procedure_id", 1)
    found = found.with_columns(col("procedure_id").cast(pl.Int64)).rename({"line_date": "procedure_date"})
    found = found.join(tables["people"], on="person_key", how="left")
    birth, day = col("birth_date").dt, col("procedure_date").dt
    ahead = (day.month() < birth.month()) | ((day.month() == birth.month()) & (day.day() < birth.day()))
    return found.with_columns(age_years=day.year() - birth.year() - ahead.cast(pl.Int32))


def exclusions(candidates, lines, tables, measure) -> pl.DataFrame:
    """Return the first reason by procedure."""
    found = [
        RULES[clause.rule](clause, candidates, lines, tables, measure).select(
            "procedure_id", position=pl.lit(n), excluded_by=pl.lit(clause.id)
        )
        for n, clause in enumerate(measure.exclusions)
    ]
    return pl.concat(found).sort("position").unique("procedure_id", keep="first").drop("position")


def outside_period(clause, candidates, lines, tables, measure):
    return candidates.clear()


def facility_unknown(clause, candidates, lines, tables, measure):
    return candidates.filter(col("facility_id").is_null())


def person_unknown(clause, candidates, lines, tables, measure):
    return candidates.filter(col("birth_date").is_null())


def age_below(clause, candidates, lines, tables, measure):
    return candidates.filter(col("age_years") < clause.age_years)


def month_of(day: pl.Expr) -> pl.Expr:
    return day.dt.year() * 12 + day.dt.month() - 1


def not_enrolled_before(clause, candidates, lines, tables, measure):
    month = month_of(col("procedure_date"))
    return lacking_months(clause, candidates, month - clause.months, month, tables)


def not_enrolled_after(clause, candidates, lines, tables, measure):
    last = col("procedure_date") + pl.duration(days=clause.last_day)
    alive = candidates.filter(col("death_date").is_null() | (col("death_date") > last))
    return lacking_months(clause, alive, month_of(col("procedure_date")), month_of(last), tables)


def lacking_months(clause, rows, first, last, tables):
    spans = rows.select("procedure_id", "person_key", first=first, last=last)
    enrolled = col("buy_in").is_in(clause.buy_in) & col("hmo").fill_null("").is_in(clause.hmo)
    joined = spans.join(tables["enrollment"].filter(enrolled), on="person_key")
    inside = joined.filter(col("month").is_between(col("first"), col("last")))
    counts = inside.group_by("procedure_id").agg(months=col("month").n_unique())
    needed = col("last") - col("first") + 1
    return spans.join(counts, on="procedure_id", how="left").filter(col("months").fill_null(0) < needed)


def concurrent_code(clause, candidates, lines, tables, measure):
    return same_day(candidates, listed_lines(lines, clause, measure))


def listed_lines(lines, clause, measure) -> pl.DataFrame:
    codes = lookups.listed_codes(measure, clause.table, clause.role, pairs_of(lines))
    return lines.join(pl.DataFrame(codes, {"hcpcs": pl.String, "year": pl.Int32}, orient="row"), on=["hcpcs", "year"])


def same_day(candidates, lines):
    days = lines.select("person_key", procedure_date="line_date")
    return candidates.join(days, on=["person_key", "procedure_date"], how="semi")


def diagnosis_present(clause, candidates, lines, tables, measure):
    diagnoses = tables["diagnoses"].lazy().join(candidates.lazy(), on="person_key", how="semi")
    diagnoses = diagnoses.with_columns(year=col("service_date").dt.year())
    key = ["code", "icd_version", "year"]
    triples = diagnoses.select(key).unique().collect().rows()
    schema = {"code": pl.String, "icd_version": pl.Int32, "year": pl.Int32}
    wanted = pl.LazyFrame(lookups.listed_diagnoses(measure, clause, triples), schema, orient="row")
    listed = diagnoses.join(wanted, on=key, how="semi").collect()
    rows = candidates.select("procedure_id", "person_key", "procedure_date")
    before = (col("procedure_date") - col("service_date")).dt.total_days()
    near = before.is_between(0 if clause.index_day else 1, clause.history_days)
    found = rows.join(listed, on="person_key").filter(near).select("procedure_id")
    if clause.visit_in_window:
        found = pl.concat([found, at_visit_in_window(rows, listed, tables, measure)])
    return found.unique()


def at_visit_in_window(rows, listed, tables, measure):
    visits = find_visits(tables, measure, listed.select("person_key"))
    columns = ["person_key", "start_date", "claim_id", "route"]
    stays = tables["inpatient_claims"].select("person_key", "stay_id", "claim_id")
    of_stays = visits.drop("claim_id").join(stays, on=["person_key", "stay_id"]).select(columns)
    claims = pl.concat([visits.filter(col("stay_id").is_null()).select(columns), of_stays])
    with_code = claims.rename({"route": "setting"}).join(listed, on=["person_key", "claim_id", "setting"], how="semi")
    after = (col("start_date") - col("procedure_date")).dt.total_days()
    return rows.join(with_code, on="person_key").filter(after.is_between(*measure.window)).select("procedure_id")


def followed_by_procedure(clause, candidates, lines, tables, measure):
    rows = candidates.select("procedure_id", "person_key", "procedure_date")
    days = (col("procedure_date_right") - col("procedure_date")).dt.total_days()
    joined = rows.join(rows.select("person_key", "procedure_date"), on="person_key")
    return joined.filter(days.is_between(1, clause.within_days)).unique("procedure_id")


RULES = lookups.rules(globals())
VISIT = ["person_key", "visit_type", "route", "start_date", "claim_id", "stay_id", "principal_diagnosis"]


def find_visits(tables, measure, people) -> pl.DataFrame:
    parts = [line_visits(tables, clause, people) for clause in measure.visit_codes]
    return pl.concat([*parts, stay_visits(tables, measure, people)]).unique()


def line_visits(tables, clause, people) -> pl.DataFrame:
    shows = col("revenue_code" if clause.code_system == "revenue" else "hcpcs").is_in(lookups.visit_codes(clause))
    if clause.valid_to is not None:
        shows &= col("line_date") <= clause.valid_to
    if clause.bill_types and "bill_type" in tables[f"{clause.claims}_lines"].columns:
        shows &= col("bill_type").str.head(2).is_in(clause.bill_types)
    lines = tables[f"{clause.claims}_lines"].filter(shows).join(people, on="person_key", how="semi")
    days = lines.select("person_key", "claim_id", "line_date").unique()
    principal = tables["diagnoses"].lazy()
    principal = principal.filter((col("role") == "principal") & (col("setting") == clause.claims))
    principal = principal.join(days.lazy(), on=["person_key", "claim_id"], how="semi")
    principal = principal.group_by("person_key", "claim_id").agg(col("code").min()).collect()
    return days.join(principal, on=["person_key", "claim_id"], how="left").select(
        "person_key",
        visit_type=pl.lit(clause.type),
        route=pl.lit(clause.claims),
        start_date="line_date",
        claim_id="claim_id",
        stay_id=pl.lit(None, pl.Int64),
        principal_diagnosis="code",
    )


def stay_visits(tables, measure, people) -> pl.DataFrame:
    clause = measure.definition.outcome.inpatient
    ccn = col("provider_ccn").str
    acute = ccn.slice(2, 1).is_in(clause.ccn_third) | ccn.slice(2, 2).is_in(clause.ccn_third_fourth)
    made = tables["inpatient_claims"].join(people, on="person_key", how="semi")
    made = made.filter(acute & col("bill_type").str.head(2).is_in(clause.bill_types))
    stay = ["person_key", "stay_id"]
    made = made.with_columns(
        end=pl.coalesce("discharge_date", "thru_date", "admission_date"),
        start_date=col("admission_date").min().over(stay),
    )
    first = made.sort(*stay, "admission_date", "end", "claim_id").unique(stay, keep="first")
    usable = col("principal_diagnosis").is_not_null() & (col("principal_icd_version") == 10)
    usable = made.filter(usable & (col("admission_date") == col("start_date")))
    usable = usable.sort("thru_date", "claim_id", descending=[True, False], nulls_last=True)
    principal = usable.unique(stay, keep="first", maintain_order=True).select(*stay, "principal_diagnosis")
    visits = first.select(*stay, "start_date", "claim_id").join(principal, on=stay, how="left")
    return visits.with_columns(visit_type=pl.lit("inpatient"), route=pl.lit("inpatient")).select(VISIT)


def hospital_visits(cohort, tables, measure) -> pl.DataFrame:
    rows = cohort.select("procedure_id", "person_key", "procedure_date")
    visits = find_visits(tables, measure, rows)
    days = (col("start_date") - col("procedure_date")).dt.total_days()
    near = rows.join(visits, on="person_key").filter(days.is_between(*measure.window))
    near = with_planned(near, tables, measure).with_row_index("row")
    inside, later = inside_a_stay(near, visits, tables), belongs_to_later(near, rows)
    return near.with_columns(
        not_counted_because=pl.when("planned")
        .then(pl.lit("planned"))
        .when(col("row").is_in(inside.implode()))
        .then(pl.lit("part_of_admission"))
        .when(col("row").is_in(later.implode()))
        .then(pl.lit("belongs_to_later_procedure"))
    )


def with_planned(near, tables, measure) -> pl.DataFrame:
    stay = ["person_key", "stay_id"]
    keys = near.filter(col("stay_id").is_not_null()).select(*stay, "principal_diagnosis").unique()
    claims = tables["inpatient_claims"].join(keys, on=stay, how="semi").select(*stay, "claim_id")
    done = claims.join(tables["procedures"], on=["person_key", "claim_id"]).select(*stay, "code").unique()
    flags = lookups.planned_procedures(measure, done["code"].unique().to_list())
    done = (
        done.join(flag_table(flags, "code", "pa1", "pa3"), on="code")
        .group_by(stay)
        .agg(col("pa1").any(), col("pa3").any())
    )
    codes = lookups.planned_diagnoses(measure, keys["principal_diagnosis"].drop_nulls().unique().to_list())
    keys = keys.join(done, on=stay, how="left").join(
        flag_table(codes, "principal_diagnosis", "pa2", "pa4"), on="principal_diagnosis", how="left"
    )
    pa1, pa2, pa3, pa4 = (col(name).fill_null(False) for name in ("pa1", "pa2", "pa3", "pa4"))
    missing = col("principal_diagnosis").is_null()
    rule = (
        pl.when(pa1)
        .then(pl.lit("PA1"))
        .when(pa2)
        .then(pl.lit("PA2"))
        .when(~pa3)
        .then(pl.lit("no_planned_procedure"))
        .when(missing)
        .then(pl.lit("missing_principal_diagnosis"))
        .when(pa4)
        .then(pl.lit("PA4"))
        .otherwise(pl.lit("PA3"))
    )
    keys = keys.select(*stay, planned=pa1 | pa2 | (pa3 & ~pa4 & ~missing), planned_rule=rule)
    return near.join(keys, on=stay, how="left").with_columns(
        col("planned").fill_null(False), col("planned_rule").fill_null("never_planned_visit_type")
    )


def flag_table(flags: dict[str, tuple[bool, bool]], key: str, first: str, second: str) -> pl.DataFrame:
    rows = [(code, *pair) for code, pair in flags.items()]
    return pl.DataFrame(rows, {key: pl.String, first: pl.Boolean, second: pl.Boolean}, orient="row")


def inside_a_stay(near, visits, tables) -> pl.Series:
    stays = tables["stays"].join(visits, on=["person_key", "stay_id"], how="semi")
    rows = near.filter(col("route") == "professional").join(stays, on="person_key")
    return rows.filter(col("start_date").is_between(col("admission_date"), col("discharge_date")))["row"].unique()


def belongs_to_later(near, rows) -> pl.Series:
    joined = near.join(rows.select("person_key", other="procedure_date"), on="person_key")
    return joined.filter(col("other") > col("procedure_date"), col("other") <= col("start_date"))["row"].unique()


def risk_factors(cohort, lines, tables, measure) -> pl.DataFrame:
    near = near_diagnoses(cohort, tables["diagnoses"], measure)
    schema = {"code": pl.String, "factor": pl.String, "index_day_counts": pl.Boolean}
    hits = pl.DataFrame(lookups.factors_of(measure, near["code"].unique().to_list()), schema, orient="row")
    found = near.join(hits, on="code").filter(col("in_history") | col("index_day_counts"))
    wide = cohort
    for factor in measure.factors:
        match factor:
            case ConditionCategory() | DiagnosisCode():
                ids = found.filter(col("factor") == factor.name)["procedure_id"].unique()
                wide = wide.with_columns(col("procedure_id").is_in(ids.implode()).alias(factor.name))
            case SameDayCode():
                ids = same_day(cohort, listed_lines(lines, factor, measure))["procedure_id"]
                wide = wide.with_columns(col("procedure_id").is_in(ids.implode()).alias(factor.name))
            case YearsOver():
                wide = wide.with_columns((col("age_years") - factor.start_years).alias(factor.name))
            case WorkRvu():
                wide = wide.with_columns(col("work_rvu").alias(factor.name))
            case AgeBands():
                wide = wide.with_columns(bands(col("age_years"), factor))
            case ProcedureCount():
                wide = wide.with_columns(bands(col("qualifying_procedures"), factor))
            case ProcedureType():
                kinds = lookups.types_of(measure, factor, wide["index_code"].unique().to_list())
                wide = wide.with_columns(
                    col("index_code").is_in(codes).alias(f"{factor.name}_{kind}") for kind, codes in kinds.items()
                )
    for factor in measure.factors:
        if isinstance(factor, Interaction):
            first, second = ({f.name: columns_of(f) for f in measure.factors}[name] for name in factor.factors)
            wide = wide.with_columns(
                (col(a).cast(pl.Float64) * col(b).cast(pl.Float64)).alias(f"{a}_x_{b}") for a in first for b in second
            )
    return wide.select("procedure_id", *(col(name).cast(pl.Float64) for name in measure.factor_columns))


def bands(value: pl.Expr, factor) -> list[pl.Expr]:
    lows = factor.lower_bounds[1:]
    highs = [*(low - 1 for low in lows[1:]), 10**6]
    return [
        value.is_between(low, high).alias(name) for name, low, high in zip(columns_of(factor), lows, highs, strict=True)
    ]


def near_diagnoses(cohort, diagnoses, measure) -> pl.DataFrame:
    risk = measure.definition.risk
    rows = diagnoses.lazy().filter((col("icd_version") == 10) & col("setting").is_in(risk.settings))
    rows = rows.join(cohort.lazy(), on="person_key", how="semi")
    rows = rows.select("person_key", "code", "service_date", "setting").unique()
    joined = cohort.lazy().select("procedure_id", "person_key", "procedure_date").join(rows, on="person_key")
    before = (col("procedure_date") - col("service_date")).dt.total_days()
    on_day = (before == 0) & col("setting").is_in(sorted(measure.index_day_settings))
    near = joined.with_columns(in_history=before.is_between(1, risk.history_days)).filter(col("in_history") | on_day)
    return near.group_by("procedure_id", "code").agg(col("in_history").any()).collect()
