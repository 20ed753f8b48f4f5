"""From the results of a run to what the report is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from riskstd.cohort.lines import PLACE_OF_SERVICE_ONLY
from riskstd.pipeline.manifest import versions
from riskstd.pipeline.saved import ALL_PERIOD
from riskstd.report import IntervalFacts, ReportInput
from riskstd.spec import fidelity_of

if TYPE_CHECKING:
    from riskstd.claims import Claims
    from riskstd.pipeline.settings import RunSettings
    from riskstd.spec import Measure


def report_input(
    measure: Measure,
    claims: Claims,
    settings: RunSettings,
    results: dict[str, Any],
    model: dict[str, Any] | None,
    notes: list[str],
) -> ReportInput:
    """Fill the input of the report from the results of a run."""
    modelled = results["modelled"]
    rates = None if modelled is None else modelled.rates
    unmapped = results["risk"].unmapped_codes
    known = versions()
    return ReportInput(
        measure=measure,
        period=_period_words(settings),
        version=known["riskstd"],
        seed=settings.seed,
        fidelity=fidelity_of(measure),
        layout=claims.layout,
        attrition=results["cohort"].attrition,
        visits=results["visits"].visits,
        outcomes=results["visits"].outcomes,
        n_cases=len(results["cohort"].procedures),
        statements=(*claims.statements, *(note for note in notes if note == PLACE_OF_SERVICE_ONLY)),
        notes=tuple(note for note in notes if note != PLACE_OF_SERVICE_ONLY),
        model=model,
        rates=None if rates is None else rates.to_frame(),
        interval=None
        if rates is None
        else IntervalFacts(
            rates.interval, rates.level, rates.category_level, rates.n_bootstrap, rates.n_dropped, rates.seed
        ),
        national_rate=None if rates is None else rates.national_rate,
        no_model_reason=results["no_model_reason"],
        unmapped_codes={"diagnosis codes without a condition category": len(unmapped)},
        run_facts={"engine": f"DuckDB {known['duckdb']}", "Python": known["python"]},
    )


def _period_words(settings: RunSettings) -> str:
    if settings.period is None:
        return ALL_PERIOD
    return " to ".join(settings.period)
