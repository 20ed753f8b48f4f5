"""The flow in one place: claims, cohort, outcome, risk factors, model, rates, report."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskstd.claims import Claims
from riskstd.claims.cut import CutClaims
from riskstd.cohort import Cohort, build_cohort
from riskstd.cohort.cut import cut_claims
from riskstd.engines import AnyEngine, check_engine, engine_of, release_memory
from riskstd.errors import FitError, InputError, TooFewDataError
from riskstd.outcome import Visits, find_hospital_visits
from riskstd.pipeline.engine import claims_for_run, memory_errors
from riskstd.pipeline.manifest import MANIFEST, describe_claims, describe_definition, versions
from riskstd.pipeline.modelling import Modelled, describe_model, model_outcomes
from riskstd.pipeline.notes import claims_notes
from riskstd.pipeline.progress import Parts, Progress
from riskstd.pipeline.reporting import report_input
from riskstd.pipeline.settings import (
    DEFAULT_SEED,
    RunSettings,
    check_settings,
    period_text,
    settings_of,
)
from riskstd.pipeline.write import whole_folder, write_csv, write_json, write_parquet
from riskstd.report import write_report_files
from riskstd.report.cases import read_cases
from riskstd.report.content import check_profile
from riskstd.riskfactors import RiskFactors, build_risk_factors
from riskstd.spec import Measure, load_measure
from riskstd.tables import (
    EXCLUDED_PROCEDURES,
    FACILITY_RATES,
    HOSPITAL_VISITS,
    INDEX_PROCEDURES,
    OUTCOMES,
    to_frame,
)

if TYPE_CHECKING:
    import pandas as pd

PARTS = 7
"""Reading, claims of candidates, cohort, visits, risk factors, model and rates, writing."""


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run of one measure.

    Attributes
    ----------
    measure : Measure
    folder : Path
        Where its files lie.
    cohort, visits, risk : results of the stages
    modelled : Modelled or None
        Fit and rates; None when the data were too few.
    no_model_reason : str
        Why there are none.
    counts : dict of str to int
        Index procedures, those excluded, those with a visit, and facilities, as in the manifest.
    """

    measure: Measure
    folder: Path
    cohort: Cohort = field(repr=False)
    visits: Visits = field(repr=False)
    risk: RiskFactors = field(repr=False)
    modelled: Modelled | None = field(default=None, repr=False)
    no_model_reason: str = ""
    counts: dict[str, int] = field(default_factory=dict, repr=False)

    @property
    def rates(self) -> pd.DataFrame | None:
        """Facility rates, or None."""
        return None if self.modelled is None else self.modelled.rates.to_frame()


def run_measure(
    measure: str | Measure,
    *,
    claims: str | Path | Claims,
    year: int = 2025,
    out: str | Path = "runs",
    layout: str = "auto",
    period: Sequence[str | date] | None = None,
    method: str = "agq",
    n_nodes: int = 7,
    interval: str = "bootstrap",
    n_bootstrap: int | None = None,
    seed: int = DEFAULT_SEED,
    options: Mapping[str, str] | None = None,
    profile: str = "facility",
    engine: AnyEngine | None = None,
    memory: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run one measure from claims to report.

    Parameters
    ----------
    measure : str or Measure
        Measure id such as `ASC-17`, or a loaded definition.
    claims : str, Path or Claims
        Folder of claim files, folder of claims tables, or claims that were read.
    year : int
        Specification year.
    out : str or Path
        Folder of runs; this one goes to `<out>/<measure id in lower case>/`.
    layout : str
        Layout of the claim files, or `auto`.
    period : pair of date or ISO text, optional
        First and last procedure date.
    method, n_nodes : str, int
        Estimator of the model.
    interval, n_bootstrap, seed : str, int, int
        Interval estimate; replicates as in the definition if left out.
    options : mapping of str to str, optional
        Choices where sources conflict.
    profile : {'facility', 'public'}
        Audience of the report; `public` suppresses small cells.
    engine : {'duckdb', 'spark'}, Spark session or ibis connection, optional
        Engine of the claims steps; that of the claims, else DuckDB, if left out. See docs/spark.md.
    memory : str, optional
        Memory for reading and the claims steps, for example `1GB`, most of it the engine's; more spills to the folder
        for temporary files. Python itself and the procedures of a measure come on top. An engine that runs already
        has its own limit.
    overwrite : bool
        Replace a run that is there.
    progress : callable, optional
        Called with points done, points in all, and what is being done.

    Returns
    -------
    Run
        With too few data for a model, a run without rates: `no_model_reason` says why.

    Raises
    ------
    ClaimsError, OptionError, SpecError
        When files, options or definition are at fault. Nothing is left half-written.
    InputError
        When the memory limit or the disk is too small.
    """
    definition = load_measure(measure, year) if isinstance(measure, str) else measure
    definition = definition.with_options(options or {})
    if engine is not None:
        check_engine(engine)
    settings = RunSettings(period_text(period), method, n_nodes, interval, n_bootstrap, seed, profile)
    check_settings(settings)
    folder = Path(out) / definition.id.lower()
    parts = Parts(progress, PARTS)
    with whole_folder(folder, overwrite=overwrite) as scratch, memory_errors(memory):
        parts.start("claims tables")
        data = claims_for_run(claims, layout=layout, engine=engine, memory=memory, progress=parts.within)
        results = _compute(definition, data, settings, parts)
        _write(scratch, definition, data, settings, results, parts)
    return Run(definition, folder, **{k: v for k, v in results.items() if k != "timings"})


def is_complete(folder: Path, measure: Measure, settings: Mapping[str, Any], inputs: Sequence[Any]) -> bool:
    """Tell whether a folder holds a finished run of the same definition, settings and input files."""
    path = folder / MANIFEST
    if not path.is_file():
        return False
    known = json.loads(path.read_text("utf-8"))
    # Options and code tables are in it: an import since the run makes another definition.
    same_definition = known["definition"] == describe_definition(measure)
    same_claims = known["claims"]["inputs"] == list(inputs)
    return same_definition and same_claims and known["settings"] == settings


def _compute(measure: Measure, claims: Claims, settings: RunSettings, parts: Parts) -> dict[str, Any]:
    timings: dict[str, float] = {}
    parts.start(f"{measure.id}: claims of candidates")
    if not (isinstance(claims, CutClaims) and claims.covers(measure)):
        claims = cut_claims(claims, [measure], progress=parts.within)
    # Measures run together share one cut, and each says what it took.
    timings["claims_of_candidates"] = claims.seconds
    with _timed(timings, "cohort"):
        parts.start(f"{measure.id}: cohort")
        cohort = build_cohort(claims, measure, period=settings.period)
    with _timed(timings, "outcome"):
        parts.start(f"{measure.id}: hospital visits")
        visits = find_hospital_visits(claims, cohort, measure)
    with _timed(timings, "risk_factors"):
        parts.start(f"{measure.id}: risk factors")
        risk = build_risk_factors(claims, cohort, measure)
    with _timed(timings, "model_and_rates"):
        parts.start(f"{measure.id}: model and rates")
        _make_frames(claims, cohort, visits, risk)
        counts = _counts(cohort, visits, risk)
        frames = cohort.procedures, visits.outcomes, risk.narrow_table
        modelled, reason = model_or_reason(measure, *frames, settings, parts)
    return {
        "cohort": cohort,
        "visits": visits,
        "risk": risk,
        "modelled": modelled,
        "no_model_reason": reason,
        "counts": counts,
        "timings": timings,
    }


def _make_frames(claims: Claims, cohort: Cohort, visits: Visits, risk: RiskFactors) -> None:
    """Ask for the frames one by one, the largest first, so that the engine's memory is free for the next."""
    for make in (
        lambda: risk.unmapped_codes,
        lambda: cohort.excluded,
        lambda: cohort.procedures,
        lambda: risk.narrow_table,
        lambda: visits.outcomes,
    ):
        make()
        release_memory(claims.connection)


def model_or_reason(
    measure: Measure,
    procedures: pd.DataFrame,
    outcomes: pd.DataFrame,
    factors: pd.DataFrame,
    settings: RunSettings,
    parts: Parts,
) -> tuple[Modelled | None, str]:
    """Return the model and rates of a run's settings, or why there are none."""
    # Whatever the model refuses here was built by the stages before it: the data are too few, not wrong.
    try:
        modelled = model_outcomes(
            procedures,
            outcomes,
            factors,
            measure,
            method=settings.method,
            n_nodes=settings.n_nodes,
            interval=settings.interval,
            n_bootstrap=settings.n_bootstrap or measure.definition.score.interval.replicates,
            seed=settings.seed,
            progress=lambda done, total: parts.within(done, total, f"{measure.id}: bootstrap"),
        )
    except (TooFewDataError, FitError) as error:
        return None, f"Too few data for a model: {error.found}; needed: {error.expected}."
    return modelled, ""


def _write(
    folder: Path,
    measure: Measure,
    claims: Claims,
    settings: RunSettings,
    results: dict[str, Any],
    parts: Parts,
) -> None:
    parts.start(f"{measure.id}: writing")
    cohort, visits, risk = results["cohort"], results["visits"], results["risk"]
    modelled: Modelled | None = results["modelled"]
    ids = _person_ids(claims, cohort)
    write_parquet(visits.visits, folder / "hospital_visits.parquet", HOSPITAL_VISITS)
    release_memory(claims.connection)
    write_csv(cohort.attrition, folder / "attrition.csv")
    write_parquet(_named(cohort.excluded, ids), folder / "excluded_procedures.parquet", EXCLUDED_PROCEDURES)
    write_parquet(visits.outcomes, folder / "outcomes.parquet", OUTCOMES)
    wide = risk.lazy_table.schema().to_pyarrow()
    write_parquet(risk.narrow_table, folder / "risk_factors.parquet", schema=wide)
    write_csv(risk.unmapped_codes, folder / "unmapped_codes.csv")
    procedures = [_named(cohort.procedures, ids)]
    # Of millions of procedures every table that stays in memory is felt.
    cohort.release_frames()
    del ids
    write_parquet(procedures[0], folder / "index_procedures.parquet", INDEX_PROCEDURES)
    release_memory(claims.connection)
    model, frame, cases = None, None, None
    if modelled is not None:
        model = describe_model(modelled, measure)
        write_json(model, folder / "model.json")
        frame = modelled.rates.to_frame()
        write_parquet(frame, folder / "facility_rates.parquet", FACILITY_RATES)
        write_csv(frame, folder / "facility_rates.csv")
        # Handed over, so that they are not held twice once they are in the order of the cases.
        cases = read_cases(procedures.pop(), visits.visits, visits.outcomes, risk.narrow_table, model, frame)
    del procedures
    risk.release_frames()
    release_memory(claims.connection)
    notes = [*claims_notes(claims), *cohort.notes, *visits.notes]
    start = time.perf_counter()
    manifest = _manifest(measure, claims, settings, results, notes)
    content = report_input(
        measure,
        manifest,
        attrition=cohort.attrition,
        visits=visits.visits,
        outcomes=visits.outcomes,
        model=model,
        rates=frame,
    )
    write_report_files(content, folder, profile=check_profile(settings.profile), cases=cases)
    results["timings"]["report"] = round(time.perf_counter() - start, 3)
    write_json(manifest, folder / MANIFEST)
    visits.release_frames()
    parts.finish(f"{measure.id}: done")


def _manifest(
    measure: Measure,
    claims: Claims,
    settings: RunSettings,
    results: dict[str, Any],
    notes: list[str],
) -> dict[str, Any]:
    return {
        "definition": describe_definition(measure),
        "settings": settings_of(settings),
        "status": "rates" if results["modelled"] is not None else "no rates",
        "no_model_reason": results["no_model_reason"],
        "counts": results["counts"],
        "notes": notes,
        "claims": describe_claims(claims),
        "engine": str(engine_of(claims.connection)),
        "versions": versions(),
        "timings_seconds": results["timings"],
    }


def _counts(cohort: Cohort, visits: Visits, risk: RiskFactors) -> dict[str, int]:
    return {
        "index_procedures": len(cohort.procedures),
        "excluded_procedures": len(cohort.excluded),
        "procedures_with_visit": int(visits.outcomes["outcome"].to_numpy().sum()),
        "facilities": len(cohort.procedures["facility_id"].unique()),
        "diagnosis_codes_without_category": len(risk.unmapped_codes),
    }


def _person_ids(claims: Claims, cohort: Cohort) -> pd.DataFrame:
    if claims.person_keys is None:
        raise InputError(
            "the map from person keys to identifiers is not with the claims tables",
            expected="private/person_keys.parquet",
            hint="read the claim files again",
        )
    return to_frame(claims.person_keys.semi_join(cohort.candidates.procedures, "person_key"))


def _named(procedures: pd.DataFrame, ids: pd.DataFrame) -> pd.DataFrame:
    # Columns that stay as they are are shared, where a merge would copy them.
    person_id = ids.set_index("person_key")["person_id"].reindex(procedures["person_key"])
    return procedures.assign(person_id=person_id.array)


@contextmanager
def _timed(timings: dict[str, float], name: str):
    start = time.perf_counter()
    yield
    timings[name] = round(time.perf_counter() - start, 3)
