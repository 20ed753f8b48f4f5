"""The way back: every case of a run that a clause decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from riskstd.errors import OptionError
from riskstd.pipeline.trace import IN_COHORT, Tracer, factors_with_columns
from riskstd.pipeline.tracing.record import EXCLUDED, INDEX, MISSING_TABLES
from riskstd.spec.years import Years

if TYPE_CHECKING:
    from riskstd.claims import Claims
    from riskstd.pipeline.tracing.record import Record
    from riskstd.spec.clauses import Clause

_PLANNED_RULES = ("PA1", "PA2", "PA3", "PA4", "no_planned_procedure", "missing_principal_diagnosis")
_REASONS = {"belongs_to_later_procedure": "outcome.attribution", "part_of_admission": "outcome"}


@dataclass(frozen=True)
class ClauseCases:
    """Cases that a clause decided.

    Attributes
    ----------
    clause, says, source, origin : str
        Path in the definition, and what stands there.
    decided : str
        What the clause decided about them, in words.
    cases : list of dict
        `procedure_id, facility_id, verdict, outcome, what`, by procedure; no identifier of a person and no day.
    """

    clause: str
    says: str
    source: str
    origin: str
    decided: str
    cases: list[dict[str, Any]] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON takes it."""
        return dict(vars(self))


def cases_of_clause(
    run_dir: str | Path, clause: str, *, claims: Claims | None = None, profile: str | None = None
) -> ClauseCases:
    """List the cases of a run that a clause decided.

    Parameters
    ----------
    run_dir : str or Path
        Folder of the run of one measure.
    clause : str
        Path as `riskstd spec show` prints it, its last name alone (`age_under_65`, `heart_failure`), a column of the
        risk factors, a part of the planned admission algorithm (`PA1` to `PA4`), or a reason why a visit does not
        count.
    claims, profile
        As in `trace_procedure`.

    Returns
    -------
    ClauseCases

    Raises
    ------
    OptionError
        When no clause in force has that name, it decides no single case, or the profile is `public`.
    InputError
        When the clause can only be told from claims tables that are not there.
    """
    tracer = Tracer.open(run_dir, claims=claims, profile=profile)
    answers = {name: answer for names, answer in _answers(tracer) for name in reversed(names)}
    if clause not in answers:
        known = ", ".join(dict.fromkeys(names[0] for names, _ in _answers(tracer)))
        raise OptionError(
            f"{tracer.record.measure.id} has no clause {clause!r} that decides single cases", expected=f"one of {known}"
        )
    path, stated, decided, look = answers[clause]
    found = sorted(look(), key=lambda pair: (pair[0], pair[1]))
    cases = _facts_of(tracer.record, found)
    return ClauseCases(path, stated.says, stated.source, stated.origin, decided, cases)


Found = Iterable[tuple[int, str]]
Answer = tuple[str, Any, str, Callable[[], Found]]


def _answers(tracer: Tracer) -> Iterator[tuple[tuple[str, ...], Answer]]:
    """Every clause that can be asked for: its names, path, what it decides, and how its cases are found."""
    yield from _of_candidates(tracer.record)
    yield from _of_exclusions(tracer.record)
    yield from _of_visits(tracer)
    yield from _of_planned(tracer.record)
    yield from _of_factors(tracer.record)


def _of_candidates(record: Record) -> Iterator[tuple[tuple[str, ...], Answer]]:
    cohort = record.measure.definition.cohort
    for name, clause in (("codes", cohort.codes), ("record", cohort.record)):
        yield (f"cohort.{name}",), (f"cohort.{name}", clause, "made a procedure", lambda: _every(record))


def _every(record: Record) -> Found:
    for file in (INDEX, EXCLUDED):
        table = record.table(file, ["procedure_id", "codes"])
        yield from zip(table["procedure_id"].to_pylist(), table["codes"].to_pylist(), strict=True)


def _of_exclusions(record: Record) -> Iterator[tuple[tuple[str, ...], Answer]]:
    def look(rule: str) -> Found:
        rows = record.table(EXCLUDED, ["procedure_id", "excluded_by"]).to_pylist()
        return [(row["procedure_id"], "excluded") for row in rows if row["excluded_by"] == rule]

    for clause in record.measure.exclusions:
        path = f"cohort.exclusions[{clause.id}]"
        yield (path, clause.id), (path, clause, "excluded the procedure", lambda rule=clause.id: look(rule))


def _of_visits(tracer: Tracer) -> Iterator[tuple[tuple[str, ...], Answer]]:
    record = tracer.record
    outcome = record.measure.definition.outcome

    def counted() -> Found:
        return [(row["procedure_id"], _visit(row)) for row in _visits(record) if row["counted"]]

    def not_counted(reason: str) -> Found:
        return [(r["procedure_id"], _visit(r)) for r in _visits(record) if r["not_counted_because"] == reason]

    yield ("outcome",), ("outcome", outcome, "a visit counted", counted)
    for reason, path in _REASONS.items():
        clause = outcome.attribution if path.endswith("attribution") else outcome
        names = (path, reason) if path != "outcome" else (reason,)
        yield names, (path, clause, f"a visit did not count: {reason}", lambda reason=reason: not_counted(reason))
    for clause in record.measure.visit_codes:
        path = f"outcome.visits[{clause.id}]"
        yield (
            (path, clause.id),
            (path, clause, "showed a visit", lambda path=path, clause=clause: _shown_by(tracer, path, clause.type)),
        )
    for name in ("inpatient", "ed_on_planned_stay", "index_stay"):
        clause = getattr(outcome, name)
        if clause is not None and record.measure.holds(clause):
            path = f"outcome.{name}"
            yield (path, name), (path, clause, _SAID[name], lambda path=path, name=name: _asked(tracer, path, name))


_SAID = {
    "inpatient": "showed a visit",
    "ed_on_planned_stay": "showed a visit",
    "index_stay": "left out the stay of the procedure",
}


def _asked(tracer: Tracer, path: str, name: str) -> Found:
    if name == "inpatient":
        return [(r["procedure_id"], _visit(r)) for r in _visits(tracer.record) if r["visit_type"] == "inpatient"]
    if name == "ed_on_planned_stay":
        return _shown_by(tracer, path, "ed")
    return _index_stays(tracer)


def _shown_by(tracer: Tracer, path: str, visit_type: str) -> Found:
    """Visits that a clause showed; only a trace can tell clauses of one type of visit apart."""
    procedures = {row["procedure_id"] for row in _visits(tracer.record) if row["visit_type"] == visit_type}
    for procedure in sorted(procedures):
        trace = _with_lines(tracer).trace(procedure)
        for visit in trace.content["visits"]:
            if any(shown["clause"] == path for shown in visit["shown_by"]) and "left_out_as" not in visit:
                yield procedure, _visit(visit)


def _index_stays(tracer: Tracer) -> Found:
    """Procedures whose own stay was left out: of those done on an inpatient claim."""
    table = tracer.record.table(INDEX, ["procedure_id", "person_id", "claim_id"]).to_pylist()
    for row in table:
        source = _with_lines(tracer).source
        claims = source.person(row["person_id"]) if source is not None else None
        if claims is not None and any(c["claim_id"] == row["claim_id"] for c in claims.rows("inpatient_claims")):
            for visit in tracer.trace(row["procedure_id"]).content["visits"]:
                if "left_out_as" in visit:
                    yield row["procedure_id"], f"{visit['visit_type']} on day {visit['days_after']}"


def _with_lines(tracer: Tracer) -> Tracer:
    if tracer.source is None:
        raise OptionError(
            "this clause can only be told from claim lines, and the claims tables of the run are not there",
            expected=MISSING_TABLES.split(",", maxsplit=1)[0],
            hint="run the measure again, which keeps its claims tables",
        )
    return tracer


def _of_planned(record: Record) -> Iterator[tuple[tuple[str, ...], Answer]]:
    algorithm = record.measure.definition.planned_admission

    def look(holds: Callable[[dict[str, Any]], bool]) -> Found:
        rows = (row for row in _visits(record) if row["visit_type"] == "inpatient")
        return [(row["procedure_id"], _visit(row)) for row in rows if holds(row)]

    path = "planned_admission"
    yield (path, "planned"), (path, algorithm, "an admission is planned", lambda: look(lambda row: row["planned"]))
    for rule in _PLANNED_RULES:
        stated: Clause = algorithm.missing_principal if rule.startswith("missing") else algorithm
        place = f"{path}.missing_principal" if rule.startswith("missing") else path
        names = (place, rule) if place != path else (rule,)
        by_rule: Callable[[dict[str, Any]], bool] = lambda row, rule=rule: row["planned_rule"] == rule  # noqa: E731
        yield names, (place, stated, f"decided on an admission: {rule}", lambda by_rule=by_rule: look(by_rule))
    for tables in record.measure.planned_tables:
        years = Years.of(tables.admission_years)
        place = f"{path}.tables[{tables.id}]"
        by_year: Callable[[dict[str, Any]], bool] = lambda row, years=years: row["start_date"].year in years  # noqa: E731
        yield (
            (place, tables.id),
            (place, tables, "decided on an admission", lambda by_year=by_year: look(by_year)),
        )


def _of_factors(record: Record) -> Iterator[tuple[tuple[str, ...], Answer]]:
    def look(columns: list[str]) -> Found:
        path = record.folder / "risk_factors.parquet"
        for row in pq.read_table(path, columns=["procedure_id", *columns]).to_pylist():
            values = [f"{name} = {row[name]:g}" for name in columns if row[name]]
            if values:
                yield row["procedure_id"], ", ".join(values)

    for factor, columns in factors_with_columns(record):
        path = f"risk.factors[{factor.name}]"
        yield (path, factor.name), (path, factor, "is not 0", lambda columns=columns: look(columns))
        for column in columns:
            if column != factor.name:
                yield (column,), (path, factor, f"{column} is not 0", lambda column=column: look([column]))


def _visits(record: Record) -> list[dict[str, Any]]:
    return record.table("hospital_visits.parquet").to_pylist()


def _visit(row: dict[str, Any]) -> str:
    fate = "counts" if row["counted"] else f"does not count: {row['not_counted_because']}"
    return f"{row['visit_type']} on day {row['days_after']}, {row['planned_rule']}, {fate}"


def _facts_of(record: Record, found: list[tuple[int, str]]) -> list[dict[str, Any]]:
    columns = ["procedure_id", "facility_id"]
    outcomes = {r["procedure_id"]: r["outcome"] for r in record.table("outcomes.parquet").to_pylist()}
    cases = {
        row["procedure_id"]: {**row, "verdict": IN_COHORT, "outcome": outcomes[row["procedure_id"]]}
        for row in record.table(INDEX, columns).to_pylist()
    }
    for row in record.table(EXCLUDED, [*columns, "excluded_by"]).to_pylist():
        reason = row.pop("excluded_by")
        cases[row["procedure_id"]] = {**row, "verdict": f"excluded by {reason}", "outcome": None}
    return [{**cases[procedure], "what": what} for procedure, what in found]
