"""What a trace is made of: decisions, each with its clause, what it found, and the claim lines that carried it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from riskstd.spec.clauses import Clause, Closed, Outcome, PlannedTables, VisitCodes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from riskstd.pipeline.tracing.person import Row
    from riskstd.spec import Measure

_LETTERS = {
    "people": "B",
    "enrollment": "E",
    "professional_lines": "P",
    "outpatient_lines": "O",
    "inpatient_claims": "I",
    "stays": "S",
    "procedures": "X",
    "diagnoses": "D",
}
_DAYS = ("line_date", "service_date", "admission_date", "procedure_date", "month")
_WORDS = frozenset({"says", "source", "origin", "grade", "when", "id", "name", "rule", "kind", "label"})
_NESTED = frozenset({"values_source", "values_origin", "values_grade"})


@dataclass
class Evidence:
    """Claim lines that a trace cites, each once, numbered by table in the order of first mention."""

    day: date
    lines: list[dict[str, Any]] = field(default_factory=list)
    _known: dict[int, str] = field(default_factory=dict, repr=False)
    _rows: list[Row] = field(default_factory=list, repr=False)
    _counts: dict[str, int] = field(default_factory=dict, repr=False)

    def cite(self, table: str, row: Row) -> str:
        """Return the number of a claim line in this trace, for example `D3`."""
        # The rows live as long as this object, so that their identities stay their own.
        if id(row) not in self._known:
            self._counts[table] = self._counts.get(table, 0) + 1
            number = f"{_LETTERS[table]}{self._counts[table]}"
            self._known[id(row)] = number
            self._rows.append(row)
            self.lines.append({"line": number, "table": table, **self._after(row), **plain_row(row)})
        return self._known[id(row)]

    def cite_all(self, table: str, rows: Iterable[Row]) -> list[str]:
        """Return the numbers of some claim lines of one table."""
        return [self.cite(table, row) for row in rows]

    def _after(self, row: Row) -> dict[str, int]:
        day = next((row[name] for name in _DAYS if isinstance(row.get(name), date)), None)
        return {} if day is None else {"days_after": (day - self.day).days}


@dataclass
class Decision:
    """One clause, asked about one case.

    Attributes
    ----------
    clause : str
        Path in the definition, as `riskstd spec show` prints it.
    rule, says, source, origin, grade : str
        As the definition states them.
    parameters : dict
        What the clause states besides words.
    found : dict
        Facts that the answer follows from, together with the lines.
    answer : bool, number, str or list
    lines : list of str
        Numbers of the claim lines that carried it.
    """

    clause: str
    rule: str
    says: str
    source: str
    origin: str
    grade: str
    parameters: dict[str, Any]
    found: dict[str, Any]
    answer: Any
    lines: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the decision as JSON takes it."""
        return {name: plain(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Asker:
    """Makes decisions on clauses of one measure."""

    measure: Measure
    _paths: dict[int, str] = field(repr=False)

    @classmethod
    def of(cls, measure: Measure) -> Asker:
        """Learn where the clauses of a measure stand."""
        return cls(measure, {id(clause): path for path, clause in measure.active_clauses()})

    def path(self, clause: Clause) -> str:
        """Return the path of a clause in the definition."""
        return self._paths[id(clause)]

    def decide(self, clause: Clause, answer: Any, lines: list[str] | None = None, **found: Any) -> Decision:
        """Return the decision of a clause."""
        return Decision(
            self.path(clause),
            rule_name(clause),
            clause.says,
            clause.source,
            str(getattr(clause, "values_origin", None) or clause.origin),
            clause.grade,
            parameters(clause),
            found,
            answer,
            list(dict.fromkeys(lines or [])),
        )


def rule_name(clause: Clause) -> str:
    """Return the rule of a clause, the kind of a factor, else the kind of clause that it is.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> rule_name(load_measure("ASC-12").planned_tables[0])
    'planned_admission_tables'
    """
    named = {PlannedTables: "planned_admission_tables", VisitCodes: "visit_codes", Outcome: "outcome_window"}
    return str(getattr(clause, "rule", None) or getattr(clause, "kind", None) or named.get(type(clause), "statement"))


def parameters(clause: Clause) -> dict[str, Any]:
    """Return what a clause states besides words, without the clauses inside it.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> parameters(load_measure("ASC-12").exclusions[3])
    {'age_years': 65}
    """
    return {
        key: plain(value)
        for key, value in clause
        if key not in _WORDS | _NESTED
        and value is not None
        and not isinstance(value, Closed)
        and not _holds_parts(value)
    }


def plain_row(row: Row) -> dict[str, Any]:
    """Return a claim line as JSON takes it."""
    return {name: plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:
    """Return a value as JSON takes it: dates as ISO text, tuples and sets as lists."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _holds_parts(value: object) -> bool:
    return isinstance(value, tuple) and any(isinstance(item, Closed) for item in value)
