"""What a change of definition does to claims: cases in and out, outcomes, facilities of another category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskstd.cohort import build_cohort
from riskstd.cohort.cut import cut_claims
from riskstd.outcome import find_hospital_visits
from riskstd.pipeline.engine import claims_for_run, memory_errors
from riskstd.pipeline.manifest import describe_definition, versions
from riskstd.pipeline.progress import Parts, Progress
from riskstd.pipeline.run import model_or_reason
from riskstd.pipeline.settings import DEFAULT_SEED, RunSettings, check_settings, period_text, settings_of
from riskstd.pipeline.write import whole_folder, write_csv, write_json
from riskstd.riskfactors import build_risk_factors

if TYPE_CHECKING:
    import pandas as pd

    from riskstd.claims import Claims
    from riskstd.spec import Measure

SIDES = ("before", "after")
NOT_A_CANDIDATE = "not_a_candidate"
_KEY = ["person_key", "procedure_date", "facility_id"]
_CASE = ["procedure_id", "excluded_by", "outcome"]


@dataclass(frozen=True, eq=False)
class Effect:
    """What changes on some claims from one definition to another.

    Attributes
    ----------
    counts : dict
        Cases on either side, in and out, of another outcome; facilities on either side and of another category.
    reasons : list of dict
        Why cases are out on one side only: `change`, the rule, cases.
    cases : pandas.DataFrame
        One row per case that came in, went out or has another outcome: `change` (`in`, `out`, `outcome`), and on either
        side `procedure_id` of a run of that definition, `excluded_by` and `outcome`. No person, no date.
    facilities : pandas.DataFrame or None
        Cases, observed, rate and category on either side; None without models.
    no_model_reason : str
        Why there are none.
    """

    counts: dict[str, int]
    reasons: list[dict[str, Any]]
    cases: pd.DataFrame = field(repr=False)
    facilities: pd.DataFrame | None = field(default=None, repr=False)
    no_model_reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return counts and reasons as they go into JSON; cases and facilities are in their files."""
        return {"counts": self.counts, "reasons": self.reasons, "no_model_reason": self.no_model_reason}


def compare_on_claims(
    before: Measure,
    after: Measure,
    *,
    claims: str | Path | Claims,
    layout: str = "auto",
    period: Sequence[str | date] | None = None,
    model: bool = True,
    method: str = "agq",
    n_bootstrap: int | None = None,
    seed: int = DEFAULT_SEED,
    memory: str | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Effect:
    """Run two definitions on the same claims and compare what comes out.

    Parameters
    ----------
    before, after : Measure
        Definitions under their options.
    claims : str, Path or Claims
        Folder of claim files, folder of claims tables, or claims that were read.
    layout : str
        Layout of the claim files, or `auto`.
    period : pair of date or ISO text, optional
        First and last procedure date.
    model : bool
        Whether to fit the models, which categories of facilities need.
    method, n_bootstrap, seed
        As in `run_measure`.
    memory : str, optional
        Memory for reading and the claims steps.
    out : str or Path, optional
        Folder for `effect.json`, `cases.csv` and `facilities.csv`.
    overwrite : bool
        Replace the folder if it holds an earlier comparison.
    progress : callable, optional
        Called with points done, points in all, and what is being done.

    Returns
    -------
    Effect
        Procedure ids are those of a run of each definition on these claims.

    Raises
    ------
    ClaimsError, OptionError, SpecError
        When files, options or definitions are at fault.
    """
    settings = RunSettings(period_text(period), method, n_bootstrap=n_bootstrap, seed=seed)
    check_settings(settings)
    parts = Parts(progress, 2 + 2 * len(SIDES))
    with memory_errors(memory):
        parts.start("claims tables")
        data = claims_for_run(claims, layout=layout, memory=memory, progress=parts.within)
        parts.start("claims of candidates")
        cut = cut_claims(data, [before, after], progress=parts.within)
        sides = {name: _side(m, cut, settings, model, parts) for name, m in zip(SIDES, (before, after), strict=True)}
    effect = _compare(sides)
    if out is not None:
        about = {
            "before": describe_definition(before),
            "after": describe_definition(after),
            "settings": {**settings_of(settings), "model": model},
            "counts": effect.counts,
            "reasons": effect.reasons,
            "no_model_reason": effect.no_model_reason,
            "versions": versions(),
        }
        with whole_folder(Path(out), overwrite=overwrite) as scratch:
            write_json(about, scratch / "manifest.json")
            write_csv(effect.cases, scratch / "cases.csv")
            if effect.facilities is not None:
                write_csv(effect.facilities, scratch / "facilities.csv")
    return effect


@dataclass(frozen=True, eq=False)
class _Side:
    """Candidates with their verdicts, and the rates of facilities."""

    candidates: pd.DataFrame
    rates: pd.DataFrame | None
    no_model_reason: str


def _side(measure: Measure, claims: Claims, settings: RunSettings, model: bool, parts: Parts) -> _Side:
    parts.start(f"{measure.id}: cohort and visits")
    cohort = build_cohort(claims, measure, period=settings.period)
    visits = find_hospital_visits(claims, cohort, measure)
    candidates = _verdicts(cohort.procedures, cohort.excluded, visits.outcomes)
    parts.start(f"{measure.id}: model and rates")
    if not model:
        return _Side(candidates, None, "No models were asked for.")
    risk = build_risk_factors(claims, cohort, measure)
    modelled, reason = model_or_reason(measure, cohort.procedures, visits.outcomes, risk.table, settings, parts)
    return _Side(candidates, None if modelled is None else modelled.rates.to_frame(), reason)


def _verdicts(procedures: pd.DataFrame, excluded: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    index = procedures[["procedure_id", *_KEY]].merge(outcomes, on="procedure_id", validate="one_to_one")
    index["excluded_by"] = ""
    out = excluded[["procedure_id", *_KEY, "excluded_by"]].copy()
    out["outcome"] = pd.NA
    every: Any = pd.concat([index.astype({"outcome": "object"}), out.astype({"outcome": "object"})], ignore_index=True)
    every["facility_id"] = every["facility_id"].fillna("")
    return every.astype({"outcome": "Int64"})


def _compare(sides: dict[str, _Side]) -> Effect:
    before, after = (sides[name] for name in SIDES)
    both: Any = before.candidates.merge(
        after.candidates, on=_KEY, how="outer", suffixes=("_before", "_after"), validate="one_to_one"
    )
    both = both.sort_values(["procedure_id_before", "procedure_id_after"], kind="stable", na_position="last")
    both = both.fillna({"excluded_by_before": NOT_A_CANDIDATE, "excluded_by_after": NOT_A_CANDIDATE})
    was, is_now = both["excluded_by_before"] == "", both["excluded_by_after"] == ""
    other_outcome = was & is_now & (both["outcome_before"] != both["outcome_after"]).fillna(False)
    both["change"] = ""
    both.loc[~was & is_now, "change"] = "in"
    both.loc[was & ~is_now, "change"] = "out"
    both.loc[other_outcome, "change"] = "outcome"
    cases = both.loc[both["change"] != "", ["change", *(f"{c}_{side}" for side in SIDES for c in _CASE)]]
    cases = cases.astype({f"procedure_id_{side}": "Int64" for side in SIDES}).reset_index(drop=True)
    facilities = _facilities(before, after)
    counts = _counts(both, was, is_now, facilities)
    reason = before.no_model_reason or after.no_model_reason
    return Effect(counts, _reasons(cases), cases, facilities, reason)


def _counts(both: Any, was: Any, is_now: Any, facilities: Any) -> dict[str, int]:
    counts = {
        "cases_before": int(was.sum()),
        "cases_after": int(is_now.sum()),
        "cases_in": int((both["change"] == "in").sum()),
        "cases_out": int((both["change"] == "out").sum()),
        "with_visit_before": int(both.loc[was, "outcome_before"].sum()),
        "with_visit_after": int(both.loc[is_now, "outcome_after"].sum()),
        "outcomes_to_1": int(((both["change"] == "outcome") & (both["outcome_after"] == 1)).sum()),
        "outcomes_to_0": int(((both["change"] == "outcome") & (both["outcome_after"] == 0)).sum()),
    }
    if facilities is not None:
        there = {side: facilities[f"category_{side}"].notna() for side in SIDES}
        counts["facilities_before"] = int(there["before"].sum())
        counts["facilities_after"] = int(there["after"].sum())
        counts["facilities_of_another_category"] = int(facilities["category_changed"].sum())
    return counts


def _reasons(cases: Any) -> list[dict[str, Any]]:
    """Count the cases in and out by the rule that keeps them out on the other side, most frequent first."""
    found: dict[tuple[str, str], int] = {}
    for change, side in (("in", "before"), ("out", "after")):
        for rule in cases.loc[cases["change"] == change, f"excluded_by_{side}"]:
            found[change, str(rule)] = found.get((change, str(rule)), 0) + 1
    order = sorted(found, key=lambda key: (-found[key], key))
    return [{"change": change, "rule": rule, "cases": found[change, rule]} for change, rule in order]


def _facilities(before: _Side, after: _Side) -> pd.DataFrame | None:
    if before.rates is None or after.rates is None:
        return None
    columns = ["facility_id", "cases", "observed", "rate", "lower", "upper", "category"]
    both: Any = before.rates[columns].merge(
        after.rates[columns], on="facility_id", how="outer", suffixes=("_before", "_after"), validate="one_to_one"
    )
    both = both.sort_values("facility_id", kind="stable").reset_index(drop=True)
    whole = {f"{name}_{side}": "Int64" for name in ("cases", "observed") for side in SIDES}
    both = both.astype(whole)
    both["category_changed"] = both["category_before"].fillna("none") != both["category_after"].fillna("none")
    return both
