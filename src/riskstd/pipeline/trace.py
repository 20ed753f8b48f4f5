"""Trace of one procedure: the ordered decisions, and the claim lines that carried them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskstd.errors import InputError, OptionError
from riskstd.pipeline.tracing.case import Case, decide_candidate, judged_record
from riskstd.pipeline.tracing.evidence import Evidence, plain, plain_row
from riskstd.pipeline.tracing.exclusions import decide_exclusions, first_reason
from riskstd.pipeline.tracing.factors import decide_factors, near_diagnoses
from riskstd.pipeline.tracing.person import ClaimsInMemory, PersonSource
from riskstd.pipeline.tracing.record import CLAIMS_FOLDER, Kept, Record
from riskstd.pipeline.tracing.visits import decide_visits, outcome_of

if TYPE_CHECKING:
    from riskstd.claims import Claims

__all__ = ["CLAIMS_FOLDER", "Trace", "Tracer", "check_may_see_cases", "trace_procedure"]

IN_COHORT = "in the cohort"
SCHEMA = 1
_VISIT_KEYS = (
    "visit_type",
    "days_after",
    "planned",
    "planned_rule",
    "counted",
    "not_counted_because",
    "facility_visited",
    "principal_diagnosis",
    "claim_id",
)


@dataclass(frozen=True)
class Trace:
    """Why a procedure is in or out, what counted, and what its risk factors rest on.

    Attributes
    ----------
    measure : str
    procedure_id : int
    verdict : str
        `in the cohort`, or the rule that excluded it.
    outcome : int or None
        1 if a hospital visit counts, 0 if none does, None when excluded.
    missing : tuple of str
        What the trace cannot show, in sentences; empty when the claims tables of the run are there.
    content : dict
        Everything, as `riskstd trace --json` prints it: measure, procedure, decisions, claim lines.
    """

    measure: str
    procedure_id: int
    verdict: str
    outcome: int | None
    missing: tuple[str, ...] = ()
    content: dict[str, Any] = field(default_factory=dict, repr=False)


def check_may_see_cases(record: Record, profile: str | None) -> None:
    """Refuse a trace for an audience that may not see persons.

    Raises
    ------
    OptionError
        For the profile `public`: that of the call, else that of the run.
    """
    asked = profile if profile is not None else record.manifest["settings"].get("profile", "facility")
    known = ("facility", "facility-phi", "public")
    if asked not in known:
        raise OptionError(f"profile {asked!r} is not known", expected=f"one of {', '.join(known)}")
    if asked == "public":
        raise OptionError(
            "profile public: a trace shows claim lines of a person",
            expected="profile facility-phi",
            hint="give --profile facility-phi if you may see the claims of this run",
        )


def trace_procedure(
    run_dir: str | Path, procedure_id: int, *, claims: Claims | None = None, profile: str | None = None
) -> Trace:
    """Trace one procedure of a run: every decision on it, from the claims of its person alone.

    The decisions are taken again, clause by clause, and must come to what the run wrote.

    Parameters
    ----------
    run_dir : str or Path
        Folder of the run of one measure.
    procedure_id : int
        Id in `index_procedures.parquet` or `excluded_procedures.parquet` of that run.
    claims : Claims, optional
        Claims tables; those beside the run (`<out>/claims`), else those that it names, if left out.
    profile : {'facility', 'facility-phi', 'public'}, optional
        Audience; that of the run if left out. `public` is refused.

    Returns
    -------
    Trace
        Without claims tables, what the run itself kept; `missing` says so.

    Raises
    ------
    InputError
        When the folder is no run, the id is not in it, or the claims do not give what the run wrote.
    OptionError
        For the profile `public`.
    """
    return Tracer.open(run_dir, claims=claims, profile=profile).trace(procedure_id)


@dataclass(frozen=True)
class Tracer:
    """A run opened for tracing many procedures.

    Attributes
    ----------
    record : Record
    source : PersonSource or None
        Claims tables; None when they are not there.
    missing : str
        Why they are not.
    """

    record: Record
    source: PersonSource | None = field(default=None, repr=False)
    missing: str = ""

    @classmethod
    def open(cls, run_dir: str | Path, *, claims: Claims | None = None, profile: str | None = None) -> Tracer:
        """Open a run with its claims tables; parameters and errors as in `trace_procedure`."""
        record = Record.open(run_dir)
        check_may_see_cases(record, profile)
        if claims is not None:
            return cls(record, ClaimsInMemory(claims))
        return cls(record, *record.claims())

    def trace(self, procedure_id: int) -> Trace:
        """Trace one procedure.

        Raises
        ------
        InputError
            When the run has no such procedure, or the claims do not give what the run wrote.
        """
        kept = self.record.procedure(procedure_id)
        content = {
            "schema": SCHEMA,
            "measure": _about(self.record),
            "procedure": _shown(kept.procedure),
            "verdict": IN_COHORT if kept.excluded_by is None else f"excluded by {kept.excluded_by}",
            "excluded_by": kept.excluded_by,
            "outcome": kept.outcome,
            "missing": [self.missing] if self.missing else [],
            **(self._decided(kept) if self.source is not None else _kept_only(self.record, kept)),
        }
        measure = self.record.measure.id
        return Trace(measure, procedure_id, content["verdict"], kept.outcome, tuple(content["missing"]), content)

    def _decided(self, kept: Kept) -> dict[str, Any]:
        if self.source is None:
            raise AssertionError
        claims = self.source.person(kept.procedure["person_id"])
        measure = self.record.measure
        evidence = Evidence(kept.procedure["procedure_date"])
        case = Case(measure, claims, kept.procedure, self.record.period, kept.others, self.record.ask, evidence)
        candidate, exclusions = decide_candidate(case), decide_exclusions(case)
        reason = first_reason(case, exclusions)
        visits, diagnoses, factors = [], [], []
        if reason is None:
            visits, diagnoses = decide_visits(case), near_diagnoses(case)
            factors = decide_factors(case, diagnoses)
        _require_same(case, kept, reason, visits, factors)
        return {
            "candidate": [decision.as_dict() for decision in candidate],
            "exclusions": [decision.as_dict() for decision in exclusions],
            "visits": visits,
            "other_index_procedures": [plain_row(row) for row in kept.others if row["procedure_date"] != case.day],
            "diagnoses": plain(diagnoses),
            "risk_rules": [decision.as_dict() for decision in _risk_rules(case)] if reason is None else [],
            "risk_factors": [decision.as_dict() for decision in factors],
            "lines": evidence.lines,
        }


def _about(record: Record) -> dict[str, Any]:
    measure = record.measure
    return {
        "id": measure.id,
        "spec_year": measure.spec_year,
        "title": measure.definition.measure.title,
        "procedure_noun": measure.definition.measure.procedure_noun,
        "sha256": measure.sha256,
        "options": measure.options,
        "window_days": list(measure.window),
        "fidelity": record.fidelity,
    }


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in row.items() if name != "person_id"}


def _risk_rules(case: Case) -> list[Any]:
    """Clauses that say where conditions come from, with what they state in this case."""
    measure = case.measure
    risk = measure.definition.risk
    return [
        case.ask.decide(risk, risk.history_days),
        *(case.ask.decide(clause, list(clause.settings)) for clause in measure.active(risk.index_day_claims)),
        *(case.ask.decide(clause, list(clause.categories)) for clause in measure.active(risk.complication_of_care)),
        *(case.ask.decide(clause, clause.table) for clause in measure.condition_maps),
    ]


def _kept_only(record: Record, kept: Kept) -> dict[str, Any]:
    """What the run itself kept: the exclusion that decided, visits, values of risk factors; no claim lines."""
    measure = record.measure
    ask = record.ask
    decided = [clause for clause in measure.exclusions if clause.id == kept.excluded_by]
    return {
        "candidate": [],
        "exclusions": [ask.decide(clause, True).as_dict() for clause in decided],
        "visits": [{**_shown(visit), "lines": [], "shown_by": [], "decisions": []} for visit in kept.visits],
        "other_index_procedures": [],
        "diagnoses": [],
        "risk_rules": [],
        "risk_factors": [
            ask.decide(factor, {name: kept.factors[name] for name in columns}).as_dict()
            for factor, columns in factors_with_columns(record)
            if kept.factors
        ],
        "lines": [],
    }


def factors_with_columns(record: Record) -> list[tuple[Any, list[str]]]:
    """Return the risk factors in force with their columns."""
    from riskstd.spec.clauses import Interaction
    from riskstd.spec.definition import columns_of

    own = {factor.name: columns_of(factor) for factor in record.measure.factors}
    found = []
    for factor in record.measure.factors:
        columns = own[factor.name]
        if isinstance(factor, Interaction):
            first, second = factor.factors
            columns = [f"{a}_x_{b}" for a in own[first] for b in own[second]]
        found.append((factor, columns))
    return found


def _require_same(case: Case, kept: Kept, reason: str | None, visits: list[dict[str, Any]], factors: list[Any]) -> None:
    """Refuse a trace that does not come to what the run wrote: it would explain something else."""
    record = judged_record(case)
    values = {name: value for decision in factors for name, value in decision.answer.items()}
    counted = [visit for visit in visits if "left_out_as" not in visit]
    tests = {
        "the codes of the procedure": record == {name: kept.procedure[name] for name in record},
        "the exclusion": reason == kept.excluded_by,
        "the hospital visits": _alike(counted) == _alike(kept.visits),
        "the outcome": kept.outcome is None or kept.outcome == outcome_of(counted),
        "the risk factors": values == kept.factors,
    }
    other = [what for what, same in tests.items() if not same]
    if other:
        raise InputError(
            f"the claims tables do not give what the run has for this procedure: {', '.join(other)}",
            expected="the claims tables that the run was made from",
            hint="run the measure again, or give the claims tables of the run",
        )


def _alike(visits: list[dict[str, Any]]) -> list[str]:
    return sorted(repr([visit[key] for key in _VISIT_KEYS]) for visit in visits)
