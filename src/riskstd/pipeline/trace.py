"""Trace of one procedure: the ordered decisions, and the claim lines that carried them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis
import pyarrow.parquet as pq

from riskstd.claims import Claims
from riskstd.claims.claims import MANIFEST as CLAIMS_MANIFEST
from riskstd.cohort.build import build_cohort, read_period
from riskstd.cohort.exclusions import Context, rule_of
from riskstd.errors import InputError
from riskstd.outcome import find_hospital_visits
from riskstd.pipeline.run import MANIFEST
from riskstd.riskfactors import build_risk_factors
from riskstd.riskfactors.conditions import ConditionMaps, factor_hits, relevant_diagnoses
from riskstd.spec import Measure, load_measure_of_run, tables_that_differ
from riskstd.tables import to_frame

CLAIMS_FOLDER = "claims"


@dataclass(frozen=True)
class Trace:
    """Why a procedure is in or out, what counted, and what its risk factors rest on.

    Attributes
    ----------
    procedure_id : int
    verdict : str
        `in the cohort`, or the rule that excluded it.
    lines, exclusions, visits, factors : list of dict
        Claim lines of the procedure; every exclusion rule in order with its answer; visits in the window;
        risk factors that are not zero with the diagnoses behind them.
    """

    measure: str
    procedure_id: int
    verdict: str
    outcome: int | None
    lines: list[dict[str, Any]] = field(repr=False)
    exclusions: list[dict[str, Any]] = field(repr=False)
    visits: list[dict[str, Any]] = field(repr=False)
    factors: list[dict[str, Any]] = field(repr=False)


def trace_procedure(run_dir: str | Path, procedure_id: int, *, claims: Claims | None = None) -> Trace:
    """Trace one procedure of a run, by deciding it again on the claims of its person alone.

    Parameters
    ----------
    run_dir : str or Path
        Folder of the run of one measure.
    procedure_id : int
        Id in `index_procedures.parquet` or `excluded_procedures.parquet` of that run.
    claims : Claims, optional
        Claims tables; those beside the run (`<out>/claims`) if left out.

    Returns
    -------
    Trace

    Raises
    ------
    InputError
        When the folder is no run, the id is not in it, or the claims tables are not there.
    """
    folder = Path(run_dir)
    measure, settings = _measure_of(folder)
    row = _procedure_row(folder, procedure_id)
    every = claims if claims is not None else _claims_beside(folder)
    mine = every.for_person(_person_key(every, row["person_id"]))
    cohort = build_cohort(mine, measure, period=settings["period"])
    candidates = cohort.candidates
    context = Context(mine, measure, candidates, read_period(settings["period"]))
    local = _local_id(candidates.procedures, row)
    is_index = local in set(cohort.procedures["procedure_id"])
    visits = find_hospital_visits(mine, cohort, measure)
    mine_only = visits.visits[visits.visits["procedure_id"] == local]
    outcome = visits.outcomes.set_index("procedure_id")["outcome"].get(local) if is_index else None
    return Trace(
        measure=measure.id,
        procedure_id=procedure_id,
        verdict="in the cohort" if is_index else f"excluded by {row['excluded_by']}",
        outcome=None if outcome is None else int(outcome),
        lines=_lines(candidates.qualifying_lines, row),
        exclusions=_exclusions(context, local),
        visits=_records(mine_only.drop(columns="procedure_id")),
        factors=_factors(mine, cohort, measure, local) if is_index else [],
    )


def _measure_of(folder: Path) -> tuple[Measure, dict[str, Any]]:
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder} is not the folder of a run", expected=f"a folder with {MANIFEST}")
    about = json.loads(path.read_text("utf-8"))
    definition = about["definition"]
    measure = load_measure_of_run(definition)
    if measure.sha256 != definition["sha256"] or tables_that_differ(measure, definition):
        raise InputError(
            f"the definition of {measure.id} or a code table of it has changed since this run",
            hint="run the measure again, or trace with the version of riskstd that made the run",
        )
    return measure, about["settings"]


def _procedure_row(folder: Path, procedure_id: int) -> dict[str, Any]:
    for name in ("index_procedures.parquet", "excluded_procedures.parquet"):
        rows = pq.read_table(folder / name, filters=[("procedure_id", "=", procedure_id)]).to_pylist()
        if rows:
            return rows[0]
    raise InputError(
        f"no procedure {procedure_id} in {folder.name}",
        expected="a procedure_id of index_procedures.parquet or excluded_procedures.parquet",
    )


def _claims_beside(folder: Path) -> Claims:
    about = json.loads((folder / MANIFEST).read_text("utf-8"))
    recorded = about["claims"].get("tables")
    places = [folder.parent / CLAIMS_FOLDER, *([Path(recorded)] if recorded else [])]
    tables = next((place for place in places if (place / CLAIMS_MANIFEST).is_file()), None)
    if tables is None:
        raise InputError(
            f"no claims tables beside the run ({places[0]})",
            hint="run the measure with the command line, which keeps them, or give claims=",
        )
    return Claims.from_folder(tables)


def _person_key(claims: Claims, person_id: str) -> int:
    keys = claims.person_keys
    if keys is None:
        raise InputError("the map from person keys to identifiers is not with the claims tables")
    found = keys.filter(keys.person_id == ibis.literal(person_id)).to_pyarrow()["person_key"].to_pylist()
    if not found:
        raise InputError("the person of this procedure is not in the claims tables", hint="give the claims of the run")
    return found[0]


def _local_id(procedures: Any, row: dict[str, Any]) -> int:
    same = procedures.filter(
        procedures.procedure_date == ibis.literal(row["procedure_date"]),
        procedures.facility_id.identical_to(ibis.literal(row["facility_id"], "string")),
    )
    return same.select("procedure_id").to_pyarrow()["procedure_id"].to_pylist()[0]


def _lines(qualifying: Any, row: dict[str, Any]) -> list[dict[str, Any]]:
    mine = qualifying.filter(
        qualifying.line_date == ibis.literal(row["procedure_date"]),
        qualifying.facility_id.identical_to(ibis.literal(row["facility_id"], "string")),
    )
    columns = ["claim_id", "line_number", "hcpcs", "modifiers", "facility_id", "work_rvu"]
    return mine.order_by(["claim_id", "line_number"]).select(*columns).to_pyarrow().to_pylist()


def _exclusions(context: Context, local: int) -> list[dict[str, Any]]:
    answers = []
    for clause in context.measure.exclusions:
        hits = rule_of(clause)(context, clause)
        excluded = local in hits.to_pyarrow()["procedure_id"].to_pylist()
        answers.append(
            {
                "rule": clause.id,
                "excludes": excluded,
                "says": clause.says,
                "source": clause.source,
                "origin": clause.origin,
            }
        )
    return answers


def _factors(claims: Claims, cohort: Any, measure: Measure, local: int) -> list[dict[str, Any]]:
    risk = build_risk_factors(claims, cohort, measure).table.set_index("procedure_id").loc[local]
    diagnoses = relevant_diagnoses(claims, measure, cohort.table.filter(cohort.table.procedure_id == local))
    near = to_frame(diagnoses).set_index("code")
    hits = factor_hits(sorted(near.index), measure, ConditionMaps.of(measure)).to_pylist()
    day = cohort.procedures.set_index("procedure_id").loc[local, "procedure_date"]
    carriers = _carriers(claims, day, measure.definition.risk.history_days)
    out = []
    for column in measure.factor_columns:
        value = risk[column]
        if value:
            codes = [
                h["code"]
                for h in hits
                if h["factor"] == column and (near.loc[h["code"], "in_history"] or h["index_day_counts"])
            ]
            behind = [c for c in carriers if c["code"] in codes]
            out.append({"factor": column, "value": float(value), "diagnoses": behind})
    return out


def _carriers(claims: Claims, day: Any, history_days: int) -> list[dict[str, Any]]:
    rows: Any = to_frame(claims.diagnoses)
    rows["days_before"] = (day - rows["service_date"]).dt.days
    rows = rows[(rows["days_before"] >= 0) & (rows["days_before"] <= history_days) & (rows["icd_version"] == 10)]
    rows = rows.sort_values(["days_before", "code", "claim_id", "position"])
    return rows[["code", "days_before", "setting", "claim_id", "role", "position"]].to_dict("records")


def _records(frame: Any) -> list[dict[str, Any]]:
    shown = frame.astype(object).where(frame.notna(), None)
    if "start_date" in shown:
        shown = shown.drop(columns="start_date")
    return shown.to_dict("records")
