"""From what a run leaves to what its report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from riskstd.cohort.lines import PLACE_OF_SERVICE_ONLY
from riskstd.report import IntervalFacts, ReportInput
from riskstd.spec import fidelity_of

if TYPE_CHECKING:
    import pandas as pd

    from riskstd.spec import Measure

ALL_PERIOD = "every procedure date in the claims"


def report_input(
    measure: Measure,
    manifest: Mapping[str, Any],
    *,
    attrition: pd.DataFrame,
    visits: pd.DataFrame,
    outcomes: pd.DataFrame,
    model: Mapping[str, Any] | None,
    rates: pd.DataFrame | None,
) -> ReportInput:
    """Fill the input of the report of a run, just finished or read back.

    Parameters
    ----------
    measure : Measure
        Under the options of the run.
    manifest : mapping
        As in `manifest.json`.
    attrition, visits, outcomes : pandas.DataFrame
    model, rates : mapping and pandas.DataFrame, or None
        As in `model.json`; table `facility_rates`. None when the data were too few.

    Returns
    -------
    ReportInput
    """
    notes, versions, settings = manifest["notes"], manifest["versions"], manifest["settings"]
    counts = manifest["counts"]
    return ReportInput(
        measure=measure,
        period=" to ".join(settings["period"]) if settings["period"] else ALL_PERIOD,
        version=versions["riskstd"],
        seed=settings["seed"],
        fidelity=fidelity_of(measure),
        layout=manifest["claims"]["layout"],
        attrition=attrition,
        visits=visits,
        outcomes=outcomes,
        n_cases=counts["index_procedures"],
        statements=(*manifest["claims"]["statements"], *(note for note in notes if note == PLACE_OF_SERVICE_ONLY)),
        notes=tuple(note for note in notes if note != PLACE_OF_SERVICE_ONLY),
        model=model,
        rates=rates,
        interval=None if model is None else _interval(model["interval"]),
        national_rate=None if model is None else model["national_rate"],
        no_model_reason=manifest["no_model_reason"],
        unmapped_codes={"diagnosis codes without a condition category": counts["diagnosis_codes_without_category"]},
        run_facts={"engine": f"DuckDB {versions['duckdb']}", "Python": versions["python"]},
    )


def _interval(facts: Mapping[str, Any]) -> IntervalFacts:
    return IntervalFacts(
        facts["method"], facts["level"], facts["category_level"], facts["replicates"], facts["dropped"], facts["seed"]
    )
